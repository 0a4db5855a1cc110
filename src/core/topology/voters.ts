/**
 * Who votes on the cluster log.
 *
 * An odd number, up to seven, over as many locations as there are. A vote is taken from somebody only for a reason: it
 * left, it has been away for long and another can take its place, or another choice is spread strictly
 * better. So asking again with the answer gives the answer.
 */
import type { NodeId } from '../../environment/index.ts';
import type { ClusterState, Member } from './cluster-state.ts';
import { locationOf } from './member-location.ts';

export const votersMax = 7;

/**
 * `reachable`: members that can be reached, or have been away for a short time only: one that is missing here loses
 * its vote, if another can take it. `current`: who votes now; empty at first. In the order of names; empty only
 * if no member may vote.
 *
 * Members that are away count for how many votes there are: a majority of few voters is easier to lose for good than
 * one of many, and to shrink the group because of a failure would make the next one worse.
 */
export function chooseVoters(
  state: ClusterState,
  reachable: ReadonlySet<NodeId>,
  current: readonly NodeId[],
): readonly NodeId[] {
  const mayVote = [...state.members.values()]
    .filter(({ status }) => status === 'valid' || status === 'down')
    .sort((a, b) => (a.node < b.node ? -1 : 1));
  const count = oddAtMost(Math.min(mayVote.length, votersMax));
  const isPresent = ({ node, status }: Member) => status === 'valid' && reachable.has(node);
  const present = mayVote.filter(isPresent);
  const isVoter = new Set(current);
  const chosen = new VoterSet(present.filter(({ node }) => isVoter.has(node)));
  while (chosen.size > count) chosen.removeMostCrowded();
  while (chosen.size < count && chosen.addLeastCrowded(present));
  // Where too few are present, those who vote already keep their votes, then whoever may.
  const away = mayVote.filter((member) => !isPresent(member));
  const awayVoters = away.filter(({ node }) => isVoter.has(node));
  while (chosen.size < count && chosen.addLeastCrowded(awayVoters));
  while (chosen.size < count && chosen.addLeastCrowded(away));
  while (chosen.swapForSpread(present));
  return chosen.nodes();
}

function oddAtMost(count: number): number {
  return count === 0 || count % 2 === 1 ? count : count - 1;
}

class VoterSet {
  #members: Member[];

  constructor(members: readonly Member[]) {
    this.#members = [...members];
  }

  get size(): number {
    return this.#members.length;
  }

  nodes(): readonly NodeId[] {
    return this.#members.map(({ node }) => node).sort();
  }

  /** False: every candidate votes already. */
  addLeastCrowded(candidates: readonly Member[]): boolean {
    const best = this.#leastCrowded(candidates);
    if (best !== undefined) this.#members.push(best);
    return best !== undefined;
  }

  /** Of equals the last by name. */
  removeMostCrowded(): void {
    const worst = this.#mostCrowded();
    this.#members = this.#members.filter((member) => member !== worst);
  }

  /** One voter for another, if that makes the locations more even by it; false: it does not. */
  swapForSpread(candidates: readonly Member[]): boolean {
    const worst = this.#mostCrowded();
    const best = this.#leastCrowded(candidates);
    if (worst === undefined || best === undefined) return false;
    if (this.#crowdAt(locationOf(worst)) - this.#crowdAt(locationOf(best)) < 2) return false;
    this.#members = [...this.#members.filter((member) => member !== worst), best];
    return true;
  }

  #leastCrowded(candidates: readonly Member[]): Member | undefined {
    let best: Member | undefined;
    for (const candidate of candidates) {
      if (this.#members.includes(candidate)) continue;
      const crowd = this.#crowdAt(locationOf(candidate));
      if (best === undefined || crowd < this.#crowdAt(locationOf(best))) best = candidate;
    }
    return best;
  }

  #mostCrowded(): Member | undefined {
    let worst: Member | undefined;
    for (const member of this.#members) {
      const more = this.#crowdAt(locationOf(member)) - this.#crowdAt(locationOf(worst ?? member));
      if (worst === undefined || more > 0 || (more === 0 && member.node > worst.node)) worst = member;
    }
    return worst;
  }

  #crowdAt(location: string): number {
    return this.#members.filter((member) => locationOf(member) === location).length;
  }
}
