/**
 * What several failures at once would cost: every set of `failures` nodes (or locations) is tried, and the
 * preference lists counted of which it takes all replicas, or so many that no quorum remains.
 *
 * Data is lost for good only where all replicas of a list are; where the quorum is lost, strict requests
 * fail until somebody comes back. How many sets do harm is what claim keeps small by few replica sets
 * (Cidon et al., *Copysets*, USENIX ATC 2013).
 */
import type { NodeId } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import { locationsOf, type RingNode } from './ring-node.ts';

/** More sets than these are not tried: three failures of 229 nodes, two of 2,000. */
export const failureSetsMax = 2_000_000;
/** Sets that a report names. */
export const failureSetsListedMax = 20;

export type FailureUnit = 'node' | 'location';

export interface FailureSet {
  /** Names of nodes or locations, in order. */
  readonly units: readonly string[];
  /** Preference lists of which no replica remains. */
  readonly allLost: number;
  /** Preference lists of which fewer than ⌊n/2⌋+1 replicas remain; those of `allLost` among them. */
  readonly quorumLost: number;
}

export interface RingRisk {
  /** Sets there are. */
  readonly sets: number;
  readonly setsLosingAll: number;
  readonly setsLosingQuorum: number;
  /** The probabilities that a set drawn at random, all alike, does so to any preference list. */
  readonly probabilityOfAllLost: number;
  readonly probabilityOfQuorumLost: number;
  /** The worst first: by `allLost`, then `quorumLost`, then names. Only sets that hit anything, and not all of them. */
  readonly worst: readonly FailureSet[];
}

/** How many sets of `failures` there are among `units`; to be asked before `ringRisk`. */
export function failureSetCount(units: number, failures: number): number {
  let count = 1;
  for (let i = 0; i < failures; i += 1) count = (count * (units - i)) / (i + 1);
  return Math.max(0, Math.round(count));
}

/** The nodes, or the locations, that own anything or may, by name: what `ringRisk` draws its sets from. */
export function failureUnits(
  owners: readonly NodeId[],
  nodes: readonly RingNode[],
  unit: FailureUnit,
): readonly string[] {
  const nameOf = unitName(nodes, unit);
  return [...new Set([...nodes.map(({ node }) => node), ...owners].map(nameOf))].sort();
}

/**
 * `n`: the length of the preference lists. `failures` at a time, 1 or more; with fewer units than that there is no
 * set. Takes time in proportion to sets × failures × n × partitions a unit.
 * @throws AssertionError if there are more than `failureSetsMax` sets.
 */
export function ringRisk(
  owners: readonly NodeId[],
  nodes: readonly RingNode[],
  n: number,
  failures: number,
  unit: FailureUnit = 'node',
): RingRisk {
  assert(Number.isInteger(n) && n >= 1 && n <= owners.length, 'preference lists fit the ring');
  assert(Number.isInteger(failures) && failures >= 1, 'at least one failure');
  const units = failureUnits(owners, nodes, unit);
  const sets = failureSetCount(units.length, failures);
  assert(sets <= failureSetsMax, `${sets} sets of failures are more than ${failureSetsMax}`);
  const nameOf = unitName(nodes, unit);
  const indexOf = new Map(units.map((name, index) => [name, index]));
  const listsOf = units.map((): number[] => []);
  owners.forEach((owner, partition) => {
    const index = indexOf.get(nameOf(owner));
    if (index === undefined) return;
    for (let step = 0; step < n; step += 1) {
      listsOf[index].push((partition - step + owners.length) % owners.length);
    }
  });
  const tally = new RiskTally(units, n, owners.length);
  walkSets(listsOf, failures, tally);
  return tally.risk(sets);
}

function unitName(nodes: readonly RingNode[], unit: FailureUnit): (node: NodeId) => string {
  if (unit === 'node') return (node) => node;
  const locationOf = locationsOf(nodes);
  return (node) => locationOf(node);
}

/** Visits every set once, in lexicographic order, and keeps what is lost while it goes. */
function walkSets(listsOf: readonly (readonly number[])[], failures: number, tally: RiskTally): void {
  const chosen: number[] = [];
  const extend = (from: number): void => {
    if (chosen.length === failures) {
      tally.count(chosen);
      return;
    }
    const last = listsOf.length - (failures - chosen.length);
    for (let index = from; index <= last; index += 1) {
      chosen.push(index);
      tally.fail(listsOf[index]);
      extend(index + 1);
      tally.restore(listsOf[index]);
      chosen.pop();
    }
  };
  extend(0);
}

class RiskTally {
  readonly #units: readonly string[];
  readonly #n: number;
  readonly #quorumLostFrom: number;
  /** Replicas that each preference list has lost. */
  readonly #lost: Uint16Array;
  #allLost = 0;
  #quorumLost = 0;
  #setsLosingAll = 0;
  #setsLosingQuorum = 0;
  readonly #worst: FailureSet[] = [];

  constructor(units: readonly string[], n: number, size: number) {
    this.#units = units;
    this.#n = n;
    this.#quorumLostFrom = n - Math.floor(n / 2);
    this.#lost = new Uint16Array(size);
  }

  fail(lists: readonly number[]): void {
    for (const list of lists) {
      const lost = ++this.#lost[list];
      if (lost === this.#n) this.#allLost += 1;
      if (lost === this.#quorumLostFrom) this.#quorumLost += 1;
    }
  }

  restore(lists: readonly number[]): void {
    for (const list of lists) {
      const lost = this.#lost[list]--;
      if (lost === this.#n) this.#allLost -= 1;
      if (lost === this.#quorumLostFrom) this.#quorumLost -= 1;
    }
  }

  count(chosen: readonly number[]): void {
    if (this.#quorumLost === 0) return;
    this.#setsLosingQuorum += 1;
    if (this.#allLost > 0) this.#setsLosingAll += 1;
    // Sets come in the order of their names, so an equal one that comes later stays behind.
    const rank = this.#worst.findIndex(
      (other) =>
        this.#allLost > other.allLost ||
        (this.#allLost === other.allLost && this.#quorumLost > other.quorumLost),
    );
    if (rank < 0 && this.#worst.length === failureSetsListedMax) return;
    const set: FailureSet = {
      units: chosen.map((index) => this.#units[index]),
      allLost: this.#allLost,
      quorumLost: this.#quorumLost,
    };
    this.#worst.splice(rank < 0 ? this.#worst.length : rank, 0, set);
    if (this.#worst.length > failureSetsListedMax) this.#worst.pop();
  }

  risk(sets: number): RingRisk {
    return {
      sets,
      setsLosingAll: this.#setsLosingAll,
      setsLosingQuorum: this.#setsLosingQuorum,
      probabilityOfAllLost: sets === 0 ? 0 : this.#setsLosingAll / sets,
      probabilityOfQuorumLost: sets === 0 ? 0 : this.#setsLosingQuorum / sets,
      worst: this.#worst,
    };
  }
}
