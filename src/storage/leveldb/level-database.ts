/**
 * The part of `classic-level` that the engine uses, narrowed to buffers.
 *
 * Batches go through the hooks that `abstract-level` documents for implementers (`_put`, `_write`, …):
 * its public calls check and clone options for each key, which costs the main thread six microseconds a
 * key where the hook costs one; and a native batch can be used again, while a public one is freed only by
 * the garbage collector, which does not see native memory. (Batches of 32 values of 1 KiB.)
 */
import type { Buffer } from 'node:buffer';
import { ClassicLevel, type IteratorOptions } from 'classic-level';

export interface NativeBatch {
  _put(key: Buffer, value: Buffer): void;
  _del(key: Buffer): void;
  _clear(): void;
  /** The batch must not be touched until this settles. */
  _write(options: { readonly sync: boolean }): Promise<void>;
  close(): Promise<void>;
}

export interface NativeSnapshot {
  close(): Promise<void>;
}

export interface NativeIterator {
  nextv(size: number): Promise<[Buffer, Buffer][]>;
  seek(target: Buffer): void;
  close(): Promise<void>;
}

export interface NativeIteratorOptions {
  readonly gt?: Buffer;
  readonly gte?: Buffer;
  readonly lt: Buffer;
  readonly reverse: boolean;
  readonly values: boolean;
  readonly fillCache: boolean;
  readonly highWaterMarkBytes: number;
  readonly snapshot: NativeSnapshot;
}

export interface LevelDatabase {
  getSync(key: Buffer): Buffer | undefined;
  /** A native batch, empty. */
  nativeBatch(): NativeBatch;
  snapshot(): NativeSnapshot;
  iterator(options: NativeIteratorOptions): NativeIterator;
  approximateSize(start: Buffer, end: Buffer): Promise<number>;
  close(): Promise<void>;
}

export interface LevelTuning {
  /** Uncompressed blocks kept in memory. */
  readonly cacheBytes: number;
  /** The memory table: what is written to the log before it becomes a sorted file. Bounds recovery time. */
  readonly writeBufferBytes: number;
  readonly blockBytes: number;
  /** Snappy, per block. */
  readonly compression: boolean;
  readonly openFilesMax: number;
  readonly fileBytes: number;
}

/**
 * Measured with random overwrites of 60,000 to 100,000 keys, three copies each, in synced batches of 32
 * puts, values of 100 B and 1 KiB of which half compresses. Memory tables of 16 to 64 MiB, files of 4 to
 * 32 MiB and blocks of 4 to 16 KiB cost the same CPU, within the noise of a shared machine: what a
 * bigger memory table saves in compaction, its skip list costs in cache misses. It lengthens recovery after
 * `kill -9`: 0.2 s at 16 MiB, up to 0.7 s at 64. Without compression a put of 1 KiB costs a quarter less
 * and the disk holds 1.6 times as much; disk and page cache were judged dearer.
 */
export const LEVEL_TUNING: LevelTuning = {
  cacheBytes: 64 * 1024 * 1024,
  writeBufferBytes: 16 * 1024 * 1024,
  blockBytes: 4096,
  compression: true,
  openFilesMax: 1000,
  fileBytes: 4 * 1024 * 1024,
};

export interface LevelOpening {
  readonly createIfMissing: boolean;
  readonly errorIfExists: boolean;
}

export type OpenLevelDatabase = (
  directory: string,
  tuning: LevelTuning,
  opening: LevelOpening,
) => Promise<LevelDatabase>;

type NativeLevel = ClassicLevel<Buffer, Buffer> & { _chainedBatch(): NativeBatch };

export const openLevelDatabase: OpenLevelDatabase = async (directory, tuning, opening) => {
  const level = new ClassicLevel<Buffer, Buffer>(directory, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
  }) as NativeLevel;
  await level.open({
    createIfMissing: opening.createIfMissing,
    errorIfExists: opening.errorIfExists,
    cacheSize: tuning.cacheBytes,
    writeBufferSize: tuning.writeBufferBytes,
    blockSize: tuning.blockBytes,
    compression: tuning.compression,
    maxOpenFiles: tuning.openFilesMax,
    maxFileSize: tuning.fileBytes,
  });
  return {
    getSync: (key) => level.getSync(key),
    nativeBatch: () => level._chainedBatch(),
    snapshot: () => level.snapshot(),
    iterator: (options) => level.iterator(options as IteratorOptions<Buffer, Buffer>),
    approximateSize: (start, end) => level.approximateSize(start, end),
    close: () => level.close(),
  };
};

/** The database must be closed. What cannot be read is dropped. */
export function repairLevelDatabase(directory: string): Promise<void> {
  return ClassicLevel.repair(directory);
}
