/**
 * The format marker: one entry at the end of the key space, written when a database is made and checked
 * whenever it is opened. A copy gets it last, so that a copy that was cut short is refused.
 *
 * Version 1: every value is sealed (sealed-value.ts); keys from eight 0xff bytes on are the engine's own.
 */
import { Buffer } from 'node:buffer';
import { StorageError } from '../storage-engine.ts';
import type { LevelDatabase } from './level-database.ts';

/** Keys from here on are reserved. */
export const RESERVED_FROM: Buffer = Buffer.alloc(8, 0xff);

const MARKER_KEY = Buffer.concat([RESERVED_FROM, Buffer.from('hale/storage/leveldb', 'latin1')]);
const MARKER_VALUE = Buffer.from('1', 'latin1');

export function isReserved(key: Buffer): boolean {
  return key.length >= 8 && key[0] === 0xff && Buffer.compare(key, RESERVED_FROM) >= 0;
}

export function isMarked(database: LevelDatabase): boolean {
  return database.getSync(MARKER_KEY) !== undefined;
}

export async function writeMarker(database: LevelDatabase): Promise<void> {
  const batch = database.nativeBatch();
  batch._put(MARKER_KEY, MARKER_VALUE);
  await batch._write({ sync: true });
  await batch.close();
}

/** Marks an empty database; throws 'format' for entries without a marker or another version. */
export async function checkMarker(database: LevelDatabase, directory: string): Promise<void> {
  const found = database.getSync(MARKER_KEY);
  if (found === undefined) {
    if (!(await isEmpty(database))) {
      throw new StorageError(
        'format',
        `${directory} holds a LevelDB database that this program did not make, or an unfinished copy`,
      );
    }
    await writeMarker(database);
  } else if (!found.equals(MARKER_VALUE)) {
    throw new StorageError(
      'format',
      `${directory} holds storage format ${found.toString('latin1')}; this version knows ${MARKER_VALUE.toString('latin1')}`,
    );
  }
}

export async function isEmpty(database: LevelDatabase): Promise<boolean> {
  const snapshot = database.snapshot();
  const iterator = database.iterator({
    lt: MARKER_KEY,
    reverse: false,
    values: false,
    fillCache: false,
    highWaterMarkBytes: 1,
    snapshot,
  });
  const first = await iterator.nextv(1);
  await iterator.close();
  await snapshot.close();
  return first.length === 0;
}
