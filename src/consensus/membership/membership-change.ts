/**
 * Judges a wanted change of membership. The rules:
 *   M1. One change at a time: the one before must be committed, and not joint any more.
 *   M2. The leader has committed an entry of its own term. Ongaro's fix of single-server changes (the
 *       raft-dev message of July 2015); joint changes are safe without it, and with it a leader changes
 *       only what it knows to be decided.
 *   M3. A new voter is a learner that has nearly caught up, and votes (see `HardState.isJoining`): otherwise
 *       the change could stop the group.
 */
import type { LogIndex } from '../log/entry.ts';
import type { PeerId } from '../peer-id.ts';
import type { RefusalReason } from '../refusal.ts';
import { haveSameVoters, isVoter, type Membership, membershipOf } from './membership.ts';

export interface ChangeLimits {
  readonly votersMax: number;
  readonly learnersMax: number;
  /** How many entries a learner may be behind the leader and still become a voter. */
  readonly promotionLagMax: number;
}

export interface WantedMembership {
  readonly voters: readonly PeerId[];
  readonly learners: readonly PeerId[];
}

/** What the leader knows of itself and its peers when the change is asked for. */
export interface ChangeSituation {
  readonly current: Membership;
  readonly isCurrentCommitted: boolean;
  readonly hasCommittedInTerm: boolean;
  readonly lastIndex: LogIndex;
  /** How far a learner has the log; undefined if it is not known to vote yet. */
  promotableMatch(peer: PeerId): LogIndex | undefined;
}

export type ChangeDecision =
  | { readonly kind: 'change'; readonly membership: Membership }
  | { readonly kind: 'refused'; readonly reason: RefusalReason };

export function decideChange(
  wanted: WantedMembership,
  situation: ChangeSituation,
  limits: ChangeLimits,
): ChangeDecision {
  const { current, isCurrentCommitted, hasCommittedInTerm, lastIndex } = situation;
  const refused = (reason: RefusalReason): ChangeDecision => ({ kind: 'refused', reason });
  if (!isWellFormed(wanted, limits)) return refused('malformed');
  if (!hasCommittedInTerm) return refused('not-ready');
  if (!isCurrentCommitted || current.outgoing.length > 0) return refused('change-pending');
  const isBehind = (peer: PeerId): boolean => {
    const match = situation.promotableMatch(peer);
    return match === undefined || match + limits.promotionLagMax < lastIndex;
  };
  for (const peer of wanted.voters) {
    if (isVoter(current, peer)) continue;
    if (!current.learners.includes(peer) || isBehind(peer)) return refused('not-caught-up');
  }
  const next = membershipOf(wanted.voters, wanted.learners);
  if (haveSameVoters(current, next)) return { kind: 'change', membership: next };
  return { kind: 'change', membership: membershipOf(wanted.voters, wanted.learners, current.voters) };
}

function isWellFormed({ voters, learners }: WantedMembership, limits: ChangeLimits): boolean {
  if (voters.length === 0 || voters.length > limits.votersMax) return false;
  if (learners.length > limits.learnersMax) return false;
  return new Set([...voters, ...learners]).size === voters.length + learners.length;
}
