/** Clients that write objects which live for a limited time, over others that live for ever, and read them anywhere. */
import { Buffer } from 'node:buffer';
import type { GetResult, KvError, PutResult } from '../../kv/index.ts';
import { assert, byteLiteral } from '../../stdx/index.ts';
import { encodeContent } from '../../wire/index.ts';
import { checkReadOfExpiring, type ExpiringRead, type ExpiringWrite } from '../checkers/expiry-holds.ts';
import type { Prng } from '../prng.ts';
import type { World } from '../world.ts';
import type { ClusterMember } from './cluster-member.ts';
import { expectError } from './expected-errors.ts';

export interface ExpiringClientsOptions {
  readonly bucket: string;
  readonly keys: number;
  readonly pauseMsMean: number;
  readonly timeoutMs: number;
  /** Seconds. */
  readonly shortTtlMax: number;
  readonly longTtl: number;
  readonly expectedErrors: ReadonlySet<KvError['code']>;
}

interface Seen {
  readonly context: Buffer | undefined;
  readonly ids: readonly number[];
}

export class ExpiringClients {
  readonly writes = new Map<number, ExpiringWrite>();
  readonly violations: string[] = [];
  readonly #world: World;
  readonly #options: ExpiringClientsOptions;

  constructor(world: World, options: ExpiringClientsOptions) {
    this.#world = world;
    this.#options = options;
  }

  async run(random: Prng, nodes: () => readonly ClusterMember[], isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.#world.sleep(random.exponential(this.#options.pauseMsMean));
      const node = random.pick(nodes());
      const key = `key${random.below(this.#options.keys)}`;
      const read = await this.read(random.pick(nodes()), key);
      if (random.chance(0.5)) continue;
      const seen = read === undefined || random.chance(0.2) ? { context: undefined, ids: [] } : read.seen;
      await this.#put(random, node, key, seen);
    }
  }

  /** Undefined: there was no answer. */
  async read(
    node: ClusterMember,
    key: string,
  ): Promise<{ readonly seen: Seen; readonly read: ExpiringRead } | undefined> {
    const { timeoutMs } = this.#options;
    const answer = await node.ask<{ readonly wallMicros: number; readonly result: GetResult }>(
      (store, done, { environment }) => {
        const wallMicros = environment.clock.wallMicros();
        store.get({ ...this.#address(key), timeoutMs }, (result) => done({ wallMicros, result }));
      },
    );
    if (typeof answer === 'string') return this.#down();
    const { wallMicros, result } = answer;
    assert(result.kind !== 'unchanged', 'nobody asked for changes only');
    if (result.kind === 'failed') {
      expectError(this.#world, this.#options.expectedErrors, result.error);
      return undefined;
    }
    const object = result.kind === 'found' ? result.object : result.tombstone;
    const shown =
      result.kind === 'found'
        ? result.object
            .contents()
            .filter(({ deleted }) => !deleted)
            .map(({ value, expiresAtMicros }) => ({ id: value.readUInt32BE(0), expiresAtMicros }))
        : [];
    const read = { key, wallMicros, shown };
    this.violations.push(...checkReadOfExpiring(read, this.writes));
    this.#world.work.add(
      result.kind === 'notfound' && object !== undefined ? 'reads of what ended' : 'reads',
    );
    const ids = shown.map(({ id }) => id);
    this.#world.record(node.name, 'get', `${key}: ${ids.join()}`);
    return { seen: { context: object?.context, ids }, read };
  }

  async readAll(random: Prng, nodes: readonly ClusterMember[]): Promise<readonly ExpiringRead[]> {
    const reads: ExpiringRead[] = [];
    for (let at = 0; at < this.#options.keys; at += 1) {
      for (;;) {
        const answer = await this.read(random.pick(nodes), `key${at}`);
        if (answer === undefined) continue;
        reads.push(answer.read);
        break;
      }
    }
    return reads;
  }

  async #put(random: Prng, node: ClusterMember, key: string, { context, ids }: Seen): Promise<void> {
    const { shortTtlMax, longTtl, timeoutMs } = this.#options;
    const ttlSeconds = random.pick([
      0,
      longTtl,
      1 + random.below(shortTtlMax),
      1 + random.below(shortTtlMax),
    ]);
    const id = this.writes.size + 1;
    const endsSoon = ttlSeconds > 0 && ttlSeconds <= shortTtlMax;
    const write: ExpiringWrite = {
      id,
      key,
      endsSoon,
      expires: ttlSeconds > 0,
      outcome: 'unknown',
      past: ids,
    };
    this.writes.set(id, write);
    const value = Buffer.alloc(4);
    value.writeUInt32BE(id);
    const content = encodeContent({
      value,
      links: [],
      userMeta: [],
      indexes: [],
      deleted: false,
      ttlSeconds,
    });
    const request = {
      ...this.#address(key),
      content,
      timeoutMs,
      ...(context === undefined ? {} : { context }),
    };
    const result = await node.ask<PutResult>((store, done) => store.put(request, done));
    if (result === 'down') write.outcome = 'refused';
    else if (result !== 'gone' && result.kind === 'stored') write.outcome = 'acked';
    else if (result !== 'gone' && result.kind === 'failed')
      expectError(this.#world, this.#options.expectedErrors, result.error);
    this.#world.work.add(`${write.outcome} puts`);
    this.#world.record(
      node.name,
      `put ${write.outcome}`,
      `${key}: ${id} for ${ttlSeconds} over ${ids.join()}`,
    );
    if (typeof result === 'string') await this.#down();
  }

  #address(key: string) {
    const { bucket } = this.#options;
    return { bucketType: byteLiteral('default'), bucket: byteLiteral(bucket), key: byteLiteral(key) };
  }

  async #down(): Promise<undefined> {
    await this.#world.sleep(20);
    return undefined;
  }
}
