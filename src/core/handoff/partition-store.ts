/**
 * What a service lets the framework do with its partitions' data, to move it: read it in slices, take it in by
 * merging, forget it. An item is opaque bytes: a key with its object, in the service's own form.
 */
import type { Buffer } from 'node:buffer';
import type { Partition } from '../ring/index.ts';

export interface PartitionStore {
  /** Whether anything is stored under the partition. Cheap: one seek. */
  isEmpty(partition: Partition): boolean;
  /** For plans and progress; an estimate, in bytes. */
  approximateBytes(partition: Partition): number;
  /**
   * All items that were there when the fold began, in slices of about `sliceBytes`, read when asked for. With
   * `firstPartitions`, only items whose first partition (the one their hash belongs to) is among them. An
   * item that cannot be read is counted in `unreadable`, and the rest goes on (R27).
   */
  fold(partition: Partition, options: FoldOptions): PartitionFold;
  /** Merges items into the partition (never overwrites). Resolves when durable; rejects if any was refused. */
  merge(partition: Partition, items: readonly Buffer[]): Promise<void>;
  /** Forgets each item that is still exactly as given. Resolves when written. */
  forget(partition: Partition, items: readonly Buffer[]): Promise<void>;
  /** Forgets the whole partition; idempotent. When it resolves nothing of it is seen again, ever. */
  drop(partition: Partition): Promise<void>;
}

export interface FoldOptions {
  readonly sliceBytes: number;
  readonly firstPartitions?: ReadonlySet<Partition>;
}

export interface PartitionFold {
  /** Undefined at the end. */
  next(): Promise<readonly Buffer[] | undefined>;
  readonly unreadable: number;
  close(): Promise<void>;
}
