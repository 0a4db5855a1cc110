/**
 * Reads the log back. What of it was durable is one of three things, which the files tell apart:
 *
 * - Vouched for: a later frame of the segment says that it was synced (`synced end`), or the header of a later
 *   segment does (`durable`). Damage there is rot: it is reported, and what follows it is kept.
 * - The tail: the last group, of which nothing says whether its sync succeeded. Its sound frames, up to the
 *   first that is not, are handed to the owner to be written anew: their bytes may be in the kernel's cache
 *   alone, after a sync that failed, and would then be lost to a power cut that another sync did not prevent.
 * - A torn tail: what is left behind those. None of it was acknowledged.
 *
 * A read that the device refuses is never taken for a torn tail: recovery fails.
 */
import { Buffer } from 'node:buffer';
import { type Disk, DiskError, type DiskFile } from '../environment/index.ts';
import type { Frame } from './frame.ts';
import { RecordIndex } from './record-index.ts';
import type { Segment } from './segment.ts';
import {
  type DurablePoint,
  decodeHeader,
  headerCopyBytes,
  pathIn,
  type SegmentHeader,
  segmentHeaderBytes,
  sequenceOf,
} from './segment-header.ts';
import { type Piece, SegmentBytes, scanSegment } from './segment-scan.ts';
import { WalError } from './wal-error.ts';

export interface WalDamage {
  /**
   * `rot`: it was durable, and is not what was written any more. `missing`: so are these indices, but no bytes
   * are left where they should be. `torn tail`: it was being written at a crash; nothing acknowledged is in it.
   */
  readonly kind: 'rot' | 'missing' | 'torn tail';
  readonly file: string;
  /** Bytes `from` up to, not including, `to`. */
  readonly from: number;
  readonly to: number;
  /** Records of the log that were in it; `last < first` if there was none, or none that still counts. */
  readonly first: number;
  readonly last: number;
}

export interface RecoveredLog {
  readonly first: number;
  readonly next: number;
  readonly index: RecordIndex;
  readonly segments: readonly Segment[];
  /** To be written anew before anything of the log is shown. */
  readonly tail: readonly Frame[];
  readonly durable: DurablePoint;
  readonly nextSequence: number;
  /** Names of files that the log does not need, once a new segment says so. */
  readonly leftovers: readonly string[];
  readonly damages: readonly WalDamage[];
}

interface FoundSegment extends Segment {
  readonly name: string;
  readonly header: SegmentHeader | undefined;
  /** Where its durable part ends, if a later header says so. */
  limit: number | undefined;
}

/** Rejects with `DiskError`, or with `WalError` 'format' or 'io'. */
export async function recover(disk: Disk, directory: string): Promise<RecoveredLog> {
  const opened: DiskFile[] = [];
  try {
    return await new Recovery(directory).run(disk, opened);
  } catch (cause) {
    for (const file of opened) await file.close();
    throw cause;
  }
}

class Recovery {
  readonly #directory: string;
  readonly #index = new RecordIndex();
  readonly #damages: WalDamage[] = [];
  readonly #leftovers: string[] = [];
  #first = 1;
  #next = 1;
  /** Nothing is known of the log before its oldest segment. */
  #isBegun = false;
  /** Behind which the next index is unknown: what is missing then was in it. */
  #lastGap: { at: number } | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async run(disk: Disk, opened: DiskFile[]): Promise<RecoveredLog> {
    const found = await this.#open(disk, opened);
    const nextSequence = Math.max(0, ...found.map(({ sequence }) => sequence)) + 1;
    const kept = this.#withoutSuperseded(found);
    const tail: Frame[] = [];
    let durable: DurablePoint = { sequence: 0, end: 0 };
    for (const [i, segment] of kept.entries()) {
      const isLast = i === kept.length - 1;
      this.#replayHeader(segment);
      const bytes = new SegmentBytes(segment.file);
      const limit = segment.limit ?? bytes.size;
      const pieces = scanSegment(bytes, segment.sequence, segmentHeaderBytes, limit);
      const vouchedEnd = isLast ? vouchedEndOf(segment, pieces) : endOfFrames(segment, pieces);
      this.#replay(segment, pieces, vouchedEnd);
      durable = { sequence: segment.sequence, end: vouchedEnd };
      if (!isLast || segment.limit !== undefined) continue;
      this.#readTail(segment, bytes, pieces, vouchedEnd, tail);
      if (vouchedEnd > segmentHeaderBytes || segment.header === undefined) continue;
      // Nothing says that even its header was durable: it is replaced as a whole.
      durable = segment.header.durable;
      this.#leftovers.push(segment.name);
    }
    this.#index.dropBefore(this.#first);
    const leftovers = new Set(this.#leftovers);
    const segments = kept.filter(({ name }) => !leftovers.has(name));
    for (const segment of found) if (!segments.includes(segment)) await segment.file.close();
    return {
      first: this.#first,
      next: this.#next,
      index: this.#index,
      segments,
      tail,
      durable,
      nextSequence,
      leftovers: this.#leftovers,
      damages: this.#liveDamages(tail),
    };
  }

