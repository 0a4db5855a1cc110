/**
 * Compares what is kept beside the objects of a partition with the objects, and mends it: adds what an object lacks,
 * removes what is of no object (D1 in `vnode/derived-entries.ts`).
 *
 * Two snapshots are walked while writes go on, so what they show is only a suspicion. Whether an entry has to be there
 * is decided by what is stored now, queued writes included, in the turn in which the correction is queued: the next
 * write of the object builds on it.
 */
import type { Buffer } from 'node:buffer';
import type { Partition } from '../../core/ring/index.ts';

import { type Cursor, type Entry, type GroupCommit, StorageError, WriteBatch } from '../../storage/index.ts';
import { VersionedObject } from '../object/index.ts';
import {
  addressOf,
  derivedKeys,
  derivedRange,
  entryAt,
  indexKeyOf,
  ObjectKey,
  objectsRange,
} from '../vnode/index.ts';

export interface CheckParts {
  readonly commit: GroupCommit;
  /** Waits as long as the pace wants after so many entries; false: give up. */
  readonly rest: (entries: number) => Promise<boolean>;
}

export interface CheckResult {
  readonly objects: number;
  readonly entries: number;
  readonly added: number;
  readonly removed: number;
}

const sliceLimits = { entriesMax: 256, bytesMax: 256 * 1024 };
const noValue = new Uint8Array(0) as Buffer;

/** Undefined: given up. Rejects with `StorageError`. */
export async function checkEntries(
  parts: CheckParts,
  partition: Partition,
): Promise<CheckResult | undefined> {
  const counts = { objects: 0, entries: 0, added: 0, removed: 0 };
  const { commit } = parts;
  const damaged = { corrupt: () => {} };
  const objects = await walk(parts, commit.engine.scan(objectsRange(partition), damaged), async (slice) => {
    counts.objects += slice.length;
    const lacking = slice.flatMap((entry) => suspects(commit, partition, entry));
    counts.added += await correct(commit, partition, lacking);
  });
  if (!objects) return undefined;
  const keysOnly = { keysOnly: true };
  const entries = await walk(parts, commit.engine.scan(derivedRange(partition), keysOnly), async (slice) => {
    counts.entries += slice.length;
    counts.removed += await correct(
      commit,
      partition,
      slice.flatMap((entry) => ownerOf(entry.key)),
    );
  });
  return entries ? counts : undefined;
}

/** An entry or mark, and the object that has to have it. Undefined: no object can. */
interface Suspect {
  readonly entry: Buffer;
  readonly object: ObjectKey | undefined;
}

async function walk(
  { rest }: CheckParts,
  cursor: Cursor,
  visit: (slice: readonly Entry[]) => Promise<void>,
): Promise<boolean> {
  try {
    for (;;) {
      const slice = await cursor.next(sliceLimits);
      if (slice.length === 0) return true;
      await visit(slice);
      if (!(await rest(slice.length))) return false;
    }
  } finally {
    await cursor.close();
  }
}

/** What an object should have, and the engine does not. */
function suspects(commit: GroupCommit, partition: Partition, { key, value }: Entry): Suspect[] {
  const object = VersionedObject.tryDecode(value);
  if (object === undefined) return [];
  const name = new ObjectKey(addressOf(key));
  const lacking = derivedKeys(partition, name, object).filter((entry) => commit.get(entry) === undefined);
  return lacking.map((entry) => ({ entry, object: name }));
}

function ownerOf(entry: Buffer): Suspect[] {
  const mark = ObjectKey.ofMark(entry);
  if (mark !== undefined) return [{ entry, object: mark }];
  const index = indexKeyOf(entry);
  const found = index && entryAt(index.field, index.place);
  if (index === undefined || found === undefined || found.key === '') return [{ entry, object: undefined }];
  const { bucketType, bucket } = index;
  return [{ entry, object: new ObjectKey({ bucketType, bucket, key: found.key }) }];
}

/** Decides and queues in one turn. Resolves, when it is durable, with how many entries changed. */
function correct(commit: GroupCommit, partition: Partition, suspected: readonly Suspect[]): Promise<number> {
  const batch = new WriteBatch();
  for (const { entry, object } of suspected) {
    const isWanted = object !== undefined && isDerived(commit, partition, object, entry);
    const isThere = commit.get(entry) !== undefined;
    if (isWanted === 'unknown' || isWanted === isThere) continue;
    if (isWanted) batch.put(entry, noValue);
    else batch.delete(entry);
  }
  if (batch.length === 0) return Promise.resolve(0);
  return new Promise((resolve, reject) => {
    commit.write(
      'synced',
      (into) => {
        batch.keys.forEach((key, i) => {
          const value = batch.values[i];
          if (value === undefined) into.delete(key);
          else into.put(key, value);
        });
      },
      (error) => (error === undefined ? resolve(batch.length) : reject(error)),
    );
  });
}

/** Of a damaged object nobody knows: it is repaired, and then its entries are. */
function isDerived(
  commit: GroupCommit,
  partition: Partition,
  key: ObjectKey,
  entry: Buffer,
): boolean | 'unknown' {
  let bytes: Buffer | undefined;
  try {
    bytes = commit.get(key.borrow(partition));
  } catch (error) {
    if (error instanceof StorageError && error.code === 'corrupt') return 'unknown';
    throw error;
  }
  if (bytes === undefined) return false;
  const object = VersionedObject.tryDecode(bytes);
  if (object === undefined) return 'unknown';
  return derivedKeys(partition, key, object).some((derived) => derived.equals(entry));
}
