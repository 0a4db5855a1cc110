/** Drops of buckets and bucket types: marked at once, carried out in the background, by every node for its part. */
import type { VersionVector } from '../../clocks/index.ts';
import type { Environment } from '../../environment/index.ts';
import { type ByteString, textOfBytes } from '../../stdx/index.ts';
import type { BucketProperties } from '../bucket-properties.ts';
import type { BucketTypeRefusal } from '../bucket-type.ts';
import type { BucketTypes } from '../bucket-types.ts';
import { chunkType } from '../chunk-space.ts';
import { type CoordinatorParts, coordinateGet } from '../coordinator/index.ts';
import type { Deletes } from '../deletes.ts';
import { type BucketAddress, KvFailure, type NameStream, type ObjectAddress } from '../key-value-store.ts';
import type { PropertyStore } from '../property-store.ts';
import type { NameListings } from '../query/index.ts';
import { quorumAll } from '../quorum-value.ts';
import { checkName } from '../request-checks.ts';
import { isLive } from '../visible-object.ts';
import type { Dropped } from './drop-marks.ts';
import { DropSweep, type DropSweepParts } from './drop-sweep.ts';

/** Names that are looked at at once. */
const windowMax = 16;
/** A listing of what has so many replicas asks every partition: a key counts that any one replica has, whichever. */
const eachReplica = 1;

export interface BucketDropsParts
  extends Pick<DropSweepParts, 'engine' | 'isLoaded' | 'names' | 'placementOf' | 'topology'> {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'tasks' | 'log'>;
  readonly properties: PropertyStore;
  readonly coordinator: CoordinatorParts;
  readonly deletes: Deletes;
  readonly listings: NameListings;
}

export class BucketDrops {
  readonly #parts: BucketDropsParts;
  readonly #sweep: DropSweep;

  constructor(parts: BucketDropsParts) {
    this.#parts = parts;
    this.#sweep = new DropSweep({
      ...parts,
      marks: parts.properties.drops,
      remove: (address, seen) => this.#remove(address, seen),
      isEmpty: (dropped) => this.#isEmpty(dropped),
      forget: (dropped) => this.#forget(dropped),
    });
  }

  /** What is being dropped. */
  get inProgress(): readonly Dropped[] {
    return this.#parts.properties.drops.list();
  }

  /** Objects that this node has deleted of what was dropped. */
  get removed(): number {
    return this.#sweep.removed;
  }

  start(): void {
    this.#sweep.start();
  }

  close(): Promise<void> {
    return this.#sweep.close();
  }

  /**
   * Resolves when all that it holds is out of sight for good. Rejects with `KvFailure`: `unknown_bucket_type`, `bad_name`,
   * or that it could not be agreed; then it may still happen.
   */
  async dropBucket(address: BucketAddress): Promise<void> {
    const problem = checkName('bucket', address.bucket);
    if (problem !== undefined) throw new KvFailure(problem);
    // Chunks of large values are no bucket of anybody's.
    if (address.bucketType === chunkType || this.#parts.properties.of(address) === undefined) {
      throw new KvFailure({ code: 'unknown_bucket_type', bucketType: textOfBytes(address.bucketType) });
    }
    await this.#parts.properties.drops.set(address);
  }

  /** The type with all its buckets. Resolves with why it is not begun, if so; rejects as `dropBucket` does. */
  async dropType(name: ByteString): Promise<BucketTypeRefusal | undefined> {
    const { properties } = this.#parts;
    const { types } = properties;
    const status = types.get(name)?.status;
    // There is nothing in it; and the refusals for names are those of a drop without objects.
    if (status !== 'active') return types.forget(name);
    await properties.drops.set({ bucketType: name, bucket: undefined });
    return undefined;
  }

  /** What fails is found by the next look. */
  #remove(address: ObjectAddress, seen?: VersionVector): Promise<void> {
    const { properties, deletes, environment } = this.#parts;
    const found = properties.of(address);
    if (found === undefined) return Promise.resolve();
    const request = seen === undefined ? address : { ...address, context: seen.encode() };
    return new Promise((resolve) => deletes.delete(request, found, environment.clock.now(), () => resolve()));
  }

  async #isEmpty({ bucketType, bucket }: Dropped): Promise<boolean> {
    if (bucket !== undefined) return this.#isEmptyBucket({ bucketType, bucket });
    const { listings } = this.#parts;
    const buckets = listings.list({ kind: 'buckets', bucketType }, eachReplica, undefined);
    return everyName(buckets, (bucket) => this.#isEmptyBucket({ bucketType, bucket }));
  }

  #isEmptyBucket(address: BucketAddress): Promise<boolean> {
    const { listings, properties } = this.#parts;
    const found = properties.of(address);
    if (found === undefined) return Promise.resolve(true);
    const keys = listings.list({ kind: 'keys', ...address }, eachReplica, undefined);
    return everyName(keys, (key) => this.#isGone({ ...address, key }, found));
  }

  /** A tombstone may be listed. All its replicas are read, so that it is forgotten where it is all there is. */
  #isGone(address: ObjectAddress, properties: BucketProperties): Promise<boolean> {
    const { coordinator, environment } = this.#parts;
    const read = { ...address, r: quorumAll };
    return new Promise((resolve) =>
      coordinateGet(coordinator, read, properties, (outcome) =>
        resolve(
          outcome.kind === 'read' && !isLive(outcome.object, properties, environment.clock.wallMicros()),
        ),
      ),
    );
  }

  async #forget({ bucketType, bucket }: Dropped): Promise<void> {
    const { properties } = this.#parts;
    const types: BucketTypes = properties.types;
    if (bucket === undefined) await types.forget(bucketType);
    // Its type may have been dropped meanwhile, and has taken its properties along.
    else if (properties.of({ bucketType, bucket }) !== undefined)
      await properties.reset({ bucketType, bucket });
  }
}

async function everyName(names: NameStream, holds: (name: ByteString) => Promise<boolean>): Promise<boolean> {
  try {
    for (let some = await names.next(); some !== undefined; some = await names.next()) {
      for (let from = 0; from < some.length; from += windowMax) {
        const held = await Promise.all(some.slice(from, from + windowMax).map(holds));
        if (held.includes(false)) return false;
      }
    }
    return true;
  } finally {
    await names.close();
  }
}
