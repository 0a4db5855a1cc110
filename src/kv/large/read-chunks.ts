/** A value, or a part of it, chunk by chunk, a few of them read ahead. */
import type { Buffer } from 'node:buffer';
import type { Timers } from '../../environment/index.ts';
import { KvFailure } from '../key-value-store.ts';
import type { KvError } from '../kv-error.ts';
import { readAgain, windowMax } from './chunk-patience.ts';
import type { ChunkStore } from './chunk-store.ts';
import type { Manifest } from './manifest.ts';

/** Bytes of the value, the last one not included. */
export interface ChunkRange {
  readonly from: number;
  readonly to: number;
}

/** Throws `KvFailure`. */
export async function* readChunks(
  chunks: ChunkStore,
  timers: Timers,
  manifest: Manifest,
  { from, to }: ChunkRange,
): AsyncIterable<Buffer> {
  const { chunkBytes, upload, bytes } = manifest;
  const end = Math.ceil(to / chunkBytes);
  let next = Math.floor(from / chunkBytes);
  const ahead: { readonly index: number; readonly chunk: Promise<Buffer | KvError> }[] = [];
  for (;;) {
    while (next < end && ahead.length < windowMax) {
      const index = next;
      ahead.push({ index, chunk: readAgain(timers, () => chunks.getChunk(upload, index)) });
      next += 1;
    }
    const first = ahead.shift();
    if (first === undefined) return;
    const chunk = await first.chunk;
    if ('code' in chunk) throw new KvFailure(chunk);
    const start = first.index * chunkBytes;
    if (chunk.length !== Math.min(chunkBytes, bytes - start)) {
      throw new KvFailure({ code: 'storage', reason: `chunk ${first.index} has not its length` });
    }
    yield chunk.subarray(Math.max(0, from - start), Math.min(chunk.length, to - start));
  }
}
