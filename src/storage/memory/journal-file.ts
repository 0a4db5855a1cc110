/**
 * One journal file that is being written: appends batches as records, syncs, and reads values back.
 *
 * A failed write or sync is final for the file: what is on disk is unknown then, and a later sync that
 * succeeds would say nothing of it. Values that are not synced yet stay in memory, so that after such a
 * failure all of them can be written to a new file.
 */
import { Buffer } from 'node:buffer';
import type { DiskFile } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import type { WriteBatch } from '../storage-engine.ts';
import { encodeRecord, FILE_HEADER_BYTES, fileHeader, recordBytes, valueCrc } from './journal-record.ts';

/** Values written with durability 'os' that stay in memory until a sync; more than this forces one. */
const UNSYNCED_BYTES_MAX = 4 * 1024 * 1024;

/** Where a value is. Its buffer is kept while the bytes are not known to be on disk. */
export interface Place {
  /** Undefined: the value was found rotten, and only its key is left. */
  readonly offset: number | undefined;
  readonly length: number;
  readonly crc: number;
  unsynced: Buffer | undefined;
}

export class JournalFile {
  readonly generation: number;
  readonly #file: DiskFile;
  #end: number;
  #syncedEnd: number;
  #unsynced: Place[] = [];
  #broken = false;
  /** Readers of a snapshot; the file is closed when the last has gone and it was retired. */
  #readers = 0;
  #retired = false;

  constructor(file: DiskFile, generation: number, end: number, syncedEnd: number) {
    this.#file = file;
    this.generation = generation;
    this.#end = end;
    this.#syncedEnd = syncedEnd;
  }

  /** Writes the header of a new, empty file. */
  static async begin(file: DiskFile, generation: number): Promise<JournalFile> {
    await file.truncate(0);
    await file.write(0, fileHeader(generation));
    return new JournalFile(file, generation, FILE_HEADER_BYTES, 0);
  }

  get end(): number {
    return this.#end;
  }

  /** Appends batches, and syncs if asked. Returns where each batch's values went. Rejects with `DiskError`. */
  async append(
    batches: readonly WriteBatch[],
    sync: boolean,
    lost?: ReadonlySet<number>,
  ): Promise<Place[][]> {
    assert(!this.#broken, 'nothing is written to a journal file after a failure');
    let length = 0;
    for (const batch of batches) length += recordBytes(batch);
    const bytes = Buffer.allocUnsafe(length);
    const places: Place[][] = [];
    let at = 0;
    for (const batch of batches) {
      places.push(this.#encode(bytes, at, batch, lost));
      at += recordBytes(batch);
    }
    try {
      await this.#file.write(this.#end, bytes);
      this.#end += length;
      if (sync || this.#end - this.#syncedEnd > UNSYNCED_BYTES_MAX) await this.sync();
    } catch (cause) {
      this.#broken = true;
      throw cause;
    }
    return places;
  }

  async sync(): Promise<void> {
    assert(!this.#broken, 'a journal file is not synced after a failure');
    const end = this.#end;
    try {
      await this.#file.sync();
    } catch (cause) {
      this.#broken = true;
      throw cause;
    }
    this.#syncedEnd = end;
    for (const place of this.#unsynced) place.unsynced = undefined;
    this.#unsynced = [];
  }

  /** Undefined if the value is rotten. Throws `DiskError` if the device refuses. */
  read(key: Buffer, place: Place): Buffer | undefined {
    if (place.unsynced !== undefined) return Buffer.from(place.unsynced);
    if (place.offset === undefined) return undefined;
    const value = place.length === 0 ? Buffer.alloc(0) : this.#file.read(place.offset, place.length);
    return valueCrc(key, value) === place.crc ? value : undefined;
  }

  retain(): void {
    this.#readers += 1;
  }

  async release(): Promise<void> {
    this.#readers -= 1;
    if (this.#retired && this.#readers === 0) await this.#file.close();
  }

  /** No more appends; closes the file as soon as nobody reads from it. */
  async retire(): Promise<void> {
    if (this.#retired) return;
    this.#retired = true;
    if (this.#readers === 0) await this.#file.close();
  }

  #encode(target: Buffer, start: number, batch: WriteBatch, lost: ReadonlySet<number> | undefined): Place[] {
    const { generation } = this;
    const at = { generation, offset: this.#end + start, syncedEnd: this.#syncedEnd };
    return encodeRecord(target, start, batch, at, lost).map(({ offset, length, crc }, i) => {
      const value = batch.values[i];
      if (lost?.has(i)) return { offset: undefined, length, crc, unsynced: undefined };
      const place: Place = { offset, length, crc, unsynced: value && Buffer.from(value) };
      if (value !== undefined) this.#unsynced.push(place);
      return place;
    });
  }
}
