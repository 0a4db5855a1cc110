/**
 * The part of a read that leaves the node: who is asked, for a value or for a digest, what a digest stands for,
 * and a second opinion when a value is late (Dean and Barroso, "The Tail at Scale", 2013: hedged requests).
 *
 * A narrow read asks the nearest replicas first, and the others if it is told to (`widen`) or if one of the first is late.
 *
 * It ends up telling of each remote replica that it asked one final reply, as if all had been asked for their objects; a
 * second one is harmless (R6). Of one that cannot be reached the reply is that of the fallback in its place.
 */
import type { PreferenceList, Replica } from '../../core/ring/index.ts';
import { Deadline, deadlineTickMs } from '../../core/vnode/index.ts';
import type { Instant } from '../../environment/index.ts';
import type { VersionedObject } from '../object/index.ts';
import type { ObjectKey, ReplicaGet, ReplicaReply } from '../vnode/index.ts';
import type { CoordinatorParts } from './coordinator-parts.ts';
import type { ReadReply } from './read-quorum.ts';
import { VersionSearch } from './version-search.ts';

interface RemoteReadParts {
  readonly parts: CoordinatorParts;
  readonly replicas: PreferenceList;
  readonly key: ObjectKey;
  readonly timeoutMs: number;
  /** What this node holds itself. */
  readonly local: VersionedObject | undefined;
  /** So many other nodes are asked for one replica at first; undefined: for all. */
  readonly askedFirst: number | undefined;
  /** Somebody is late, and the read is narrow: its owner should widen it. */
  readonly late: () => void;
  readonly heard: (position: number, reply: ReadReply) => void;
  /** Who is asked in the place of a replica that did not take the request; undefined: nobody. */
  readonly standInFor: (position: number) => Replica | undefined;
}

/** A deadline that is kept so much later than its ticks explain was kept by a node that stood still. */
const ownPauseMs = 3 * deadlineTickMs;

export class RemoteReads extends Deadline {
  readonly #parts: CoordinatorParts;
  #replicas: PreferenceList;
  readonly #key: ObjectKey;
  readonly #heard: (position: number, reply: ReadReply) => void;
  readonly #late: () => void;
  readonly #standInFor: (position: number) => Replica | undefined;
  readonly #local: VersionedObject | undefined;
  readonly #search: VersionSearch;
  /** By position: its final reply has been told. What still comes from it was asked twice. */
  readonly #isTold: boolean[];
  readonly #isAsked: boolean[];
  /** Asked, and not told of yet. */
  #awaited = 0;
  #askedFirst: number | undefined;
  readonly #startedAt: Instant;
  readonly #timeoutMs: number;
  /** When an answer is late. */
  #lateAt = 0 as Instant;
  #hasWaitedOn = false;
  #isStopped = false;

  constructor(parts: RemoteReadParts) {
    super();
    const { replicas } = parts;
    this.#parts = parts.parts;
    this.#replicas = replicas;
    this.#key = parts.key;
    this.#timeoutMs = parts.timeoutMs;
    this.#heard = parts.heard;
    this.#late = parts.late;
    this.#standInFor = parts.standInFor;
    this.#local = parts.local;
    this.#askedFirst = parts.askedFirst;
    this.#search = new VersionSearch(replicas.length);
    this.#isTold = new Array<boolean>(replicas.length).fill(false);
    this.#isAsked = new Array<boolean>(replicas.length).fill(false);
    this.#startedAt = this.#parts.clock.now();
  }

