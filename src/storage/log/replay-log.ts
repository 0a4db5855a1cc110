/** Tells the index what the log holds from a position on, oldest first. */
import { byteStringOf } from '../../stdx/index.ts';
import type { KeyIndex } from './key-index.ts';
import { deletedRangeOf, isValueSound, RECORD_DELETE, RECORD_RANGE } from './log-record.ts';
import {
  type ApplyRecord,
  applyFrame,
  type LogDamage,
  type LogFile,
  type ScannedSegment,
} from './log-scan.ts';
import { kindOfCode, type Position } from './position.ts';
import type { Segment, SegmentSet } from './segment.ts';
import { SEGMENT_HEADER_BYTES } from './segment-header.ts';

export interface ReplayOptions {
  readonly segments: SegmentSet;
  readonly index: KeyIndex;
  readonly from: Position;
  /** Up to here; undefined: up to the end of the log. */
  readonly to?: Position | undefined;
  readonly scan: (segment: Segment, from: number) => ScannedSegment;
  /** Where a segment is read; its own file if absent. */
  readonly fileOf?: (segment: Segment) => LogFile;
  /** After each frame; the next one stands at `position`. May write the memtable out. */
  readonly applied: (position: Position) => Promise<void>;
  /** Whether segments learn of the tombstones in them. */
  readonly countsTombstones: boolean;
}

/** Rejects with what `applied` rejects with. What cannot be read counts as damage. */
export async function replayLog(options: ReplayOptions): Promise<readonly LogDamage[]> {
  const { segments, from, to, applied, scan } = options;
  const damages: LogDamage[] = [];
  for (const segment of [...segments.all()]) {
    const { number } = segment;
    const file = options.fileOf?.(segment) ?? segment.file;
    if (number < from.segment || (to !== undefined && number > to.segment)) continue;
    const start = number === from.segment ? from.offset : SEGMENT_HEADER_BYTES;
    const scanned = scan(segment, Math.max(start, SEGMENT_HEADER_BYTES));
    damages.push(...scanned.damages);
    const apply = applyTo(options.index, segment, options.countsTombstones);
    for (const frame of scanned.frames) {
      if (to?.segment === number && frame.from >= to.offset) break;
      applyFrame(file, frame, apply);
      await applied({ segment: number, offset: frame.to });
    }
  }
  return damages;
}

function applyTo(index: KeyIndex, segment: Segment, countsTombstones: boolean): ApplyRecord {
  return (body, bodyOffset, record) => {
    const { kind, start, keyStart, valueStart, end } = record;
    const isTombstone = kind === RECORD_DELETE || kind === RECORD_RANGE;
    if (countsTombstones && isTombstone) segment.tombstoneBytes += end - start;
    if (kind === RECORD_RANGE) {
      // What it would hide is not known otherwise: the scan has told.
      if (isValueSound(body, record)) index.deleteRange(deletedRangeOf(body, record));
      return;
    }
    const offset = bodyOffset + start;
    const place = { kind: kindOfCode(kind)!, segment: segment.number, offset, length: end - valueStart };
    index.put(byteStringOf(body, keyStart, valueStart), place);
  };
}
