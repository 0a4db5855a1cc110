/**
 * Brings a request to the node that serves a replica: by a call when that is this node, over the
 * transport otherwise.
 */
import type { NodeId } from '../../environment/index.ts';
import type { Partition, Replica } from '../ring/index.ts';
import type { VnodeService } from './vnode-service.ts';

export interface RequestRoute {
  /** Milliseconds from now after which nobody waits: the receiver drops what it has not begun. */
  readonly timeoutMs: number;
  readonly traffic: 'foreground' | 'repair';
  /** Sent to the replica's owner, and not to who stands in for it: checked against the receiver's ring. */
  readonly primary: boolean;
}

/**
 * The transport between nodes, as routing sees it. Every request is answered: by the peer, or, when no
 * answer can come, by what the codec makes of the reason.
 */
export interface PeerTransport<Request, Reply> {
  send(
    to: NodeId,
    partition: Partition,
    request: Request,
    route: RequestRoute,
    reply: (reply: Reply) => void,
  ): void;
}

const defaultTimeoutMs = 60_000;

export class VnodeRouter<Request, Reply> {
  readonly #self: NodeId;
  readonly #local: VnodeService<Request, Reply>;
  readonly #peers: PeerTransport<Request, Reply>;

  constructor(self: NodeId, local: VnodeService<Request, Reply>, peers: PeerTransport<Request, Reply>) {
    this.#self = self;
    this.#local = local;
    this.#peers = peers;
  }

  send(
    replica: Replica,
    request: Request,
    reply: (reply: Reply) => void,
    timeoutMs = defaultTimeoutMs,
    traffic: RequestRoute['traffic'] = 'foreground',
  ): void {
    if (replica.node === this.#self) this.#local.handle(replica.partition, request, reply);
    else {
      const route = { timeoutMs, traffic, primary: replica.primary };
      this.#peers.send(replica.node, replica.partition, request, route, reply);
    }
  }
}

/** The transport of a cluster of one. Routing never chooses a node that is not up, so nothing is sent. */
export const noPeers: PeerTransport<never, never> = {
  send(to) {
    throw new Error(`no transport to ${to}`);
  },
};
