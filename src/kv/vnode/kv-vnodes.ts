/**
 * All vnodes of this node: reads, coordinated puts, replica puts and reaps on the one storage engine.
 *
 * Every read-modify-write reads through the group commit, which shows what is queued as well, so that
 * two writes of one turn do not miss each other. Reads for clients see what is committed only: what
 * has not been acknowledged may still vanish. A vnode writes by merging, never by overwriting (D10).
 */
import { type Dot, VersionVector } from '../../clocks/index.ts';
import { openGate, type WriteGate } from '../../core/handoff/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import type { VnodeService } from '../../core/vnode/index.ts';
import { type Clock, type Log, RareNotices } from '../../environment/index.ts';
import { unreachable } from '../../stdx/index.ts';
import type { Durability, GroupCommit, StorageError } from '../../storage/index.ts';
import { ignoredChanges, type StoredChanges } from '../anti-entropy/index.ts';
import type { BucketProperties } from '../bucket-properties.ts';
import {
  type DatatypeDelta,
  type DatatypeWrite,
  DecodedValues,
  deltaOfUpdate,
  objectAfterDelta,
  updateDatatype,
} from '../datatype/index.ts';
import { datatypeErrorOf } from '../datatype-error.ts';
import type { AppendedEntry, FeedEntries } from '../feed/index.ts';
import type { KvError } from '../kv-error.ts';
import type { KvObserver } from '../kv-observer.ts';
import {
  afterReap,
  holdsContent,
  type PruneLimits,
  type Pruning,
  pruned,
  putObject,
  replicaPut,
  replicaPutAfterReap,
  type VersionedObject,
  versionDigest,
} from '../object/index.ts';
import { cappedObject, type SiblingCap } from '../sibling-cap/index.ts';
import { conditionFailure, hasSeen, type WriteCondition } from '../write-condition.ts';
import { changeDerived } from './derived-entries.ts';
import type { ExpiryTimes } from './expiry-times.ts';
import { MovingWrite } from './moving-write.ts';
import type { ObjectKey } from './object-key.ts';
import { expiryMarginMsDefault, ObjectChecks, type ObjectLimits } from './object-limits.ts';
import type {
  ReplicaDelta,
  ReplicaGet,
  ReplicaPut,
  ReplicaReap,
  ReplicaReply,
  ReplicaRequest,
} from './replica-protocol.ts';
import { isDamage, StoredCopies } from './stored-copies.ts';
import type { StrayBytes } from './stray-bytes.ts';
import type { TombstoneReaper } from './tombstone-reaper.ts';
import type { VnodeIdentities } from './vnode-identities.ts';

export interface CoordinatedPut {
  readonly key: ObjectKey;
  readonly context: VersionVector;
  /** Stamped: it carries the vtag and last-modified time of this write. */
  readonly content: Buffer;
  readonly siblings: Pick<BucketProperties, 'allow_mult' | 'last_write_wins'>;
  readonly prune: PruneLimits;
  readonly durability: Durability;
  /** Since the Unix epoch. */
  readonly nowMicros: number;
  /** Checked against the local copy, in the same turn as the write. */
  readonly condition: WriteCondition;
  /** Of the bucket; absent: the node's limit alone counts. */
  readonly cap?: SiblingCap | undefined;
  /** Another vnode may have coordinated it before, and its result may be here. */
  readonly mayBeRepeated: boolean;
}

export interface CoordinatedUpdate {
  readonly key: ObjectKey;
  readonly write: DatatypeWrite;
  readonly prune: PruneLimits;
  readonly durability: Durability;
}

export type CoordinatedPutResult =
  | {
      readonly kind: 'merged';
      readonly object: VersionedObject;
      /** Of an update: what to send instead, to replicas that have the version before. */
      readonly delta?: DatatypeDelta | undefined;
      /** If the clock is so long that the other replicas may have to forget something of theirs, too. */
      readonly pruning?: Pruning | undefined;
    }
  /** The local copy cannot be read just now: nothing has happened, and another vnode may coordinate. */
  | { readonly kind: 'unreadable'; readonly error: KvError }
  | { readonly kind: 'failed'; readonly error: KvError };

