/** A write that waits for its turn: the frame it becomes, and what the index has to learn when that is written. */
import { Buffer } from 'node:buffer';
import { byteStringOf } from '../../stdx/index.ts';
import type { Durability, KeyRange, StorageError, WriteBatch } from '../storage-engine.ts';
import type { KeyIndex } from './key-index.ts';
import {
  FRAME_HEAD_BYTES,
  RECORD_HEAD_BYTES,
  RECORD_RANGE,
  rangeValue,
  writeRecord,
  writeRecords,
} from './log-record.ts';
import type { Frame } from './log-writer.ts';
import { LOG_START, type Position } from './position.ts';
import type { SegmentSet } from './segment.ts';

export interface WaitingWrite extends Frame {
  readonly durability: Durability;
  /** Tells the index of the records, the first of which stands at `position`. Returns the bytes of tombstones. */
  readonly apply: (index: KeyIndex, position: Position) => number;
  readonly resolve: () => void;
  readonly reject: (error: StorageError) => void;
}

export type WriteFrame = Omit<WaitingWrite, 'resolve' | 'reject'>;

/** `lost`: indexes of the batch whose values have rotted; they are written without. */
export function batchWrite(
  batch: WriteBatch,
  durability: Durability,
  lost?: ReadonlySet<number>,
): WriteFrame {
  return {
    durability,
    records: batch.length,
    bodyBytes: batch.length * RECORD_HEAD_BYTES + batch.byteLength,
    write: (target, at) => void writeRecords(target, at, batch, lost),
    apply: (index, position) => applyBatch(index, batch, position, lost),
  };
}

export function rangeWrite(range: KeyRange): WriteFrame {
  const from = range.from === undefined ? Buffer.alloc(0) : Buffer.from(range.from);
  const to = range.to === undefined ? undefined : Buffer.from(range.to);
  const bounded = to === undefined ? { from } : { from, to };
  const bodyBytes = RECORD_HEAD_BYTES + from.length + rangeValue(bounded, LOG_START).length;
  return {
    durability: 'synced',
    records: 1,
    bodyBytes,
    write: (target, at, position) => {
      writeRecord(target, at, RECORD_RANGE, from, rangeValue(bounded, position));
    },
    apply: (index, { segment, offset }) => {
      index.deleteRange({ from, to, segment, offset });
      return bodyBytes;
    },
  };
}

/** Tells the index of frames that were appended, the first of them at `first`. */
export function applyFrames(
  frames: readonly WriteFrame[],
  first: Position,
  { index, segments }: { readonly index: KeyIndex; readonly segments: SegmentSet },
): void {
  const segment = segments.get(first.segment)!;
  let offset = first.offset + FRAME_HEAD_BYTES;
  for (const frame of frames) {
    segment.tombstoneBytes += frame.apply(index, { segment: first.segment, offset });
    offset += frame.bodyBytes + FRAME_HEAD_BYTES;
  }
}

function applyBatch(
  index: KeyIndex,
  batch: WriteBatch,
  { segment, offset }: Position,
  lost: ReadonlySet<number> | undefined,
): number {
  const { keys, values } = batch;
  let tombstones = 0;
  let at = offset;
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    const value = values[i];
    const length = value === undefined ? 0 : value.length;
    const kind = lost?.has(i) ? 'lost' : value === undefined ? 'delete' : 'put';
    index.put(byteStringOf(key), { kind, segment, offset: at, length });
    const bytes = RECORD_HEAD_BYTES + key.length + length;
    if (kind === 'delete') tombstones += bytes;
    at += bytes;
  }
  return tombstones;
}
