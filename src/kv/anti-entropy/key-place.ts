/** Where a key belongs in the trees: the hash that names it there, and the preference list that holds it. */
import type { Buffer } from 'node:buffer';
import type { Partition, Ring } from '../../core/ring/index.ts';
import { Hash64 } from '../../merkle/index.ts';
import { NameHash } from '../coordinator/index.ts';
import type { ObjectKey } from '../vnode/index.ts';
import type { Placements } from './placements.ts';

/** One place, computed anew for each key: the write path allocates nothing here. */
export class KeyPlace {
  /** Of the key's bytes, without their partition. Not the ring's hash, which a whole bucket may share. */
  readonly hash = new Hash64();
  readonly #names = new NameHash();
  readonly #placements: Placements;
  #first = 0 as Partition;
  #nVal = 0;
  /** The replicas of a key on one node are written one after another. */
  #last: ObjectKey | undefined;

  constructor(placements: Placements) {
    this.#placements = placements;
  }

  get first(): Partition {
    return this.#first;
  }

  /** 0: the key is in no tree. */
  get nVal(): number {
    return this.#nVal;
  }

  locate(key: ObjectKey, ring: Ring): void {
    if (this.#last === key) return;
    this.#last = key;
    this.hashOnly(key.anywhere, key.encodedBytes);
    const placement = this.#placements.of(key.address);
    this.#nVal = placement?.nVal ?? 0;
    if (placement !== undefined) {
      const known = placement.bucketOnly ? undefined : key.ringHash;
      this.#first = ring.partitionOf(known ?? this.#names.of(key.address, placement.bucketOnly));
    }
  }

  /** The hash of a key whose last `length` bytes those of `storageKey` are; the rest is not located. */
  hashOnly(storageKey: Buffer, length: number): Hash64 {
    return this.hash.ofBytes(storageKey, storageKey.length - length, storageKey.length);
  }

  /** Placements have changed: what was located may lie elsewhere. */
  forget(): void {
    this.#last = undefined;
  }

  /** Whether the located key is one of those that `partition` holds as a member of their preference list. */
  isHeldBy(partition: Partition, ring: Ring): boolean {
    return ((partition - this.#first) & (ring.size - 1)) < Math.min(this.#nVal, ring.size);
  }
}
