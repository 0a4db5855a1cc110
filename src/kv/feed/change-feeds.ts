/** The feeds that are read through this node: who may begin one, where it begins, and how many there are. */
import type { Partition } from '../../core/ring/index.ts';
import { type PeerTransport, VnodeRouter, type VnodeService } from '../../core/vnode/index.ts';
import type { Environment } from '../../environment/index.ts';
import type { ByteString } from '../../stdx/index.ts';
import type { CoordinatorParts } from '../coordinator/index.ts';
import { type BucketAddress, KvFailure } from '../key-value-store.ts';
import type { RequestDoor } from '../request-door.ts';
import { ChangeFeed, type FeedBatch } from './change-feed.ts';
import { decodeCursor } from './feed-cursor.ts';
import { type FeedFrom, type FeedReply, type FeedRequest, feedStart } from './feed-protocol.ts';
import type { FeedSignals } from './feed-signals.ts';
import { readVersion } from './read-version.ts';
import type { FeedTrim } from './trim-feeds.ts';
import { VersionMemory } from './version-memory.ts';

export interface FeedSubscription extends BucketAddress {
  readonly only?: { readonly kind: 'key' | 'prefix'; readonly name: ByteString };
  /**
   * `start`: with all that the feed has, then what comes. `now`: with what comes. Or the cursor of a batch: with what
   * came after it.
   */
  readonly since: 'start' | 'now' | { readonly cursor: string };
}

export interface FeedReader {
  /** The next changes; after `waitMs` without any an empty batch; undefined at the end. Rejects with `KvFailure`. */
  next(waitMs: number): Promise<FeedBatch | undefined>;
  close(): void;
}

export interface ChangeFeedSettings {
  readonly feedsMax: number;
  /** Keys of which each feed remembers the version that it handed out last. */
  readonly rememberedMax: number;
  /** Milliseconds that a feed tells of a deletion. */
  readonly deletionsMs: number;
  /** Milliseconds between two looks for what is older. */
  readonly trimIntervalMs: number;
}

export interface FeedStatistics {
  readonly open: number;
  readonly events: number;
  readonly gaps: number;
  readonly refused: number;
  /** Entries of old deletions that this node has forgotten. */
  readonly trimmed: number;
  /** Milliseconds from storing to handing out, of the event that was handed out last. */
  readonly lagMs: number;
  /** Vnodes, summed over all open feeds, that cannot be followed just now. */
  readonly unreached: number;
}

export const defaultFeedSettings: ChangeFeedSettings = {
  feedsMax: 256,
  rememberedMax: 10_000,
  deletionsMs: 604_800_000,
  trimIntervalMs: 3_600_000,
};

/** A node answers a question about changes at the latest after this time. */
const nodeWaitMs = 10_000;
const entriesMax = 200;
/** What a feed that begins with the present waits for vnodes to say where that is. */
export const beginMs = 5000;

export interface ChangeFeedsParts {
  readonly coordinator: CoordinatorParts;
  readonly door: RequestDoor;
  readonly answers: VnodeService<FeedRequest, FeedReply>;
  readonly peers: PeerTransport<FeedRequest, FeedReply>;
  readonly signals: FeedSignals;
  readonly timers: Environment['timers'];
  readonly settings: ChangeFeedSettings;
  readonly trim: FeedTrim;
}

export class ChangeFeeds {
  /** For questions of other nodes. */
  readonly answers: VnodeService<FeedRequest, FeedReply>;
  readonly #parts: ChangeFeedsParts;
  readonly #router: VnodeRouter<FeedRequest, FeedReply>;
  readonly #open = new Set<OpenFeed>();
  readonly #totals = { events: 0, gaps: 0, refused: 0, lagMs: 0 };

  constructor(parts: ChangeFeedsParts) {
    this.#parts = parts;
    this.answers = parts.answers;
    this.#router = new VnodeRouter(parts.coordinator.topology.self, parts.answers, parts.peers);
  }

