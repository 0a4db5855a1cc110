/** Who can be reached, as this node sees it now: what SWIM's messages come down to (C7). */
import type { NodeId } from '../../environment/index.ts';

/** `suspect` counts as up: slow is not dead. */
export type Reachability = 'alive' | 'suspect' | 'dead';

export interface LivenessView {
  reachability(node: NodeId): Reachability;
  /** The last that the member said of itself in this life of its; true until it has said otherwise. */
  hasStrays(node: NodeId): boolean;
  /** It answers, and is shown as dead for a while all the same: it came and went. Absent: nobody is. */
  isHeld?(node: NodeId): boolean;
  /** Calls `changed` after any of this has changed. */
  onChange(changed: () => void): void;
}
