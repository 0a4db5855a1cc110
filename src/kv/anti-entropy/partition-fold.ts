/** Drives one fold of a partition: sums a snapshot of it into a shadow, in slices, while writes go on (K2). */
import { type Background, costOf } from '../../core/background/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import type { Environment } from '../../environment/index.ts';
import { type Cursor, type Entry, type GroupCommit, StorageError } from '../../storage/index.ts';
import type { ObjectAddress } from '../key-value-store.ts';
import { ObjectFormatError, VersionedObject } from '../object/index.ts';
import { ObjectKey, objectsRange } from '../vnode/index.ts';
import type { Pause } from './pause.ts';
import { encodedKeyOf } from './segment-listing.ts';
import type { Shadow, TreeKeeper } from './tree-keeper.ts';

/** One slice holds the event loop for about a millisecond. */
const sliceLimits = { entriesMax: 64, bytesMax: 256 * 1024 };
/** Tombstones that one fold names. What goes beyond is left to the next. */
const tombstonesMax = 1000;

export interface FoldParts {
  readonly environment: Pick<Environment, 'log'>;
  readonly background: Background;
  readonly commit: GroupCommit;
  readonly keeper: TreeKeeper;
  readonly pause: Pause;
}

export type FoldResult =
  | {
      readonly kind: 'built' | 'verified' | 'drifted';
      readonly objects: number;
      readonly unreadable: number;
      /** Of keys whose first partition this is. */
      readonly tombstones: readonly ObjectAddress[];
    }
  /** Doubt, a lost partition, a closed node or a sick disk ended it. */
  | { readonly kind: 'lost' };

export async function foldPartition(
  parts: FoldParts,
  partition: Partition,
  objectsPerSecond: number,
): Promise<FoldResult> {
  let unreadable = 0;
  const taken = await takeSnapshot(parts, partition, () => {
    unreadable += 1;
  });
  if (taken === undefined) return { kind: 'lost' };
  const { cursor, shadow } = taken;
  const tombstones: ObjectAddress[] = [];
  let objects = 0;
  try {
    for (;;) {
      const entries = await parts.background.run('read', () => cursor.next(sliceLimits), costOfEntries);
      if (!parts.keeper.isPresent(partition, shadow)) return { kind: 'lost' };
      if (entries.length === 0) break;
      for (const entry of entries) {
        const folded = foldEntry(parts.keeper, partition, shadow, entry);
        if (folded === 'unreadable') unreadable += 1;
        else if (folded !== undefined && tombstones.length < tombstonesMax) tombstones.push(folded);
      }
      objects += entries.length;
      await parts.pause.for((entries.length / objectsPerSecond) * 1000);
      if (parts.pause.isClosed) return { kind: 'lost' };
    }
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    parts.environment.log.warn('a partition could not be read for its hash trees; it is tried again', {
      partition,
      reason: error.message,
    });
    return { kind: 'lost' };
  } finally {
    await cursor.close();
  }
  const kind = parts.keeper.finishShadow(partition, shadow);
  return kind === 'lost' ? { kind } : { kind, objects, unreadable, tombstones };
}

function costOfEntries(entries: readonly Entry[]): number {
  const bytes = entries.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
  return costOf(entries.length, bytes);
}

interface Snapshot {
  readonly cursor: Cursor;
  readonly shadow: Shadow;
}

/** A snapshot and a shadow that begin at one point of the stream of committed changes (K2). */
function takeSnapshot(
  { commit, keeper }: FoldParts,
  partition: Partition,
  corrupt: () => void,
): Promise<Snapshot | undefined> {
  const doubts = keeper.doubtsOf(partition);
  if (doubts === undefined) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    commit.write(
      'os',
      () => {},
      (error) => {
        // A database that is being recovered may come back with writes that had failed.
        if (error !== undefined || commit.engine.health.kind !== 'healthy') {
          resolve(undefined);
          return;
        }
        const cursor = scanObjects(commit, partition, corrupt);
        const shadow = cursor && keeper.beginShadow(partition, doubts);
        if (cursor === undefined || shadow === undefined) {
          resolve(cursor?.close().then(() => undefined));
          return;
        }
        // A microtask runs when the group's `done` calls are over, and before those of the next group.
        void Promise.resolve().then(() => {
          shadow.isInSnapshotRun = false;
        });
        resolve({ cursor, shadow });
      },
    );
  });
}

function scanObjects({ engine }: GroupCommit, partition: Partition, corrupt: () => void): Cursor | undefined {
  try {
    return engine.scan(objectsRange(partition), { corrupt });
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    return undefined;
  }
}

/** An entry that cannot be read is in no tree: so it differs from the replicas that have it, and is repaired (R61). */
function foldEntry(
  keeper: TreeKeeper,
  partition: Partition,
  shadow: Shadow,
  { key: storageKey, value }: Entry,
): ObjectAddress | 'unreadable' | undefined {
  const encoded = encodedKeyOf(storageKey);
  const key = ObjectKey.decode(encoded, 0, encoded.length);
  if (key === undefined) return 'unreadable';
  try {
    const object = VersionedObject.decode(value);
    const isFirst = keeper.fold(partition, shadow, key, object);
    return isFirst && object.isTombstone ? key.address : undefined;
  } catch (error) {
    if (!(error instanceof ObjectFormatError)) throw error;
    return 'unreadable';
  }
}
