/**
 * A follower's side of replication (Raft §3.5). Each function answers its leader; the term of the message
 * is the replica's own by then.
 */
import type { MessageOf } from '../message.ts';
import type { PeerId } from '../peer-id.ts';
import type { ReplicaState } from '../replica-state.ts';

export function acceptAppend(state: ReplicaState, leader: PeerId, message: MessageOf<'append'>): void {
  const { log, outbox, term } = state;
  const { previous, entries, commit } = message;
  // What is committed agrees with every leader's log, whether this log still holds it or not.
  if (previous.index >= state.commit && !log.holds(previous)) {
    refuseAppend(state, leader, message);
    return;
  }
  state.adopt(entries);
  const match = Math.max(previous.index + entries.length, state.commit);
  state.commitTo(Math.min(commit, match));
  // All that was committed in terms before is below the first commit of this term; so this replica has
  // again whatever it may have acknowledged in a life that it has forgotten.
  if (state.hardState.isJoining && commit <= match && log.termAt(commit) === term) state.hasJoined();
  const { isJoining } = state.hardState;
  outbox.sendAfterLog(leader, { kind: 'append-accepted', term, match, isJoining });
}

function refuseAppend(state: ReplicaState, leader: PeerId, { previous }: MessageOf<'append'>): void {
  const { log, outbox, term, commit } = state;
  outbox.sendAfterHardState(leader, {
    kind: 'append-refused',
    term,
    previousIndex: previous.index,
    // What is committed agrees with any leader.
    hint: log.lastAgreement(previous.index - 1, previous.term) ?? {
      index: commit,
      term: log.termAt(commit)!,
    },
    isJoining: state.hardState.isJoining,
  });
}

export function acceptHeartbeat(state: ReplicaState, leader: PeerId, message: MessageOf<'heartbeat'>): void {
  const { log, outbox, term } = state;
  outbox.sendAfterHardState(leader, { kind: 'heartbeat-reply', term, round: message.round });
  if (message.commit <= log.lastIndex) {
    state.commitTo(message.commit);
    return;
  }
  // The leader believes that this replica holds more than it does: it has lost its disk.
  const hint = log.last;
  const previousIndex = message.commit;
  const { isJoining } = state.hardState;
  outbox.sendAfterHardState(leader, { kind: 'append-refused', term, previousIndex, hint, isJoining });
}
