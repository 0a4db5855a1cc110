/**
 * Majorities of a membership. Every decision of the protocol (votes, commit, contact, read rounds) asks
 * here, so that joint memberships are counted in one place.
 */
import type { PeerId } from '../peer-id.ts';
import type { Membership } from './membership.ts';

/** Whether those for whom `agrees` holds are a majority of the voters and, if joint, of the outgoing too. */
export function hasQuorum(membership: Membership, agrees: (peer: PeerId) => boolean): boolean {
  const { voters, outgoing } = membership;
  return isMajority(voters, agrees) && (outgoing.length === 0 || isMajority(outgoing, agrees));
}

/**
 * The greatest value that a quorum has reached, where values grow: of matched indexes the commit, of
 * contacts the instant since which a quorum has been heard. -Infinity without voters.
 */
export function quorumValue(membership: Membership, reachedBy: (peer: PeerId) => number): number {
  const { voters, outgoing } = membership;
  const reached = majorityValue(voters, reachedBy);
  return outgoing.length === 0 ? reached : Math.min(reached, majorityValue(outgoing, reachedBy));
}

function isMajority(peers: readonly PeerId[], agrees: (peer: PeerId) => boolean): boolean {
  let count = 0;
  for (const peer of peers) if (agrees(peer)) count += 1;
  return count > peers.length / 2;
}

function majorityValue(peers: readonly PeerId[], reachedBy: (peer: PeerId) => number): number {
  if (peers.length === 0) return Number.NEGATIVE_INFINITY;
  // By insertion: there are seven at most, and a leader asks with every message.
  const descending: number[] = [];
  for (const peer of peers) {
    const value = reachedBy(peer);
    let hole = descending.length;
    descending.push(value);
    for (; hole > 0 && descending[hole - 1]! < value; hole -= 1) descending[hole] = descending[hole - 1]!;
    descending[hole] = value;
  }
  return descending[Math.floor(peers.length / 2)]!;
}
