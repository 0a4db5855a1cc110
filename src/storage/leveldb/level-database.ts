/**
 * The part of `classic-level` that the engine uses, narrowed to buffers.
 *
 * Batches go through the hooks that `abstract-level` documents for implementers (`_put`, `_write`, …):
 * its public calls check and clone options for each key, which costs the main thread six microseconds a
 * key where the hook costs one; and a native batch can be used again, while a public one is freed only by
 * the garbage collector, which does not see native memory. (Batches of 32 values of 1 KiB.)
 */
import { Buffer } from 'node:buffer';
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
  /** Merges all that it has into one sorted whole. May take long. */
  compact(): Promise<void>;
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
 * Measured with 120,000 random overwrites of 100,000 keys, three copies each, in synced batches of 32 puts,
 * values of 1 KiB that compress to half; CPU of LevelDB's threads for a put, longest batch, recovery after
 * `kill -9`, on a busy machine:
 *
 *   memory table 16 MiB, Snappy   105 µs   512 ms   182 ms
 *   memory table 64 MiB, Snappy    87 µs   226 ms   398 ms (712 ms at most in other runs)
 *   memory table 64 MiB, plain     55 µs   136 ms   196 ms, on twice the disk
 *
 * A larger table saves a sixth for large values. It stays small because up to two of them are held in
 * memory, are replayed at a start, and must fit on a disk that was full before writes go on. Compression
 * stays because disk, and what of the data the page cache holds, were judged dearer than CPU. Both are
 * settings, for who weighs it otherwise. Files of 4 to 32 MiB and blocks of 4 to 16 KiB made no
 * difference above the noise, and values of 100 B none between any of these.
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

/** No key is before the one, and none of ours behind the other. */
const FIRST_KEY = Buffer.from([0]);
const LAST_KEY = Buffer.alloc(16, 0xff);

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
    compact: () => level.compactRange(FIRST_KEY, LAST_KEY),
    close: () => level.close(),
  };
};

/** The database must be closed. What cannot be read is dropped. */
export function repairLevelDatabase(directory: string): Promise<void> {
  return ClassicLevel.repair(directory);
}
