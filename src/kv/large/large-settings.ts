/** What may be set about values that are kept in chunks. */
export interface LargeValueSettings {
  /** A value longer than this is kept in chunks, where it comes by a way that can be cut. Bytes. */
  readonly thresholdBytes: number;
  readonly chunkBytes: number;
  /** The longest value. Bytes. */
  readonly bytesMax: number;
  /** Uploads in progress at once at this node. */
  readonly uploadsMax: number;
  /** Values being sent in chunks at once by this node. */
  readonly downloadsMax: number;
  /** Milliseconds for one upload. After twice that nobody can still be at work on it. */
  readonly uploadMsMax: number;
  /** Milliseconds between two looks for chunks to which nothing refers. */
  readonly sweepIntervalMs: number;
  /** Milliseconds for which they stay: somebody may be reading them. */
  readonly lingerMs: number;
  /** Chunks a second that are removed. */
  readonly removalsPerSecondMax: number;
  /** The longest value that is put together for who takes it whole. Bytes. */
  readonly wholeBytesMax: number;
  /** Of all that are being put together at once. */
  readonly wholeHeldBytesMax: number;
}
