/**
 * The cluster log as its users see it: the state that has been agreed, as far as this node knows, and a way to
 * propose a change of it. Any node may propose; the leader of the voters orders.
 */
import type { NodeId } from '../../environment/index.ts';
import type { ClusterCommand, ClusterState, CommandRefusal } from '../topology/index.ts';

export type ProposeOutcome =
  /** Agreed, durable at a majority of voters, and folded into this node's state. */
  | { readonly kind: 'applied'; readonly epoch: number }
  | { readonly kind: 'refused'; readonly refusal: CommandRefusal }
  /** No majority of voters, or no way to it, within the time. It may still happen later. */
  | { readonly kind: 'unavailable'; readonly reason: string };

export interface ClusterLog {
  /** What this node knows. Replaced, never changed in place. */
  readonly state: ClusterState;
  /** Calls `changed` after each new state, in the order of `onState` calls. */
  onState(changed: (state: ClusterState, before: ClusterState) => void): void;
  propose(command: ClusterCommand, timeoutMs: number): Promise<ProposeOutcome>;
  /**
   * A peer's message named this epoch: if it is beyond ours, the log catches up. Cheap if it is not. `from`, who
   * said so, is asked first: a change then spreads along the ways on which it was heard of.
   */
  sawEpoch(generation: number, epoch: number, from?: NodeId): void;
}
