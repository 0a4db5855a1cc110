/** What an object may be at most, and whether it is more. */
import type { RareNotices } from '../../environment/index.ts';
import { textOfBytes } from '../../stdx/index.ts';
import type { KvError } from '../kv-error.ts';
import type { VersionedObject } from '../object/index.ts';
import type { SiblingCap } from '../sibling-cap/index.ts';
import type { ObjectKey } from './object-key.ts';

export interface ObjectLimits {
  readonly objectBytesMax: number;
  readonly objectBytesWarn: number;
  readonly siblingsMax: number;
  readonly siblingsWarn: number;
  /** Bytes of values that a merge policy joins as JSON; absent: `unionBytesMaxDefault`. */
  readonly unionBytesMax?: number;
  /** Milliseconds by which clocks may differ: what has expired is forgotten no sooner. Absent: `expiryMarginMsDefault`. */
  readonly expiryMarginMs?: number;
  /** Bytes of an object with a data type after an update; absent: as of any object. */
  readonly datatypeBytesMax?: number;
  /** Bytes of memory for data types that were decoded; absent: none. */
  readonly decodedBytesMax?: number;
}

export const expiryMarginMsDefault = 600_000;

export class ObjectChecks {
  readonly #limits: ObjectLimits;
  readonly #large: RareNotices;

  constructor(limits: ObjectLimits, large: RareNotices) {
    this.#limits = limits;
    this.#large = large;
  }

  /** Undefined: it may be stored. What is large is logged. */
  excessOf(key: ObjectKey, object: VersionedObject, cap?: SiblingCap): KvError | undefined {
    const { objectBytesMax, objectBytesWarn, siblingsWarn } = this.#limits;
    const ofBucket = cap?.policy === 'none' ? cap.siblingsMax : Number.POSITIVE_INFINITY;
    const siblingsMax = Math.min(this.#limits.siblingsMax, ofBucket);
    const { sizeBytes, siblingCount } = object;
    if (sizeBytes > objectBytesMax) return { code: 'too_large', bytes: sizeBytes, bytesMax: objectBytesMax };
    if (siblingCount > siblingsMax) {
      return { code: 'too_many_siblings', siblings: siblingCount, siblingsMax };
    }
    if (sizeBytes > objectBytesWarn || siblingCount > siblingsWarn) {
      const { bucket, key: name } = key.address;
      this.#large.warn(() => ({
        bucket: textOfBytes(bucket),
        key: textOfBytes(name),
        bytes: sizeBytes,
        siblings: siblingCount,
      }));
    }
    return undefined;
  }

  /** What is decoded and encoded whole at each update must not hold up everybody else. */
  datatypeExcessOf({ sizeBytes }: VersionedObject): KvError | undefined {
    const { datatypeBytesMax = this.#limits.objectBytesMax } = this.#limits;
    if (sizeBytes <= datatypeBytesMax) return undefined;
    return { code: 'too_large', bytes: sizeBytes, bytesMax: datatypeBytesMax };
  }
}
