/**
 * Who a vnode is in the clocks of its objects, so that no dot is ever issued twice.
 *
 * A dot is (vnode id, epoch, counter). The id is 8 random bytes kept beside the data. The counter of an
 * actor (id, epoch) goes up by one with each write it coordinates for a key, from what the local copy
 * says. Where the local copy may have forgotten writes, the next one takes a new epoch (riak_kv#679):
 * there is no local copy; the client's context knows more of us than our copy does; the process ended
 * without a clean stop, or a batch failed, so that dots may have travelled which the disk never saw.
 *
 * I1  An epoch is used only after a lease that covers it is durable.
 * I2  After a start without a clean stop, no epoch of an earlier lease is used again. A stop is not clean
 *     for a vnode that wrote without a sync.
 * I3  A key whose highest epoch of ours is below the floor takes a new epoch.
 * I4  An id under which an epoch is seen that was not issued is never used again.
 */
import { Buffer } from 'node:buffer';
import { type ActorId, actorId, type VersionVector } from '../../clocks/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import type { Log, Random } from '../../environment/index.ts';
import { assert, type ByteString, byteStringOf } from '../../stdx/index.ts';
import { type GroupCommit, StorageError } from '../../storage/index.ts';
import { needsNewEpoch, type VersionedObject } from '../object/index.ts';
import { identityKey } from './key-layout.ts';

/** Epochs that one durable lease covers. */
const leaseEpochs = 10_000;
/** A lease is renewed when fewer than this are left. */
const leaseLow = 5_000;
const epochMax = 2 ** 32 - 1;
const vnodeIdBytes = 8;

const recordVersion = 1;
const recordBytes = 1 + vnodeIdBytes + 4 + 4 + 1;

interface Identity {
  vnodeId: ByteString;
  next: number;
  /** Durable: epochs below this may be used. */
  leasedTo: number;
  floor: number;
  renewing: boolean;
  /** Something of this run was left to the operating system, and a power cut could still take it. */
  wroteUnsynced: boolean;
}

