/** What every service on a cluster needs: requests to its vnodes elsewhere, and word of who is up. */
import type { Environment, NodeId } from '../../environment/index.ts';
import type { Cluster } from '../cluster/index.ts';
import type { Channel } from '../transport/index.ts';
import { PeerRequests, type VnodeCodec, type VnodeService } from '../vnode/index.ts';

export interface ClusterPeersParts<Request, Reply> {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'log'>;
  readonly local: VnodeService<Request, Reply>;
  readonly codec: VnodeCodec<Request, Reply>;
  readonly on: Channel;
  /** Requests to one peer that wait for their last reply. */
  readonly inFlightMax: number;
}

/** `PeerRequests` that know the cluster's epoch and keep its fence. */
export function clusterPeers<Request, Reply>(
  { topology, log, messenger }: Cluster,
  parts: ClusterPeersParts<Request, Reply>,
): PeerRequests<Request, Reply> {
  return new PeerRequests({
    ...parts,
    messenger,
    epoch: () => log.state,
    sawEpoch: (generation, epoch, from) => log.sawEpoch(generation, epoch, from),
    admits: (partition, epoch, primary) => topology.admits(partition, epoch, primary),
  });
}

/** Who waits for a node that is given up must not wait for the deadline; who is back is called at once. */
export function tellWhoIsUp(
  { topology, log, messenger }: Cluster,
  peers: readonly { peerDown(peer: NodeId): void }[],
): void {
  let up: ReadonlySet<NodeId> = new Set();
  const look = (): void => {
    const before = up;
    up = new Set([...log.state.members.keys()].filter((node) => topology.isUp(node)));
    for (const node of before) {
      if (!up.has(node)) for (const requests of peers) requests.peerDown(node);
    }
    for (const node of up) if (!before.has(node)) messenger.peerUp(node);
  };
  look();
  topology.onChange(look);
}
