/**
 * How much this node holds of partitions that it does not own: what it took in their owners' place (see "Stray
 * data" in docs/internals/cluster.md). A node that stands in for many for long must not fill its disk with what
 * is not its own; so beyond a bound it takes no more of it.
 *
 * An account, not a measure: it starts from the engine's estimate and counts what is added and what is known to
 * have gone. A partition that comes to be owned does not count, nor does one that is being copied here, nor what this node has
 * given away and will drop. One that moves between others counts: it may stand in for them as long as that takes.
 */
import type { Partition } from '../../core/ring/index.ts';
import type { Topology } from '../../core/topology/index.ts';
import type { StorageEngine } from '../../storage/index.ts';
import { partitionRange } from './key-layout.ts';

export class StrayBytes {
  readonly #topology: Topology;
  readonly #bytesMax: number;
  /** Of partitions that were not owned when something was stored under them. */
  readonly #held = new Map<Partition, number>();
  #total = 0;

  private constructor(topology: Topology, bytesMax: number) {
    this.#topology = topology;
    this.#bytesMax = bytesMax;
    topology.onChange(() => this.#sum());
  }

  /** Rejects with `StorageError`. */
  static async open(topology: Topology, engine: StorageEngine, bytesMax: number): Promise<StrayBytes> {
    const strays = new StrayBytes(topology, bytesMax);
    for (const partition of topology.ring.partitions()) {
      if (topology.ring.ownerOf(partition) === topology.self) continue;
      const bytes = await engine.sizeEstimate(partitionRange(partition));
      if (bytes > 0) strays.#held.set(partition, bytes);
    }
    strays.#sum();
    return strays;
  }

  get total(): number {
    return this.#total;
  }

  /** Whether a write to a partition that is not owned may grow it by so many bytes. */
  admits(growth: number): boolean {
    return growth <= 0 || this.#total + growth <= this.#bytesMax;
  }

  isOwned(partition: Partition): boolean {
    return this.#topology.ring.ownerOf(partition) === this.#topology.self;
  }

  isStray(partition: Partition): boolean {
    return !this.isOwned(partition) && !this.#topology.isOwnMove(partition);
  }

  /**
   * Something was stored under a partition that is not owned, or removed (negative). While the partition comes here it
   * is only remembered: if it is still not owned after the move, it counts.
   */
  grew(partition: Partition, bytes: number): void {
    const before = this.#held.get(partition) ?? 0;
    const after = Math.max(0, before + bytes);
    this.#held.set(partition, after);
    if (this.isStray(partition)) this.#total += after - before;
  }

  /** The partition is empty. */
  cleared(partition: Partition): void {
    this.#held.delete(partition);
    this.#sum();
  }

  #sum(): void {
    this.#total = 0;
    for (const [partition, bytes] of this.#held) {
      if (this.isStray(partition)) this.#total += bytes;
    }
  }
}
