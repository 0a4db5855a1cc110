/**
 * Files, for components that keep their own: the memory engine's journal, the write-ahead log.
 * Paths are relative to the node's data directory and use `/`.
 *
 * Durability: bytes written are durable after `sync` resolved; a name created, renamed or removed is
 * durable after `syncDirectory` of its parent resolved. Until then a crash may keep, lose or tear them.
 */
import type { Buffer } from 'node:buffer';

export class DiskError extends Error {
  override readonly name = 'DiskError';
  readonly code: 'full' | 'io' | 'missing' | 'exists';
  readonly path: string;
  constructor(code: DiskError['code'], path: string, message: string) {
    super(message);
    this.code = code;
    this.path = path;
  }
}

export interface DiskFile {
  readonly path: string;
  readonly size: number;
  /** Reads exactly `length` bytes at `offset`; throws `DiskError` 'io' if they are not there. */
  read(offset: number, length: number): Buffer;
  /** Writes all bytes at `offset` (extending the file if need be), or rejects having written any part. */
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /**
   * As `write`, and what it wrote is durable when it resolves; of other writes it says nothing. Cheaper than both in
   * turn. A rejection is final as that of a sync.
   */
  writeSynced(offset: number, bytes: Uint8Array): Promise<void>;
  /** A rejected sync is final: what was unsynced may be lost, and a later sync may not report it. */
  sync(): Promise<void>;
  truncate(length: number): Promise<void>;
  close(): Promise<void>;
}

export interface Disk {
  /** `create` makes the file if it is missing; otherwise a missing file rejects with 'missing'. */
  open(path: string, options: { readonly create: boolean }): Promise<DiskFile>;
  list(directory: string): Promise<readonly string[]>;
  makeDirectory(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  freeBytes(): Promise<number>;
}
