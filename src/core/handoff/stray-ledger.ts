/**
 * Which partitions may hold data here that belongs to others. Beside the data itself nothing is stored of it:
 * after a start every partition that is not this node's is looked at once.
 *
 * S1  While a partition has not been looked at, it counts as one with stray data.
 * S2  A partition leaves the ledger only when it was empty at a moment after which nothing was noted.
 */
import type { Partition } from '../ring/index.ts';
import type { PartitionRole } from './partition-role.ts';

export class StrayLedger {
  readonly #tell: (hasStrays: boolean) => void;
  /** That hold data, as far as is known, and those that have not been looked at; each with the mark of its last note. */
  readonly #holding = new Map<Partition, number>();
  readonly #unchecked = new Map<Partition, number>();
  #roles: readonly PartitionRole[] = [];
  #mark = 0;
  #told = true;

  /** `tell`: at each change. Before the first it is true. */
  constructor(tell: (hasStrays: boolean) => void) {
    this.#tell = tell;
  }

  get hasStrays(): boolean {
    return this.#holding.size + this.#unchecked.size > 0;
  }

  /** That hold data, as far as is known. Ascending. */
  partitions(): Partition[] {
    return [...this.#holding.keys()].sort((a, b) => a - b);
  }

  unchecked(): Partition[] {
    return [...this.#unchecked.keys()].sort((a, b) => a - b);
  }

  /** The one that waits longest for somebody to look at it. */
  firstUnchecked(): Partition | undefined {
    return this.#unchecked.keys().next().value;
  }

  /** `roles`: of every partition, by the latest state. */
  follow(roles: readonly PartitionRole[]): void {
    for (let index = 0; index < roles.length; index += 1) {
      const partition = index as Partition;
      const role = roles[index]!;
      if (isForeign(role)) {
        if (!isForeign(this.#roles[index])) this.#mustCheck(partition);
      } else if (role !== 'closed') this.#forget(partition);
    }
    this.#roles = roles;
    this.#changed();
  }

  /** Storage may have brought back what was handed over: what was found to be empty is looked at again. */
  doubt(): void {
    this.#roles.forEach((role, partition) => {
      const isHeld = this.#holding.has(partition as Partition);
      if (isForeign(role) && !isHeld) this.#mustCheck(partition as Partition);
    });
    this.#changed();
  }

  /**
   * Something is being written there. To be called before it is acknowledged; with every such write, so it is
   * cheap. True if no data was known to be there.
   */
  note(partition: Partition): boolean {
    this.#mark += 1;
    const isNew = !this.#holding.has(partition);
    this.#holding.set(partition, this.#mark);
    if (!isNew) return false;
    this.#unchecked.delete(partition);
    this.#changed();
    return true;
  }

  /** To be taken before one looks whether a partition is empty. */
  markOf(partition: Partition): number | undefined {
    return this.#holding.get(partition) ?? this.#unchecked.get(partition);
  }

  /**
   * What was found there; of no account if anything was noted since `mark`. True if it holds something, or was thought to.
   */
  found(partition: Partition, mark: number, isEmpty: boolean): boolean {
    if (this.markOf(partition) !== mark) return false;
    const held = this.#holding.has(partition);
    this.#forget(partition);
    if (!isEmpty) this.#holding.set(partition, mark);
    this.#changed();
    return held || !isEmpty;
  }

  #mustCheck(partition: Partition): void {
    this.#mark += 1;
    this.#holding.delete(partition);
    this.#unchecked.set(partition, this.#mark);
  }

  #forget(partition: Partition): void {
    this.#holding.delete(partition);
    this.#unchecked.delete(partition);
  }

  #changed(): void {
    if (this.hasStrays === this.#told) return;
    this.#told = this.hasStrays;
    this.#tell(this.#told);
  }
}

/** Data there belongs to somebody else, or will be this node's only when the move is done. */
function isForeign(role: PartitionRole | undefined): boolean {
  return role === 'foreign' || role === 'incoming';
}
