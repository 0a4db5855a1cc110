/**
 * Reads a journal file back after a start, telling three kinds of damage apart:
 *
 * - A torn tail: nothing sound follows, so it was being written when the machine stopped. It is cut off;
 *   a batch in it was never acknowledged as synced. (Rot in the very last synced record looks the same.)
 * - A hole that may never have been synced: sound records follow, but none says that the hole was on disk.
 *   It is dropped whole, so that no batch shows in part.
 * - Rot: a later record says that it was on disk. What its entry heads still tell is kept: each value has
 *   a checksum of its own, so the rotten one is found out when it is read and its neighbours are served.
 */
import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { DiskError, type DiskFile } from '../../environment/index.ts';
import {
  decodeBody,
  decodeRecordHead,
  FILE_HEADER_BYTES,
  type JournalEntry,
  RECORD_HEAD_BYTES,
  RECORD_MAGIC,
} from './journal-record.ts';

const SEARCH_BYTES = 64 * 1024;

export interface JournalDamage {
  readonly file: string;
  /** The damaged bytes: `from` up to, not including, `to`. */
  readonly from: number;
  readonly to: number;
  readonly kind: 'torn tail' | 'unsynced hole' | 'rot';
}

interface Segment {
  readonly from: number;
  readonly to: number;
  /** `bad body`: the head is sound, so where the record ends and what it holds may be known. */
  readonly state: 'sound' | 'bad body' | 'unreadable';
}

export interface Replayed {
  /** Where the next record goes. */
  readonly end: number;
  /** How far some record says that the file was on disk. */
  readonly syncedEnd: number;
  readonly records: number;
  readonly damages: readonly JournalDamage[];
}

/** Calls `apply` for each entry of each batch in order; `bodyStart` is the file offset of the batch's body. */
export function replayJournal(
  file: DiskFile,
  generation: number,
  apply: (entry: JournalEntry, bodyStart: number) => void,
): Replayed {
  const { segments, syncedEnd } = segmentsOf(file, generation);
  const damages: JournalDamage[] = [];
  let records = 0;
  let end = FILE_HEADER_BYTES;
  for (const segment of segments) {
    if (segment.state === 'sound') records += 1;
    if (segment.state === 'sound' || isRot(segment, syncedEnd)) end = segment.to;
  }
  for (const segment of segments) {
    const rotten = isRot(segment, syncedEnd);
    if (segment.state === 'sound' || (segment.state === 'bad body' && rotten)) {
      const bodyStart = segment.from + RECORD_HEAD_BYTES;
      const { entries } = decodeBody(readIfThere(file, bodyStart, segment.to));
      for (const entry of entries) apply(entry, bodyStart);
    }
    if (segment.state === 'sound') continue;
    const kind = rotten ? 'rot' : segment.from >= end ? 'torn tail' : 'unsynced hole';
    damages.push({ file: file.path, from: segment.from, to: segment.to, kind });
  }
  return { end, syncedEnd, records, damages };
}

function isRot(segment: Segment, syncedEnd: number): boolean {
  return segment.state !== 'sound' && segment.to <= syncedEnd;
}

/** The file cut into records and gaps between them. */
function segmentsOf(file: DiskFile, generation: number): { segments: Segment[]; syncedEnd: number } {
  const segments: Segment[] = [];
  let syncedEnd = 0;
  let at = FILE_HEADER_BYTES;
  while (at < file.size) {
    const head = headAt(file, generation, at);
    const to =
      head === undefined ? findRecord(file, generation, at + 1) : at + RECORD_HEAD_BYTES + head.bodyBytes;
    if (head === undefined) {
      segments.push({ from: at, to, state: 'unreadable' });
    } else {
      const body = readIfThere(file, at + RECORD_HEAD_BYTES, to);
      const sound = crc32(body) === head.bodyCrc && body.length === head.bodyBytes;
      segments.push({ from: at, to, state: sound ? 'sound' : 'bad body' });
      syncedEnd = Math.max(syncedEnd, head.syncedEnd);
    }
    at = to;
  }
  return { segments, syncedEnd };
}

function headAt(file: DiskFile, generation: number, offset: number) {
  const bytes = readIfThere(file, offset, offset + RECORD_HEAD_BYTES);
  if (bytes.length < RECORD_HEAD_BYTES) return undefined;
  const head = decodeRecordHead(bytes, generation, offset);
  // A sound head whose body is cut off belongs to a torn tail; nothing can follow it.
  return head !== undefined && offset + RECORD_HEAD_BYTES + head.bodyBytes <= file.size ? head : undefined;
}

/** The offset of the first sound record head at or after `from`; the file's size if there is none. */
function findRecord(file: DiskFile, generation: number, from: number): number {
  for (let start = from; start < file.size; start += SEARCH_BYTES) {
    const window = readIfThere(file, start, start + SEARCH_BYTES + RECORD_MAGIC.length - 1);
    for (let i = window.indexOf(RECORD_MAGIC); i >= 0; i = window.indexOf(RECORD_MAGIC, i + 1)) {
      if (headAt(file, generation, start + i) !== undefined) return start + i;
    }
  }
  return file.size;
}

/** Up to `to` or the end of the file. A range that the device refuses reads as empty, thus as damage. */
function readIfThere(file: DiskFile, from: number, to: number): Buffer {
  const length = Math.min(to, file.size) - from;
  if (length <= 0) return Buffer.alloc(0);
  try {
    return file.read(from, length);
  } catch (cause) {
    if (cause instanceof DiskError) return Buffer.alloc(0);
    throw cause;
  }
}
