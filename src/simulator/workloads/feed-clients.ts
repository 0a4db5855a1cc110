/** Clients that write and delete keys of a bucket with a change feed, and followers of that feed. */
import { Buffer } from 'node:buffer';
import {
  type DeleteResult,
  type FeedBatch,
  type FeedReader,
  type FeedSubscription,
  type GetResult,
  type KvError,
  KvFailure,
  type PutResult,
  type VersionedObject,
} from '../../kv/index.ts';
import { byteLiteral, textOfBytes } from '../../stdx/index.ts';
import { encodeContent } from '../../wire/index.ts';
import { FeedKnowledge } from '../checkers/feed-complete.ts';
import type { Prng } from '../prng.ts';
import type { World } from '../world.ts';
import type { ClusterMember } from './cluster-member.ts';
import { expectError } from './expected-errors.ts';

export interface FeedClientsOptions {
  readonly bucket: string;
  readonly keys: number;
  readonly pauseMsMean: number;
  readonly timeoutMs: number;
  readonly expectedErrors: ReadonlySet<KvError['code']>;
}

const deleteShare = 0.2;
const againMs = 50;

export class FeedWriters {
  readonly #world: World;
  readonly #options: FeedClientsOptions;
  #writes = 0;
  /** When each key was last changed for sure, in the order of all writes. */
  readonly ackedAt = new Map<string, number>();

  constructor(world: World, options: FeedClientsOptions) {
    this.#world = world;
    this.#options = options;
  }

  /** Writes that have begun. */
  get writes(): number {
    return this.#writes;
  }

  async run(random: Prng, nodes: () => readonly ClusterMember[], isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.#world.sleep(random.exponential(this.#options.pauseMsMean));
      const members = nodes();
      if (members.length === 0) continue;
      const key = `key${random.below(this.#options.keys)}`;
      const read = await this.#get(random.pick(members), key);
      if (read === undefined) continue;
      const context = random.chance(0.8) ? read.context : undefined;
      this.#writes += 1;
      const number = this.#writes;
      const isAcked =
        random.chance(deleteShare) && context !== undefined
          ? await this.#delete(random.pick(members), key, context)
          : await this.#put(random.pick(members), key, number, context);
      if (isAcked) this.ackedAt.set(key, Math.max(number, this.ackedAt.get(key) ?? 0));
    }
  }

  /** What is there now, by a read of all replicas: of every key that was changed for sure after that write. */
  async truth(
    random: Prng,
    nodes: readonly ClusterMember[],
    after: number,
  ): Promise<ReadonlyMap<string, readonly number[]>> {
    const truth = new Map<string, readonly number[]>();
    for (const [key, at] of this.ackedAt) {
      if (at <= after) continue;
      for (;;) {
        const read = await this.#get(random.pick(nodes), key);
        if (read === undefined) continue;
        truth.set(key, read.ids);
        break;
      }
    }
    return truth;
  }

  async #get(
    node: ClusterMember,
    key: string,
  ): Promise<{ readonly ids: readonly number[]; readonly context: Buffer | undefined } | undefined> {
    const { timeoutMs } = this.#options;
    const result = await node.ask<GetResult>((store, done) =>
      store.get({ ...this.#address(key), timeoutMs }, done),
    );
    if (typeof result === 'string') return this.#down();
    if (result.kind === 'failed') {
      expectError(this.#world, this.#options.expectedErrors, result.error);
      return undefined;
    }
    if (result.kind === 'found') return { ids: idsOf(result.object), context: result.object.context };
    return { ids: [], context: result.kind === 'notfound' ? result.tombstone?.context : undefined };
  }

  async #put(node: ClusterMember, key: string, id: number, context: Buffer | undefined): Promise<boolean> {
    const value = Buffer.alloc(4);
    value.writeUInt32BE(id);
    const content = encodeContent({ value, links: [], userMeta: [], indexes: [], deleted: false });
    const { timeoutMs } = this.#options;
    const request = {
      ...this.#address(key),
      content,
      timeoutMs,
      ...(context === undefined ? {} : { context }),
    };
    const result = await node.ask<PutResult>((store, done) => store.put(request, done));
    return this.#isDone(node, 'put', key, result);
  }

  async #delete(node: ClusterMember, key: string, context: Buffer): Promise<boolean> {
    const { timeoutMs } = this.#options;
    const result = await node.ask<DeleteResult>((store, done) =>
      store.delete({ ...this.#address(key), context, timeoutMs }, done),
    );
    return this.#isDone(node, 'delete', key, result);
  }

  async #isDone(
    node: ClusterMember,
    what: 'put' | 'delete',
    key: string,
    result: PutResult | DeleteResult | 'down' | 'gone',
  ): Promise<boolean> {
    const outcome = typeof result === 'string' ? result : result.kind;
    this.#world.record(node.name, `${what} ${outcome}`, key);
    if (typeof result === 'string') await this.#down();
    else if (result.kind === 'failed') expectError(this.#world, this.#options.expectedErrors, result.error);
    const isDone = outcome === 'stored' || outcome === 'deleted';
    if (isDone) this.#world.work.add(`acked ${what}s`);
    return isDone;
  }

  #address(key: string) {
    const { bucket } = this.#options;
    return { bucketType: byteLiteral('default'), bucket: byteLiteral(bucket), key: byteLiteral(key) };
  }

  async #down(): Promise<undefined> {
    await this.#world.sleep(againMs);
    return undefined;
  }
}

