/**
 * The one storage interface. A node has a single engine that holds all its vnodes (D5).
 *
 * Keys are byte strings in unsigned lexicographic order. Reads are synchronous: a hot read takes
 * about as long as a promise would. Writes are atomic batches, durable or not by choice.
 */
import type { Buffer } from 'node:buffer';

export type StorageErrorCode =
  /** A checksum did not match: the message names the key or file. The value is never served. */
  | 'corrupt'
  /** No space. Writes fail until space returns; reads go on. */
  | 'full'
  /** The device failed. Writes fail until the engine has recovered; reads go on. */
  | 'io'
  /** The directory is open in this or another process. */
  | 'locked'
  /** The engine was closed, or is closing. */
  | 'closed'
  /** The directory holds a format this version does not know. */
  | 'format'
  /** The engine cannot do this by design: a volatile engine has nothing to copy to a directory. */
  | 'unsupported';

export class StorageError extends Error {
  override readonly name = 'StorageError';
  readonly code: StorageErrorCode;
  constructor(code: StorageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Of a batch in parts that are written apart: some have failed, the others are as visible and as durable as was asked. */
export class PartlyWritten extends StorageError {
  readonly #isWritten: (place: number) => boolean;

  constructor(cause: StorageError, isWritten: (place: number) => boolean) {
    super(cause.code, cause.message, { cause });
    this.#isWritten = isWritten;
  }

  /** Of the write at this place of the batch. */
  isWritten(place: number): boolean {
    return this.#isWritten(place);
  }
}

/** `synced`: survives a power cut once the write resolved. `os`: survives the process, not the machine. */
export type Durability = 'synced' | 'os';

/** Half-open: `from` is in the range, `to` is not. Either may be missing. */
export interface KeyRange {
  readonly from?: Buffer;
  readonly to?: Buffer;
}

export interface Entry {
  readonly key: Buffer;
  readonly value: Buffer;
}

export interface CursorLimits {
  readonly entriesMax: number;
  readonly bytesMax: number;
}

/** A walk over a consistent snapshot, pulled in slices so that no scan holds the event loop. */
export interface Cursor {
  /** The next entries in key order; empty at the end. Stops at whichever limit comes first, after at least one entry. */
  next(limits: CursorLimits): Promise<readonly Entry[]>;
  /**
   * Moves on to the first key at or after `key` (at or before it in reverse); a skip-scan over buckets
   * needs it. Never moves back: a key that was passed already changes nothing.
   */
  seek(key: Buffer): void;
  /** Frees the snapshot. Closing twice is allowed. */
  close(): Promise<void>;
}

export interface ScanOptions {
  /** Entries come with an empty value. Values are not read, so their checksums are not checked either. */
  readonly keysOnly?: boolean;
  /** About so many entries will be wanted: a cursor that reads ahead reads no more at first. */
  readonly entriesExpected?: number;
  /** What is read will soon be read again: it may take the place of other things in the engine's cache. */
  readonly isReadOften?: boolean;
  /** From the end of the range to its start. */
  readonly reverse?: boolean;
  /**
   * Told of each entry that is damaged; the entry is left out and the scan goes on. `key` is undefined
   * when the damage hides which keys are lost. Without this callback `next` rejects with the error once,
   * and the following `next` goes on behind the damaged entry.
   */
  readonly corrupt?: (key: Buffer | undefined, error: StorageError) => void;
}

/** Writes that become visible and durable together or not at all. Applied in order: the last one on a key wins. */
export class WriteBatch {
  /** Flat on purpose: one allocation per batch, none per write. `values[i]` undefined means delete. */
  readonly keys: Buffer[] = [];
  readonly values: (Buffer | undefined)[] = [];
  byteLength = 0;

  put(key: Buffer, value: Buffer): void {
    this.keys.push(key);
    this.values.push(value);
    this.byteLength += key.length + value.length;
  }

  delete(key: Buffer): void {
    this.keys.push(key);
    this.values.push(undefined);
    this.byteLength += key.length;
  }

  get length(): number {
    return this.keys.length;
  }
}

export interface StorageEngine {
  /** `leveldb`, `memory`: as in the configuration. */
  readonly name: string;
  /**
   * The committed value; of what is being written, the value before or after it. The buffer belongs to the caller. Throws
   * `StorageError`.
   */
  get(key: Buffer): Buffer | undefined;
  /**
   * Resolves once the batch is visible and as durable as asked; rejects with `StorageError`, then nothing of it is promised,
   * unless that is `PartlyWritten`.
   */
  write(batch: WriteBatch, durability: Durability): Promise<void>;
  scan(range: KeyRange, options?: ScanOptions): Cursor;
  /** Deletes a range. Durable when resolved; not atomic: after a crash call it again. */
  deleteRange(range: KeyRange): Promise<void>;
  /** Bytes on disk in the range, roughly. */
  sizeEstimate(range: KeyRange): Promise<number>;
  /** A consistent copy that the same engine can open, made while reads and writes go on. */
  copyTo(directory: string): Promise<void>;
  /** What the engine knows of its health: `failing` while writes are refused. */
  readonly health: StorageHealth;
  /**
   * Calls `doubted` each time that entries may be gone, or older than they were, and nobody can say which: after a repair
   * while it runs. Before any write succeeds that builds on them. What opening has met is not told here. Absent: that never
   * happens.
   */
  onDoubt?(doubted: () => void): void;
  /** What the engine tells of itself beside, for metrics; names are without the prefix of all metrics. */
  gauges?(): readonly EngineGauge[];
  close(): Promise<void>;
}

export interface EngineGauge {
  readonly name: string;
  readonly help: string;
  readonly value: number;
}

export type StorageHealth =
  | { readonly kind: 'healthy' }
  | { readonly kind: 'failing'; readonly error: StorageError };
