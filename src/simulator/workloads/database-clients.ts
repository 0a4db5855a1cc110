/**
 * Clients of one database: each does one thing after another to a few keys that all share, and writes down
 * what it asked and what it was told. Whatever it is told must be among the errors that the scenario's
 * faults can explain.
 */
import type { Buffer } from 'node:buffer';
import type {
  DeleteRequest,
  DeleteResult,
  GetResult,
  KvError,
  PutRequest,
  PutResult,
  VersionedObject,
} from '../../kv/index.ts';
import { assert } from '../../stdx/index.ts';
import type { DotsIssuedOnce } from '../checkers/dots-issued-once.ts';
import {
  type Conflicts,
  type DatabaseHistory,
  type KeyHistory,
  type KeyWrite,
  never,
} from '../checkers/key-history.ts';
import type { Listing } from '../checkers/listing-complete.ts';
import type { Prng } from '../prng.ts';
import type { World } from '../world.ts';
import type { DatabaseNode, Unanswered } from './database-node.ts';
import { addressOf, idOfValue, listKeys, numberedValue } from './numbered-values.ts';

const downPauseMs = 2;

export interface WorkloadBucket {
  readonly name: string;
  readonly conflicts: Conflicts;
  readonly nVal: number;
}

export interface DatabaseClientsOptions {
  readonly buckets: readonly WorkloadBucket[];
  readonly keysPerBucket: number;
  readonly pauseMsMean: number;
  readonly valueBytesMax: number;
  /** Sent with every request; undefined leaves it to the configuration. */
  readonly timeoutMs: number | undefined;
  /** Errors that the faults of the scenario explain. */
  readonly expectedErrors: ReadonlySet<KvError['code']>;
}

type WriteResult = PutResult | DeleteResult | Unanswered;
type Seen = { readonly context: Buffer | undefined; readonly past: ReadonlySet<number> };
const nothing: Seen = { context: undefined, past: new Set() };

/** Told for certain that nothing was written. */
const refusals: ReadonlySet<KvError['code']> = new Set([
  'overload',
  'match_found',
  'modified',
  'notfound',
  'stopping',
]);
/** What a client may hear without any fault. */
const everydayErrors: ReadonlySet<KvError['code']> = new Set([
  'overload',
  'match_found',
  'modified',
  'notfound',
  'stopping',
  'too_many_siblings',
]);

export class DatabaseClients {
  readonly listings: Listing[] = [];
  #agreedAt = 0;
  readonly #world: World;
  readonly #node: DatabaseNode;
  readonly #history: DatabaseHistory;
  readonly #dots: DotsIssuedOnce;
  readonly #options: DatabaseClientsOptions;

  constructor(
    world: World,
    node: DatabaseNode,
    history: DatabaseHistory,
    dots: DotsIssuedOnce,
    options: DatabaseClientsOptions,
  ) {
    this.#world = world;
    this.#node = node;
    this.#history = history;
    this.#dots = dots;
    this.#options = options;
  }

  /** One client's life of so many operations. Forks of `random` make clients differ. */
  async run(random: Prng, operations: number): Promise<void> {
    for (let i = 0; i < operations; i++) {
      await this.#world.sleep(random.exponential(this.#options.pauseMsMean));
      await this.#act(random);
    }
  }

  keyOf(bucket: WorkloadBucket, index: number): KeyHistory {
    return this.#history.of(bucket.name, `key${index}`, bucket.conflicts);
  }

  /** Says that now all replicas agree and nothing is under way. */
  replicasAgree(): void {
    this.#agreedAt = this.#history.nextMoment();
  }

  /** Reads every key until it has an answer. */
  async readAll(): Promise<void> {
    for (const bucket of this.#options.buckets) {
      for (let i = 0; i < this.#options.keysPerBucket; i++) {
        while ((await this.read(this.keyOf(bucket, i))) === undefined) await this.#world.sleep(20);
      }
    }
  }