  get statistics(): FeedStatistics {
    let unreached = 0;
    for (const { unreached: vnodes } of this.#open) unreached += vnodes;
    return { ...this.#totals, open: this.#open.size, unreached, trimmed: this.#parts.trim.trimmed };
  }

  /** Throws `KvFailure`. To be closed by who opened it. */
  open(subscription: FeedSubscription): FeedReader {
    const { door, coordinator, timers, settings } = this.#parts;
    door.checkLoad();
    const properties = door.checkBucket(subscription);
    if (!properties.feed) throw new KvFailure({ code: 'no_feed' });
    const from = this.#from(subscription, properties.n_val);
    if (from === undefined) throw new KvFailure({ code: 'bad_cursor' });
    if (this.#open.size >= settings.feedsMax) {
      this.#totals.refused += 1;
      throw new KvFailure({ code: 'too_many_feeds', feedsMax: settings.feedsMax });
    }
    const { bucketType, bucket } = subscription;
    const feed = new ChangeFeed(subscription, from, {
      topology: coordinator.topology,
      router: this.#router,
      clock: coordinator.clock,
      timers,
      memory: new VersionMemory(settings.rememberedMax),
      read: async (key, teller) => {
        const now = door.lookUp(subscription);
        return 'code' in now
          ? { kind: 'failed' }
          : readVersion(coordinator, { bucketType, bucket, key }, now, teller);
      },
      waitMs: nodeWaitMs,
      entriesMax,
    });
    const open = new OpenFeed(
      feed,
      (batch) => this.#count(batch),
      () => this.#open.delete(open),
    );
    this.#open.add(open);
    return open;
  }

  /** Ends the feeds that are read through this node. */
  end(): void {
    for (const feed of [...this.#open]) feed.close();
  }

  /** And answers who waits for changes here, and begins nothing any more. */
  stop(): void {
    this.end();
    this.#parts.signals.close();
    this.#parts.trim.stop();
  }

  async close(): Promise<void> {
    this.stop();
    await this.#parts.trim.close();
  }

  /** Where each partition is to be followed from; undefined: the cursor is none of this feed. */
  #from(subscription: FeedSubscription, n: number): ReadonlyMap<Partition, FeedFrom> | undefined {
    const { since } = subscription;
    const places = typeof since === 'object' ? decodeCursor(subscription, since.cursor) : undefined;
    if (typeof since === 'object' && places === undefined) return undefined;
    const usual = since === 'now' ? 'now' : feedStart;
    const partitions = this.#partitionsOf(subscription, n);
    return new Map(partitions.map((partition) => [partition, places?.get(partition) ?? usual]));
  }

  #partitionsOf(subscription: FeedSubscription, n: number): readonly Partition[] {
    const { topology, names } = this.#parts.coordinator;
    const { ring } = topology;
    const { only, bucketType, bucket } = subscription;
    const properties = this.#parts.door.checkBucket(subscription);
    const isOne = properties.chash_keyfun.fun === 'chash_bucketonly_keyfun';
    if (only?.kind !== 'key' && !isOne) return ring.partitions();
    const key = only?.kind === 'key' ? only.name : ('' as ByteString);
    const first = ring.partitionOf(names.of({ bucketType, bucket, key }, isOne));
    const count = Math.min(n, ring.size);
    return Array.from({ length: count }, (_, step) => ring.after(first, step));
  }

  #count({ events }: FeedBatch): void {
    const now = this.#parts.coordinator.clock.wallMicros();
    for (const event of events) {
      if (event.kind === 'gap') this.#totals.gaps += 1;
      else {
        this.#totals.events += 1;
        this.#totals.lagMs = Math.max(0, (now - event.micros) / 1000);
      }
    }
  }
}

class OpenFeed implements FeedReader {
  readonly #feed: ChangeFeed;
  readonly #handedOut: (batch: FeedBatch) => void;
  readonly #ended: () => void;
  #begun: Promise<void> | undefined;

  constructor(feed: ChangeFeed, handedOut: (batch: FeedBatch) => void, ended: () => void) {
    this.#feed = feed;
    this.#handedOut = handedOut;
    this.#ended = ended;
  }

  get unreached(): number {
    return this.#feed.unreached;
  }

  async next(waitMs: number): Promise<FeedBatch | undefined> {
    this.#begun ??= this.#feed.begun(beginMs);
    await this.#begun;
    const batch = await this.#feed.next(waitMs);
    if (batch !== undefined) this.#handedOut(batch);
    return batch;
  }

  close(): void {
    this.#feed.close();
    this.#ended();
  }
}
