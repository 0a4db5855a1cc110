/** What bounds the log engine. `LogTuning` is what a person may choose; the rest is fixed. */

export interface LogTuning {
  /** A segment takes no more bytes than this, unless one batch alone has more. At most 2³⁰. */
  readonly segmentBytesMax: number;
  /** Keys that wait in memory for the index; twice as many while they are written out. */
  readonly memtableEntriesMax: number;
  /** Share of dead bytes, 0 to 1, from which a segment is collected. */
  readonly garbageShare: number;
  /** Of blocks of the index that are kept in memory. */
  readonly cacheBytesMax: number;
  /** Of pages of the log that are kept in memory. */
  readonly pageBytesMax: number;
}

export const LOG_TUNING: LogTuning = {
  segmentBytesMax: 64 * 2 ** 20,
  memtableEntriesMax: 32_768,
  garbageShare: 0.5,
  cacheBytesMax: 32 * 2 ** 20,
  pageBytesMax: 64 * 2 ** 20,
};

/** Log behind the last checkpoint, as a multiple of a segment: what a start may have to read again. */
export const REPLAY_SEGMENTS_MAX = 2;
/** Bytes written with durability 'os' that stay in memory until a sync; more than this forces one. */
export const UNSYNCED_BYTES_MAX = 4 * 2 ** 20;
/**
 * Zeros written ahead of a synced group: the next ones change no length, so that their syncs need not write the file
 * system's journal. A larger group gains nothing by it.
 */
export const PREALLOCATED_BYTES = 256 * 1024;
export const PREALLOCATED_GROUP_BYTES_MAX = 16 * 1024;
/** Waiting batches that are written, and synced, together. */
export const GROUP_BYTES_MAX = 16 * 2 ** 20;

/** Two bytes give an entry's place in its block, which bounds this. */
export const BLOCK_BYTES = 2048;
/** Ten bits a key: one lookup in a hundred reads a block in vain. */
export const BLOOM_BITS_PER_KEY = 10;

/** Runs of similar size that are merged into one. */
export const MERGE_RUNS_MIN = 4;
export const MERGE_RUNS_MAX = 12;
/** From so many runs on, background work takes no pauses. */
export const RUNS_HURRY = 16;
/** From so many runs on, writes wait. */
export const RUNS_MAX = 48;
/** So many deleted ranges are kept beside the memtable, and beside the runs; with more, it or these are written anew without what they hid. */
export const RANGES_KEPT = 32;
/** Share of the log that deleted ranges may hide before the index is written anew without it. */
export const HIDDEN_SHARE_MAX = 0.1;

/** A slice of background work: so many entries or bytes, about a millisecond, before others have their turn. */
export const SLICE_ENTRIES_MAX = 512;
export const COLLECT_SLICE_BYTES_MAX = 256 * 1024;
export const COLLECT_SLICE_RECORDS_MAX = 256;
/** Between slices while nothing is urgent. */
export const PAUSE_MS = 2;
/** After a failure of background work. */
export const UPKEEP_RETRY_MS = 1000;
/** Attempts to build the index anew, the last of which takes for damaged what the disk refuses to read. */
export const REBUILDS_MAX = 10;
/** Output is handed to the disk in pieces of this size. */
export const RUN_CHUNK_BYTES = 256 * 1024;
