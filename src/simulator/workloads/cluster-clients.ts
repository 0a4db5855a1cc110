/**
 * Clients of a cluster: each asks any node that it can reach, one thing after another, about a few keys that all
 * share, and writes down what it asked and what it was told. A failed write may have happened, may happen later, or
 * never: known to be refused is what a node that is down was not even told, and what was answered by `overload`.
 */
import type { Buffer } from 'node:buffer';
import type {
  DeleteResult,
  GetResult,
  KvError,
  PutResult,
  QuorumValue,
  VersionedObject,
} from '../../kv/index.ts';
import { assert, byteLiteral } from '../../stdx/index.ts';
import type { DotsIssuedOnce } from '../checkers/dots-issued-once.ts';
import { type DatabaseHistory, type KeyHistory, type KeyWrite, never } from '../checkers/key-history.ts';
import type { Listing } from '../checkers/listing-complete.ts';
import type { Prng } from '../prng.ts';
import type { World } from '../world.ts';
import type { ClusterMember } from './cluster-member.ts';
import type { WorkloadBucket } from './database-clients.ts';
import type { Unanswered } from './database-node.ts';
import { expectError } from './expected-errors.ts';
import { addressOf, idOfValue, listKeys, numberedValue } from './numbered-values.ts';

const downPauseMs = 20;
const readAgainMs = 200;

export interface ClusterClientsOptions {
  readonly buckets: readonly WorkloadBucket[];
  readonly keysPerBucket: number;
  readonly pauseMsMean: number;
  readonly valueBytesMax: number;
  readonly timeoutMs: number;
  /** Errors that the faults of the scenario explain. */
  readonly expectedErrors: ReadonlySet<KvError['code']>;
  readonly w?: QuorumValue;
  readonly r?: QuorumValue;
  /** Of a hundred operations; the rest are reads, and writes over what was read. */
  readonly deletes: number;
  readonly blindPuts: number;
  readonly listings: number;
  /** The checkers judge every read, not only those at rest: where nothing fails that a quorum would notice. */
  readonly entersReads: boolean;
  /** Each value has its number as the term of `indexOfWrites`. */
  readonly isIndexed: boolean;
}

export const indexOfWrites = byteLiteral('write_int');

export const usualClients: ClusterClientsOptions = {
  buckets: [
    { name: 'siblings', conflicts: 'siblings', nVal: 3 },
    { name: 'latest', conflicts: 'latest', nVal: 3 },
  ],
  keysPerBucket: 8,
  pauseMsMean: 50,
  valueBytesMax: 100,
  timeoutMs: 5000,
  expectedErrors: new Set(),
  deletes: 10,
  blindPuts: 15,
  listings: 0,
  entersReads: false,
  isIndexed: false,
};

type WriteResult = PutResult | DeleteResult | Unanswered;
export interface Seen {
  readonly context: Buffer | undefined;
  readonly past: ReadonlySet<number>;
}
export const nothingSeen: Seen = { context: undefined, past: new Set() };

export class ClusterClients {
  readonly listings: Listing[] = [];
  readonly options: ClusterClientsOptions;
  readonly #world: World;
  readonly #history: DatabaseHistory;
  readonly #dots: DotsIssuedOnce;
  #agreedAt = 0;

  constructor(world: World, history: DatabaseHistory, dots: DotsIssuedOnce, options: ClusterClientsOptions) {
    this.#world = world;
    this.#history = history;
    this.#dots = dots;
    this.options = options;
  }

