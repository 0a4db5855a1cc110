/**
 * Who a vnode is in the clocks of its objects, so that no dot is ever issued twice.
 *
 * A dot is (vnode id, epoch, counter). The id is 8 random bytes, drawn when the node starts. The counter
 * of an actor (id, epoch) goes up by one with each write it coordinates for a key, from what the local
 * copy says. Where the local copy may have forgotten writes, the next one takes a new epoch
 * (riak_kv#679): there is no local copy; the client's context knows more of us than our copy does; a
 * batch failed, so that dots may have travelled which the disk never saw; the engine was repaired.
 *
 * An id lives as long as the process, and what the process forgets, nobody draws again: so epochs need no
 * record, and neither a crash nor a copy of the data taken while the node ran can bring one back. Only a
 * clean stop hands the id on, lest every restart add an actor to the clock of every key.
 *
 * I1  An id that was handed on is off the disk, durably, before it is used: it is handed on once.
 * I2  Only a clean stop hands an id on, and only of a vnode whose writes were all synced.
 * I3  A key whose highest epoch of ours is below the floor takes a new epoch.
 * I4  An id under which an epoch is seen that was not issued is never used again.
 * I5  No vnode goes on from an entry that may have been pruned: it may be back with an older counter.
 */
import { Buffer } from 'node:buffer';
import { type ActorId, actorId, epochOfActor, type VersionVector } from '../../clocks/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import type { Log, Random } from '../../environment/index.ts';
import { assert, type ByteString, byteStringOf } from '../../stdx/index.ts';
import { type GroupCommit, StorageError, type WriteBatch } from '../../storage/index.ts';
import { mayHavePruned, needsNewEpoch, type VersionedObject } from '../object/index.ts';
import { identityKey } from './key-layout.ts';

const epochMax = 2 ** 32 - 1;
const vnodeIdBytes = 8;

const recordVersion = 2;
const recordBytes = 1 + vnodeIdBytes + 4 + 4;

interface Identity {
  readonly vnodeId: ByteString;
  /** The epoch that the next insert takes. */
  next: number;
  /** No epoch below it goes on. */
  floor: number;
  /** Something of this run was left to the operating system, and a power cut could still take it. */
  wroteUnsynced: boolean;
}

export class VnodeIdentities {
  readonly #commit: GroupCommit;
  readonly #random: Random;
  readonly #log: Log;
  readonly #identities: Identity[] = [];

  private constructor(commit: GroupCommit, random: Random, log: Log) {
    this.#commit = commit;
    this.#random = random;
    this.#log = log;
    commit.engine.onDoubt?.(() => this.#endEpochs());
  }

  /** Takes over the ids that a clean stop left, and draws the others. Rejects with `StorageError`. */
  static async open(
    partitions: readonly Partition[],
    commit: GroupCommit,
    random: Random,
    log: Log,
  ): Promise<VnodeIdentities> {
    const identities = new VnodeIdentities(commit, random, log);
    const handedOn = partitions.filter((partition) => identities.#load(partition));
    if (handedOn.length > 0) {
      await identities.#write((batch) => {
        for (const partition of handedOn) batch.delete(identityKey(partition));
      });
    }
    return identities;
  }

  /** The actor under which to coordinate a write of a key whose local copy is `local`, in a bucket of that `small_vclock`. */
  actorFor(
    partition: Partition,
    local: VersionedObject | undefined,
    context: VersionVector,
    smallVclock?: number,
  ): ActorId {
    const identity = this.#identityUnknownTo(context, partition);
    const current = local?.clock.latestActorOf(identity.vnodeId);
    const isAboveFloor = current !== undefined && epochOfActor(current) >= identity.floor;
    if (isAboveFloor && !needsNewEpoch(local, context, current, smallVclock)) return current;
    return this.#newEpoch(partition, identity);
  }

  /**
   * A write from elsewhere names this vnode's own writes beyond what the local copy knows: the copy
   * has forgotten some (regression R03). From now on every key takes a new epoch. What the copy may have
   * pruned says nothing of other keys, and of this one nobody goes on from it (I5).
   */
  checkAmnesia(partition: Partition, local: VersionedObject | undefined, incoming: VersionedObject): void {
    const identity = this.#identityUnknownTo(incoming.clock, partition);
    const highest = incoming.clock.highestEpochOf(identity.vnodeId);
    const alreadyBeyond = highest === undefined || highest < identity.floor;
    if (alreadyBeyond) return;
    const entry = incoming.clock.entryOf(actorId(identity.vnodeId, highest));
    assert(entry !== undefined, 'the highest epoch has an entry');
    const known = local?.clock.counterOf(entry.actor) ?? 0;
    if (entry.counter <= known) return;
    if (local !== undefined && known === 0 && mayHavePruned(local.clock, entry)) return;
    this.#log.warn('a vnode has forgotten writes of its own; it goes on under a new epoch', { partition });
    identity.floor = identity.next;
  }

