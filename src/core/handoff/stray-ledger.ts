/**
 * Which partitions may hold data here that belongs to others. Beside the data itself nothing is stored of it:
 * after a start every partition that is not this node's is looked at once.
 *
 * S1  While a partition has not been looked at, it counts as one with stray data.
 * S2  A partition leaves the ledger only when it was empty at a moment after which nothing was noted.
 */
import type { NodeId } from '../../environment/index.ts';
import type { Partition } from '../ring/index.ts';
import type { ClusterState } from '../topology/index.ts';
import { roleIn } from './partition-role.ts';

interface Entry {
  /** Changes with each note. */
  mark: number;
  /** Undefined: not looked at yet. */
  readonly hasData: boolean | undefined;
}

export class StrayLedger {
  readonly #self: NodeId;
  readonly #tell: (hasStrays: boolean) => void;
  readonly #entries = new Map<Partition, Entry>();
  /** Partitions whose data was not this node's own by the last state. */
  #foreign: ReadonlySet<Partition> = new Set();
  #mark = 0;
  #told = true;

  /** `tell`: at each change. Before the first it is true. */
  constructor(self: NodeId, tell: (hasStrays: boolean) => void) {
    this.#self = self;
    this.#tell = tell;
  }

  get hasStrays(): boolean {
    return this.#entries.size > 0;
  }

  /** That hold data, as far as is known. Ascending. */
  partitions(): Partition[] {
    return this.#select((entry) => entry.hasData === true);
  }

  unchecked(): Partition[] {
    return this.#select((entry) => entry.hasData === undefined);
  }

  follow(state: ClusterState): void {
    const foreign = new Set<Partition>();
    state.owners.forEach((_, index) => {
      const partition = index as Partition;
      const role = roleIn(state, this.#self, partition);
      if (role === 'foreign' || role === 'incoming') {
        foreign.add(partition);
        if (!this.#foreign.has(partition)) this.#mustCheck(partition);
      } else if (role !== 'closed') this.#entries.delete(partition);
    });
    this.#foreign = foreign;
    this.#changed();
  }

  /**
   * Something is being written there. To be called before it is acknowledged; with every such write, so it is
   * cheap. True if no data was known to be there.
   */
  note(partition: Partition): boolean {
    this.#mark += 1;
    const known = this.#entries.get(partition);
    if (known?.hasData === true) {
      known.mark = this.#mark;
      return false;
    }
    this.#entries.set(partition, { mark: this.#mark, hasData: true });
    this.#changed();
    return true;
  }

  /** To be taken before one looks whether a partition is empty. */
  markOf(partition: Partition): number | undefined {
    return this.#entries.get(partition)?.mark;
  }

  /** What was found there; of no account if anything was noted since `mark`. */
  found(partition: Partition, mark: number, isEmpty: boolean): void {
    const entry = this.#entries.get(partition);
    if (entry === undefined || entry.mark !== mark) return;
    if (isEmpty) this.#entries.delete(partition);
    else this.#entries.set(partition, { mark, hasData: true });
    this.#changed();
  }

  #mustCheck(partition: Partition): void {
    this.#mark += 1;
    this.#entries.set(partition, { mark: this.#mark, hasData: undefined });
  }

  #changed(): void {
    if (this.hasStrays === this.#told) return;
    this.#told = this.hasStrays;
    this.#tell(this.#told);
  }

  #select(isWanted: (entry: Entry) => boolean): Partition[] {
    const partitions = [...this.#entries]
      .filter(([, entry]) => isWanted(entry))
      .map(([partition]) => partition);
    return partitions.sort((a, b) => a - b);
  }
}
