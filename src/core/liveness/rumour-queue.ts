/**
 * Members of whom there is news, the least told first (SWIM §4.1). News is told so often by each that has
 * heard it; then everybody has, but for a few whom the exchange of digests reaches.
 */
import type { NodeId } from '../../environment/index.ts';

/** What does not fit is left to the exchange of digests: when half of a large cluster is new, or gone. */
export const rumoursMax = 128;

export class RumourQueue {
  readonly #timesTold = new Map<NodeId, number>();
  /** `#byTimesTold[k]`: told k times. In the order in which they came. */
  readonly #byTimesTold: Set<NodeId>[] = [];

  get isEmpty(): boolean {
    return this.#timesTold.size === 0;
  }

  get isFull(): boolean {
    return this.#timesTold.size >= rumoursMax;
  }

  /** News of the member, told to nobody yet. What was told most often goes, if there is no room. */
  push(node: NodeId): void {
    this.remove(node);
    if (this.isFull) {
      const mostTold = this.#byTimesTold.findLast((nodes) => nodes.size > 0)!;
      for (const dropped of mostTold) {
        this.remove(dropped);
        break;
      }
    }
    this.#place(node, 0);
  }

  remove(node: NodeId): void {
    const times = this.#timesTold.get(node);
    if (times === undefined) return;
    this.#timesTold.delete(node);
    this.#byTimesTold[times]!.delete(node);
  }

  /**
   * Offers members in their order until one is not taken: there is no more room. Who is taken has been told
   * once more, the last time at `timesMax`.
   */
  take(timesMax: number, offer: (node: NodeId) => boolean): void {
    for (const node of this.#taken(offer)) {
      const times = this.#timesTold.get(node)! + 1;
      this.remove(node);
      if (times < timesMax) this.#place(node, times);
    }
  }

  clear(): void {
    this.#timesTold.clear();
    this.#byTimesTold.length = 0;
  }

  #taken(offer: (node: NodeId) => boolean): NodeId[] {
    const taken: NodeId[] = [];
    for (const nodes of this.#byTimesTold) {
      for (const node of nodes) {
        if (!offer(node)) return taken;
        taken.push(node);
      }
    }
    return taken;
  }

  #place(node: NodeId, times: number): void {
    while (this.#byTimesTold.length <= times) this.#byTimesTold.push(new Set());
    this.#byTimesTold[times]!.add(node);
    this.#timesTold.set(node, times);
  }
}
