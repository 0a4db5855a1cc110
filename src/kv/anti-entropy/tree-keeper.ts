/**
 * The trees of all partitions that this node owns, kept in step with what is committed.
 *
 * A partition's trees are *built* or not. While they are not, and every so often to check them, a *shadow* is made:
 * the sum of a snapshot of the partition, and of every change that was observed after it.
 *
 * K1  Trees that are built are the sum of what the engine holds of the partition, whenever no batch is in flight,
 *     but for entries that cannot be read.
 * K2  A shadow is exact, whatever is written meanwhile. Changes form a chain for each key (S2), so the snapshot's version of a key is
 *     the `before` of the first change after it, and sums do not mind the order. That needs the snapshot and the
 *     stream of changes to meet at one point: the snapshot is taken in the `done` of a write of no bytes, when the
 *     engine holds just the groups up to this one; the other writes of the same group, whose `done` is called in
 *     the same run, are in the snapshot already, and are not added again.
 * K3  Doubt ends both: the trees are not built any more, and a shadow in the making is thrown away, since a chain may be
 *     broken on either side of its snapshot.
 */
import type { Partition, Ring } from '../../core/ring/index.ts';
import { Hash64, type TictacTree } from '../../merkle/index.ts';
import { DigestWords, type VersionedObject } from '../object/index.ts';
import type { ObjectKey } from '../vnode/index.ts';
import { KeyPlace } from './key-place.ts';
import { PartitionTrees } from './partition-trees.ts';
import type { Placements } from './placements.ts';
import type { StoredChanges } from './stored-changes.ts';

/** A sum in the making. It is lost when it is not the partition's present one any more. */
export class Shadow {
  readonly trees = new PartitionTrees();
  /** The run of `done` calls in which the snapshot was taken: what they observe is in it. */
  isInSnapshotRun = true;
}

/** The digest of a version, as trees want it. The replicas of a key on one node mostly hold one object. */
class VersionName {
  readonly #hash = new Hash64();
  readonly #digest = new DigestWords();
  #object: VersionedObject | undefined;

  of(object: VersionedObject): Readonly<Hash64> {
    if (this.#object === object) return this.#hash;
    this.#digest.of(object);
    this.#hash.high = this.#digest.high;
    this.#hash.low = this.#digest.low;
    this.#object = object;
    return this.#hash;
  }
}

class KeptPartition {
  built: PartitionTrees | undefined;
  shadow: Shadow | undefined;
  /** How often the partition was doubted. */
  doubts = 0;
}

export class TreeKeeper implements StoredChanges {
  readonly #ring: () => Ring;
  readonly #place: KeyPlace;
  readonly #before = new VersionName();
  readonly #after = new VersionName();
  readonly #kept: (KeptPartition | undefined)[] = [];
  readonly #doubted: (partition: Partition) => void;

  /** `doubted` is told when trees that were built, or about to be, no longer are. */
  constructor(ring: () => Ring, placements: Placements, doubted: (partition: Partition) => void) {
    this.#ring = ring;
    this.#place = new KeyPlace(placements);
    this.#doubted = doubted;
  }

