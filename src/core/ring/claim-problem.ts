/**
 * A claim in numbers: nodes and locations as indexes, and what can be had at all.
 *
 * Write Q for the partitions, S for the nodes, t for the window (partitions in a row whose owners shall differ). A
 * node that owns k partitions, any two at least t apart on the circle, needs k·t ≤ Q. That is also enough for all of
 * them together (`ring-layout.ts` constructs it), and the same holds for locations. With balance, where each node
 * owns ⌊Q/S⌋ or ⌈Q/S⌉, this says exactly when nodes, or locations, can be kept apart.
 */
import type { NodeId } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import { locationsOf, type RingNode } from './ring-node.ts';

/** Preference lists are short: Riak's own is 4. */
export const targetNMax = 16;
/** Stands for an owner that is not among the nodes: it leaves. */
export const nobody = -1;

export class ClaimProblem {
  /** In the order of their names: what the caller's order is makes no difference. */
  readonly nodes: readonly NodeId[];
  readonly size: number;
  readonly window: number;
  /** The index of each partition's present owner, or `nobody`. */
  readonly before: Int32Array;
  /** The index of each node's location. */
  readonly locationOf: Int32Array;
  readonly locationCount: number;
  /** Each node gets `least` partitions, and `extras` of them one more. */
  readonly least: number;
  readonly extras: number;

  constructor(owners: readonly NodeId[], nodes: readonly RingNode[], targetN: number) {
    assert(nodes.length > 0, 'somebody owns the ring');
    assert(Number.isInteger(targetN) && targetN >= 1 && targetN <= targetNMax, 'preference lists are short');
    const nameOfLocation = locationsOf(nodes);
    this.nodes = nodes.map(({ node }) => node).sort();
    this.size = owners.length;
    this.window = Math.min(targetN, owners.length);
    const indexOf = new Map(this.nodes.map((node, index) => [node, index]));
    this.before = Int32Array.from(owners, (owner) => indexOf.get(owner) ?? nobody);
    const locations = [...new Set(this.nodes.map(nameOfLocation))].sort();
    const indexOfLocation = new Map(locations.map((name, index) => [name, index]));
    this.locationOf = Int32Array.from(this.nodes, (node) => indexOfLocation.get(nameOfLocation(node)) ?? 0);
    this.locationCount = locations.length;
    this.least = Math.floor(this.size / nodes.length);
    this.extras = this.size % nodes.length;
  }

  get nodeCount(): number {
    return this.nodes.length;
  }

  get most(): number {
    return this.extras === 0 ? this.least : this.least + 1;
  }

  /** Partitions in a row whose owners shall differ: with fewer nodes than `targetN` they take turns. */
  get nodeWindow(): number {
    return Math.min(this.window, this.nodeCount);
  }

  /** Partitions in a row whose locations shall differ, likewise. */
  get locationWindow(): number {
    return Math.min(this.window, this.locationCount);
  }

  /** False where locations say nothing that nodes do not: there is one, or one for each node. */
  get hasLocations(): boolean {
    return this.locationCount > 1 && this.locationCount < this.nodeCount;
  }

  /** The fewest nodes of which any `window` in a row can be distinct. */
  get separableNodesMin(): number {
    return Math.ceil(this.size / separableMax(this.size, this.window));
  }

  /** A balanced ring exists in which any `locationWindow` partitions in a row lie in distinct locations. */
  get canSeparateLocations(): boolean {
    if (!this.hasLocations) return false;
    const most = separableMax(this.size, this.locationWindow);
    let room = 0;
    for (const nodes of this.nodesByLocation()) {
      const spare = most - nodes.length * this.least;
      if (spare < 0) return false;
      room += Math.min(nodes.length, spare);
    }
    return room >= this.extras;
  }

  nodesByLocation(): readonly (readonly number[])[] {
    const groups = Array.from({ length: this.locationCount }, (): number[] => []);
    this.locationOf.forEach((location, node) => {
      groups[location].push(node);
    });
    return groups;
  }

  /**
   * How many partitions each node shall own. Who gets one more than `least`: first such that no location has more
   * than can be kept apart, then who has that many now, so that fewer move.
   */
  quotas(): Int32Array {
    const held = new Int32Array(this.nodeCount);
    for (const owner of this.before) if (owner !== nobody) held[owner] += 1;
    const quotas = new Int32Array(this.nodeCount).fill(this.least);
    const mostOfLocation = separableMax(this.size, this.locationWindow);
    const ofLocation = this.nodesByLocation().map((nodes) => nodes.length * this.least);
    const preference = (node: number): number => {
      const hasRoom = !this.hasLocations || ofLocation[this.locationOf[node]] < mostOfLocation;
      return (hasRoom ? 2 : 0) + (held[node] > this.least ? 1 : 0);
    };
    for (let given = 0; given < this.extras; given += 1) {
      let best = nobody;
      for (let node = 0; node < this.nodeCount; node += 1) {
        if (quotas[node] > this.least) continue;
        if (best === nobody || preference(node) > preference(best)) best = node;
      }
      quotas[best] += 1;
      ofLocation[this.locationOf[best]] += 1;
    }
    return quotas;
  }
}

/** The most partitions that one node, or one location, can own with any two of them a window apart. */
function separableMax(size: number, window: number): number {
  return Math.floor(size / window);
}