const notfound: ReplicaReply = { kind: 'notfound' };
const accepted: ReplicaReply = { kind: 'accepted' };
const stored: ReplicaReply = { kind: 'stored' };
const same: ReplicaReply = { kind: 'same' };
const declined: ReplicaReply = { kind: 'declined' };
const behind: ReplicaReply = { kind: 'behind' };
/** Another write is here that this one has not seen. Not `modified`: that would say that nothing has happened anywhere. */
const fencedOff = {
  kind: 'failed',
  error: { code: 'quorum_unsatisfied', quorum: 'pw', wanted: 1, got: 0 },
} as const;
/** Refused before anything has happened: a write goes to the next fallback. */
const turnedAway: ReplicaReply = { kind: 'failed', error: { code: 'overload' } };

export class KvVnodes implements VnodeService<ReplicaRequest, ReplicaReply> {
  readonly #commit: GroupCommit;
  readonly #identities: VnodeIdentities;
  readonly #reaper: TombstoneReaper;
  readonly #limits: ObjectLimits;
  readonly #observer: KvObserver;
  readonly #checks: ObjectChecks;
  readonly #copies: StoredCopies;
  readonly #gate: WriteGate<ReplicaRequest>;
  readonly #strays: StrayBytes;
  readonly #serves: ((partition: Partition) => boolean) | undefined;
  readonly #changes: StoredChanges;
  readonly #expiries: ExpiryTimes | undefined;
  readonly #feeds: FeedEntries | undefined;
  readonly #expiryMarginMicros: number;
  #isClosed = false;
  /** Shared by all that read data types on this node. */
  readonly decoded: DecodedValues;

