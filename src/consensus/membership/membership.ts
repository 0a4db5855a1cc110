/**
 * Who takes part in a group. A change of voters passes through a *joint* membership, in which the new
 * voters and the outgoing ones must both agree, by majorities of their own (Raft §4.3): then at no
 * moment can two disjoint majorities decide, whichever replicas have heard of the change.
 */
import { assert } from '../../stdx/index.ts';
import type { PeerId } from '../peer-id.ts';

export interface Membership {
  /** Those who decide. Sorted, each once, as are the others. */
  readonly voters: readonly PeerId[];
  /** The voters of before, while the change is joint; otherwise empty. */
  readonly outgoing: readonly PeerId[];
  /** Get the log and decide nothing. May name an outgoing voter that will be a learner. */
  readonly learners: readonly PeerId[];
}

/** Of a replica that nobody has told yet what group it is in. */
export const noMembership: Membership = { voters: [], outgoing: [], learners: [] };

export function membershipOf(
  voters: readonly PeerId[],
  learners: readonly PeerId[] = [],
  outgoing: readonly PeerId[] = [],
): Membership {
  const membership = { voters: sorted(voters), outgoing: sorted(outgoing), learners: sorted(learners) };
  const both = membership.voters.filter((peer) => membership.learners.includes(peer));
  assert(both.length === 0, 'a voter is not a learner');
  return membership;
}

export function isJoint(membership: Membership): boolean {
  return membership.outgoing.length > 0;
}

/** Whether the peer's agreement may count. */
export function isVoter(membership: Membership, peer: PeerId): boolean {
  return membership.voters.includes(peer) || membership.outgoing.includes(peer);
}

/** All that the leader sends the log to, sorted, each once. */
export function membersOf({ voters, outgoing, learners }: Membership): readonly PeerId[] {
  return sorted([...new Set([...voters, ...outgoing, ...learners])]);
}

/** Where a joint membership leads: the same without the outgoing voters. */
export function settled({ voters, learners }: Membership): Membership {
  return { voters, outgoing: [], learners };
}

export function haveSameVoters(a: Membership, b: Membership): boolean {
  return a.voters.length === b.voters.length && a.voters.every((peer, i) => peer === b.voters[i]);
}

function sorted(peers: readonly PeerId[]): readonly PeerId[] {
  const copy = [...peers].sort((a, b) => (a < b ? -1 : 1));
  copy.forEach((peer, i) => {
    assert(peer !== copy[i - 1], 'a peer is named once');
  });
  return copy;
}
