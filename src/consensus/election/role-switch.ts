/**
 * The present role with what belongs to it, and the election timer. Every change goes through the table
 * in `role.ts`.
 *
 *   E1. At most one leader a term: a vote is durable before it is told, and a candidate's own before it
 *       counts (Raft §3.4).
 *   E2. No term begins before a quorum has said that it would follow (§9.6): a replica that is cut off, or
 *       was removed, comes back without disturbing anybody.
 */
import type { Instant } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import { Leadership } from '../leadership/leadership.ts';
import type { Term } from '../log/entry.ts';
import { isVoter } from '../membership/membership.ts';
import type { ElectionRandom } from '../options.ts';
import type { PeerId } from '../peer-id.ts';
import type { ReplicaState } from '../replica-state.ts';
import { type Cause, transitions } from '../role.ts';
import { Campaign, votersToAsk } from './campaign.ts';

export class RoleSwitch {
  readonly #state: ReplicaState;
  readonly #random: ElectionRandom;
  #campaign: Campaign | undefined;
  #leadership: Leadership | undefined;
  /** When a follower begins to look for another leader. */
  #electionAt: Instant;

  constructor(state: ReplicaState, random: ElectionRandom, now: Instant) {
    this.#state = state;
    this.#random = random;
    // Alone, there is nobody to wait for.
    this.#electionAt = this.#votersBesides().length === 0 ? now : this.#nextElection(now);
  }

  get leadership(): Leadership | undefined {
    return this.#leadership;
  }

  /** Undefined: nothing happens before it is told of a group, but a leader that fell silent is forgotten. */
  deadline(now: Instant): Instant | undefined {
    if (this.#leadership !== undefined) return this.#leadership.deadline(now);
    if (this.#campaign !== undefined) return this.#campaign.endsAt;
    const waits = this.#state.log.lastIndex > 0 || this.#state.leader !== undefined;
    return waits ? this.#electionAt : undefined;
  }

  /** Does what is due. `search`: a follower that may not campaign has lost its leader. */
  expire(now: Instant): 'search' | undefined {
    if (this.#leadership !== undefined) {
      const end = this.#leadership.expire(now);
      if (end !== undefined) this.turn(end, now);
      return undefined;
    }
    if (now < (this.#campaign?.endsAt ?? this.#electionAt)) return undefined;
    this.#state.leader = undefined;
    this.campaign(now);
    return this.#state.role === 'follower' ? 'search' : undefined;
  }

  /** Looks for votes, if this replica's may count. */
  campaign(now: Instant): void {
    this.turn(this.#isEligible ? 'election-timeout' : 'no-voter', now);
  }

  turn(cause: Cause, now: Instant): void {
    const state = this.#state;
    const next = transitions[state.role][cause];
    assert(next !== 'impossible', `a ${state.role} does not meet ${cause}`);
    if (this.#leadership !== undefined) {
      this.#leadership.end(cause === 'higher-term' || cause === 'removed');
      this.#leadership = undefined;
      state.leader = undefined;
    }
    this.#campaign = undefined;
    state.role = next;
    switch (next) {
      case 'follower':
        this.#electionAt = this.#nextElection(now);
        break;
      case 'pre-candidate':
        this.#askFirst(now);
        break;
      case 'candidate':
        this.#askForVotes(cause === 'told-to-campaign', now);
        break;
      case 'leader':
        this.#leadership = new Leadership(state, now);
        state.leader = state.id;
        break;
    }
  }

  /** The leader of this term spoke. */
  leaderHeard(leader: PeerId, now: Instant): void {
    const known = this.#state.leader;
    assert(known === undefined || known === leader, 'E1: at most one leader a term');
    this.#state.leader = leader;
    this.#state.heardLeaderAt = now;
    this.turn('leader-heard', now);
  }

  higherTerm(term: Term, now: Instant): void {
    this.#state.beginTerm(term, undefined);
    this.turn('higher-term', now);
  }

  /** The leader asks this replica to begin an election at once. */
  takeOver(now: Instant): void {
    if (this.#isEligible) this.turn('told-to-campaign', now);
  }

  /** Having voted, a replica gives its candidate time. */
  voted(now: Instant): void {
    this.#electionAt = this.#nextElection(now);
  }

  /** A reply to the campaign that is under way, or to an older one. */
  recordVote(peer: PeerId, term: Term, isGranted: boolean, now: Instant): void {
    const campaign = this.#campaign;
    if (campaign === undefined || campaign.term !== term) return;
    const isPreVote = this.#state.role === 'pre-candidate';
    // Entries that were pulled meanwhile may be of the term that was asked about.
    if (isPreVote && term !== this.#state.term + 1) return;
    const decision = campaign.record(peer, isGranted, this.#state.log.membership);
    if (decision === 'won') this.turn(isPreVote ? 'pre-vote-won' : 'vote-won', now);
  }

  /** Something is on disk; perhaps the vote for oneself. */
  persisted(now: Instant): void {
    const { role, id, term, outbox } = this.#state;
    if (role === 'candidate' && outbox.durability.isHardStateSettled) this.recordVote(id, term, true, now);
  }

  get #isEligible(): boolean {
    const { id, log, hardState } = this.#state;
    return isVoter(log.membership, id) && !hardState.isJoining;
  }

  #askFirst(now: Instant): void {
    const { term, id, log, outbox } = this.#state;
    this.#campaign = new Campaign(term + 1, this.#nextElection(now));
    for (const peer of this.#votersBesides()) {
      outbox.send(peer, { kind: 'pre-vote-request', term: term + 1, last: log.last });
    }
    this.recordVote(id, term + 1, true, now);
  }

  #askForVotes(isTransfer: boolean, now: Instant): void {
    const { id, log, outbox } = this.#state;
    const term = this.#state.term + 1;
    this.#state.beginTerm(term, id);
    this.#campaign = new Campaign(term, this.#nextElection(now));
    for (const peer of this.#votersBesides()) {
      outbox.sendAfterHardState(peer, { kind: 'vote-request', term, last: log.last, isTransfer });
    }
  }

  #votersBesides(): readonly PeerId[] {
    return votersToAsk(this.#state.log.membership, this.#state.id);
  }

  #nextElection(now: Instant): Instant {
    return (now + this.#state.options.electionTimeoutMs * (1 + this.#random.fraction())) as Instant;
  }
}
