/** Clients that send values in pieces, some slowly, some breaking off, over values that they have read in pieces before. */
import { Buffer } from 'node:buffer';
import type { Environment } from '../../environment/index.ts';
import {
  type GetResult,
  type KvError,
  KvFailure,
  type LargePutResult,
  type LargeValues,
} from '../../kv/index.ts';
import { assert, byteLiteral } from '../../stdx/index.ts';
import type { LargeWrite } from '../checkers/large-values-whole.ts';
import type { Prng } from '../prng.ts';
import type { World } from '../world.ts';
import type { ClusterMember } from './cluster-member.ts';
import { expectError } from './expected-errors.ts';

export interface LargeValueClientsOptions {
  readonly bucket: string;
  readonly keys: number;
  readonly pauseMsMean: number;
  readonly timeoutMs: number;
  readonly bytesMin: number;
  readonly bytesMax: number;
  readonly expectedErrors: ReadonlySet<KvError['code']>;
}

interface Seen {
  readonly context: Buffer | undefined;
  readonly ids: readonly number[];
}

const headBytes = 8;
const pieceBytesMax = 400;

export class LargeValueClients {
  readonly writes = new Map<number, LargeWrite>();
  readonly violations: string[] = [];
  readonly #world: World;
  readonly #options: LargeValueClientsOptions;

  constructor(world: World, options: LargeValueClientsOptions) {
    this.#world = world;
    this.#options = options;
  }