  /** One client's life until `isOver`. It asks any of the nodes that `reachable` gives at the moment. */
  async run(random: Prng, reachable: () => readonly ClusterMember[], isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.#world.sleep(random.exponential(this.options.pauseMsMean));
      const nodes = reachable();
      if (nodes.length > 0) await this.#act(random, random.pick(nodes));
    }
  }

  get keys(): readonly KeyHistory[] {
    const { buckets, keysPerBucket } = this.options;
    return buckets.flatMap((bucket) =>
      Array.from({ length: keysPerBucket }, (_, index) => this.keyOf(bucket, index)),
    );
  }

  keyOf(bucket: WorkloadBucket, index: number): KeyHistory {
    return this.#history.of(bucket.name, `key${index}`, bucket.conflicts);
  }

  /** When all replicas agreed last, as the history counts. */
  get agreedAt(): number {
    return this.#agreedAt;
  }

  nextMoment(): number {
    return this.#history.nextMoment();
  }

  /** Says that now all replicas agree and nothing is under way. */
  replicasAgree(): void {
    this.#agreedAt = this.#history.nextMoment();
  }

  /** Reads every key until it has an answer, and enters the answers in the history. */
  async readAll(random: Prng, nodes: readonly ClusterMember[]): Promise<void> {
    for (const key of this.keys) {
      while ((await this.read(random.pick(nodes), key, true)) === undefined) {
        await this.#world.sleep(readAgainMs);
      }
    }
  }

  /** Undefined: there was no answer, or a failure. `isEntered`: the checkers judge it. */
  async read(
    node: ClusterMember,
    key: KeyHistory,
    isEntered = this.options.entersReads,
  ): Promise<Seen | undefined> {
    const invokedAt = this.#history.nextMoment();
    const { timeoutMs, r } = this.options;
    const request = { ...addressOf(key), timeoutMs, ...(r === undefined ? {} : { r }) };
    const result = await node.ask<GetResult>((store, done) => store.get(request, done));
    if (result === 'down' || result === 'gone') return this.#waitWhileDown(result);
    assert(result.kind !== 'unchanged', 'nobody asked for changes only');
    if (result.kind === 'failed') {
      this.#world.record(node.name, 'get failed', `${key.bucket}/${key.key}: ${result.error.code}`);
      this.#world.work.add('failed reads');
      expectError(this.#world, this.options.expectedErrors, result.error);
      return undefined;
    }
    const object = result.kind === 'found' ? result.object : result.tombstone;
    const ids = this.#see(key, object);
    this.#world.work.add('reads');
    if (isEntered) key.reads.push({ invokedAt, endedAt: this.#history.nextMoment(), ids });
    this.#world.record(node.name, 'get', `${key.bucket}/${key.key}: ${ids.join()}`);
    return { context: object?.context, past: key.pastOf(ids) };
  }

  async put(node: ClusterMember, key: KeyHistory, random: Prng, seen: Seen): Promise<KeyWrite> {
    const write = this.#begin(key, 'put', seen);
    const { valueBytesMax, timeoutMs, w } = this.options;
    const request = {
      ...addressOf(key),
      content: numberedValue(write.id, random.below(valueBytesMax), this.#indexes(write.id)),
      ...(seen.context === undefined ? {} : { context: seen.context }),
      ...(w === undefined ? {} : { w, dw: w }),
      returnObject: random.chance(0.3) ? ('body' as const) : ('no' as const),
      timeoutMs,
    };
    const result = await node.ask<PutResult>((store, done) => store.put(request, done));
    if (result !== 'down' && result !== 'gone' && result.kind === 'stored') this.#see(key, result.object);
    await this.#end(node, key, write, result);
    return write;
  }

  /** Of what was seen, and nothing else. */
  async delete(node: ClusterMember, key: KeyHistory, seen: Seen): Promise<KeyWrite> {
    const write = this.#begin(key, 'delete', seen);
    const { timeoutMs, w } = this.options;
    const request = {
      ...addressOf(key),
      ...(seen.context === undefined ? {} : { context: seen.context }),
      ...(w === undefined ? {} : { w, dw: w }),
      timeoutMs,
    };
    const result = await node.ask<DeleteResult>((store, done) => store.delete(request, done));
    await this.#end(node, key, write, result);
    return write;
  }

  async list(node: ClusterMember, bucket: WorkloadBucket): Promise<void> {
    const invokedAt = this.#history.nextMoment();
    const { timeoutMs } = this.options;
    const result = await node.ask<readonly string[] | KvError>((store, done, { environment }) => {
      listKeys(store, environment, bucket.name, timeoutMs, done);
    });
    if (typeof result === 'string') return;
    if ('code' in result) {
      this.#world.work.add('failed listings');
      expectError(this.#world, this.options.expectedErrors, result);
      return;
    }
    this.#world.work.add('listings');
    this.#world.record(node.name, 'list', `${bucket.name}: ${result.length}`);
    const endedAt = this.#history.nextMoment();
    this.listings.push({ bucket: bucket.name, invokedAt, endedAt, agreedAt: this.#agreedAt, keys: result });
  }

  async #act(random: Prng, node: ClusterMember): Promise<void> {
    const { buckets, keysPerBucket, deletes, blindPuts, listings } = this.options;
    const bucket = random.pick(buckets);
    const key = this.keyOf(bucket, random.below(keysPerBucket));
    const choice = random.below(100);
    if (choice < listings) return this.list(node, bucket);
    if (choice < listings + blindPuts) {
      await this.put(node, key, random, nothingSeen);
      return;
    }
    const seen = await this.read(node, key);
    if (seen === undefined || random.chance(0.3)) return;
    await this.#world.sleep(random.exponential(this.options.pauseMsMean / 4));
    if (choice < listings + blindPuts + deletes && seen.context !== undefined) {
      await this.delete(node, key, seen);
    } else await this.put(node, key, random, seen);
  }

  #begin(key: KeyHistory, kind: KeyWrite['kind'], seen: Seen): KeyWrite {
    const write: KeyWrite = {
      id: this.#history.nextWrite(),
      kind,
      invokedAt: this.#history.nextMoment(),
      endedAt: never,
      outcome: 'unknown',
      past: seen.past,
      readsItself: false,
      condition: 'none',
      context: seen.context?.toString('hex') ?? '',
    };
    key.writes.set(write.id, write);
    return write;
  }

  async #end(node: ClusterMember, key: KeyHistory, write: KeyWrite, result: WriteResult): Promise<void> {
    write.outcome = this.#outcomeOf(result);
    if (write.outcome === 'acked') write.endedAt = this.#history.nextMoment();
    this.#world.work.add(`${write.outcome} ${write.kind}s`);
    const past = [...write.past].slice(-5).join();
    const why = typeof result === 'string' ? result : result.kind === 'failed' ? result.error.code : '';
    const what = `${key.bucket}/${key.key}: ${write.id} over ${past} ${why}`;
    this.#world.record(node.name, `${write.kind} ${write.outcome}`, what);
    if (result === 'down' || result === 'gone') await this.#waitWhileDown(result);
  }

  #outcomeOf(result: WriteResult): KeyWrite['outcome'] {
    if (result === 'down') return 'refused';
    if (result === 'gone') return 'unknown';
    switch (result.kind) {
      case 'stored':
      case 'deleted':
        return 'acked';
      case 'notfound':
        return 'refused';
      case 'failed':
        expectError(this.#world, this.options.expectedErrors, result.error);
        return result.error.code === 'overload' ? 'refused' : 'unknown';
    }
  }

  #indexes(id: number) {
    return this.options.isIndexed ? [{ key: indexOfWrites, value: byteLiteral(`${id}`) }] : [];
  }

  #see(key: KeyHistory, object: VersionedObject | undefined): readonly number[] {
    if (object === undefined) return [];
    this.#dots.saw(`${key.bucket}/${key.key}`, object);
    const live = object.contents().filter(({ deleted }) => !deleted);
    return live.map(({ value }) => idOfValue(value));
  }

  async #waitWhileDown(answer: Unanswered): Promise<undefined> {
    this.#world.work.add(answer === 'gone' ? 'requests cut off' : 'requests while down');
    await this.#world.sleep(downPauseMs);
    return undefined;
  }
}
