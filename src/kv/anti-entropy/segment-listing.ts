/**
 * Lists the keys of some segments of a tree, with their versions, from what is committed.
 *
 * Nothing is kept in the order of segments: that would be a second write for every put, for the sake of a
 * listing that is asked for only where replicas differ. So a listing walks the keys of the partition, without
 * their values, and reads the objects of those that belong to the segments.
 */
import { Buffer } from 'node:buffer';
import type { Partition, Ring } from '../../core/ring/index.ts';
import { type SegmentSet, segmentOf } from '../../merkle/index.ts';
import { type GroupCommit, StorageError } from '../../storage/index.ts';
import { ObjectFormatError, VersionedObject, versionDigest } from '../object/index.ts';
import { ObjectKey, objectsRange, prefixBytes } from '../vnode/index.ts';
import { KeyPlace } from './key-place.ts';
import type { Placements } from './placements.ts';

/** One slice ends at whichever comes first. Together they bound a message and the time it takes to make. */
export const listingPairsMax = 1000;
export const listingBytesMax = 64 * 1024;
const listingScannedMax = 8192;
/** Keys between two looks at the event loop. */
const cursorLimits = { entriesMax: 512, bytesMax: 256 * 1024 };

/** A key as replicas name it to each other, and what version of it one of them has. */
export interface ListedKey {
  /** `ObjectKey.encodeInto`: the storage key without its partition, so that it sorts alike everywhere. */
  readonly key: Buffer;
  /** `versionDigest`. */
  readonly digest: Buffer;
}

export interface ListingSlice {
  /** In the order of their keys. An object that cannot be read is not among them: it is as good as absent. */
  readonly pairs: readonly ListedKey[];
  /** All keys up to this one have been listed; undefined: all there are. */
  readonly upTo: Buffer | undefined;
}

export interface TreeName {
  readonly partition: Partition;
  readonly first: Partition;
  readonly nVal: number;
}

export class SegmentListings {
  readonly #commit: GroupCommit;
  readonly #ring: () => Ring;
  readonly #placements: Placements;

  constructor(commit: GroupCommit, ring: () => Ring, placements: Placements) {
    this.#commit = commit;
    this.#ring = ring;
    this.#placements = placements;
  }

  /** The slice behind `after` (undefined: from the start). Rejects with `StorageError`. */
  async slice(tree: TreeName, segments: SegmentSet, after: Buffer | undefined): Promise<ListingSlice> {
    const place = new KeyPlace(this.#placements);
    const cursor = this.#commit.engine.scan(rangeBehind(tree.partition, after), { keysOnly: true });
    const pairs: ListedKey[] = [];
    let scanned = 0;
    let bytes = 0;
    try {
      for (;;) {
        const entries = await cursor.next(cursorLimits);
        if (entries.length === 0) return { pairs, upTo: undefined };
        for (const { key: storageKey } of entries) {
          const listed = this.#listed(tree, segments, storageKey, place);
          scanned += 1;
          if (listed !== undefined) {
            pairs.push(listed);
            bytes += listed.key.length + listed.digest.length;
          }
          if (pairs.length >= listingPairsMax || bytes >= listingBytesMax || scanned >= listingScannedMax) {
            return { pairs, upTo: encodedKeyOf(storageKey) };
          }
        }
      }
    } finally {
      await cursor.close();
    }
  }

  #listed(
    { partition, first, nVal }: TreeName,
    segments: SegmentSet,
    storageKey: Buffer,
    place: KeyPlace,
  ): ListedKey | undefined {
    // The cheap test first: it sorts out most.
    if (!segments.has(segmentOf(place.hashOnly(storageKey, storageKey.length - prefixBytes))))
      return undefined;
    const encoded = encodedKeyOf(storageKey);
    const key = ObjectKey.decode(encoded, 0, encoded.length);
    if (key === undefined) return undefined;
    place.locate(key, this.#ring());
    if (place.first !== first || place.nVal !== nVal) return undefined;
    const digest = this.#digestOf(key, partition);
    return digest && { key: encoded, digest };
  }

  #digestOf(key: ObjectKey, partition: Partition): Buffer | undefined {
    try {
      const bytes = this.#commit.engine.get(key.borrow(partition));
      return bytes && versionDigest(VersionedObject.decode(bytes));
    } catch (error) {
      const isDamage =
        error instanceof ObjectFormatError || (error instanceof StorageError && error.code === 'corrupt');
      if (!isDamage) throw error;
      return undefined;
    }
  }
}

/** A view of the storage key. */
export function encodedKeyOf(storageKey: Buffer): Buffer {
  return storageKey.subarray(prefixBytes);
}

function rangeBehind(partition: Partition, after: Buffer | undefined) {
  const whole = objectsRange(partition);
  if (after === undefined) return whole;
  // The first key that is greater than `after`.
  const from = Buffer.concat([whole.from ?? Buffer.alloc(0), after, Buffer.alloc(1)]);
  return { ...whole, from };
}