const batchMs = 2000;
/** Batches that are read of one feed before the follower goes to another node. */
const batchesMean = 30;
/** Of batches: their reader dies before it has done what they say. */
const lostShare = 0.05;

/** Reads one feed after another, each from the cursor where the one before has ended, through any node. */
export class FeedFollower {
  readonly knowledge = new FeedKnowledge();
  readonly #world: World;
  readonly #bucket: string;
  readonly #only: FeedSubscription['only'];
  #since: FeedSubscription['since'];
  #hasBegun = false;

  constructor(world: World, bucket: string, since: 'start' | 'now', only: FeedSubscription['only']) {
    this.#world = world;
    this.#bucket = bucket;
    this.#since = since;
    this.#only = only;
  }

  /** Some feed has said where it stands: what is written from then on must come. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  async run(random: Prng, nodes: () => readonly ClusterMember[], isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      const members = nodes();
      const node = members.length === 0 ? undefined : random.pick(members);
      const reader = node && (await this.#open(node));
      if (node === undefined || reader === undefined) {
        await this.#world.sleep(againMs);
        continue;
      }
      await this.#read(random, node, reader, isOver);
    }
  }

  async #open(node: ClusterMember): Promise<FeedReader | undefined> {
    const subscription: FeedSubscription = {
      bucketType: byteLiteral('default'),
      bucket: byteLiteral(this.#bucket),
      since: this.#since,
      ...(this.#only === undefined ? {} : { only: this.#only }),
    };
    const opened = await node.within(({ node: { database } }) =>
      expectFailure(() => Promise.resolve(database.store.feeds.open(subscription))),
    );
    if (opened === 'down' || opened === 'gone') return undefined;
    if ('failed' in opened) return this.#refused(opened.failed);
    if (typeof this.#since === 'object') this.#world.work.add('resumed feeds');
    this.knowledge.began();
    return opened.result;
  }

  async #read(random: Prng, node: ClusterMember, reader: FeedReader, isOver: () => boolean): Promise<void> {
    const batchesMax = 1 + Math.ceil(random.exponential(batchesMean));
    for (let batches = 0; batches < batchesMax && !isOver(); batches += 1) {
      const answer = await node.within(() => expectFailure(() => reader.next(batchMs)));
      if (answer === 'down' || answer === 'gone') return;
      if ('failed' in answer) {
        this.#refused(answer.failed);
        break;
      }
      const batch = answer.result;
      if (batch === undefined) break;
      if (random.chance(lostShare)) {
        this.#world.work.add('lost batches');
        break;
      }
      this.#take(node, batch);
    }
    reader.close();
  }

  #take(node: ClusterMember, { events, cursor }: FeedBatch): void {
    for (const event of events) {
      this.#world.work.add(event.kind === 'gap' ? 'gaps' : 'events');
      if (event.kind === 'gap') {
        this.knowledge.gap();
        continue;
      }
      const { object } = event;
      const key = textOfBytes(event.key);
      const ids = object === undefined || object.isTombstone ? [] : idsOf(object);
      this.#world.record(node.name, 'event', `${key}: ${ids.join()}`);
      this.knowledge.heard(key, { ids, clock: object?.clock });
    }
    this.#since = { cursor };
    this.#hasBegun = true;
  }

  #refused(error: KvError): undefined {
    const isExpected = ['overload', 'stopping', 'no_feed'].includes(error.code);
    if (!isExpected) throw new Error(`no fault explains that a feed is refused as ${error.code}`);
    this.#world.work.add('refused feeds');
    return undefined;
  }
}

async function expectFailure<T>(run: () => Promise<T>): Promise<{ result: T } | { failed: KvError }> {
  try {
    return { result: await run() };
  } catch (error) {
    if (!(error instanceof KvFailure)) throw error;
    return { failed: error.error };
  }
}

/** Of what is shown, in order. */
function idsOf(object: VersionedObject): readonly number[] {
  return object
    .contents()
    .filter(({ deleted }) => !deleted)
    .map(({ value }) => value.readUInt32BE(0))
    .sort((a, b) => a - b);
}