  /** Undefined: there was no answer, or a failure. */
  async read(key: KeyHistory): Promise<Seen | undefined> {
    const invokedAt = this.#history.nextMoment();
    const { timeoutMs } = this.#options;
    const result = await this.#node.ask<GetResult>((store, done) => {
      store.get({ ...addressOf(key), timeoutMs }, done);
    });
    if (result === 'down' || result === 'gone') return this.#waitWhileDown(result);
    assert(result.kind !== 'unchanged', 'nobody asked for changes only');
    if (result.kind === 'failed') {
      this.#expect(result.error);
      return undefined;
    }
    const object = result.kind === 'found' ? result.object : result.tombstone;
    const ids = this.#see(key, object);
    this.#world.work.add('reads');
    key.reads.push({ invokedAt, endedAt: this.#history.nextMoment(), ids });
    this.#world.record('client', 'read', `${key.bucket}/${key.key}: ${ids.join()}`);
    return { context: object?.context, past: key.pastOf(ids) };
  }

  async put(key: KeyHistory, random: Prng, seen: Seen, condition: KeyWrite['condition']): Promise<void> {
    const write = this.#begin(key, 'put', seen, condition);
    const padding = random.below(this.#options.valueBytesMax);
    const request: PutRequest = {
      ...addressOf(key),
      content: numberedValue(write.id, padding),
      ...(seen.context === undefined ? {} : { context: seen.context }),
      returnObject: random.chance(0.3) ? 'body' : 'no',
      ifNoneMatch: condition === 'absent',
      ifNotModified: condition === 'unmodified',
      timeoutMs: this.#options.timeoutMs,
    };
    const result = await this.#node.ask<PutResult>((store, done) => store.put(request, done));
    if (result !== 'down' && result !== 'gone' && result.kind === 'stored') this.#see(key, result.object);
    await this.#end(key, write, result);
  }

  async delete(key: KeyHistory, seen: Seen | undefined): Promise<void> {
    const write = this.#begin(key, 'delete', seen ?? nothing, 'none', seen === undefined);
    const request: DeleteRequest = {
      ...addressOf(key),
      ...(seen?.context === undefined ? {} : { context: seen.context }),
      timeoutMs: this.#options.timeoutMs,
    };
    const result = await this.#node.ask<DeleteResult>((store, done) => store.delete(request, done));
    await this.#end(key, write, result);
  }

  async list(bucket: WorkloadBucket): Promise<void> {
    const invokedAt = this.#history.nextMoment();
    const result = await this.#node.ask<readonly string[] | KvError>((store, done, environment) => {
      listKeys(store, environment, bucket.name, this.#options.timeoutMs, done);
    });
    if (typeof result === 'string') return;
    if ('code' in result) {
      // A clean stop waits for requests, not for listings.
      if (result.code !== 'storage' || !result.reason.includes('is closed')) this.#expect(result);
      return;
    }
    this.#world.work.add('listings');
    const endedAt = this.#history.nextMoment();
    this.listings.push({ bucket: bucket.name, invokedAt, endedAt, agreedAt: this.#agreedAt, keys: result });
  }

  async #act(random: Prng): Promise<void> {
    const bucket = random.pick(this.#options.buckets);
    const key = this.keyOf(bucket, random.below(this.#options.keysPerBucket));
    const choice = random.below(100);
    if (choice < 25) await this.read(key);
    else if (choice < 38) await this.put(key, random, nothing, 'none');
    else if (choice < 43) await this.put(key, random, nothing, 'absent');
    else if (choice < 47) await this.delete(key, undefined);
    else if (choice < 50) await this.list(bucket);
    else {
      const seen = await this.read(key);
      if (seen === undefined) return;
      await this.#world.sleep(random.exponential(this.#options.pauseMsMean / 4));
      if (choice < 85) await this.put(key, random, seen, 'none');
      else if (choice < 92) await this.put(key, random, seen, 'unmodified');
      else if (seen.context !== undefined) await this.delete(key, seen);
    }
  }

  #begin(
    key: KeyHistory,
    kind: KeyWrite['kind'],
    seen: Seen,
    condition: KeyWrite['condition'],
    readsItself = false,
  ): KeyWrite {
    const write: KeyWrite = {
      id: this.#history.nextWrite(),
      kind,
      invokedAt: this.#history.nextMoment(),
      endedAt: never,
      outcome: 'unknown',
      past: seen.past,
      readsItself,
      condition,
      context: seen.context?.toString('hex') ?? '',
    };
    key.writes.set(write.id, write);
    return write;
  }

  async #end(key: KeyHistory, write: KeyWrite, result: WriteResult): Promise<void> {
    write.outcome = this.#outcomeOf(result);
    if (write.outcome === 'acked') write.endedAt = this.#history.nextMoment();
    this.#world.work.add(`${write.outcome} ${write.kind}s`);
    const past = [...write.past].slice(-5).join();
    const told = `${write.kind} ${write.outcome} ${write.condition}`;
    this.#world.record('client', told, `${key.bucket}/${key.key}: ${write.id} over ${past}`);
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
        this.#expect(result.error);
        if (refusals.has(result.error.code)) return 'refused';
        this.#world.work.add('failed writes');
        return 'unknown';
    }
  }

  #expect(error: KvError): void {
    this.#world.work.add(`errors of code ${error.code}`);
    const { expectedErrors } = this.#options;
    const isExpected =
      everydayErrors.has(error.code) || expectedErrors.has(error.code) || isRefusedInPart(error);
    if (!isExpected) throw new Error(`no fault explains the error ${JSON.stringify(error)}`);
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

/** Copies that faults have set apart: the siblings that some of them have are too many, and others take the write. */
function isRefusedInPart(error: KvError): boolean {
  return error.code === 'quorum_unsatisfied' && error.quorum === 'dw' && error.got > 0;
}
