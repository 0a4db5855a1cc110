/**
 * The ring: a circle of 2^160 hash values cut into `size` equal partitions, each owned by one node.
 *
 * A name's hash belongs to the *next* partition boundary clockwise; its n replicas live on that
 * partition and the n-1 that follow it (Dynamo §4.2, §4.3; Riak's numbering, which clients can see in
 * preflist queries). Partitions are numbered 0 .. size-1 by their boundary.
 *
 * A ring is a value. It changes only by an entry of the cluster log, which makes a new one with a
 * higher epoch.
 */
import type { NodeId } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';

declare const partition: unique symbol;
export type Partition = number & { readonly [partition]: true };

declare const ringHash: unique symbol;
/** The first 32 of a hash's 160 bits: they alone decide the partition. */
export type RingHash = number & { readonly [ringHash]: true };

export const ringSizeMin = 8;
export const ringSizeMax = 1024;

export function isRingSize(size: number): boolean {
  return size >= ringSizeMin && size <= ringSizeMax && Number.isInteger(Math.log2(size));
}

export class Ring {
  readonly epoch: number;
  readonly owners: readonly NodeId[];
  readonly #hashShift: number;

  /** `owners[p]` owns partition p. */
  constructor(epoch: number, owners: readonly NodeId[]) {
    assert(isRingSize(owners.length), `a ring has 2^k partitions, ${ringSizeMin} to ${ringSizeMax}`);
    this.epoch = epoch;
    this.owners = owners;
    this.#hashShift = 32 - Math.log2(owners.length);
  }

  static ownedByOne(epoch: number, size: number, node: NodeId): Ring {
    return new Ring(epoch, new Array<NodeId>(size).fill(node));
  }

  get size(): number {
    return this.owners.length;
  }

  partitionOf(hash: RingHash): Partition {
    const arc = hash >>> this.#hashShift;
    return ((arc + 1) & (this.size - 1)) as Partition;
  }

  ownerOf(partition: Partition): NodeId {
    return this.owners[partition];
  }

  /** The partition `steps` boundaries clockwise. */
  after(partition: Partition, steps: number): Partition {
    return ((partition + steps) & (this.size - 1)) as Partition;
  }

  partitions(): Partition[] {
    return this.owners.map((_, index) => index as Partition);
  }

  partitionsOf(node: NodeId): Partition[] {
    return this.partitions().filter((partition) => this.owners[partition] === node);
  }
}
