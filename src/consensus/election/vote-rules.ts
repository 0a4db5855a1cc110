/** Who gets a vote (Raft §3.4, §3.6.1, §4.2.3, §9.6). */
import type { Instant } from '../../environment/index.ts';
import { isAsUpToDate } from '../log/entry.ts';
import type { MessageOf } from '../message.ts';
import type { PeerId } from '../peer-id.ts';
import type { ReplicaState } from '../replica-state.ts';

/**
 * Whether a leader was heard so lately that others are not helped against it (§4.2.3). Leases rest on
 * this, so a replica that has just started believes in a leader that it may have forgotten.
 */
export function believesInLeader(state: ReplicaState, now: Instant): boolean {
  return state.role === 'leader' || now - state.heardLeaderAt < state.options.electionTimeoutMs;
}

/** Whether this replica would vote for a term to come. Promises nothing. */
export function grantsPreVote(
  state: ReplicaState,
  { term, last }: MessageOf<'pre-vote-request'>,
  now: Instant,
): boolean {
  if (state.hardState.isJoining || term <= state.term) return false;
  return !believesInLeader(state, now) && isAsUpToDate(last, state.log.last);
}

/** Whether this replica votes for the candidate in its own term, which the request has brought it to. */
export function grantsVote(
  state: ReplicaState,
  candidate: PeerId,
  { last }: MessageOf<'vote-request'>,
): boolean {
  const { isJoining, vote } = state.hardState;
  if (isJoining || (vote !== undefined && vote !== candidate)) return false;
  return isAsUpToDate(last, state.log.last);
}