  async #open(disk: Disk, opened: DiskFile[]): Promise<FoundSegment[]> {
    const names = (await disk.list(this.#directory)).filter((name) => sequenceOf(name) !== undefined).sort();
    const found: FoundSegment[] = [];
    for (const name of names) {
      const file = await disk.open(pathIn(this.#directory, name), { create: false });
      opened.push(file);
      const sequence = sequenceOf(name)!;
      found.push({ name, sequence, file, header: this.#readHeader(file, sequence), limit: undefined });
    }
    return found;
  }

  #readHeader(file: DiskFile, sequence: number): SegmentHeader | undefined {
    const bytes = new SegmentBytes(file).read(0, Math.min(file.size, segmentHeaderBytes));
    const decoded = decodeHeader(bytes ?? Buffer.alloc(0), sequence);
    if (decoded.kind === 'foreign') {
      throw new WalError('format', `${file.path} is of a version of the log that this code does not know`);
    }
    if (decoded.kind === 'damaged') return undefined;
    for (const from of decoded.damagedCopies) {
      this.#damages.push({
        kind: 'rot',
        file: file.path,
        from,
        to: from + headerCopyBytes,
        first: 1,
        last: 0,
      });
    }
    return decoded.header;
  }

  /** Drops what later headers say failed, and a last segment that was never finished; sets limits. */
  #withoutSuperseded(found: readonly FoundSegment[]): FoundSegment[] {
    const kept: FoundSegment[] = [];
    let validTo = Number.POSITIVE_INFINITY;
    let limit: number | undefined;
    for (const segment of [...found].reverse()) {
      const { sequence, header } = segment;
      if (sequence > validTo || (kept.length === 0 && !this.#wasFinished(segment))) {
        this.#leftovers.push(segment.name);
        continue;
      }
      segment.limit = sequence === validTo ? limit : undefined;
      validTo = header?.durable.sequence ?? Number.POSITIVE_INFINITY;
      limit = header?.durable.end;
      kept.unshift(segment);
    }
    return kept;
  }

  /**
   * Whether a group in it may have been acknowledged. If not, its header does not count either: what it says
   * was given up may be the last group of an earlier life, which was being written anew.
   */
  #wasFinished({ file, sequence, header }: FoundSegment): boolean {
    const bytes = new SegmentBytes(file);
    const pieces = scanSegment(bytes, sequence, segmentHeaderBytes, bytes.size);
    let wholeEnd = segmentHeaderBytes;
    for (const piece of pieces) {
      if (piece.kind === 'frame' && piece.head.syncedEnd > segmentHeaderBytes) return true;
      if (isRefused(piece)) this.#refuse(file);
      if (isWhole(piece) && piece.from === wholeEnd) wholeEnd = piece.to;
    }
    if (header !== undefined && header.groupEnd === wholeEnd) return true;
    if (bytes.read(0, Math.min(bytes.size, segmentHeaderBytes)) === undefined) this.#refuse(file);
    if (bytes.size > 0) this.#report('torn tail', file, 0, bytes.size, 1, 0);
    return false;
  }

  #replayHeader({ file, header }: FoundSegment): void {
    if (header === undefined) {
      this.#report('rot', file, 0, segmentHeaderBytes, 1, 0);
      return;
    }
    if (!this.#isBegun) this.#next = header.first;
    this.#isBegun = true;
    this.#first = Math.max(this.#first, header.first);
    this.#advanceTo(header.next, file, 0);
    this.#lastGap = undefined;
  }

  #replay(segment: Segment, pieces: readonly Piece[], vouchedEnd: number): void {
    const { file } = segment;
    for (const piece of pieces) {
      if (piece.from >= vouchedEnd) break;
      if (piece.kind === 'gap') {
        this.#report('rot', file, piece.from, Math.min(piece.to, vouchedEnd), this.#next, this.#next - 1);
        this.#lastGap = { at: this.#damages.length - 1 };
        continue;
      }
      const { head } = piece;
      if (!this.#isBegun) this.#next = head.first;
      this.#isBegun = true;
      this.#first = Math.max(this.#first, head.first);
      this.#advanceTo(head.index, file, piece.from);
      this.#lastGap = undefined;
      for (const { offset, length, crc, fate } of piece.records) {
        const isSound = fate === 'sound';
        if (!isSound) this.#report('rot', file, offset, offset + length, this.#next, this.#next);
        this.#index.push(this.#next, segment, isSound ? offset : 0, length, crc);
        this.#next += 1;
      }
    }
  }

  /** Truncates to `index`, or notes what is missing before it. */
  #advanceTo(index: number, file: DiskFile, at: number): void {
    if (index <= this.#next) {
      this.#index.truncateFrom(index);
    } else if (this.#lastGap !== undefined) {
      const { at: position } = this.#lastGap;
      this.#damages[position] = { ...this.#damages[position]!, last: index - 1 };
    } else {
      this.#report('missing', file, at, at, this.#next, index - 1);
    }
    this.#next = index;
  }