  constructor(parts: {
    readonly commit: GroupCommit;
    readonly identities: VnodeIdentities;
    readonly reaper: TombstoneReaper;
    readonly limits: ObjectLimits;
    readonly observer: KvObserver;
    readonly log: Log;
    readonly clock: Clock;
    readonly strays: StrayBytes;
    /** Absent: nobody asks when objects expire. */
    readonly expiries?: ExpiryTimes;
    /** Absent: no bucket has a change feed. */
    readonly feeds?: FeedEntries;
    /** False: the partition is being dropped, and nothing of it is read or written (C4). */
    readonly serves?: (partition: Partition) => boolean;
    /** Of a node that moves partitions. */
    readonly gate?: WriteGate<ReplicaRequest>;
    /** Of a node that keeps hash trees. */
    readonly changes?: StoredChanges;
  }) {
    this.#commit = parts.commit;
    this.#identities = parts.identities;
    this.#reaper = parts.reaper;
    this.#limits = parts.limits;
    this.#expiries = parts.expiries;
    this.#feeds = parts.feeds;
    this.#expiryMarginMicros = (parts.limits.expiryMarginMs ?? expiryMarginMsDefault) * 1000;
    this.#observer = parts.observer;
    this.#checks = new ObjectChecks(
      parts.limits,
      new RareNotices(parts.log, parts.clock, 'an object is large'),
    );
    this.#gate = parts.gate ?? openGate;
    this.#strays = parts.strays;
    this.#serves = parts.serves;
    this.#changes = parts.changes ?? ignoredChanges;
    this.#copies = new StoredCopies({ ...parts, changes: this.#changes });
    this.decoded = new DecodedValues(parts.limits.decodedBytesMax ?? 0);
  }

  handle(partition: Partition, request: ReplicaRequest, reply: (reply: ReplicaReply) => void): void {
    const isClosed = this.#isClosed && request.kind !== 'get';
    if (isClosed || this.#serves?.(partition) === false) {
      reply(turnedAway);
      return;
    }
    switch (request.kind) {
      case 'get':
        reply(this.#get(partition, request));
        return;
      case 'coordinate':
        reply(declined);
        return;
      case 'put':
        this.#replicaPut(partition, request, reply);
        return;
      case 'delta':
        this.#replicaDelta(partition, request, reply);
        return;
      case 'reap':
        this.#reap(partition, request, reply);
        return;
      default:
        unreachable(request);
    }
  }

  /** Takes no more writes of other nodes and of read repair, so that what a clean stop records stays true; reads go on. */
  close(): void {
    this.#isClosed = true;
  }

  /** The disk may take nothing at the moment. */
  get hasFailedToStore(): boolean {
    return this.#commit.hasFailed;
  }

  /**
   * Merges a client's write into the local copy under a new dot and queues the result. The result is
   * returned at once, for the other replicas; `done` tells when it is on this node's disk.
   */
  coordinatePut(
    partition: Partition,
    put: CoordinatedPut,
    done: (error: KvError | undefined) => void,
  ): CoordinatedPutResult {
    if (this.#serves?.(partition) === false) return { kind: 'unreadable', error: { code: 'overload' } };
    const local = this.#copies.forWrite(partition, put.key);
    if (local !== undefined && 'code' in local) return { kind: 'unreadable', error: local };
    if (put.mayBeRepeated && local !== undefined && holdsContent(local, put.content)) {
      this.#store(partition, put.key, local, local, put.durability, done);
      return { kind: 'merged', object: local };
    }
    const { nowMicros } = put;
    const refusal = conditionFailure(put, local, put.siblings, nowMicros);
    if (refusal !== undefined) return failed(refusal);
    if (put.condition === 'latest' && local === undefined && this.#copies.isDamaged(partition, put.key)) {
      return { kind: 'failed', error: fencedOff.error };
    }
    const nowSeconds = Math.floor(nowMicros / 1_000_000);
    const actor = this.#identities.actorFor(partition, local, put.context, put.prune.smallVclock);
    const counter = (local?.clock.counterOf(actor) ?? 0) + 1;
    const dot = { actor, counter };
    const fresh = putObject(local, {
      context: put.context,
      content: put.content,
      dot,
      seconds: nowSeconds,
      allowMult: put.siblings.allow_mult,
      lastWriteWins: put.siblings.last_write_wins,
      // Where siblings are shown, who has another clock may still be looking at them.
      expiredByMicros: put.siblings.allow_mult ? nowMicros - this.#expiryMarginMicros : nowMicros,
    });
    const known = local ?? this.#reapedFor(partition, put.key, fresh);
    const written = withReaped(local, known, fresh);
    const merged = put.cap === undefined ? written : this.#capped(written, put.cap, dot);
    const pruning = { limits: put.prune, nowSeconds };
    const object = pruned(merged, known, pruning);
    const excess =
      this.#checks.excessOf(put.key, object, put.cap) ?? this.#checkStrays(partition, local, object);
    if (excess !== undefined) return failed(excess);
    this.#store(partition, put.key, local, object, put.durability, done);
    return { kind: 'merged', object, pruning: isLong(object, pruning) ? pruning : undefined };
  }

  /**
   * As `coordinatePut`, of an operation: what is here and what it makes of it are one data type. A second update of the same
   * request would be a second update.
   */
  coordinateUpdate(
    partition: Partition,
    { key, write, prune, durability }: CoordinatedUpdate,
    done: (error: KvError | undefined) => void,
  ): CoordinatedPutResult {
    if (this.#serves?.(partition) === false) return { kind: 'unreadable', error: { code: 'overload' } };
    const local = this.#copies.forWrite(partition, key);
    if (local !== undefined && 'code' in local) return { kind: 'unreadable', error: local };
    const { datatype, vtag, micros } = write;
    const actor = this.#identities.actorFor(partition, local, VersionVector.empty, prune.smallVclock);
    const result = updateDatatype(local, datatype, write, { actor, vtag, micros }, this.decoded);
    if (result.kind !== 'updated') return failed(datatypeErrorOf(result));
    const known = local ?? this.#reapedFor(partition, key, result.object);
    const pruning = { limits: prune, nowSeconds: Math.floor(micros / 1_000_000) };
    const object = pruned(withReaped(local, known, result.object), known, pruning);
    const excess =
      this.#checks.datatypeExcessOf(object) ??
      this.#checks.excessOf(key, object) ??
      this.#checkStrays(partition, local, object);
    if (excess !== undefined) return failed(excess);
    this.#store(partition, key, local, object, durability, done);
    // Who applied the delta to what is here would not forget what was forgotten of the clock.
    const delta = object === result.object ? deltaOfUpdate(local, write, result) : undefined;
    return { kind: 'merged', object, delta, pruning: isLong(object, pruning) ? pruning : undefined };
  }

  /** Of a type that was dropped and made again otherwise: what was written once would be before all that comes (M4). */
  #reapedFor(partition: Partition, key: ObjectKey, arriving: VersionedObject): VersionedObject | undefined {
    const reaped = this.#reaper.reapedOf(partition, key);
    return reaped?.isWriteOnce === arriving.isWriteOnce ? reaped : undefined;
  }

  #get(partition: Partition, { key, want, unless }: ReplicaGet): ReplicaReply {
    try {
      const object = this.#copies.committed(partition, key);
      if (object === undefined) return notfound;
      if (want === undefined && unless === undefined) return { kind: 'object', object };
      const digest = versionDigest(object);
      if (unless?.equals(digest)) return same;
      return want === 'digest' ? { kind: 'digest', digest } : { kind: 'object', object };
    } catch (error) {
      return { ...failed(this.#copies.failureOf(partition, key, error)), damaged: isDamage(error) };
    }
  }

  #replicaPut(partition: Partition, put: ReplicaPut, reply: (reply: ReplicaReply) => void): void {
    const local = this.#copies.forWrite(partition, put.key);
    if (local !== undefined && 'code' in local) {
      reply(failed(local));
      return;
    }
    // A tombstone brings nothing back: one that another replica still has is taken, and forgotten again by all.
    const reaped =
      local ?? (put.object.isTombstone ? undefined : this.#reapedFor(partition, put.key, put.object));
    this.#identities.checkAmnesia(partition, reaped, put.object);
    if (put.purpose === 'fenced' && !this.#supersedesAll(partition, put, local)) {
      reply(fencedOff);
      return;
    }
    const merged =
      local === undefined && reaped !== undefined
        ? replicaPutAfterReap(reaped, put.object)
        : replicaPut(local, put.object);
    // What came is pruned, and what was here is not written anew.
    const isWhole = put.pruning === undefined || merged === put.object || merged === reaped;
    const object = isWhole ? merged : pruned(merged, reaped, put.pruning);
    if (put.object.isWriteOnce && local?.bytes.equals(put.object.bytes) === false) {
      this.#observer.writeOnceMerged?.();
    }
    if (local === undefined && merged === reaped) {
      reply(stored);
      return;
    }
    const tooLarge = put.purpose !== 'repair' ? this.#checks.excessOf(put.key, object) : undefined;
    const excess = tooLarge ?? this.#checkStrays(partition, local, object);
    if (excess !== undefined) {
      reply(failed(excess));
      return;
    }
    if (put.announce) reply(accepted);
    const done = (error: KvError | undefined) => reply(error === undefined ? stored : failed(error));
    // What is committed may have been left to the operating system: only a write of its own syncs it.
    const isDone = object === local && put.durability === 'os' && !this.#gate.isMoving(partition);
    if (isDone && this.#copies.isCommitted(partition, put.key, object)) reply(stored);
    else this.#store(partition, put.key, local, object, put.durability, done);
  }

  /** Of what was in a damaged copy nobody knows whether it was seen (S1). */
  #supersedesAll(
    partition: Partition,
    { key, object }: Pick<ReplicaPut, 'key' | 'object'>,
    local: VersionedObject | undefined,
  ): boolean {
    return local === undefined ? !this.#copies.isDamaged(partition, key) : hasSeen(object.clock, local);
  }

  #replicaDelta(partition: Partition, request: ReplicaDelta, reply: (reply: ReplicaReply) => void): void {
    const { key, delta, durability, announce } = request;
    const local = this.#copies.forWrite(partition, key);
    if (local !== undefined && 'code' in local) {
      reply(failed(local));
      return;
    }
    // What was reaped lately is merged with objects only: the whole one is asked for.
    const isReaped = local === undefined && this.#reaper.reapedOf(partition, key) !== undefined;
    const object = isReaped ? undefined : objectAfterDelta(local, delta, this.decoded);
    if (object === undefined) {
      reply(behind);
      return;
    }
    this.#identities.checkAmnesia(partition, local, object);
    const excess = this.#checks.excessOf(key, object) ?? this.#checkStrays(partition, local, object);
    if (excess !== undefined) {
      reply(failed(excess));
      return;
    }
    if (announce) reply(accepted);
    this.#store(partition, key, local, object, durability, (error) =>
      reply(error === undefined ? stored : failed(error)),
    );
  }

  #reap(partition: Partition, reap: ReplicaReap, reply: (reply: ReplicaReply) => void): void {
    this.#reaper.reap(partition, reap);
    reply(accepted);
  }

  /** The one place where objects are stored. `local` is what the read that came before has shown. */
  #store(
    partition: Partition,
    key: ObjectKey,
    local: VersionedObject | undefined,
    object: VersionedObject,
    durability: Durability,
    done: (error: KvError | undefined) => void,
  ): void {
    if (durability === 'os') this.#identities.wroteUnsynced(partition);
    if (!this.#strays.isOwned(partition)) this.#strays.grew(partition, growthOf(local, object));
    const moving = this.#gate.isMoving(partition) ? new MovingWrite(done) : undefined;
    const feeds = this.#feeds?.keeps(key) ? this.#feeds : undefined;
    let entry: AppendedEntry | undefined;
    this.#commit.write(
      durability,
      (batch) => {
        batch.put(key.keep(partition), object.bytes);
        changeDerived(batch, partition, key, local, object);
        if (object.mayExpire) this.#expiries?.stored(batch, partition, object);
        if (feeds !== undefined) entry = feeds.append(batch, partition, key, object);
      },
      (error) => {
        if (error === undefined) {
          this.#changes.observe(partition, key, local, object);
          if (entry !== undefined) feeds?.written(partition, key.address, entry);
        } else {
          this.#changes.doubt(partition);
          this.#identities.writeFailed();
          this.#expiries?.writeFailed();
          this.#feeds?.writeFailed();
        }
        const failure = error === undefined ? undefined : storageFailure(error);
        if (moving === undefined) done(failure);
        else moving.stored(failure);
      },
    );
    if (moving === undefined) return;
    const purpose = 'repair';
    const request = { kind: 'put', key, object, durability, purpose, announce: false } as const;
    this.#gate.passed(partition, request, (mayCount) => moving.passed(mayCount));
  }

  /** What a node holds in others' place is bounded, however it comes. */
  #checkStrays(
    partition: Partition,
    local: VersionedObject | undefined,
    object: VersionedObject,
  ): KvError | undefined {
    if (!this.#strays.isStray(partition) || this.#strays.admits(growthOf(local, object))) return undefined;
    this.#observer.overloaded('strays');
    return { code: 'overload' };
  }

  #capped(object: VersionedObject, cap: SiblingCap, dot: Dot): VersionedObject {
    const capped = cappedObject(object, cap, dot, this.#limits.unionBytesMax);
    if (capped !== object) this.#observer.siblingsMerged?.(object.siblingCount);
    return capped;
  }
}

/** Where the vnode holds nothing, and `known` is what was reaped of the key lately. */
function withReaped(
  local: VersionedObject | undefined,
  known: VersionedObject | undefined,
  object: VersionedObject,
): VersionedObject {
  return local === undefined && known !== undefined ? afterReap(known, object) : object;
}

/** A shorter clock has lost nothing, and a replica that held the same as its coordinator before ends with the same. */
function isLong({ clock }: VersionedObject, { limits }: Pruning): boolean {
  return clock.entries.length >= limits.smallVclock;
}

function growthOf(local: VersionedObject | undefined, object: VersionedObject): number {
  return object.sizeBytes - (local?.sizeBytes ?? 0);
}

function failed(error: KvError): { readonly kind: 'failed'; readonly error: KvError } {
  return { kind: 'failed', error };
}

function storageFailure(error: StorageError): KvError {
  return { code: 'storage', reason: error.message };
}