/** What is stored: `clean` if the vnode stopped with its lease given back. */
interface IdentityRecord {
  readonly vnodeId: ByteString;
  readonly leasedTo: number;
  readonly floor: number;
  readonly clean: boolean;
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
  }

  /** Reads what is stored, makes what is missing, and leases epochs for this run. Resolves when durable. */
  static async open(
    partitions: readonly Partition[],
    commit: GroupCommit,
    random: Random,
    log: Log,
  ): Promise<VnodeIdentities> {
    const identities = new VnodeIdentities(commit, random, log);
    for (const partition of partitions) identities.#load(partition);
    await identities.#persist(false);
    for (const identity of identities.#identities) identity.leasedTo = identity.next + leaseEpochs;
    return identities;
  }

  /**
   * The actor under which to coordinate a write of a key whose local copy is `local`. Undefined: the
   * lease is used up and could not be renewed, because the disk takes no writes.
   */
  actorFor(
    partition: Partition,
    local: VersionedObject | undefined,
    context: VersionVector,
  ): ActorId | undefined {
    const identity = this.#identityUnknownTo(context, partition);
    const highest = local?.clock.highestEpochOf(identity.vnodeId);
    if (highest !== undefined && highest >= identity.floor) {
      const current = actorId(identity.vnodeId, highest);
      if (!needsNewEpoch(local, context, current)) return current;
    }
    return this.#newEpoch(partition, identity);
  }

  /**
   * A write from elsewhere names this vnode's own writes beyond what the local copy knows: the copy
   * has forgotten some (regression R03). From now on every key takes a new epoch.
   */
  checkAmnesia(partition: Partition, local: VersionedObject | undefined, incoming: VersionedObject): void {
    const identity = this.#identityUnknownTo(incoming.clock, partition);
    const highest = incoming.clock.highestEpochOf(identity.vnodeId);
    const alreadyBeyond = highest === undefined || highest < identity.floor;
    if (alreadyBeyond) return;
    const actor = actorId(identity.vnodeId, highest);
    if (incoming.clock.counterOf(actor) <= (local?.clock.counterOf(actor) ?? 0)) return;
    this.#log.warn('a vnode has forgotten writes of its own; it goes on under a new epoch', { partition });
    identity.floor = identity.next;
  }

  /**
   * A batch failed: dots in it may have travelled, and the disk does not know them. Of all vnodes, since
   * a batch holds writes of many, and who is told first of its failure may write again at once.
   */
  writeFailed(): void {
    this.#identities.forEach((identity) => {
      identity.floor = identity.next;
    });
  }

  /**
   * An object was written without a sync. The record of a clean stop is synced and may outlive it, so
   * the vnode's next start must take new epochs however it stops.
   */
  wroteUnsynced(partition: Partition): void {
    this.#of(partition).wroteUnsynced = true;
  }

  /**
   * Gives back what is left of the leases, so that the next start may go on with the same epochs. If the
   * disk does not take that, the next start takes the stop for a crash, which is safe.
   */
  async closeCleanly(): Promise<void> {
    try {
      await this.#persist(true);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      this.#log.warn('could not record a clean stop', { reason: error.message });
    }
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

  /** A fresh id may be used before it is durable: should it be forgotten, nobody will draw it again. */
  #rotate(partition: Partition): Identity {
    const identity = freshIdentity(this.#random);
    identity.leasedTo = identity.next + leaseEpochs;
    this.#identities[partition] = identity;
    this.#persistLease(partition, identity, identity.leasedTo);
    return identity;
  }

  #newEpoch(partition: Partition, current: Identity): ActorId | undefined {
    const identity = isUsedUp(current.next) ? this.#rotate(partition) : current;
    if (identity.leasedTo - identity.next < leaseLow) this.#renew(partition, identity);
    if (identity.next >= identity.leasedTo) return undefined;
    const epoch = identity.next;
    identity.next += 1;
    return actorId(identity.vnodeId, epoch);
  }

  #renew(partition: Partition, identity: Identity): void {
    if (!identity.renewing) this.#persistLease(partition, identity, identity.next + leaseEpochs);
  }

  #persistLease(partition: Partition, identity: Identity, leasedTo: number): void {
    identity.renewing = true;
    this.#commit.write(
      'synced',
      (batch) => batch.put(identityKey(partition), encodeRecord(identity, leasedTo, false)),
      (error) => {
        identity.renewing = false;
        if (error === undefined) identity.leasedTo = leasedTo;
        else this.#log.warn('could not renew a lease of epochs', { partition, reason: error.message });
      },
    );
  }

  #load(partition: Partition): void {
    const stored = this.#readRecord(partition);
    const identity = freshIdentity(this.#random);
    this.#identities[partition] = identity;
    if (stored === undefined || isUsedUp(stored.leasedTo)) return;
    identity.vnodeId = stored.vnodeId;
    identity.next = stored.leasedTo;
    identity.leasedTo = stored.leasedTo;
    identity.floor = stored.clean ? stored.floor : stored.leasedTo;
  }

  /** Undefined if there is none, or none that can be trusted: the vnode then gets a new id. */
  #readRecord(partition: Partition): IdentityRecord | undefined {
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

  #persist(clean: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#commit.write(
        'synced',
        (batch) => {
          this.#identities.forEach((identity, partition) => {
            const isClean = clean && !identity.wroteUnsynced;
            const leasedTo = clean ? identity.next : identity.next + leaseEpochs;
            batch.put(identityKey(partition as Partition), encodeRecord(identity, leasedTo, isClean));
          });
        },
        (error) => (error === undefined ? resolve() : reject(error)),
      );
    });
  }
}

function freshIdentity(random: Random): Identity {
  const vnodeId = byteStringOf(random.bytes(vnodeIdBytes));
  return { vnodeId, next: 1, leasedTo: 1, floor: 0, renewing: false, wroteUnsynced: false };
}

/**
 * Each insert of a key takes an epoch: at a thousand inserts a second a vnode is through with its id in
 * fifty days. Then, while another lease would still fit, it takes a new one.
 */
function isUsedUp(next: number): boolean {
  return next + leaseEpochs > epochMax;
}

function encodeRecord(identity: Identity, leasedTo: number, clean: boolean): Buffer {
  const record = Buffer.alloc(recordBytes);
  record[0] = recordVersion;
  record.write(identity.vnodeId, 1, 'latin1');
  record.writeUInt32BE(leasedTo, 1 + vnodeIdBytes);
  record.writeUInt32BE(identity.floor, 5 + vnodeIdBytes);
  record[9 + vnodeIdBytes] = clean ? 1 : 0;
  return record;
}

function decodeRecord(record: Buffer): IdentityRecord | undefined {
  if (record.length !== recordBytes || record[0] !== recordVersion) return undefined;
  return {
    vnodeId: byteStringOf(record, 1, 1 + vnodeIdBytes),
    leasedTo: record.readUInt32BE(1 + vnodeIdBytes),
    floor: record.readUInt32BE(5 + vnodeIdBytes),
    clean: record[9 + vnodeIdBytes] === 1,
  };
}
