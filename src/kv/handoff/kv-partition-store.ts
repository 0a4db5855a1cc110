/**
 * The partitions of this node's storage engine, as handoff sees them: folded, merged into, forgotten, dropped.
 *
 * P1  A fold, and the answer whether a partition is empty, show every write that was queued before.
 * P2  What arrives is merged by the vnode like a repair: read, merged and queued in one turn. What is here already as it
 *     arrives is not stored again where its sender keeps it.
 * P3  Only what is still exactly what was handed over is forgotten; a write in between keeps its object.
 * P4  From the call of `drop` until it has succeeded nothing of the partition is served, taken or merged, though its move be
 *     over and the node own it again (`isDropping`): nothing half dropped is read as if it were all there, and nothing
 *     that was acknowledged is dropped. A drop that has begun is completed before the node serves again, whatever crashes; one
 *     whose turn has not come drops nothing if it is not wanted any more by then.
 * P5  Who takes a partition over takes over what is remembered of its reaped tombstones (C8); what there is no room to
 *     remember becomes a tombstone again.
 *
 * What is forgotten or dropped may be written again under the same vnode id. No dot is issued twice for that: a key
 * without a local copy takes a new epoch (`VnodeIdentities` I3), and epochs are never handed out again.
 */
import { Buffer } from 'node:buffer';
import {
  type FoldOptions,
  type MergeOptions,
  type PartitionFold,
  type PartitionStore,
  PartitionStoreError,
} from '../../core/handoff/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import type { VnodeService } from '../../core/vnode/index.ts';
import type { LogFields } from '../../environment/index.ts';
import {
  type Durability,
  type GroupCommit,
  type KeyRange,
  StorageError,
  type WriteBatch,
} from '../../storage/index.ts';
import type { StoredChanges } from '../anti-entropy/index.ts';
import type { FeedEntries } from '../feed/index.ts';
import { ObjectFormatError, VersionedObject } from '../object/index.ts';
import {
  changeDerived,
  nodeFactKey,
  type ObjectKey,
  objectsRange,
  partitionRange,
  type ReplicaReply,
  type ReplicaRequest,
  type StrayBytes,
  type TombstoneReaper,
} from '../vnode/index.ts';
import { type FoldParts, ObjectFold } from './object-fold.ts';
import { decodeItem, type PartitionItem } from './partition-item.ts';
import { queuedIsWritten } from './queued-is-written.ts';
import { storeFailure } from './store-failure.ts';

export interface KvPartitionStoreParts extends FoldParts {
  readonly commit: GroupCommit;
  readonly vnodes: VnodeService<ReplicaRequest, ReplicaReply>;
  readonly changes: StoredChanges;
  readonly strays: Pick<StrayBytes, 'grew' | 'cleared'>;
  /** Absent: nothing that was reaped is remembered. */
  readonly reaper?: Pick<TombstoneReaper, 'takeOver'>;
  /** Absent: no bucket has a change feed. */
  readonly feeds?: Pick<FeedEntries, 'forget' | 'dropped' | 'wasDropped'>;
}

const droppingPrefix = 'dropping/';

export class KvPartitionStore implements PartitionStore {
  readonly #parts: KvPartitionStoreParts;
  /** `begun`: its mark may be on the disk. */
  readonly #dropping = new Map<Partition, 'waiting' | 'begun'>();
  /** When the drops before have ended: many at once would leave the disk to nobody else. */
  #dropsEnded: Promise<void> = Promise.resolve();

  private constructor(parts: KvPartitionStoreParts) {
    this.#parts = parts;
  }

  /** Completes the drops that a crash interrupted. To be opened before anything is served. Rejects with `StorageError`. */
  static async open(parts: KvPartitionStoreParts): Promise<KvPartitionStore> {
    const store = new KvPartitionStore(parts);
    for (const partition of await interruptedDrops(parts.commit)) await store.#drop(partition);
    return store;
  }

  /** Nothing may be answered from what is left there, and nothing taken. */
  isDropping(partition: Partition): boolean {
    return this.#dropping.has(partition);
  }

