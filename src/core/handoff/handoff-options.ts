/** Every limit and pace of handoff. The ones that people change are config keys (src/config/keys/handoff.ts). */
import type { Configuration } from '../../config/index.ts';
import type { IncomingOptions } from './incoming-transfer.ts';
import type { OutgoingOptions } from './outgoing-transfer.ts';

export interface HandoffOptions {
  /** Transfers at once, in each direction: `transfer_limit`. */
  readonly transfersMax: number;
  /** That this node sends, all transfers together; 0: no limit. `handoff.rate.maximum`. */
  readonly bytesPerSecondMax: number;
  /** Bytes of items of one batch, roughly: an item is never split. `handoff.batch.size`. */
  readonly batchBytes: number;
  readonly outgoing: OutgoingOptions;
  readonly incoming: IncomingOptions;
  /** Items of all incoming transfers that are merged in one turn of the event loop: about a millisecond of it. */
  readonly itemsPerTurnMax: number;
  /** After a failed transfer, doubled with each failure in a row, up to the maximum. */
  readonly retryDelayMs: number;
  readonly retryDelayMsMax: number;
  /** Before a partition whose stray data is not all gone is gone through again. */
  readonly repeatDelayMs: number;
  /** Bytes queued for a peer's foreground from which handoff to it stands back. */
  readonly foregroundBytesMax: number;
  readonly busyPauseMs: number;
  /** Between two requests for the same part of a rebuild. */
  readonly wantIntervalMs: number;
  /** How long a rebuild waits for replicas that cannot be reached. */
  readonly rebuildGraceMs: number;
  /** Replicas of the bucket that has the most: how far from a partition its objects' other replicas may lie. */
  readonly replicasMax: number;
}

export const HANDOFF_OPTIONS: HandoffOptions = {
  transfersMax: 2,
  bytesPerSecondMax: 0,
  batchBytes: 64 * 1024,
  outgoing: { silenceMsMax: 30_000, reopenDelayMs: 500, breaksMax: 5, windowMax: 16 },
  incoming: { window: 4, idleMsMax: 120_000 },
  itemsPerTurnMax: 32,
  retryDelayMs: 500,
  retryDelayMsMax: 30_000,
  repeatDelayMs: 1000,
  foregroundBytesMax: 256 * 1024,
  busyPauseMs: 20,
  wantIntervalMs: 5000,
  rebuildGraceMs: 60_000,
  replicasMax: 5,
};

/** `replicasMax`: of the bucket that has the most. */
export function handoffOptions(configuration: Configuration, replicasMax: number): HandoffOptions {
  return {
    ...HANDOFF_OPTIONS,
    transfersMax: configuration.transfer_limit,
    bytesPerSecondMax: configuration['handoff.rate.maximum'],
    batchBytes: configuration['handoff.batch.size'],
    replicasMax,
  };
}
