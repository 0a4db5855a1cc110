import { Buffer } from 'node:buffer';
import { bufferOf, byteLiteral } from '../../stdx/index.ts';
import { type Cursor, WriteBatch } from '../storage-engine.ts';
import type { LogEngine } from './log-engine.ts';

const SLICE = { entriesMax: 1024, bytesMax: 1024 * 1024 };

/** Writes what a cursor gives into another engine; what it finds lost on the way is lost there too. */
export async function copyEntries(cursor: Cursor, copy: LogEngine, lost: Set<string>): Promise<void> {
  for (;;) {
    const slice = await cursor.next(SLICE);
    const batch = new WriteBatch();
    for (const { key, value } of slice) batch.put(key, value);
    const marks = new Set<number>();
    for (const name of lost) {
      marks.add(batch.length);
      batch.put(bufferOf(byteLiteral(name)), Buffer.alloc(0));
    }
    lost.clear();
    await copy.writeCopied(batch, marks);
    if (slice.length === 0) return;
  }
}