  async isEmpty(partition: Partition): Promise<boolean> {
    try {
      await queuedIsWritten(this.#parts.commit);
      const cursor = this.#parts.commit.engine.scan(objectsRange(partition), { keysOnly: true });
      try {
        const isEmpty = (await cursor.next({ entriesMax: 1, bytesMax: 1 })).length === 0;
        // The account of stray data drifts; here it is known.
        if (isEmpty) this.#parts.strays.cleared(partition);
        return isEmpty;
      } finally {
        await cursor.close();
      }
    } catch (error) {
      throw storeFailure(error, `looking into partition ${partition}`);
    }
  }

  async approximateBytes(partition: Partition): Promise<number> {
    try {
      return await this.#parts.commit.engine.sizeEstimate(partitionRange(partition));
    } catch (error) {
      throw storeFailure(error, `estimating partition ${partition}`);
    }
  }

  fold(partition: Partition, options: FoldOptions): PartitionFold {
    return new ObjectFold(this.#parts, partition, options);
  }

  async merge(partition: Partition, items: readonly Buffer[], { areKept }: MergeOptions = {}): Promise<void> {
    const given = items.map(itemOf);
    this.#checkIsKept(partition);
    if (areKept !== true) {
      await this.#mergeAll(partition, given);
      return;
    }
    try {
      const isKnown = given.map((item) => !item.isReaped && this.#isStill(partition, item));
      const known = given.filter((_, at) => isKnown[at]);
      const merging = this.#mergeAll(
        partition,
        given.filter((_, at) => !isKnown[at]),
      );
      await Promise.all([merging, this.#settle(partition, known)]);
    } catch (error) {
      throw storeFailure(error, `merging into partition ${partition}`);
    }
  }

  subjectOf(item: Buffer): LogFields {
    return itemOf(item).key.subject;
  }

  async forget(partition: Partition, items: readonly Buffer[]): Promise<void> {
    const gone: { readonly item: PartitionItem; readonly object: VersionedObject }[] = [];
    try {
      for (const bytes of items) {
        const item = itemOf(bytes);
        if (!item.isReaped && this.#isStill(partition, item))
          gone.push({ item, object: VersionedObject.decode(item.bytes) });
      }
      if (gone.length === 0) return;
      // Synced: what came back after a power cut could bring back an object that was deleted meanwhile.
      await this.#write('synced', (batch) => {
        for (const { item, object } of gone) {
          batch.delete(item.key.copy(partition));
          changeDerived(batch, partition, item.key, object, undefined);
          this.#parts.feeds?.forget(batch, partition, item.key);
        }
      });
    } catch (error) {
      if (gone.length > 0) this.#parts.changes.doubt(partition);
      throw storeFailure(error, `forgetting what partition ${partition} has handed over`);
    }
    for (const { item, object } of gone) {
      this.#parts.changes.observe(partition, item.key, object, undefined);
      this.#parts.strays.grew(partition, -object.sizeBytes);
    }
  }

  async #mergeAll(partition: Partition, items: readonly PartitionItem[]): Promise<void> {
    const merged = items.map((item) => ({ item, object: objectOf(item) }));
    await Promise.all(
      merged.map(({ item, object }) => {
        const isTaken = item.isReaped ? this.#takeOver(partition, item.key, object) : undefined;
        return isTaken ?? this.#put(partition, item.key, object);
      }),
    );
  }

  /** Items that are here, though perhaps only queued: a write that fails leaves them out. */
  async #settle(partition: Partition, items: readonly PartitionItem[]): Promise<void> {
    if (items.length === 0) return;
    await queuedIsWritten(this.#parts.commit);
    this.#checkIsKept(partition);
    await this.#mergeAll(
      partition,
      items.filter((item) => !this.#isStill(partition, item)),
    );
  }

  #checkIsKept(partition: Partition): void {
    if (this.#dropping.has(partition))
      throw new PartitionStoreError('storage', 'what was here of the partition is still being dropped');
  }

  async drop(partition: Partition, isWanted: () => boolean = () => true): Promise<void> {
    if (!this.#dropping.has(partition)) this.#dropping.set(partition, 'waiting');
    try {
      const dropped = this.#dropsEnded.then(() => this.#dropInTurn(partition, isWanted));
      this.#dropsEnded = dropped.catch(() => undefined);
      await dropped;
    } catch (error) {
      throw storeFailure(error, `dropping partition ${partition}`);
    }
  }

  async #dropInTurn(partition: Partition, isWanted: () => boolean): Promise<void> {
    const stage = this.#dropping.get(partition);
    // An earlier call has dropped all that there was at this one.
    if (stage === undefined) return;
    if (stage === 'begun' || isWanted()) {
      this.#dropping.set(partition, 'begun');
      await this.#drop(partition);
    }
    this.#dropping.delete(partition);
  }

  /** The mark goes through the group commit, behind all writes that were queued before the drop. */
  async #drop(partition: Partition): Promise<void> {
    const mark = markKey(partition);
    await this.#write('synced', (batch) => batch.put(mark, Buffer.alloc(0)));
    await this.#parts.commit.engine.deleteRange(partitionRange(partition));
    const { feeds } = this.#parts;
    let dropped = 0;
    await this.#write('synced', (batch) => {
      batch.delete(mark);
      dropped = feeds?.dropped(batch, partition) ?? 0;
    });
    feeds?.wasDropped(dropped);
    this.#parts.changes.doubt(partition);
    this.#parts.strays.cleared(partition);
  }

  /** P5. Undefined: it is to be merged like any tombstone, since the key has an object, or there is no room. */
  #takeOver(partition: Partition, key: ObjectKey, tombstone: VersionedObject): Promise<void> | undefined {
    const { reaper } = this.#parts;
    if (reaper === undefined || this.#isStored(partition, key)) return undefined;
    let isTaken = false;
    const durable = new Promise<void>((resolve, reject) => {
      isTaken = reaper.takeOver(partition, key, tombstone, (error) =>
        error === undefined ? resolve() : reject(storeFailure(error, 'remembering what was reaped')),
      );
    });
    return isTaken ? durable : undefined;
  }

  /** Of a copy that cannot be read, too. */
  #isStored(partition: Partition, key: ObjectKey): boolean {
    try {
      return this.#parts.commit.get(key.borrow(partition)) !== undefined;
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      return true;
    }
  }

  #put(partition: Partition, key: ObjectKey, object: VersionedObject): Promise<void> {
    const put = {
      kind: 'put',
      key,
      object,
      durability: 'synced',
      purpose: 'repair',
      announce: false,
    } as const;
    return new Promise((resolve, reject) => {
      this.#parts.vnodes.handle(partition, put, (reply) => {
        if (reply.kind === 'stored') resolve();
        else reject(new PartitionStoreError('storage', reasonOf(reply)));
      });
    });
  }

  #isStill(partition: Partition, { key, bytes }: PartitionItem): boolean {
    try {
      return this.#parts.commit.get(key.borrow(partition))?.equals(bytes) ?? false;
    } catch (error) {
      // A damaged copy stays: it is found, and reported, by the next transfer.
      if (error instanceof StorageError && error.code === 'corrupt') return false;
      throw error;
    }
  }

  #write(durability: Durability, fill: (batch: WriteBatch) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#parts.commit.write(durability, fill, (error) =>
        error === undefined ? resolve() : reject(error),
      );
    });
  }
}

