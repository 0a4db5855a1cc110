import type { NodeId } from '../../environment/index.ts';
import type { SwimMessage } from './swim-message.ts';

export type LivenessEffect =
  | { readonly kind: 'send'; readonly to: NodeId; readonly message: SwimMessage }
  /** What `LivenessView` says of the member is another now. */
  | { readonly kind: 'changed'; readonly node: NodeId };
