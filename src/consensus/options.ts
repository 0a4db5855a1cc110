import type { Random } from '../environment/index.ts';
import { assert } from '../stdx/index.ts';

/** Every bound of a replica. The defaults suit a small group whose log is a cluster's own affairs. */
export interface ReplicaOptions {
  readonly heartbeatMs: number;
  /** An election begins after one to two of these without a leader; also how long a leader is believed. */
  readonly electionTimeoutMs: number;
  /**
   * Undefined: every read asks a quorum. A fraction such as 0.01: reads are answered from a lease instead,
   * which is right as long as no replica's clock runs faster or slower than true time by more than this.
   */
  readonly leaseDriftMax: number | undefined;
  readonly proposalBytesMax: number;
  /** Proposals are refused while so many bytes of them are not committed. */
  readonly uncommittedBytesMax: number;
  /** Proposals are refused while the log, which is held in memory, weighs so much. */
  readonly logBytesMax: number;
  /** From so many bytes of log on, a snapshot is asked for. */
  readonly snapshotLogBytes: number;
  /** From so many entries on, too. */
  readonly snapshotLogEntries: number;
  /** Entries kept behind a snapshot, so that a follower that is a little late needs no snapshot. */
  readonly trailingEntriesMax: number;
  readonly appendEntriesMax: number;
  /** One entry may exceed it. */
  readonly appendBytesMax: number;
  /** Appends under way to one follower. */
  readonly inFlightAppendsMax: number;
  readonly inFlightBytesMax: number;
  readonly snapshotChunkBytesMax: number;
  /** Reads that wait for a quorum. */
  readonly readsMax: number;
  readonly votersMax: number;
  readonly learnersMax: number;
  readonly promotionLagMax: number;
}

export const defaultOptions: ReplicaOptions = {
  heartbeatMs: 100,
  electionTimeoutMs: 1000,
  leaseDriftMax: undefined,
  proposalBytesMax: 1024 * 1024,
  uncommittedBytesMax: 16 * 1024 * 1024,
  logBytesMax: 256 * 1024 * 1024,
  snapshotLogBytes: 32 * 1024 * 1024,
  snapshotLogEntries: 100_000,
  trailingEntriesMax: 1000,
  appendEntriesMax: 1024,
  appendBytesMax: 256 * 1024,
  inFlightAppendsMax: 64,
  inFlightBytesMax: 4 * 1024 * 1024,
  snapshotChunkBytesMax: 256 * 1024,
  readsMax: 10_000,
  votersMax: 7,
  learnersMax: 32,
  promotionLagMax: 1000,
};

/** Chance comes from outside: it spreads the elections. */
export type ElectionRandom = Pick<Random, 'fraction'>;

export function checkOptions(options: ReplicaOptions): void {
  assert(options.heartbeatMs > 0, 'heartbeats have a distance');
  assert(options.electionTimeoutMs >= 2 * options.heartbeatMs, 'one lost heartbeat begins no election');
  const drift = options.leaseDriftMax ?? 0;
  assert(drift >= 0 && drift < 1, 'clocks drift by a fraction');
  assert(options.snapshotLogBytes < options.logBytesMax, 'a snapshot is asked for before the log is full');
  const { trailingEntriesMax, snapshotLogEntries } = options;
  assert(trailingEntriesMax < snapshotLogEntries, 'a snapshot frees entries');
  assert(options.appendEntriesMax >= 1 && options.inFlightAppendsMax >= 1, 'something can be sent');
  assert(options.snapshotChunkBytesMax >= 1, 'a snapshot can be sent');
}