  observe(
    partition: Partition,
    key: ObjectKey,
    before: VersionedObject | undefined,
    after: VersionedObject | undefined,
  ): void {
    const kept = this.#kept[partition];
    if (kept === undefined || before === after) return;
    const shadow = kept.shadow?.isInSnapshotRun === false ? kept.shadow.trees : undefined;
    if (kept.built === undefined && shadow === undefined) return;
    const place = this.#place;
    place.locate(key, this.#ring());
    if (!place.isHeldBy(partition, this.#ring())) return;
    if (kept.built !== undefined) this.#change(kept.built, before, after);
    if (shadow !== undefined) this.#change(shadow, before, after);
  }

  /** Of the key that was located. */
  #change(
    trees: PartitionTrees,
    before: VersionedObject | undefined,
    after: VersionedObject | undefined,
  ): void {
    const { first, nVal, hash } = this.#place;
    const old = before && this.#before.of(before);
    const present = after && this.#after.of(after);
    if (old !== undefined && present !== undefined) trees.replace(first, nVal, hash, old, present);
    else if (old !== undefined) trees.remove(first, nVal, hash, old);
    else if (present !== undefined) trees.add(first, nVal, hash, present);
  }

  doubt(partition: Partition): void {
    const kept = this.#kept[partition];
    if (kept === undefined) return;
    kept.doubts += 1;
    if (kept.built === undefined && kept.shadow === undefined) return;
    kept.built = undefined;
    kept.shadow = undefined;
    this.#doubted(partition);
  }

  /** Placements have changed, and trees hold keys that belong into others; or the engine has lost what they hold. */
  doubtAll(): void {
    this.#place.forget();
    for (const partition of this.partitions) this.doubt(partition);
  }

  /** From now on the partition has trees, to be built unless `trees` are known to be its own. */
  keep(partition: Partition, trees?: PartitionTrees): void {
    const kept = new KeptPartition();
    kept.built = trees;
    this.#kept[partition] = kept;
  }

  drop(partition: Partition): void {
    this.#kept[partition] = undefined;
  }

  isKept(partition: Partition): boolean {
    return this.#kept[partition] !== undefined;
  }

  isBuilt(partition: Partition): boolean {
    return this.#kept[partition]?.built !== undefined;
  }

  /** The first that is kept at or after `partition`; undefined: none is. */
  keptFrom(partition: number): Partition | undefined {
    for (let at = partition; at < this.#kept.length; at += 1) {
      if (this.#kept[at] !== undefined) return at as Partition;
    }
    return undefined;
  }

  /** Ascending. */
  get partitions(): Partition[] {
    const partitions: Partition[] = [];
    this.#kept.forEach((kept, partition) => {
      if (kept !== undefined) partitions.push(partition as Partition);
    });
    return partitions;
  }

  /** Undefined while they are not built. They go on changing. */
  builtTrees(partition: Partition): PartitionTrees | undefined {
    return this.#kept[partition]?.built;
  }

  /** The tree that is compared; undefined while it is not built. */
  treeOf(partition: Partition, first: Partition, nVal: number): TictacTree | undefined {
    return this.#kept[partition]?.built?.treeOf(first, nVal);
  }

  /** Undefined: the partition is not kept. */
  doubtsOf(partition: Partition): number | undefined {
    return this.#kept[partition]?.doubts;
  }

  /**
   * At the moment of the snapshot (K2); the caller ends the run. `doubts` are those of the moment when the write of no
   * bytes was queued: a doubt since then is about writes that may come after it (K3), and there is no shadow.
   */
  beginShadow(partition: Partition, doubts: number): Shadow | undefined {
    const kept = this.#kept[partition];
    if (kept === undefined || kept.doubts !== doubts) return undefined;
    kept.shadow = new Shadow();
    return kept.shadow;
  }

  isPresent(partition: Partition, shadow: Shadow): boolean {
    return this.#kept[partition]?.shadow === shadow;
  }

  /** An entry of the snapshot. Returns whether `partition` comes first in the key's preference list. */
  fold(partition: Partition, shadow: Shadow, key: ObjectKey, object: VersionedObject): boolean {
    const place = this.#place;
    place.locate(key, this.#ring());
    if (!place.isHeldBy(partition, this.#ring())) return false;
    shadow.trees.add(place.first, place.nVal, place.hash, this.#after.of(object));
    return place.first === partition;
  }

  /** The snapshot has been read. `drifted`: there were trees, and they were not what the partition holds. */
  finishShadow(partition: Partition, shadow: Shadow): 'built' | 'verified' | 'drifted' | 'lost' {
    const kept = this.#kept[partition];
    if (kept === undefined || kept.shadow !== shadow) return 'lost';
    kept.shadow = undefined;
    const before = kept.built;
    if (before?.equals(shadow.trees)) return 'verified';
    kept.built = shadow.trees;
    return before === undefined ? 'built' : 'drifted';
  }
}