  async run(random: Prng, nodes: () => readonly ClusterMember[], isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.#world.sleep(random.exponential(this.#options.pauseMsMean));
      const key = `key${random.below(this.#options.keys)}`;
      const seen = await this.read(random.pick(nodes()), key);
      const node = random.pick(nodes());
      if (random.chance(0.1)) await this.#delete(node, key, seen);
      else if (random.chance(0.7)) await this.#put(random, node, key, random.chance(0.2) ? undefined : seen);
    }
  }

  /** Every sibling to its end. Undefined: there was no answer, or not all of it. */
  async read(node: ClusterMember, key: string): Promise<Seen | undefined> {
    const { timeoutMs } = this.#options;
    const answer = await node.within(async ({ node: { store, database } }) => {
      const got = await new Promise<GetResult>((done) =>
        store.get({ ...this.#address(key), timeoutMs, leaveChunks: true }, done),
      );
      if (got.kind === 'failed') return got.error;
      assert(got.kind !== 'unchanged', 'nobody asked for changes only');
      if (got.kind === 'notfound') return { context: got.tombstone?.context, values: [] };
      const values: Buffer[] = [];
      for (const { manifest, value, deleted } of got.object.contents()) {
        if (deleted) continue;
        const whole = manifest === undefined ? value : await readAll(database.largeValues, manifest);
        if ('code' in whole) return whole;
        values.push(whole);
      }
      return { context: got.object.context, values };
    });
    if (typeof answer === 'string') return this.#down();
    if ('code' in answer) {
      expectError(this.#world, this.#options.expectedErrors, answer);
      return undefined;
    }
    const ids = answer.values.map((value) => this.#idOf(key, value));
    this.#world.work.add('reads of whole values', ids.length);
    this.#world.record(node.name, 'get', `${key}: ${ids.join()}`);
    return { context: answer.context, ids };
  }

  async readEvery(
    random: Prng,
    nodes: readonly ClusterMember[],
  ): Promise<ReadonlyMap<string, readonly number[]>> {
    const shown = new Map<string, readonly number[]>();
    for (let at = 0; at < this.#options.keys; at += 1) {
      const key = `key${at}`;
      const seen = await this.read(random.pick(nodes), key);
      if (seen === undefined) this.violations.push(`L2 ${key} cannot be read at rest`);
      else shown.set(key, seen.ids);
    }
    return shown;
  }

  #idOf(key: string, value: Buffer): number {
    const id = value.length < headBytes ? 0 : value.readUInt32BE(0);
    const write = this.writes.get(id);
    const isWhole =
      write?.key === key && write.bytes === value.length && value.equals(patternOf(id, value.length));
    if (!isWhole)
      this.violations.push(`L1 ${key}: ${value.length} bytes that begin with ${id} were written by nobody`);
    return id;
  }

  async #put(random: Prng, node: ClusterMember, key: string, seen: Seen | undefined): Promise<void> {
    const { bytesMin, bytesMax, timeoutMs } = this.#options;
    const bytes = bytesMin + random.below(bytesMax - bytesMin);
    const write = this.#begin(key, bytes, seen);
    const breaksOff = random.chance(0.1);
    const pieceBytes = 1 + random.below(pieceBytesMax);
    const pauseMs = random.pick([0, 1, 20]);
    const result = await node.within(async ({ node: { database }, environment }) => {
      const content = { links: [], userMeta: [], indexes: [], deleted: false };
      const put = {
        ...this.#address(key),
        content,
        timeoutMs,
        ...(random.chance(0.5) ? { length: bytes } : {}),
        ...(seen?.context === undefined ? {} : { context: seen.context }),
      };
      return database.largeValues.put(
        put,
        sent(patternOf(write.id, bytes), pieceBytes, pauseMs, breaksOff, environment),
      );
    });
    this.#end(node, write, result);
    if (typeof result === 'string') await this.#down();
  }

  async #delete(node: ClusterMember, key: string, seen: Seen | undefined): Promise<void> {
    if (seen?.context === undefined) return;
    const { timeoutMs } = this.#options;
    const write = this.#begin(key, undefined, seen);
    const request = { ...this.#address(key), context: seen.context, timeoutMs };
    const result = await node.ask<LargePutResult>((store, done) => {
      store.delete(request, (deleted) => done(deleted.kind === 'failed' ? deleted : { kind: 'stored' }));
    });
    this.#end(node, write, result);
    if (typeof result === 'string') await this.#down();
  }

  #begin(key: string, bytes: number | undefined, seen: Seen | undefined): LargeWrite {
    const id = this.writes.size + 1;
    const write: LargeWrite = { id, key, bytes, outcome: 'unknown', past: seen?.ids ?? [] };
    this.writes.set(id, write);
    return write;
  }

  #end(node: ClusterMember, write: LargeWrite, result: LargePutResult | 'down' | 'gone'): void {
    if (result === 'down') write.outcome = 'refused';
    else if (result !== 'gone') {
      if (result.kind === 'stored') write.outcome = 'acked';
      else if (result.kind === 'broken_off') write.outcome = 'refused';
      else expectError(this.#world, this.#options.expectedErrors, result.error);
    }
    const what = write.bytes === undefined ? 'deletes' : 'puts';
    this.#world.work.add(`${write.outcome} ${what}`);
    this.#world.record(
      node.name,
      `${what} ${write.outcome}`,
      `${write.key}: ${write.id} over ${write.past.join()}`,
    );
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

/** Begins with who wrote it and how long it is; what follows is no repetition that a chunk in a wrong place would hide in. */
function patternOf(id: number, bytes: number): Buffer {
  const value = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 1) value[at] = (at * 167 + id * 13 + (at >> 8)) & 0xff;
  value.writeUInt32BE(id, 0);
  value.writeUInt32BE(bytes, 4);
  return value;
}

async function* sent(
  value: Buffer,
  pieceBytes: number,
  pauseMs: number,
  breaksOff: boolean,
  { timers }: Pick<Environment, 'timers'>,
): AsyncGenerator<Buffer> {
  for (let at = 0; at < value.length; at += pieceBytes) {
    if (pauseMs > 0) await new Promise<void>((resolve) => timers.after(pauseMs, resolve));
    if (breaksOff && at > value.length / 2) throw new Error('the client went away');
    yield value.subarray(at, at + pieceBytes);
  }
}

async function readAll(largeValues: LargeValues, manifest: Buffer): Promise<Buffer | KvError> {
  const read = largeValues.read(manifest);
  if ('code' in read) return read;
  const pieces: Buffer[] = [];
  try {
    for await (const piece of read.chunks) pieces.push(piece);
  } catch (error) {
    if (error instanceof KvFailure) return error.error;
    throw error;
  }
  return Buffer.concat(pieces);
}
