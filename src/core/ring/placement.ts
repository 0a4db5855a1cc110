/** An assignment of partitions to nodes while claim works on it, with what is wrong with it kept up to date. */
import { type ClaimProblem, nobody } from './claim-problem.ts';
import { ClaimWeights } from './claim-weights.ts';

/** `swap`: the owners of two partitions; `give`: to another node. `growth`: what the cost grows by. */
export type Change =
  | { readonly kind: 'swap'; readonly with: number; readonly growth: number }
  | { readonly kind: 'give'; readonly to: number; readonly growth: number };

export interface Shortcomings {
  /** Weights of the conflicts, each counted at both ends. */
  readonly nodes: number;
  readonly locations: number;
  readonly moves: number;
}

export class Placement {
  readonly problem: ClaimProblem;
  /** The node of each partition, or `nobody`. */
  readonly owner: Int32Array;
  readonly count: Int32Array;
  /** What each partition's owner costs where it stands; each conflict counts at both its ends. */
  readonly conflict: Float64Array;
  readonly #weights: ClaimWeights;
  #moveWeight: number;
  /** How often two nodes stand within a window: `#together[a * nodeCount + b]`, both ways. */
  readonly #together: Int32Array;
  #pairs = 0;
  readonly #atNode: Float64Array;
  readonly #atLocation: Float64Array;
  readonly #there: Float64Array;

  constructor(problem: ClaimProblem, owner: Int32Array) {
    const { size, nodeCount } = problem;
    this.problem = problem;
    this.owner = new Int32Array(size).fill(nobody);
    this.count = new Int32Array(nodeCount);
    this.conflict = new Float64Array(size);
    this.#weights = new ClaimWeights(problem);
    this.#moveWeight = this.#weights.cheapMove;
    this.#together = new Int32Array(nodeCount * nodeCount);
    this.#atNode = new Float64Array(nodeCount);
    this.#atLocation = new Float64Array(problem.locationCount);
    this.#there = new Float64Array(size);
    owner.forEach((node, partition) => {
      this.assign(partition, node);
    });
  }

  /** `dear`: no change that moves more is worth any conflict; `cheap`: any conflict is worth moving for. */
  priceMoves(price: 'dear' | 'cheap'): void {
    this.#moveWeight = price === 'dear' ? this.#weights.dearMove : this.#weights.cheapMove;
  }

