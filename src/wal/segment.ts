import type { DiskFile } from '../environment/index.ts';

/** An open file of the log. What is in it is known to `RecordIndex`; where it ends, to `SegmentWriter`. */
export interface Segment {
  readonly sequence: number;
  readonly file: DiskFile;
}