  /** Gathers the frames that are whole, and reports what is behind them. */
  #readTail(
    { file }: Segment,
    bytes: SegmentBytes,
    pieces: readonly Piece[],
    vouchedEnd: number,
    tail: Frame[],
  ): void {
    this.#boundLastGap(file, pieces, vouchedEnd);
    let end = vouchedEnd;
    for (const piece of pieces) {
      if (piece.to <= vouchedEnd) continue;
      if (isRefused(piece)) this.#refuse(file);
      if (!isWhole(piece)) break;
      end = piece.to;
      const { first, index, count } = piece.head;
      // The mark of an orderly end.
      if (count === 0 && tail.length === 0 && first === this.#first && index === this.#next) continue;
      const records = piece.records.map(({ offset, length }) => {
        return Buffer.from(bytes.read(offset, offset + length)!);
      });
      tail.push({ first, index, records });
    }
    const rest = pieces.filter(({ to }) => to > end);
    if (rest.every((piece) => piece.kind === 'gap' && piece.isBlank)) return;
    if (rest.some(isRefused)) this.#refuse(file);
    const damaged = rest.filter((piece) => piece.kind === 'frame' || !piece.isBlank);
    this.#report('torn tail', file, end, damaged.at(-1)!.to, 1, 0);
  }

  /** What was vouched for ends in a gap: the next frame, whole or not, says which records were in it. */
  #boundLastGap(file: DiskFile, pieces: readonly Piece[], vouchedEnd: number): void {
    const next = pieces.find((piece) => piece.kind === 'frame' && piece.from >= vouchedEnd);
    if (this.#lastGap === undefined || next?.kind !== 'frame') return;
    if (next.head.index > this.#next) this.#advanceTo(next.head.index, file, next.from);
  }

  #report(
    kind: WalDamage['kind'],
    file: DiskFile,
    from: number,
    to: number,
    first: number,
    last: number,
  ): void {
    this.#damages.push({ kind, file: file.path, from, to, first, last });
  }

  #refuse(file: DiskFile): never {
    throw new WalError('io', `${file.path} cannot be read: what is at its end is unknown`);
  }

  /** Only indices that are still in the log count; those that are whole were truncated and written again. */
  #liveDamages(tail: readonly Frame[]): readonly WalDamage[] {
    let from = this.#first;
    let end = this.#next;
    for (const { first, index } of tail) {
      from = Math.max(from, first);
      end = Math.min(end, index);
    }
    return this.#damages.flatMap((damage) => this.#clipped(damage, from, end));
  }

  #clipped(damage: WalDamage, from: number, end: number): readonly WalDamage[] {
    let first = Math.max(damage.first, from);
    let last = Math.min(damage.last, end - 1);
    while (first <= last && this.#isWhole(first)) first += 1;
    while (first <= last && this.#isWhole(last)) last -= 1;
    if (first > last) return damage.kind === 'missing' ? [] : [{ ...damage, first: 1, last: 0 }];
    return [{ ...damage, first, last }];
  }

  #isWhole(index: number): boolean {
    const place = this.#index.find(index);
    return place !== undefined && place.offset > 0;
  }
}

function isWhole(piece: Piece): piece is Extract<Piece, { kind: 'frame' }> {
  return piece.kind === 'frame' && piece.records.every(({ fate }) => fate === 'sound');
}

function isRefused(piece: Piece): boolean {
  return piece.kind === 'gap' ? piece.isRefused : piece.records.some(({ fate }) => fate === 'refused');
}

function vouchedEndOf({ limit }: FoundSegment, pieces: readonly Piece[]): number {
  if (limit !== undefined) return limit;
  let end = segmentHeaderBytes;
  for (const piece of pieces) if (piece.kind === 'frame') end = Math.max(end, piece.head.syncedEnd);
  return end;
}

/** Of a segment before the last, whose end is in a header that was lost: all that looks like frames. */
function endOfFrames({ limit }: FoundSegment, pieces: readonly Piece[]): number {
  if (limit !== undefined) return limit;
  let end = segmentHeaderBytes;
  for (const piece of pieces) if (piece.kind === 'frame') end = piece.to;
  return end;
}

/** What the caller of a method of the log gets for a failure of the disk. */
export function walErrorOf(cause: unknown): WalError {
  if (cause instanceof WalError) return cause;
  if (!(cause instanceof DiskError)) throw cause;
  return new WalError(cause.code === 'full' ? 'full' : 'io', cause.message, { cause });
}
