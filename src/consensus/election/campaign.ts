import type { Instant } from '../../environment/index.ts';
import type { Term } from '../log/entry.ts';
import { type Membership, membersOf } from '../membership/membership.ts';
import { hasQuorum } from '../membership/quorum.ts';
import type { PeerId } from '../peer-id.ts';

export type CampaignDecision = 'waiting' | 'won' | 'lost';

/** One attempt to become leader, or the question before it whether an attempt could succeed. */
export class Campaign {
  /** The term that it is about; as a pre-vote, one that nobody has begun. */
  readonly term: Term;
  readonly endsAt: Instant;
  readonly #votes = new Map<PeerId, boolean>();

  constructor(term: Term, endsAt: Instant) {
    this.term = term;
    this.endsAt = endsAt;
  }

  /** Counts a vote; the first word of a peer stands. */
  record(peer: PeerId, isGranted: boolean, membership: Membership): CampaignDecision {
    if (!this.#votes.has(peer)) this.#votes.set(peer, isGranted);
    if (hasQuorum(membership, (each) => this.#votes.get(each) === true)) return 'won';
    const canStillWin = hasQuorum(membership, (each) => this.#votes.get(each) !== false);
    return canStillWin ? 'waiting' : 'lost';
  }
}

/** Asks everyone whose vote counts. */
export function votersToAsk(membership: Membership, self: PeerId): readonly PeerId[] {
  const { voters, outgoing } = membership;
  return membersOf({ voters, outgoing, learners: [] }).filter((peer) => peer !== self);
}
