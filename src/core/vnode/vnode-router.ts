/**
 * Brings a request to the node that serves a replica: by a call when that is this node, over the
 * transport otherwise.
 */
import type { NodeId } from '../../environment/index.ts';
import type { Partition, Replica } from '../ring/index.ts';
import type { VnodeService } from './vnode-service.ts';

/** The transport between nodes, as routing sees it. A lost reply is told by the caller's deadline. */
export interface PeerTransport<Request, Reply> {
  send(to: NodeId, partition: Partition, request: Request, reply: (reply: Reply) => void): void;
}

export class VnodeRouter<Request, Reply> {
  readonly #self: NodeId;
  readonly #local: VnodeService<Request, Reply>;
  readonly #peers: PeerTransport<Request, Reply>;

  constructor(self: NodeId, local: VnodeService<Request, Reply>, peers: PeerTransport<Request, Reply>) {
    this.#self = self;
    this.#local = local;
    this.#peers = peers;
  }

  send(replica: Replica, request: Request, reply: (reply: Reply) => void): void {
    if (replica.node === this.#self) this.#local.handle(replica.partition, request, reply);
    else this.#peers.send(replica.node, replica.partition, request, reply);
  }
}

/** The transport of a cluster of one. Routing never chooses a node that is not up, so nothing is sent. */
export const noPeers: PeerTransport<never, never> = {
  send(to) {
    throw new Error(`no transport to ${to}`);
  },
};