  start(): void {
    if (this.#local !== undefined) this.#search.object(this.#local);
    const nearest = this.#nearest((position) => this.#isOpen(position));
    if (this.#askedFirst !== undefined) this.#askNearest(this.#askedFirst);
    else this.#askAll(nearest);
    if (this.#local === undefined) this.#parts.hedges.readBegan();
    if (!this.#isStopped && (!this.#search.hasObject || this.#isAwaitingFirst)) this.#setHedge(nearest);
  }

  /** Some replicas have not been asked. */
  get isNarrow(): boolean {
    return this.#askedFirst !== undefined;
  }

  /** Of a narrow read: there is nobody left to hear of. */
  get isHeard(): boolean {
    return this.isNarrow && this.#awaited === 0;
  }

  /** Asks those as well that were spared so far. */
  widen(): void {
    if (!this.isNarrow || this.#isStopped) return;
    this.#askedFirst = undefined;
    this.#parts.observer.readWidened();
    this.#askAll(this.#nearest((position) => this.#isOpen(position)));
  }

  /** Everybody has answered, or nobody waits any longer. */
  stop(): void {
    this.#isStopped = true;
    this.#parts.deadlines.clear(this);
  }

  /** Once: an answer is late, and other replicas are asked too, best one that has shown signs of life. */
  override expired(): void {
    if (this.#isStopped || this.#stoodStill()) return;
    for (let position = 0; position < this.#replicas.length; position += 1) {
      if (this.#isAsked[position] && !this.#isTold[position])
        this.#parts.latencies.markLate(this.#replicas[position].node);
    }
    if (this.isNarrow) this.#late();
    if (this.#search.hasObject) return;
    const canAnswer = (position: number): boolean =>
      !this.#isTold[position] &&
      !this.#search.wasAsked(position) &&
      this.#replicas[position].node !== this.#parts.topology.self;
    let second = this.#nearest((position) => canAnswer(position) && this.#search.hasDigest(position));
    if (second < 0) second = this.#nearest(canAnswer);
    if (second < 0 || !this.#parts.hedges.take()) return;
    this.#parts.observer.readHedged();
    this.#askObject(second);
  }

  /**
   * Once: if this node did nothing for a while the answers may lie unread in its sockets: its own pause says nothing of the
   * others, and asking again everything that was under way is not what it needs now.
   */
  #stoodStill(): boolean {
    const { clock, deadlines } = this.#parts;
    if (this.#hasWaitedOn || clock.now() - this.#lateAt < ownPauseMs) return false;
    this.#hasWaitedOn = true;
    deadlines.set(this, deadlineTickMs);
    return true;
  }

  get #isAwaitingFirst(): boolean {
    return this.isNarrow && this.#awaited > 0;
  }

  /** Of another node, and not asked yet. */
  #isOpen(position: number): boolean {
    return !this.#isAsked[position] && this.#replicas[position].node !== this.#parts.topology.self;
  }

  #isNodeAsked(position: number): boolean {
    const { node } = this.#replicas[position];
    for (let other = 0; other < this.#replicas.length; other += 1) {
      if (this.#isAsked[other] && this.#replicas[other].node === node) return true;
    }
    return false;
  }

  /** Of a peer that owes an answer nothing more is hoped for: then everybody is asked. */
  #askNearest(count: number): void {
    for (let asked = 0; asked < count && this.isNarrow; asked += 1) {
      const position = this.#nearest((each) => this.#isOpen(each) && !this.#isNodeAsked(each));
      if (position < 0) return;
      if (this.#parts.latencies.owesAnswer(this.#replicas[position].node)) this.#late();
      else this.#ask(position);
    }
  }

  #askAll(nearest: number): void {
    if (nearest >= 0) this.#ask(nearest);
    for (let position = 0; position < this.#replicas.length; position += 1) {
      if (this.#isOpen(position)) this.#ask(position);
    }
  }

  /** For its object, unless that may be the one that is under way. */
  #ask(position: number): void {
    if (this.#search.hasObject || !this.#search.isObjectUnderWay) this.#askObject(position);
    else this.#askDigest(position);
  }

  /** The lowest position of the nearest eligible replica, primaries before fallbacks; -1 if there is none. */
  #nearest(isEligible: (position: number) => boolean): number {
    let best = -1;
    let bestRank = Number.POSITIVE_INFINITY;
    for (let position = 0; position < this.#replicas.length; position += 1) {
      if (!isEligible(position)) continue;
      const replica = this.#replicas[position];
      const rank = this.#parts.latencies.rank(replica.node) + (replica.primary ? 0 : fallbackRank);
      if (rank >= bestRank) continue;
      best = position;
      bestRank = rank;
    }
    return best;
  }

  #setHedge(asked: number): void {
    const { deadlines, latencies, settings } = this.#parts;
    const slowMs = latencies.slowMs(this.#replicas[asked].node) ?? settings.hedgeDelayMsMax;
    const delayMs = Math.min(Math.max(slowMs, settings.hedgeDelayMsMin), settings.hedgeDelayMsMax);
    this.#lateAt = (this.#parts.clock.now() + delayMs) as Instant;
    deadlines.set(this, delayMs);
  }

  #askObject(position: number): void {
    this.#search.asking(position);
    const unless = this.#search.newestDigest;
    const request: ReplicaGet =
      unless === undefined ? { kind: 'get', key: this.#key } : { kind: 'get', key: this.#key, unless };
    const named = unless === undefined ? undefined : this.#search.withDigest(unless);
    this.#send(position, request, (reply) => {
      this.#search.answered(position);
      if (reply.kind === 'same' && named !== undefined)
        this.#settle(position, { kind: 'object', object: named });
      else this.#replied(position, reply);
    });
  }

  #askDigest(position: number): void {
    this.#send(position, { kind: 'get', key: this.#key, want: 'digest' }, (reply) => {
      this.#replied(position, reply);
    });
  }

  #send(position: number, request: ReplicaGet, reply: (reply: ReplicaReply) => void): void {
    const { clock, largeReads, latencies, replicas, settings } = this.#parts;
    const replica = this.#replicas[position];
    if (!this.#isAsked[position]) {
      this.#isAsked[position] = true;
      this.#awaited += 1;
    }
    const askedAt = clock.now();
    const leftMs = this.#timeoutMs - (askedAt - this.#startedAt);
    const replied = (answer: ReplicaReply): void => {
      const tookMs = clock.now() - askedAt;
      // A refusal is quick: as it is, it would draw all reads to whoever cannot serve them.
      if (isRefusal(answer)) latencies.record(replica.node, Math.max(tookMs, settings.hedgeDelayMsMax));
      else latencies.answered(replica.node, tookMs);
      if (answer.kind === 'object') largeReads.arrived(this.#key.address, answer.object.sizeBytes, tookMs);
      // It may have been asked twice, and a stand-in once for both.
      if (this.#replicas[position].node === replica.node) reply(answer);
    };
    replicas.send(replica, request, replied, leftMs);
  }

  #replied(position: number, reply: ReplicaReply): void {
    switch (reply.kind) {
      case 'object':
        this.#settle(position, reply);
        return;
      case 'digest': {
        const object = this.#search.digest(position, reply.digest);
        if (object === undefined) this.#askWanted();
        else this.#settle(position, { kind: 'object', object });
        return;
      }
      case 'notfound':
      case 'failed':
        this.#settle(position, reply);
        return;
      case 'unanswered':
        // Not for one that is overloaded: more requests are not what helps then.
        if (reply.reason === 'unreachable' && this.#askStandIn(position)) return;
        this.#settle(position, {
          kind: 'failed',
          error: reply.reason === 'overload' || reply.reason === 'unheard' ? { code: 'overload' } : undefined,
        });
        return;
      default:
        // Not an answer to a get: whoever gives it cannot be counted on.
        this.#settle(position, { kind: 'failed', error: undefined });
    }
  }

