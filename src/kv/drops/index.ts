export { BucketDrops } from './bucket-drops.ts';
export { DropMarks, type Dropped } from './drop-marks.ts';
