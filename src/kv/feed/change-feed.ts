/**
 * One reader's feed of a bucket: follows every partition at its owner, and makes of what they tell one stream of changes.
 *
 * F1  A change that a replica has made durable is handed out, at the version of then or a later one, as long as that
 *     replica can be reached. A partition whose owner cannot be is asked again, from where it was, when it can; the
 *     other replicas of the key have told of it meanwhile.
 * F2  What is handed out is the merge of all replicas that answer, that whose feed tells of the change among them: never
 *     less than what that one has.
 * F3  Of a key, nothing is handed out after something newer, as far as `VersionMemory` reaches.
 * F4  The cursor of a batch is behind no change that was not handed out: who begins again there misses nothing.
 * F5  Nothing is asked for before the reader takes what was asked for before: what is in memory is one answer of each node,
 *     which names keys, and the objects of one portion (`ToldChanges`).
 */
import type { Partition, Replica } from '../../core/ring/index.ts';
import type { Topology } from '../../core/topology/index.ts';
import type { VnodeRouter } from '../../core/vnode/index.ts';
import type { Clock, Instant, NodeId, Timers } from '../../environment/index.ts';
import type { ByteString } from '../../stdx/index.ts';
import { KvFailure } from '../key-value-store.ts';
import { encodeCursor, type FeedOf, type FeedPlaces } from './feed-cursor.ts';
import {
  type FeedFrom,
  type FeedPart,
  type FeedReply,
  type FeedRequest,
  feedStart,
} from './feed-protocol.ts';
import type { ReadChange } from './read-version.ts';
import { type FeedEvent, ToldChanges } from './told-changes.ts';
import type { VersionMemory } from './version-memory.ts';

export interface FeedBatch {
  /** Perhaps none: then only time has passed. */
  readonly events: readonly FeedEvent[];
  /** Everything up to here was handed out. */
  readonly cursor: string;
}

export interface ChangeFeedParts {
  readonly topology: Topology;
  readonly router: VnodeRouter<FeedRequest, FeedReply>;
  readonly clock: Pick<Clock, 'now' | 'wallMicros'>;
  readonly timers: Timers;
  readonly memory: VersionMemory;
  readonly read: ReadChange;
  /** Milliseconds that a node may keep a question that has no answer yet. */
  readonly waitMs: number;
  readonly entriesMax: number;
}

/** Before a node that failed is asked again. */
const retryMs = 500;
/** Before a partition that has moved is looked for again. */
const movedRetryMs = 100;
/** What a node may take beyond the time it was told to wait. */
const answerMs = 10_000;
/** Before a key that could not be read is read again. */
const readAgainMs = 100;

/** How far one partition was followed. */
interface Track {
  readonly partition: Partition;
  after: FeedFrom;
  isAsked: boolean;
  dueAt: Instant;
}

interface Asked {
  readonly track: Track;
  /** As it was asked from. */
  readonly from: FeedFrom;
}

/** What a node has answered to a question about these partitions of its. */
interface Answered {
  readonly node: NodeId;
  readonly asked: readonly Asked[];
  readonly reply: FeedReply;
}

export class ChangeFeed {
  readonly #of: FeedOf;
  readonly #parts: ChangeFeedParts;
  readonly #tracks = new Map<Partition, Track>();
  readonly #replies: Answered[] = [];
  /** The answer that is being handed out. */
  #taken: { readonly asked: readonly Asked[]; readonly changes: ToldChanges } | undefined;
  #wake: (() => void) | undefined;
  #isClosed = false;
  #hasNoFeed = false;

  /** `from`: a place for each partition that is to be followed; those without begin anew. */
  constructor(of: FeedOf, from: ReadonlyMap<Partition, FeedFrom>, parts: ChangeFeedParts) {
    this.#of = of;
    this.#parts = parts;
    for (const [partition, after] of from) {
      this.#tracks.set(partition, { partition, after, isAsked: false, dueAt: 0 as Instant });
    }
  }

