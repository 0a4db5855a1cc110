import { assert } from '../stdx/index.ts';
import { frameHeadBytes, recordEntryBytes } from './frame.ts';
import { segmentHeaderBytes } from './segment-header.ts';

export interface WalLimits {
  readonly recordBytesMax: number;
  /** Of one `appendBatch`, with `recordEntryBytes` a record. A batch is never split. */
  readonly batchBytesMax: number;
  /** From so many bytes on, a write takes no more of the queue. */
  readonly groupBytesMax: number;
  /** A segment that would grow beyond it is left for a new one. */
  readonly segmentBytesMax: number;
  /** Queued and in flight, heads included; more is refused. */
  readonly queueBytesMax: number;
  /** From so many bytes on, `readRange` adds no more records. */
  readonly readBytesMax: number;
  /**
   * Zeros written ahead of small groups, so that a sync need not also write the file's new length: fdatasync
   * takes 92 µs inside a file and 161 µs at its growing end (ext4, a quiet NVMe disk). 0: none.
   */
  readonly preallocatedBytes: number;
}

export const walLimits: WalLimits = {
  recordBytesMax: 16 * 1024 * 1024,
  batchBytesMax: 32 * 1024 * 1024,
  groupBytesMax: 4 * 1024 * 1024,
  segmentBytesMax: 64 * 1024 * 1024,
  queueBytesMax: 64 * 1024 * 1024,
  readBytesMax: 1024 * 1024,
  preallocatedBytes: 256 * 1024,
};

/** Offsets in a segment are kept in 32 bits. */
const segmentBytesLimit = 2 ** 31;

export function assertSound(limits: WalLimits): void {
  const { recordBytesMax, batchBytesMax, groupBytesMax, segmentBytesMax, queueBytesMax } = limits;
  const frameBytesMax = frameHeadBytes + batchBytesMax;
  assert(
    recordBytesMax + recordEntryBytes <= batchBytesMax,
    'a record of the largest size fits into a batch',
  );
  assert(segmentHeaderBytes + frameBytesMax <= segmentBytesMax, 'the largest batch fits into a segment');
  assert(segmentHeaderBytes + groupBytesMax <= segmentBytesMax, 'a group fits into a segment');
  assert(segmentBytesMax <= segmentBytesLimit, 'offsets in a segment fit into 32 bits');
  assert(frameBytesMax <= queueBytesMax, 'the largest batch fits into the queue');
}
