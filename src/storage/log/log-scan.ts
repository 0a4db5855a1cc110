/**
 * Reads the frames of a segment, telling what is damaged from what is not, and four kinds of it apart:
 *
 * - Zeros at the end are no damage: they were written ahead (`LogWriter`).
 * - A torn tail: nothing sound follows, so it was being written when the machine stopped. It does not count; a batch
 *   in it was never acknowledged as synced. (Rot in the very last synced frame looks the same.)
 * - A hole that may never have been synced: sound frames follow, but none says that the hole was on disk. It is
 *   dropped whole, so that no batch shows in part.
 * - Rot whose keys are known: every record's head is sound. Its neighbours are served, and the rotten value is
 *   found out when it is read.
 * - Rot that hides which keys it holds, or which of them a range deletion hid. What can be read is kept.
 */
import type { Buffer } from 'node:buffer';
import { DiskError, type DiskFile } from '../../environment/index.ts';
import { StorageError } from '../storage-engine.ts';
import {
  FRAME_HEAD_BYTES,
  FRAME_MAGIC,
  isValueSound,
  type LogRecord,
  RECORD_RANGE,
  readFrameHead,
  readRecord,
  segmentSeed,
} from './log-record.ts';

const SEARCH_BYTES = 64 * 1024;

/** As much of a file as reading the log needs. */
export type LogFile = Pick<DiskFile, 'path' | 'size' | 'read'>;

/** A file that cannot be read says so with a `StorageError`; else it passes for damaged where that is. */
export function mustBeRead(file: LogFile): LogFile {
  return {
    path: file.path,
    get size() {
      return file.size;
    },
    read: (offset, length) => {
      try {
        return file.read(offset, length);
      } catch (cause) {
        if (!(cause instanceof DiskError)) throw cause;
        throw new StorageError('io', `reading the log: ${cause.message}`, { cause });
      }
    },
  };
}

export interface LogDamage {
  readonly file: string;
  /** The damaged bytes: `from` up to, not including, `to`. */
  readonly from: number;
  readonly to: number;
  readonly kind: 'torn tail' | 'unsynced hole' | 'rot' | 'rot that hides keys';
}

/** Records of `body`, which stands at `offset` of the segment. */
export type ApplyRecord = (body: Buffer, offset: number, record: LogRecord) => void;

export interface Piece {
  readonly from: number;
  readonly to: number;
  /** `bad body`: the head is sound, so where the frame ends is known. */
  readonly state: 'sound' | 'bad body' | 'unreadable';
}

export interface ScannedSegment {
  /** Where the log goes on: behind the last frame that counts. */
  readonly end: number;
  /** How far some frame says that the segment was on disk. */
  readonly syncedEnd: number;
  readonly soundFrames: number;
  readonly damages: readonly LogDamage[];
  /** The frames that count, and what rot has left of others. */
  readonly frames: readonly Piece[];
}

/**
 * `sealedEnd`: up to where all is known to have been on disk, if the next segment told. Frames are read up to there,
 * or to the end of the file.
 */
export function scanSegment(file: LogFile, number: number, from: number, sealedEnd?: number): ScannedSegment {
  const size = Math.min(sealedEnd ?? file.size, file.size);
  const { pieces, syncedEnd: told } = piecesOf(file, segmentSeed(number), from, size);
  const syncedEnd = sealedEnd ?? told;
  // What was there once, and the file has lost.
  const lostFrom = Math.max(from, size);
  if (lostFrom < syncedEnd) pieces.push({ from: lostFrom, to: syncedEnd, state: 'unreadable' });
  const isRot = (piece: Piece): boolean => piece.state !== 'sound' && piece.to <= syncedEnd;
  const counted = pieces.filter((piece) => piece.state === 'sound' || isRot(piece));
  const end = counted.at(-1)?.to ?? from;
  const damages: LogDamage[] = [];
  for (const piece of pieces) {
    if (piece.state === 'sound') continue;
    if (piece.from >= end && isZero(file, piece)) continue;
    const kind = isRot(piece) ? kindOfRot(file, piece) : piece.from >= end ? 'torn tail' : 'unsynced hole';
    damages.push({ file: file.path, from: piece.from, to: piece.to, kind });
  }
  return {
    end,
    syncedEnd: Math.min(syncedEnd, size),
    soundFrames: pieces.filter(({ state }) => state === 'sound').length,
    damages,
    frames: counted.filter(({ state }) => state !== 'unreadable'),
  };
}