  assign(partition: number, node: number): void {
    const old = this.owner[partition];
    if (old === node) return;
    if (old !== nobody) this.count[old] -= 1;
    if (node !== nobody) this.count[node] += 1;
    this.owner[partition] = node;
    this.#forNeighbours(partition, (other, distance) => {
      const neighbour = this.owner[other];
      if (neighbour === nobody) return;
      const weights = this.#weights;
      this.conflict[other] +=
        weights.clash(distance, neighbour, node) - weights.clash(distance, neighbour, old);
      if (old !== nobody) this.#meet(old, neighbour, -1);
      if (node !== nobody) this.#meet(node, neighbour, 1);
    });
    this.conflict[partition] = this.costOf(partition, node);
  }

  apply(partition: number, change: Change): void {
    const node = this.owner[partition];
    if (change.kind === 'give') this.assign(partition, change.to);
    else {
      const other = this.owner[change.with];
      this.assign(partition, other);
      this.assign(change.with, node);
    }
  }

  /** What `node` would cost at `partition`, if whatever stands at `except` were not there. */
  costOf(partition: number, node: number, except = partition): number {
    let cost = 0;
    this.#forNeighbours(partition, (other, distance) => {
      if (other !== except) cost += this.#weights.clash(distance, this.owner[other], node);
    });
    return cost;
  }

  /** Nodes around `partition` that `node` does not share a window with yet. */
  newPairs(partition: number, node: number): number {
    let pairs = 0;
    this.#forNeighbours(partition, (other) => {
      const neighbour = this.owner[other];
      if (neighbour === nobody || neighbour === node) return;
      if (this.#together[node * this.problem.nodeCount + neighbour] === 0) pairs += 1;
    });
    return pairs;
  }

  /** Distinct pairs of nodes that stand within a window. */
  get pairs(): number {
    return this.#pairs;
  }

  /** The partition is given to another node than has it now, without need. */
  isMoved(partition: number): boolean {
    const before = this.problem.before[partition];
    return before !== nobody && before !== this.owner[partition];
  }

  /**
   * The change at `partition` that costs least and keeps balance; the first such from the partition clockwise.
   * `isBarred` excludes changes. O(Q) for a ring of Q partitions.
   */
  bestChange(partition: number, isBarred: (other: number, node: number) => boolean): Change | undefined {
    const { size, nodeCount, least, most, locationOf } = this.problem;
    const node = this.owner[partition];
    this.#weighHere(partition);
    this.#weighThere(partition, node);
    const here = (candidate: number): number =>
      this.#atNode[candidate] +
      this.#atLocation[locationOf[candidate]] +
      this.#moveCost(partition, candidate);
    const now = here(node);
    let best: Change | undefined;
    for (let step = 1; step < size; step += 1) {
      const other = partition + step < size ? partition + step : partition + step - size;
      const candidate = this.owner[other];
      if (candidate === node || isBarred(other, node)) continue;
      const isNear = step < this.problem.window || size - step < this.problem.window;
      const conflicts = isNear
        ? this.#nearSwapGrowth(partition, other)
        : here(candidate) - now + this.#there[other] - this.conflict[other];
      const growth = conflicts + this.#moveCost(other, node) - this.#moveCost(other, candidate);
      if (best === undefined || growth < best.growth) best = { kind: 'swap', with: other, growth };
    }
    if (this.count[node] - 1 < least) return best;
    for (let candidate = 0; candidate < nodeCount; candidate += 1) {
      if (candidate === node || this.count[candidate] + 1 > most || isBarred(partition, candidate)) continue;
      const growth = here(candidate) - now;
      if (best === undefined || growth < best.growth) best = { kind: 'give', to: candidate, growth };
    }
    return best;
  }

  /** O(Q·t). */
  shortcomings(): Shortcomings {
    let nodes = 0;
    let locations = 0;
    let moves = 0;
    const { size, locationOf } = this.problem;
    for (let partition = 0; partition < size; partition += 1) {
      if (this.isMoved(partition)) moves += 1;
      const owner = this.owner[partition];
      this.#forNeighbours(partition, (other, distance) => {
        if (this.owner[other] === owner) nodes += this.#weights.ofNode(distance);
        if (locationOf[this.owner[other]] === locationOf[owner])
          locations += this.#weights.ofLocation(distance);
      });
    }
    return { nodes, locations, moves };
  }

  #moveCost(partition: number, node: number): number {
    return this.problem.before[partition] === node ? 0 : this.#moveWeight;
  }

  #meet(a: number, b: number, times: 1 | -1): void {
    if (a === b) return;
    const { nodeCount } = this.problem;
    const before = this.#together[a * nodeCount + b];
    this.#together[a * nodeCount + b] = before + times;
    this.#together[b * nodeCount + a] = before + times;
    if (before === 0) this.#pairs += 1;
    if (before + times === 0) this.#pairs -= 1;
  }

  /** Exact for two partitions that are in each other's windows. What they cost one another stays as it is. */
  #nearSwapGrowth(a: number, b: number): number {
    const [nodeA, nodeB] = [this.owner[a], this.owner[b]];
    const after = this.costOf(a, nodeB, b) + this.costOf(b, nodeA, a);
    const now = this.costOf(a, nodeA, b) + this.costOf(b, nodeB, a);
    return after - now + this.#moveCost(a, nodeB) - this.#moveCost(a, nodeA);
  }

  /** Fills `#atNode` and `#atLocation` with what each would cost at `partition`. */
  #weighHere(partition: number): void {
    this.#atNode.fill(0);
    this.#atLocation.fill(0);
    this.#forNeighbours(partition, (other, distance) => {
      const neighbour = this.owner[other];
      if (neighbour === nobody) return;
      this.#atNode[neighbour] += this.#weights.ofNode(distance);
      this.#atLocation[this.problem.locationOf[neighbour]] += this.#weights.ofLocation(distance);
    });
  }

  /** Fills `#there` with what `node` would cost at each partition, were it not at `except`. The hottest loop. */
  #weighThere(except: number, node: number): void {
    const { size, window, locationOf } = this.problem;
    this.#there.fill(0);
    for (let partition = 0; partition < size; partition += 1) {
      const owner = this.owner[partition];
      if (partition === except || owner === nobody || locationOf[owner] !== locationOf[node]) continue;
      for (let distance = 1; distance < window; distance += 1) {
        const weight = this.#weights.clash(distance, owner, node);
        const next = partition + distance;
        this.#there[next < size ? next : next - size] += weight;
        const previous = partition - distance;
        this.#there[previous >= 0 ? previous : previous + size] += weight;
      }
    }
  }

  /** Each partition within the window of `partition`, both ways. In tiny rings one may come twice. */
  #forNeighbours(partition: number, visit: (other: number, distance: number) => void): void {
    const { size, window } = this.problem;
    for (let distance = 1; distance < window; distance += 1) {
      const next = partition + distance;
      visit(next < size ? next : next - size, distance);
      const previous = partition - distance;
      visit(previous >= 0 ? previous : previous + size, distance);
    }
  }
}