  /**
   * A batch failed: dots in it may have travelled, and the disk does not know them. Of all vnodes, since
   * a batch holds writes of many, and who is told first of its failure may write again at once.
   */
  writeFailed(): void {
    this.#endEpochs();
  }

  /**
   * An object was written without a sync. What a clean stop hands on is synced and may outlive it, so
   * this vnode's id ends with the process.
   */
  wroteUnsynced(partition: Partition): void {
    this.#of(partition).wroteUnsynced = true;
  }

  /** Hands the ids on to the next start. If the disk does not take them, that draws new ones. */
  async closeCleanly(): Promise<void> {
    try {
      await this.#write((batch) => {
        this.#identities.forEach((identity, partition) => {
          if (identity.wroteUnsynced || identity.next > epochMax) return;
          batch.put(identityKey(partition as Partition), encodeRecord(identity));
        });
      });
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      this.#log.warn('could not record a clean stop', { reason: error.message });
    }
  }

  #endEpochs(): void {
    this.#identities.forEach((identity) => {
      identity.floor = identity.next;
    });
  }

  #of(partition: Partition): Identity {
    const identity = this.#identities[partition];
    assert(identity !== undefined, 'this node serves the partition');
    return identity;
  }

  /**
   * The vnode's identity; a new one if the clock names an epoch that was never issued under the old:
   * then our records are older than the data (a restored backup), or the clock was forged.
   */
  #identityUnknownTo(clock: VersionVector, partition: Partition): Identity {
    const identity = this.#of(partition);
    const highest = clock.highestEpochOf(identity.vnodeId);
    if (highest === undefined || highest < identity.next) return identity;
    this.#log.warn('a clock names an epoch of this vnode that it never issued; it gets a new id', {
      partition,
    });
    return this.#rotate(partition);
  }

  #rotate(partition: Partition): Identity {
    const identity = freshIdentity(this.#random);
    this.#identities[partition] = identity;
    return identity;
  }

  /**
   * Each insert of a key takes an epoch: at a thousand inserts a second a vnode is through with its id in
   * fifty days, and takes a new one.
   */
  #newEpoch(partition: Partition, current: Identity): ActorId {
    const identity = current.next > epochMax ? this.#rotate(partition) : current;
    const epoch = identity.next;
    identity.next += 1;
    return actorId(identity.vnodeId, epoch);
  }

  /** True if an id was handed on. */
  #load(partition: Partition): boolean {
    const stored = this.#readRecord(partition);
    this.#identities[partition] = stored ?? freshIdentity(this.#random);
    return stored !== undefined;
  }

  /** Undefined if there is none, or none that can be trusted: the vnode then gets a new id. */
  #readRecord(partition: Partition): Identity | undefined {
    let reason = 'it has another form';
    try {
      const record = this.#commit.engine.get(identityKey(partition));
      if (record === undefined) return undefined;
      const stored = decodeRecord(record);
      if (stored !== undefined) return stored;
    } catch (error) {
      if (!(error instanceof StorageError && error.code === 'corrupt')) throw error;
      reason = error.message;
    }
    this.#log.warn('a vnode identity cannot be read; the vnode gets a new one', { partition, reason });
    return undefined;
  }

  #write(fill: (batch: WriteBatch) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#commit.write('synced', fill, (error) => (error === undefined ? resolve() : reject(error)));
    });
  }
}

function freshIdentity(random: Random): Identity {
  const vnodeId = byteStringOf(random.bytes(vnodeIdBytes));
  return { vnodeId, next: 1, floor: 0, wroteUnsynced: false };
}

function encodeRecord({ vnodeId, next, floor }: Identity): Buffer {
  const record = Buffer.alloc(recordBytes);
  record[0] = recordVersion;
  record.write(vnodeId, 1, 'latin1');
  record.writeUInt32BE(next, 1 + vnodeIdBytes);
  record.writeUInt32BE(floor, 5 + vnodeIdBytes);
  return record;
}

function decodeRecord(record: Buffer): Identity | undefined {
  if (record.length !== recordBytes || record[0] !== recordVersion) return undefined;
  return {
    vnodeId: byteStringOf(record, 1, 1 + vnodeIdBytes),
    next: record.readUInt32BE(1 + vnodeIdBytes),
    floor: record.readUInt32BE(5 + vnodeIdBytes),
    wroteUnsynced: false,
  };
}
