import type { PersistedState } from './effect.ts';
import { membershipOf } from './membership/membership.ts';
import type { PeerId } from './peer-id.ts';
import { emptySnapshot } from './snapshot/snapshot-mark.ts';

/**
 * What the founders of a group begin with, each the same, and persisted before the first step: a first
 * entry that names them. All voters must be given the same list, and the same group must not be founded
 * twice.
 */
export function foundingState(voters: readonly PeerId[]): PersistedState {
  const membership = membershipOf(voters);
  return {
    hardState: { term: 1, vote: undefined, isJoining: false },
    snapshot: emptySnapshot,
    entries: [{ kind: 'membership', index: 1, term: 1, membership }],
  };
}

/**
 * What a replica begins with that has nothing on its disk: it waits until a leader brings it the log, and
 * does not vote before it has all that was committed when it came.
 */
export function joiningState(): PersistedState {
  return {
    hardState: { term: 0, vote: undefined, isJoining: true },
    snapshot: emptySnapshot,
    entries: [],
  };
}
