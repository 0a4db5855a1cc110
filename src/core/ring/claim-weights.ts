/**
 * What a conflict costs. Two partitions at a distance d below the window w conflict if they have one owner, or lie in
 * one location. The nearer they are the more preference lists have both, and the shorter those can be, so that
 * such a conflict weighs (w - d)². One number orders all: a conflict of nodes is more than any single change can make
 * of conflicts of locations, and one of those more than its moves.
 */
import { type ClaimProblem, nobody, targetNMax } from './claim-problem.ts';

/** More than the moves of any change. */
const locationUnit = 8;
/** 1² + 2² + … of the distances in the longest window. */
const squaresMax = (targetNMax * (targetNMax - 1) * (2 * targetNMax - 1)) / 6;
/** The most that one swap can change the weights of locations: two places, both sides, every distance. */
const locationsMax = locationUnit * 4 * squaresMax;

export class ClaimWeights {
  /** A partition that is not where it was, where conflicts count for more. A change moves two at most. */
  readonly cheapMove = 1;
  /** The same, where no conflict is worth it: more than all conflicts that two partitions can have. */
  readonly dearMove: number;
  readonly #node: Float64Array;
  readonly #location: Float64Array;
  readonly #locationOf: Int32Array;

  constructor(problem: ClaimProblem) {
    const { window, nodeWindow, locationWindow, hasLocations } = problem;
    this.#locationOf = problem.locationOf;
    const nodeUnit = locationsMax + locationUnit;
    this.dearMove = nodeUnit * 8 * squaresMax;
    this.#node = weightsByDistance(window, nodeWindow, nodeUnit);
    this.#location = weightsByDistance(window, hasLocations ? locationWindow : 0, locationUnit);
  }

  /** Of two owners at a distance below the problem's window. */
  clash(distance: number, a: number, b: number): number {
    if (a === nobody || b === nobody || this.#locationOf[a] !== this.#locationOf[b]) return 0;
    return a === b ? this.#node[distance] + this.#location[distance] : this.#location[distance];
  }

  /** Of two partitions of one node; what their location costs is beside it. */
  ofNode(distance: number): number {
    return this.#node[distance];
  }

  ofLocation(distance: number): number {
    return this.#location[distance];
  }
}

function weightsByDistance(length: number, window: number, unit: number): Float64Array {
  return Float64Array.from({ length }, (_, distance) =>
    distance > 0 && distance < window ? unit * (window - distance) ** 2 : 0,
  );
}