function markKey(partition: Partition): Buffer {
  return nodeFactKey(`${droppingPrefix}${partition}`);
}

async function interruptedDrops({ engine }: GroupCommit): Promise<Partition[]> {
  const from = nodeFactKey(droppingPrefix);
  const to = Buffer.from(from);
  to[to.length - 1] += 1;
  const range: KeyRange = { from, to };
  const cursor = engine.scan(range, { keysOnly: true });
  const partitions: Partition[] = [];
  try {
    const limits = { entriesMax: 1000, bytesMax: 1024 * 1024 };
    for (let marks = await cursor.next(limits); marks.length > 0; marks = await cursor.next(limits)) {
      for (const { key } of marks) partitions.push(Number(key.toString('latin1', from.length)) as Partition);
    }
  } finally {
    await cursor.close();
  }
  return partitions;
}

function objectOf({ bytes }: PartitionItem): VersionedObject {
  try {
    return VersionedObject.decode(bytes);
  } catch (error) {
    if (!(error instanceof ObjectFormatError)) throw error;
    throw new PartitionStoreError('malformed', `an item holds no object: ${error.message}`);
  }
}

function itemOf(bytes: Buffer): PartitionItem {
  const item = decodeItem(bytes);
  if (item === undefined)
    throw new PartitionStoreError('malformed', 'an item is not in a form that this node knows');
  return item;
}

function reasonOf(reply: ReplicaReply): string {
  if (reply.kind !== 'failed') return `the vnode answered ${reply.kind}`;
  return 'reason' in reply.error ? `${reply.error.reason}` : reply.error.code;
}
