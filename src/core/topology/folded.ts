/** What a command makes of a state. */
import type { ClusterState, CommandRefusal } from './cluster-state.ts';

export interface Folded {
  readonly state: ClusterState;
  /** The command changed nothing but the epoch. */
  readonly refusal?: CommandRefusal;
}

export function refused(state: ClusterState, code: CommandRefusal['code'], reason: string): Folded {
  return { state, refusal: { code, reason } };
}

/** For changes that plans do not depend on: words of members about themselves, the registry. */
export function changed(state: ClusterState, changes: Partial<ClusterState>): Folded {
  return { state: { ...state, ...changes } };
}

/** For changes that outdate every plan made before. */
export function reshaped(state: ClusterState, changes: Partial<ClusterState>): Folded {
  return { state: { ...state, ...changes, planBasis: state.epoch } };
}