  /** Partitions that cannot be followed just now. */
  get unreached(): number {
    let count = 0;
    for (const { partition } of this.#tracks.values()) {
      if (!this.#parts.topology.isUp(this.#parts.topology.ring.ownerOf(partition))) count += 1;
    }
    return count;
  }

  get cursor(): string {
    const places = new Map<Partition, ByteString>();
    for (const { partition, after } of this.#tracks.values()) {
      places.set(partition, after === 'now' ? feedStart : after);
    }
    return encodeCursor(this.#of, places satisfies FeedPlaces);
  }

  /**
   * The next changes; after `waitMs` without any an empty batch. Undefined when it was closed. Rejects with
   * `KvFailure` if the bucket keeps no feed any more.
   */
  async next(waitMs: number): Promise<FeedBatch | undefined> {
    const until = this.#parts.clock.now() + waitMs;
    for (;;) {
      if (this.#isClosed) return undefined;
      if (this.#hasNoFeed) throw new KvFailure({ code: 'no_feed' });
      const events = await this.#take();
      if (events !== undefined) {
        if (events.length > 0) return { events, cursor: this.cursor };
        continue;
      }
      const leftMs = until - this.#parts.clock.now();
      if (leftMs <= 0) return { events: [], cursor: this.cursor };
      this.#ask();
      if (this.#replies.length === 0) await this.#sleep(Math.min(leftMs, retryMs));
    }
  }

  /** Resolves when every partition that can be reached has said where its present is, or after so many milliseconds. */
  async begun(waitMs: number): Promise<void> {
    const until = this.#parts.clock.now() + waitMs;
    const begins = (): boolean => {
      for (const { after } of this.#tracks.values()) if (after === 'now') return true;
      return false;
    };
    while (begins() && !this.#isClosed && !this.#hasNoFeed) {
      // Of the present alone: there are no items yet.
      if ((await this.#take()) !== undefined) continue;
      const leftMs = until - this.#parts.clock.now();
      if (leftMs <= 0) break;
      this.#ask(true);
      if (this.#replies.length === 0) await this.#sleep(Math.min(leftMs, movedRetryMs));
    }
    // Whoever could not say what was before is followed from its beginning: rather too much than too little.
    for (const track of this.#tracks.values()) if (track.after === 'now') track.after = feedStart;
  }

  close(): void {
    this.#isClosed = true;
    this.#wakeUp();
  }

  /** One question to each node, of all of its partitions that nobody has been asked for. */
  #ask(onlyBeginning = false): void {
    const { topology, clock } = this.#parts;
    const now = clock.now();
    const byNode = new Map<NodeId, Track[]>();
    for (const track of this.#tracks.values()) {
      if (track.isAsked || track.dueAt > now || (onlyBeginning && track.after !== 'now')) continue;
      const owner = topology.ring.ownerOf(track.partition);
      if (!topology.isUp(owner)) continue;
      const tracks = byNode.get(owner);
      if (tracks === undefined) byNode.set(owner, [track]);
      else tracks.push(track);
    }
    for (const [node, tracks] of byNode) this.#askNode(node, tracks);
  }

  #askNode(node: NodeId, tracks: readonly Track[]): void {
    const { bucketType, bucket, only } = this.#of;
    const { router, entriesMax, waitMs } = this.#parts;
    const steps = tracks.map(({ partition, after }) => ({ partition, after }));
    const request: FeedRequest = {
      bucketType,
      bucket,
      steps,
      entriesMax,
      waitMs,
      ...(only === undefined ? {} : { only }),
    };
    const asked = tracks.map((track) => ({ track, from: track.after }));
    for (const track of tracks) track.isAsked = true;
    const replica: Replica = { partition: tracks[0]!.partition, node, primary: true };
    router.send(
      replica,
      request,
      (reply) => {
        this.#replies.push({ node, asked, reply });
        this.#wakeUp();
      },
      waitMs + answerMs,
    );
  }

  /** What the oldest answer tells of next; undefined: there is no answer. */
  async #take(): Promise<readonly FeedEvent[] | undefined> {
    if (this.#taken === undefined) {
      const answered = this.#replies.shift();
      if (answered === undefined) return undefined;
      this.#taken = { asked: answered.asked, changes: this.#changesOf(answered) };
    }
    const { changes, asked } = this.#taken;
    const events = await changes.portion();
    if (changes.isDone) {
      for (const { track } of asked) track.isAsked = false;
      this.#taken = undefined;
    }
    return events;
  }

  #changesOf({ node, asked, reply }: Answered): ToldChanges {
    const { clock, memory, read } = this.#parts;
    const askedOf = (part: FeedPart) => asked.find(({ track }) => track.partition === part.partition);
    const later = (track: Track, pauseMs: number): void => {
      track.dueAt = (clock.now() + pauseMs) as Instant;
    };
    if (reply.kind !== 'slice') {
      if (reply.kind === 'failed' && reply.reason === 'no_feed') this.#hasNoFeed = true;
      for (const { track } of asked) later(track, reply.kind === 'moved' ? movedRetryMs : retryMs);
    }
    const told = reply.kind === 'slice' ? reply.parts.filter((part) => askedOf(part) !== undefined) : [];
    return new ToldChanges({
      node,
      told,
      memory,
      read,
      followed: (part) => {
        const { track, from } = askedOf(part)!;
        // A present that is told after the feed has begun is behind what has changed since.
        if (track.after === from) track.after = part.after;
        // Asked for after those that the answer had no room for.
        this.#tracks.delete(track.partition);
        this.#tracks.set(track.partition, track);
      },
      stuck: (part) => later(askedOf(part)!.track, readAgainMs),
    });
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#parts.timers.after(ms, () => this.#wakeUp());
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
