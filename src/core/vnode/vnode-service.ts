/**
 * A service that is spread over the ring: what an application of this framework implements. The
 * framework brings a request to the node that serves a partition; the service answers. It knows
 * nothing of what requests mean.
 */
import type { Partition } from '../ring/index.ts';

export interface VnodeService<Request, Reply> {
  /**
   * Handles a request for one partition. `reply` may be called before this returns, later, or (for a
   * request that announces progress) more than once; the service says which replies are last.
   */
  handle(partition: Partition, request: Request, reply: (reply: Reply) => void): void;
}