  /** Sloppy quorum (Dynamo §4.6), decided when it is needed. False: nobody can stand in. */
  #askStandIn(position: number): boolean {
    // Nobody stands in for a replica whose answer counts already (R6).
    if (this.#isStopped || this.#isTold[position]) return false;
    const standIn = this.#standInFor(position);
    if (standIn === undefined) return false;
    this.#replicas = this.#replicas.with(position, standIn);
    this.#askObject(position);
    // Digests that were kept back for the object of the one that is gone.
    this.#askWanted();
    return true;
  }

  /** The final word of one replica, and of those that said that they hold the same version. */
  #settle(position: number, reply: ReadReply): void {
    this.#search.settled(position);
    const same = reply.kind === 'object' ? this.#search.object(reply.object) : [];
    this.#tell(position, reply);
    for (const each of same) this.#tell(each, reply);
    this.#askWanted();
  }

  #tell(position: number, reply: ReadReply): void {
    if (!this.#isTold[position]) {
      this.#isTold[position] = true;
      this.#awaited -= 1;
    }
    if (this.#search.hasObject && !this.#isAwaitingFirst) this.#parts.deadlines.clear(this);
    this.#heard(position, reply);
  }

  #askWanted(): void {
    if (this.#isStopped) return;
    for (const position of this.#search.wanted()) this.#askObject(position);
  }
}

function isRefusal({ kind }: ReplicaReply): boolean {
  return kind === 'unanswered' || kind === 'failed';
}

/** More than any latency: a fallback is asked for a value only where no primary is left to ask. */
const fallbackRank = 1000;
