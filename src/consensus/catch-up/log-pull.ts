/**
 * Getting the log from a peer that is no leader.
 *
 * Raft elects only a replica whose log is as up-to-date as those of a quorum. Where links are cut so that
 * just one replica reaches a quorum, and that one is behind, plain Raft never elects anybody again
 * (OmniPaxos, EuroSys '23, §2.2, "constrained election"). Here a replica that is refused for being behind
 * pulls what it lacks from whoever refused it, and asks again. The same way a replica that its leader
 * cannot reach follows through a third, and one that was removed learns of it.
 *
 *   P1. Only a log that ends ahead of this one is adopted, and judged when it arrives, not when it was
 *       asked for: see `ReplicaState.isBehind` for why nothing acknowledged is lost by that.
 *   P2. While a leader speaks, nothing is pulled.
 */
import type { Instant } from '../../environment/index.ts';
import type { LogPosition } from '../log/entry.ts';
import type { MessageOf } from '../message.ts';
import type { PeerId } from '../peer-id.ts';
import type { ReplicaState } from '../replica-state.ts';

/** What a replica that pulls waits for. */
export interface LogPull {
  readonly from: PeerId;
  readonly previous: LogPosition;
  /** After that another peer may be asked. */
  readonly endsAt: Instant;
}

export type PullDecision =
  /** Not what was waited for, or nothing new: the pull is over. */
  | 'ended'
  /** All that the peer had is here. */
  | 'caught-up'
  | 'more'
  /** The peer has only a snapshot of it. */
  | 'snapshot';

export function beginPull(state: ReplicaState, from: PeerId, previous: LogPosition, now: Instant): LogPull {
  state.outbox.send(from, { kind: 'pull', previous });
  return { from, previous, endsAt: (now + state.options.electionTimeoutMs) as Instant };
}

/** Where a peer that is ahead agrees for certain: what is committed, every log ahead of it has. */
export function pullStart(state: ReplicaState): LogPosition {
  return { index: state.commit, term: state.log.termAt(state.commit)! };
}

/** Answers a pull: any replica does, whatever its role. */
export function servePull(state: ReplicaState, from: PeerId, { previous }: MessageOf<'pull'>): void {
  const { log, outbox, commit, snapshot, options } = state;
  const { last } = log;
  if (previous.index < log.base.index) {
    outbox.send(from, { kind: 'pull-snapshot', snapshot, last });
    return;
  }
  const hasMore = log.holds(previous) && previous.index < last.index;
  const entries = hasMore
    ? log.slice(previous.index + 1, last.index, options.appendEntriesMax, options.appendBytesMax)
    : [];
  outbox.send(from, { kind: 'pull-reply', previous, entries, commit, last });
}

export function acceptPull(state: ReplicaState, message: MessageOf<'pull-reply'>): PullDecision {
  const { previous, entries, commit, last } = message;
  const end = entries.at(-1);
  if (!state.log.holds(previous) || end === undefined) return 'ended';
  if (state.isBehind(last)) {
    if (end.term > state.term) state.beginTerm(end.term, undefined);
    state.adopt(entries);
  }
  if (state.log.holds(end)) state.commitTo(Math.min(commit, end.index));
  return state.isBehind(last) ? 'more' : 'caught-up';
}

export function acceptPullSnapshot(
  state: ReplicaState,
  { snapshot, last }: MessageOf<'pull-snapshot'>,
): PullDecision {
  if (!state.isBehind(last) || snapshot.index <= state.commit) return 'ended';
  if (!state.log.holds(snapshot)) return 'snapshot';
  state.commitTo(snapshot.index);
  return 'more';
}