/** The body of the frame at `offset` and where it ends; undefined if the frame's head is damaged. */
export function readFrameAt(
  read: (offset: number, length: number) => Buffer,
  seed: number,
  offset: number,
  size: number,
): { readonly body: Buffer; readonly end: number } | undefined {
  if (offset + FRAME_HEAD_BYTES > size) return undefined;
  const head = readFrameHead(read(offset, FRAME_HEAD_BYTES), 0, seed, offset);
  const start = offset + FRAME_HEAD_BYTES;
  if (head === undefined || start + head.bodyBytes > size) return undefined;
  const body = read(start, head.bodyBytes);
  return { body, end: start + head.bodyBytes };
}

function isZero(file: LogFile, { from, to }: Piece): boolean {
  for (let start = from; start < to; start += SEARCH_BYTES) {
    const bytes = readIfThere(file, start, Math.min(to, start + SEARCH_BYTES));
    if (bytes === undefined || bytes.some((byte) => byte !== 0)) return false;
  }
  return true;
}

function kindOfRot(file: LogFile, piece: Piece): LogDamage['kind'] {
  if (piece.state === 'unreadable') return 'rot that hides keys';
  const bodyBytes = piece.to - piece.from - FRAME_HEAD_BYTES;
  let told = 0;
  let hidesRange = false;
  applyFrame(file, piece, (body, _offset, record) => {
    told = record.end;
    hidesRange ||= record.kind === RECORD_RANGE && !isValueSound(body, record);
  });
  return told === bodyBytes && !hidesRange ? 'rot' : 'rot that hides keys';
}

/** The records of a frame, up to the first whose head is damaged. */
export function applyFrame(file: LogFile, { from, to }: Piece, apply: ApplyRecord): void {
  const start = from + FRAME_HEAD_BYTES;
  const body = readIfThere(file, start, to);
  if (body === undefined) return;
  for (let at = 0; at < body.length; ) {
    const record = readRecord(body, at, body.length);
    if (record === undefined) return;
    apply(body, start, record);
    at = record.end;
  }
}

/** The segment cut into frames and the gaps between them. */
function piecesOf(
  file: LogFile,
  seed: number,
  from: number,
  size: number,
): { pieces: Piece[]; syncedEnd: number } {
  const pieces: Piece[] = [];
  let syncedEnd = 0;
  let at = from;
  while (at < size) {
    const head = headAt(file, seed, at, size);
    if (head === undefined) {
      const to = findFrame(file, seed, at + 1, size);
      pieces.push({ from: at, to, state: 'unreadable' });
      at = to;
      continue;
    }
    const to = at + FRAME_HEAD_BYTES + head.bodyBytes;
    const body = readIfThere(file, at + FRAME_HEAD_BYTES, to);
    const isSound = body !== undefined && isBodySound(body, head.records);
    pieces.push({ from: at, to, state: isSound ? 'sound' : 'bad body' });
    syncedEnd = Math.max(syncedEnd, head.syncedEnd);
    at = to;
  }
  return { pieces, syncedEnd };
}

function isBodySound(body: Buffer, records: number): boolean {
  let at = 0;
  for (let i = 0; i < records; i++) {
    const record = readRecord(body, at, body.length);
    if (record === undefined || !isValueSound(body, record)) return false;
    at = record.end;
  }
  return at === body.length;
}

/** A sound head whose body is cut off belongs to a torn tail: nothing can follow it. */
function headAt(file: LogFile, seed: number, offset: number, size: number) {
  if (offset + FRAME_HEAD_BYTES > size) return undefined;
  const bytes = readIfThere(file, offset, offset + FRAME_HEAD_BYTES);
  const head = bytes && readFrameHead(bytes, 0, seed, offset);
  return head !== undefined && offset + FRAME_HEAD_BYTES + head.bodyBytes <= size ? head : undefined;
}

/** The offset of the first sound frame head at or after `from`; `size` if there is none. */
export function findFrame(file: LogFile, seed: number, from: number, size: number): number {
  for (let start = from; start < size; start += SEARCH_BYTES) {
    const window = readIfThere(file, start, Math.min(size, start + SEARCH_BYTES + FRAME_MAGIC.length - 1));
    if (window === undefined) continue;
    for (let i = window.indexOf(FRAME_MAGIC); i >= 0; i = window.indexOf(FRAME_MAGIC, i + 1)) {
      if (headAt(file, seed, start + i, size) !== undefined) return start + i;
    }
  }
  return size;
}

/** Undefined if the device refuses: that counts as damage. */
function readIfThere(file: LogFile, from: number, to: number): Buffer | undefined {
  try {
    return file.read(from, to - from);
  } catch (cause) {
    if (cause instanceof DiskError) return undefined;
    throw cause;
  }
}
