/**
 * Keeps what has expired out of listings and index queries until it is forgotten. Objects are looked at only in
 * partitions where something has expired: elsewhere a query costs what it did.
 */
import type { Partition } from '../../core/ring/index.ts';
import type { Clock } from '../../environment/index.ts';
import type { ByteString } from '../../stdx/index.ts';
import { type StorageEngine, StorageError } from '../../storage/index.ts';
import type { BucketAddress } from '../key-value-store.ts';
import { expiryOfObject, ObjectFormatError, VersionedObject } from '../object/index.ts';
import { type ExpiryTimes, ObjectKey } from '../vnode/index.ts';

export class ExpiredNames {
  readonly #engine: StorageEngine;
  readonly #times: ExpiryTimes;
  readonly #clock: Pick<Clock, 'wallMicros'>;

  constructor(engine: StorageEngine, times: ExpiryTimes, clock: Pick<Clock, 'wallMicros'>) {
    this.#engine = engine;
    this.#times = times;
    this.#clock = clock;
  }

  /** False: no key of the partition has to be looked at. */
  mayBeIn(partition: Partition): boolean {
    return this.#times.isUsed && this.#times.hasExpired(partition, this.#clock.wallMicros());
  }

  /** Those of the keys that have not expired; the list itself where none may have. */
  without(
    partition: Partition,
    { bucketType, bucket }: BucketAddress,
    keys: readonly ByteString[],
  ): readonly ByteString[] {
    if (!this.mayBeIn(partition)) return keys;
    return keys.filter((key) => !this.has(partition, { bucketType, bucket }, key));
  }

  has(partition: Partition, { bucketType, bucket }: BucketAddress, key: ByteString): boolean {
    try {
      const bytes = this.#engine.get(new ObjectKey({ bucketType, bucket, key }).borrow(partition));
      if (bytes === undefined) return false;
      const expiry = expiryOfObject(VersionedObject.decode(bytes));
      return expiry !== undefined && expiry <= this.#clock.wallMicros();
    } catch (error) {
      if (!(error instanceof StorageError || error instanceof ObjectFormatError)) throw error;
      // What cannot be read is listed: whoever reads it hears why.
      return false;
    }
  }
}
