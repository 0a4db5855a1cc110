/**
 * The order in which members are probed: each once in a round, in an order drawn anew for each round, so that
 * every one is probed within two rounds (SWIM §4.3) and no two nodes march in step.
 */
import type { NodeId } from '../../environment/index.ts';
import type { LivenessRandom } from './liveness-random.ts';

export class Rotation {
  readonly #random: LivenessRandom;
  readonly #order: NodeId[] = [];
  #at = 0;

  constructor(random: LivenessRandom) {
    this.#random = random;
  }

  get size(): number {
    return this.#order.length;
  }

  /** Somewhere in the round, before or behind what has been probed (SWIM §4.3). */
  add(node: NodeId): void {
    const place = this.#below(this.#order.length + 1);
    this.#order.splice(place, 0, node);
    if (place < this.#at) this.#at += 1;
  }

  remove(node: NodeId): void {
    const place = this.#order.indexOf(node);
    this.#order.splice(place, 1);
    if (place < this.#at) this.#at -= 1;
  }

  /** The next that `isWanted`; undefined if none is. */
  next(isWanted: (node: NodeId) => boolean): NodeId | undefined {
    // The rest of this round, and a whole one.
    for (let tries = 2 * this.#order.length; tries > 0; tries -= 1) {
      if (this.#at >= this.#order.length) this.#shuffle();
      const node = this.#order[this.#at]!;
      this.#at += 1;
      if (isWanted(node)) return node;
    }
    return undefined;
  }

  /** Up to `count` members that are wanted, drawn by chance, none twice. */
  draw(count: number, isWanted: (node: NodeId) => boolean): NodeId[] {
    const size = this.#order.length;
    if (size <= drawsPerPick * count) return this.#drawOfFew(count, isWanted);
    const drawn = new Set<NodeId>();
    for (let tries = drawsPerPick * count; tries > 0 && drawn.size < count; tries -= 1) {
      const node = this.#order[this.#below(size)]!;
      if (isWanted(node)) drawn.add(node);
    }
    return [...drawn];
  }

  #drawOfFew(count: number, isWanted: (node: NodeId) => boolean): NodeId[] {
    const wanted = this.#order.filter(isWanted);
    const drawn: NodeId[] = [];
    while (drawn.length < count && wanted.length > 0) {
      drawn.push(...wanted.splice(this.#below(wanted.length), 1));
    }
    return drawn;
  }

  #shuffle(): void {
    const order = this.#order;
    for (let i = order.length - 1; i > 0; i -= 1) {
      const j = this.#below(i + 1);
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    this.#at = 0;
  }

  #below(bound: number): number {
    return Math.floor(this.#random.fraction() * bound);
  }
}

/** Beyond so many tries for each that is wanted, fewer will do. */
const drawsPerPick = 8;
