/** Clients that read a few keys and write to them on the condition that nobody else has: each value names all it was made from. */
import { Buffer } from 'node:buffer';
import type { GetResult, KvError, PutResult } from '../../kv/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { encodeContent } from '../../wire/index.ts';
import type { ConditionalAttempt } from '../checkers/versions-replaced-once.ts';
import type { Prng } from '../prng.ts';
import type { World } from '../world.ts';
import type { ClusterMember } from './cluster-member.ts';
import { expectError } from './expected-errors.ts';

export interface RivalClientsOptions {
  readonly bucket: string;
  readonly keys: number;
  readonly pauseMsMean: number;
  readonly timeoutMs: number;
  readonly expectedErrors: ReadonlySet<KvError['code']>;
}

interface Seen {
  readonly context: Buffer | undefined;
  readonly ids: ReadonlySet<number>;
}

const refusals: ReadonlySet<KvError['code']> = new Set(['modified', 'match_found', 'notfound']);

export class RivalClients {
  readonly attempts: ConditionalAttempt[] = [];
  readonly #world: World;
  readonly #options: RivalClientsOptions;

  constructor(world: World, options: RivalClientsOptions) {
    this.#world = world;
    this.#options = options;
  }

  async run(random: Prng, nodes: () => readonly ClusterMember[], isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.#world.sleep(random.exponential(this.#options.pauseMsMean));
      const key = `key${random.below(this.#options.keys)}`;
      const seen = await this.#read(random.pick(nodes()), key);
      if (seen !== undefined) await this.#write(random.pick(nodes()), key, seen);
    }
  }

  async readAll(
    random: Prng,
    nodes: readonly ClusterMember[],
  ): Promise<ReadonlyMap<string, ReadonlySet<number>>> {
    const left = new Map<string, ReadonlySet<number>>();
    for (let at = 0; at < this.#options.keys; at += 1) {
      for (let seen: Seen | undefined; seen === undefined; ) {
        seen = await this.#read(random.pick(nodes), `key${at}`);
        if (seen !== undefined) left.set(`key${at}`, seen.ids);
      }
    }
    return left;
  }

  /** Undefined: there was no answer. */
  async #read(node: ClusterMember, key: string): Promise<Seen | undefined> {
    const request = { ...this.#address(key), timeoutMs: this.#options.timeoutMs };
    const result = await node.ask<GetResult>((store, done) => store.get(request, done));
    if (typeof result === 'string') {
      await this.#world.sleep(20);
      return undefined;
    }
    if (result.kind === 'failed') {
      expectError(this.#world, this.#options.expectedErrors, result.error);
      return undefined;
    }
    if (result.kind !== 'found') return { context: undefined, ids: new Set() };
    const contents = result.object.contents();
    if (contents.length > 1) this.#world.work.add('reads of siblings');
    const ids = contents.flatMap(({ value }) => JSON.parse(value.toString()) as number[]);
    return { context: result.object.context, ids: new Set(ids) };
  }

  async #write(node: ClusterMember, key: string, { context, ids }: Seen): Promise<void> {
    const id = this.attempts.length + 1;
    const attempt: ConditionalAttempt = { key, id, over: context?.toString('hex') ?? '', outcome: 'unknown' };
    this.attempts.push(attempt);
    const value = Buffer.from(JSON.stringify([...ids, id]));
    const condition = context === undefined ? { ifNoneMatch: true } : { context, ifNotModified: true };
    const request = {
      ...this.#address(key),
      ...condition,
      content: encodeContent({ value, links: [], userMeta: [], indexes: [], deleted: false }),
      timeoutMs: this.#options.timeoutMs,
    };
    const result = await node.ask<PutResult>((store, done) => store.put(request, done));
    if (result === 'down') attempt.outcome = 'refused';
    else if (result !== 'gone' && result.kind === 'stored') attempt.outcome = 'acked';
    else if (result !== 'gone' && result.kind === 'failed') {
      if (refusals.has(result.error.code)) attempt.outcome = 'refused';
      else expectError(this.#world, this.#options.expectedErrors, result.error);
      if (result.error.code === 'overload') attempt.outcome = 'refused';
    }
    this.#world.work.add(`${attempt.outcome} puts`);
    this.#world.record(node.name, `put ${attempt.outcome}`, `${key}: ${id}`);
    if (typeof result === 'string') await this.#world.sleep(20);
  }

  #address(key: string) {
    const bucket = byteLiteral(this.#options.bucket);
    return { bucketType: byteLiteral('default'), bucket, key: byteLiteral(key) };
  }
}
