/** What a node knows of its cluster at a moment, without asking anybody. */
import type { NodeId } from '../../environment/index.ts';
import type { ClusteredDatabase } from '../clustered-database.ts';
import { type LogRole, roleOf } from './cluster-views.ts';

export interface ClusterFacts {
  readonly clusterId: string;
  readonly generation: number;
  readonly epoch: number;
  /** This node's status as a member. */
  readonly membership: string;
  readonly role: LogRole;
  readonly leader: NodeId | undefined;
  /** Members that this node cannot reach. */
  readonly unreachable: readonly NodeId[];
  readonly changesStaged: number;
  readonly partitionsMoving: number;
  /** Of this node. */
  readonly transfers: { readonly sending: number; readonly receiving: number; readonly waiting: number };
  /** Partitions of others of which this node holds data, or may. */
  readonly strayPartitions: number;
}

export function clusterFacts({ cluster, transfers }: ClusteredDatabase): ClusterFacts {
  const { log, liveness } = cluster;
  const { clusterId, generation, epoch, members, staged, moves } = log.state;
  const all = transfers.transfers();
  const running = all.filter(({ state }) => state === 'running');
  const sending = running.filter(({ direction }) => direction === 'out').length;
  return {
    clusterId,
    generation,
    epoch,
    membership: log.isRemoved ? 'removed' : (members.get(log.self)?.status ?? 'removed'),
    role: roleOf(log),
    leader: log.leader,
    unreachable: [...members.keys()]
      .filter((node) => node !== log.self && liveness.reachability(node) === 'dead')
      .sort(),
    changesStaged: staged.length,
    partitionsMoving: moves.size,
    transfers: { sending, receiving: running.length - sending, waiting: all.length - running.length },
    strayPartitions: transfers.strayPartitions().length,
  };
}
