/**
 * Opens the segments of a log after a start: which of them count, up to where, and where the log goes on.
 *
 * The newest segment whose first group is whole tells where the log ended before it; that is on disk. Newer ones were
 * begun and not finished: nobody was told of anything in them.
 */
import { Buffer } from 'node:buffer';
import type { Disk, DiskFile } from '../../environment/index.ts';
import { StorageError } from '../storage-engine.ts';
import { mustBeRead, scanSegment } from './log-scan.ts';
import type { PageCache } from './page-cache.ts';
import { LOG_START, type Position } from './position.ts';
import { Segment, SegmentSet } from './segment.ts';
import {
  decodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentNumbers,
  segmentPath,
} from './segment-header.ts';

export interface OpenedSegments {
  readonly segments: SegmentSet;
  /** Up to where a segment was on disk when the next one was begun. */
  readonly sealedEnds: ReadonlyMap<number, number>;
  readonly nextNumber: number;
}

interface Found {
  readonly number: number;
  readonly file: DiskFile;
  /** Undefined: damaged. */
  readonly header: SegmentHeader | undefined;
}

/** Rejects with `DiskError`, or with `StorageError` 'format' or 'io'. Removes what does not count. */
export async function openSegments(
  disk: Disk,
  directory: string,
  names: readonly string[],
  pages: PageCache,
): Promise<OpenedSegments> {
  const numbers = segmentNumbers(names);
  const found: Found[] = [];
  try {
    for (const number of numbers) found.push(await openSegment(disk, directory, number));
    const sealedEnds = new Map<number, number>();
    const kept = await settle(disk, found, sealedEnds);
    const segments = new SegmentSet(pages);
    for (const { number, file } of kept) {
      segments.add(new Segment(number, file, sealedEnds.get(number) ?? file.size));
    }
    return { segments, sealedEnds, nextNumber: (numbers.at(-1) ?? 0) + 1 };
  } catch (cause) {
    for (const { file } of found) await file.close();
    throw cause;
  }
}

/** Where the log ends that has no segments, or only this one's end. */
export function endOf(segment: Segment | undefined): Position {
  return segment === undefined ? LOG_START : { segment: segment.number, offset: segment.end };
}

async function openSegment(disk: Disk, directory: string, number: number): Promise<Found> {
  const file = await disk.open(segmentPath(directory, number), { create: false });
  const bytes = file.size === 0 ? Buffer.alloc(0) : file.read(0, Math.min(file.size, SEGMENT_HEADER_BYTES));
  const decoded = decodeSegmentHeader(bytes, number);
  if (decoded.kind === 'foreign') {
    await file.close();
    throw new StorageError('format', `${file.path} is of a version that is not known`);
  }
  return { number, file, header: decoded.kind === 'sound' ? decoded.header : undefined };
}

/** From the newest to the oldest: removes what was never finished or was disowned, cuts off what was disowned. */
async function settle(
  disk: Disk,
  found: readonly Found[],
  sealedEnds: Map<number, number>,
): Promise<Found[]> {
  const kept: Found[] = [];
  /** Of the segment that was looked at last: where it says that the log ended before. */
  let previous: Position | undefined;
  for (const each of found.toReversed()) {
    const isDisowned = previous !== undefined && each.number > previous.segment;
    if (isDisowned || (kept.length === 0 && !isFinished(each))) {
      await each.file.close();
      await disk.remove(each.file.path);
      continue;
    }
    if (previous?.segment === each.number) {
      sealedEnds.set(each.number, previous.offset);
      if (each.file.size > previous.offset) await each.file.truncate(previous.offset);
    }
    kept.unshift(each);
    previous = each.header?.previous;
  }
  return kept;
}

/** Whether its first group was all written, once. Rot may have touched it since; what the disk refuses to read is no sign of either. */
function isFinished({ file: found, number, header }: Found): boolean {
  const file = mustBeRead(found);
  if (header !== undefined && file.size >= header.groupEnd) {
    if (header.groupEnd === SEGMENT_HEADER_BYTES) return true;
    const { end, damages } = scanSegment(file, number, SEGMENT_HEADER_BYTES, header.groupEnd);
    if (end === header.groupEnd && damages.length === 0) return true;
  }
  const all = scanSegment(file, number, SEGMENT_HEADER_BYTES);
  if (header === undefined) return all.soundFrames > 0;
  return all.syncedEnd >= header.groupEnd;
}
