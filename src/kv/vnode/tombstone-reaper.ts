/**
 * Forgets tombstones that every replica is known to hold (spec'd as Riak's `delete_mode`), and in the same way objects
 * that have expired: whatever `delete_mode` says of those that somebody deleted, and not before this node's own clock
 * is past the expiry by the margin.
 *
 * Until then a tombstone is a value like any other: replicated, repaired, listed. Forgetting is a
 * delete of exactly the bytes that were seen: a write in between keeps its object.
 *
 * What was forgotten is remembered for a while (`ReapedVersions`): in the same batch, so that a crash keeps both or neither.
 *
 * What the coordinator's read found of the cluster (C8: nobody is away, nobody holds stray data, no partition of
 * the key moves) may have changed while the tombstone waited, so each vnode looks again when it removes.
 */
import type { Partition } from '../../core/ring/index.ts';
import type { Topology } from '../../core/topology/index.ts';
import type { Clock, Log, Timer, Timers } from '../../environment/index.ts';
import { type GroupCommit, StorageError, type WriteBatch } from '../../storage/index.ts';
import { ignoredChanges, type StoredChanges } from '../anti-entropy/index.ts';
import type { AppendedEntry, FeedEntries } from '../feed/index.ts';
import type { KvObserver } from '../kv-observer.ts';
import { lastExpiryOf, type VersionedObject } from '../object/index.ts';
import { PostponedWork } from '../postponed-work.ts';
import { changeDerived } from './derived-entries.ts';
import type { ObjectKey } from './object-key.ts';
import { type ReapedVersions, reapedMsMin } from './reaped-versions.ts';
import { isReapingSafe } from './reaping-rule.ts';
import type { ReplicaReap } from './replica-protocol.ts';

/** Keep for ever; remove at once; or remove after so many milliseconds without a change. */
export type DeleteMode = 'keep' | 'immediate' | number;

/** Tombstones that wait for their time. Beyond this the next read of the key tries again. */
const waitingMax = 100_000;
/** Remembered versions that are forgotten in one batch. */
const forgottenMax = 1000;
/** Between such batches. */
const forgetPauseMs = 1000;

export interface ExpiryRule {
  readonly clock: Pick<Clock, 'wallMicros'>;
  /** Milliseconds by which clocks may differ. */
  readonly marginMs: number;
}

export class TombstoneReaper {
  readonly #commit: GroupCommit;
  readonly #mode: DeleteMode;
  readonly #topology: Topology;
  readonly #expiry: ExpiryRule | undefined;
  readonly #feeds: FeedEntries | undefined;
  readonly #reaped: ReapedVersions | undefined;
  readonly #changes: StoredChanges;
  readonly #observer: KvObserver;
  readonly #log: Log;
  readonly #timers: Timers;
  readonly #postponed: PostponedWork;
  #forgetting: Timer | undefined;
  #isClosed = false;

  constructor(parts: {
    readonly commit: GroupCommit;
    readonly timers: Timers;
    readonly mode: DeleteMode;
    readonly topology: Topology;
    /** Absent: nothing but tombstones is forgotten. */
    readonly expiry?: ExpiryRule;
    readonly feeds?: FeedEntries;
    /** Absent: what was reaped is forgotten at once, as where no message is ever late. */
    readonly reaped?: ReapedVersions;
    readonly changes?: StoredChanges;
    readonly observer: KvObserver;
    readonly log: Log;
  }) {
    this.#commit = parts.commit;
    this.#timers = parts.timers;
    this.#postponed = new PostponedWork(parts.timers, waitingMax);
    this.#mode = parts.mode;
    this.#topology = parts.topology;
    this.#expiry = parts.expiry;
    this.#feeds = parts.feeds;
    this.#reaped = parts.reaped;
    this.#changes = parts.changes ?? ignoredChanges;
    this.#observer = parts.observer;
    this.#log = parts.log;
    this.#forgetLater();
  }

