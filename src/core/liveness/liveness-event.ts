import type { NodeId } from '../../environment/index.ts';
import type { SwimMessage } from './swim-message.ts';

export type LivenessEvent =
  | { readonly kind: 'message'; readonly from: NodeId; readonly message: SwimMessage }
  | { readonly kind: 'wake' }
  /** Who belongs to the cluster, by its log. This node may be among them, or not. */
  | { readonly kind: 'members'; readonly nodes: Iterable<NodeId> }
  /** What this node says of itself: `memberAttribute`. */
  | { readonly kind: 'attributes'; readonly attributes: number }
  /** The topology has changed: messages, which carry its epoch, should reach others soon. */
  | { readonly kind: 'epoch-changed' }
  /** A connection broke, or was refused. A hint, not a verdict. */
  | { readonly kind: 'disconnected'; readonly peer: NodeId; readonly isRefused: boolean }
  /** This node stops in order. Nothing is said or judged after it. */
  | { readonly kind: 'leave' };
