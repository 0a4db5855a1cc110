/**
 * What a service lets the framework do with its partitions' data, to move it: read it in slices, take it in by
 * merging, forget it. An item is opaque bytes: a key with its object, in the service's own form.
 */
import type { Buffer } from 'node:buffer';
import type { LogFields } from '../../environment/index.ts';
import type { Partition } from '../ring/index.ts';

/** The one error that a store's methods reject with; any other is a bug. */
export class PartitionStoreError extends Error {
  override readonly name = 'PartitionStoreError';
  /** `malformed`: an item is not in the service's form. `full`: no space. `storage`: anything else. */
  readonly code: 'malformed' | 'full' | 'storage';
  constructor(code: PartitionStoreError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export interface PartitionStore {
  /** Whether nothing is stored under the partition, nor was queued to be when this was asked. Cheap: one seek. */
  isEmpty(partition: Partition): Promise<boolean>;
  /** For plans and progress; an estimate, in bytes. */
  approximateBytes(partition: Partition): Promise<number>;
  /**
   * All items that were there when the fold began, with every write that had been queued by then, in slices of
   * about `sliceBytes`, read when asked for. An item that cannot be read is counted in `unreadable`, and the
   * rest goes on (R27).
   */
  fold(partition: Partition, options: FoldOptions): PartitionFold;
  /** Merges items into the partition (never overwrites). Resolves when durable; rejects if any was refused. */
  merge(partition: Partition, items: readonly Buffer[], options?: MergeOptions): Promise<void>;
  /** What an item is of, for the log. */
  subjectOf?(item: Buffer): LogFields;
  /** Forgets each item that is still exactly as given. Resolves when durable. */
  forget(partition: Partition, items: readonly Buffer[]): Promise<void>;
  /**
   * Forgets the whole partition; idempotent. From the call on nothing of it is read or taken, whatever crashes, until it
   * resolves: then it is gone durably. Rejects if storage failed: call it again, or it stays closed. `isWanted` is asked
   * when a drop that had to wait begins: if it says no, everything stays, and is served again.
   */
  drop(partition: Partition, isWanted?: () => boolean): Promise<void>;
}

export interface MergeOptions {
  /** Who gives them keeps them: what is here already, exactly as given, need not be made durable once more. */
  readonly areKept?: boolean;
}

export interface FoldOptions {
  readonly sliceBytes: number;
  /** Only items whose first partition (the one their hash belongs to) is among these. */
  readonly firstPartitions?: ReadonlySet<Partition>;
  /** Only items of which this partition must hold a replica as well. */
  readonly alsoIn?: Partition;
}

export interface PartitionFold {
  /** Undefined at the end. Rejects when the rest cannot be read at all. */
  next(): Promise<readonly Buffer[] | undefined>;
  readonly unreadable: number;
  close(): Promise<void>;
}