  reap(partition: Partition, reap: ReplicaReap): void {
    const { tombstone } = reap;
    if (tombstone.mayExpire && !this.#hasExpired(tombstone)) return;
    // What has expired has waited already.
    const mode = tombstone.hasTombstone ? this.#mode : 'immediate';
    if (mode === 'keep') return;
    if (mode === 'immediate') {
      this.#remove(partition, reap);
      return;
    }
    this.#postponed.postpone(mode, () => this.#remove(partition, reap));
  }

  /** Keys of which a reaped version is remembered. */
  get remembered(): number {
    return this.#reaped?.size ?? 0;
  }

  /** Of those keys and versions. */
  get rememberedBytes(): number {
    return this.#reaped?.byteLength ?? 0;
  }

  /** False: nothing is forgotten before some of what is remembered has become old. */
  get hasRoom(): boolean {
    return this.#reaped?.hasRoom ?? true;
  }

  /** Where the key has no object: the tombstone that was forgotten lately, with which whatever comes is merged. */
  reapedOf(partition: Partition, key: ObjectKey): VersionedObject | undefined {
    return this.#reaped?.of(partition, key);
  }

  /**
   * Remembers what another node has reaped, of a key that has no object here. False: there is no room, or nothing is
   * remembered on this node. `done` is told when it is durable.
   */
  takeOver(
    partition: Partition,
    key: ObjectKey,
    tombstone: VersionedObject,
    done: (error: StorageError | undefined) => void,
  ): boolean {
    const reaped = this.#reaped;
    if (reaped?.hasRoom !== true) return false;
    this.#commit.write('synced', (batch) => reaped.add(batch, partition, key, tombstone), done);
    this.#forgetLater();
    return true;
  }

  /** What waits is left to the sweep after the next start. */
  close(): void {
    this.#isClosed = true;
    this.#postponed.close();
    this.#forgetting?.cancel();
  }

  #remove(partition: Partition, reap: ReplicaReap): void {
    const { key, tombstone, first, n } = reap;
    if (!isReapingSafe(this.#topology, first, n) || !this.#isStill(partition, reap)) return;
    if (this.#topology.ring.ownerOf(partition) !== this.#topology.self) return;
    // A feed has told of the delete. That something expired, perhaps beside it, it hears only now.
    const feeds = !tombstone.isTombstone && this.#feeds?.keeps(key) ? this.#feeds : undefined;
    let entry: AppendedEntry | undefined;
    const reaped = this.#mayBeLate(tombstone) ? this.#reaped : undefined;
    if (reaped?.hasRoom === false) {
      this.#observer.reapPutOff?.();
      return;
    }
    this.#commit.write(
      'os',
      (batch) => {
        batch.delete(key.copy(partition));
        changeDerived(batch, partition, key, tombstone, undefined);
        reaped?.add(batch, partition, key, tombstone);
        if (feeds !== undefined) entry = feeds.append(batch, partition, key, undefined);
      },
      (error) => {
        if (error === undefined) {
          this.#changes.observe(partition, key, tombstone, undefined);
          if (entry !== undefined) feeds?.written(partition, key.address, entry);
          if (tombstone.hasTombstone) this.#observer.tombstoneReaped();
          else this.#observer.expiredForgotten?.();
          return;
        }
        this.#changes.doubt(partition);
        this.#log.warn('could not remove a tombstone; a later look will', { reason: error.message });
      },
    );
    this.#forgetLater();
  }

  /** When the time of the oldest is over. */
  #forgetLater(): void {
    const waitMs = this.#reaped?.oldestMs;
    if (waitMs === undefined || this.#forgetting !== undefined || this.#isClosed) return;
    this.#forgetting = this.#timers.after(Math.max(waitMs, forgetPauseMs), () => {
      this.#forgetting = undefined;
      this.#forgetOld();
    });
  }

  #forgetOld(): void {
    const forget = (batch: WriteBatch) => this.#reaped?.forgetOld(batch, forgottenMax);
    this.#commit.write('os', forget, (error) => {
      // What is left is found at the next start, and goes then.
      if (error !== undefined) {
        this.#log.warn('could not remove what was remembered of tombstones', { reason: error.message });
      }
      this.#forgetLater();
    });
  }

  /**
   * Whether a copy of what it superseded can still be under way. What has expired is not shown wherever it comes from; and
   * what it replaced has had the margin to arrive in.
   */
  #mayBeLate({ hasTombstone }: VersionedObject): boolean {
    return hasTombstone || this.#expiry === undefined || this.#expiry.marginMs < reapedMsMin;
  }

  /** By this node's clock, and with the margin: all of it that ever does. */
  #hasExpired(object: VersionedObject): boolean {
    if (this.#expiry === undefined) return false;
    const { clock, marginMs } = this.#expiry;
    return lastExpiryOf(object) <= clock.wallMicros() - marginMs * 1000;
  }

  #isStill(partition: Partition, { key, tombstone }: ReplicaReap): boolean {
    try {
      return this.#commit.get(key.borrow(partition))?.equals(tombstone.bytes) ?? false;
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      // Unreadable: reported by whoever reads it for a client; a tombstone that is not seen is not removed.
      return false;
    }
  }
}
