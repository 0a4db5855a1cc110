/**
 * What `/admin/v1/cluster…` shows, as JSON: snake case, units last, null where nothing is known. Additions are no
 * change of the interface; a field that is there keeps its meaning.
 */
import {
  type ClusterState,
  type LivenessView,
  locationOf,
  type Member,
  type Move,
  type Plan,
  type ReplicatedClusterLog,
  type StagedChange,
} from '../../core/index.ts';
import type { Address, NodeId } from '../../environment/index.ts';
import type { NodeReport, ReportedTransfer } from './node-report.ts';
import { planIdOf } from './plan-id.ts';

export type LogRole = 'leader' | 'voter' | 'learner' | 'follower' | 'removed';

export interface MemberView {
  readonly node: string;
  readonly status: string;
  /** As the node that was asked sees it. */
  readonly reachability: 'alive' | 'suspect' | 'dead';
  readonly location: string;
  readonly address: string;
  readonly http: string | null;
  readonly protobuf: string | null;
  readonly partitions: number;
  /** When all moves are done. */
  readonly partitions_next: number;
  /** Whether it may hold data that belongs to others. */
  readonly has_strays: boolean;
  /** What it says of itself; null where it has not answered. */
  readonly version: string | null;
  readonly epoch: number | null;
  readonly free_bytes: number | null;
  readonly stray_bytes: number | null;
}

export interface MoveCounts {
  readonly planned: number;
  readonly copying: number;
  readonly switched: number;
  readonly released: number;
}

export interface MoveView {
  readonly partition: number;
  /** Null: rebuilt from the other replicas. */
  readonly from: string | null;
  readonly to: string;
  readonly stage: Move['stage'];
}

export interface OverviewView {
  readonly cluster_id: string;
  readonly node: string;
  readonly generation: number;
  readonly epoch: number;
  /** Of a plan that would be made now. */
  readonly plan_id: string;
  readonly ring_size: number;
  readonly target_n_val: number;
  readonly leader: string | null;
  /** As a voter knows them; a node that is none shows nobody. */
  readonly voters: readonly string[];
  readonly role: LogRole;
  readonly members: readonly MemberView[];
  readonly staged: readonly StagedChange[];
  readonly moves: MoveCounts;
  /** Why a plan would be refused now. */
  readonly problems: readonly string[];
}

export interface PlanView {
  readonly plan_id: string;
  readonly changes: readonly StagedChange[];
  readonly nodes: readonly {
    readonly node: string;
    readonly location: string;
    readonly before: string;
    readonly after: string;
    readonly partitions_before: number;
    readonly partitions_after: number;
    readonly moves_in: number;
    readonly moves_out: number;
    readonly bytes_in: number;
    readonly bytes_out: number;
  }[];
  readonly moves: readonly (Omit<MoveView, 'stage'> & { readonly bytes: number | null })[];
  readonly moves_min: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly same_node: { readonly count: number; readonly partitions: readonly number[] };
  readonly same_location: { readonly count: number; readonly partitions: readonly number[] };
  readonly two_failures: {
    readonly replicas: number;
    readonly pairs: number;
    readonly pairs_losing_all: number;
    readonly pairs_losing_quorum: number;
    readonly worst_losing_all: number;
  } | null;
  readonly warnings: readonly string[];
  /** Why the commit would be refused unless forced. */
  readonly problems: readonly string[];
}

export interface TransferView {
  readonly node: string;
  readonly direction: 'out' | 'in';
  readonly purpose: ReportedTransfer['purpose'];
  readonly partition: number;
  readonly peer: string;
  readonly state: 'running' | 'waiting';
  readonly bytes: number;
  readonly bytes_total: number | null;
  readonly bytes_per_second: number | null;
  readonly seconds_left: number | null;
  readonly failures: number;
  readonly last_error: string | null;
}

export interface TransfersView {
  readonly epoch: number;
  readonly moves: readonly MoveView[];
  readonly transfers: readonly TransferView[];
  /** Transfers that a node has and did not list. */
  readonly unlisted: number;
  readonly strays: readonly {
    readonly node: string;
    readonly partitions: number;
    readonly bytes: number;
  }[];
  /** Members of whose transfers nothing is known. */
  readonly unanswered: readonly string[];
}

export interface RingView {
  readonly generation: number;
  readonly epoch: number;
  readonly ring_size: number;
  readonly partitions: readonly {
    readonly partition: number;
    readonly owner: string;
    readonly owned_since: number;
    readonly move?: Omit<MoveView, 'partition'>;
  }[];
}

export function roleOf(log: Pick<ReplicatedClusterLog, 'self' | 'leads' | 'status'>): LogRole {
  const { self, leads, status } = log;
  if (status.isRemoved) return 'removed';
  if (leads) return 'leader';
  if (status.voters.includes(self)) return 'voter';
  return status.learners.includes(self) ? 'learner' : 'follower';
}

export interface MemberSources {
  readonly self: NodeId;
  readonly liveness: Pick<LivenessView, 'reachability' | 'hasStrays'>;
  readonly reports: ReadonlyMap<NodeId, NodeReport>;
}

/** By name. */
export function memberViews(state: ClusterState, sources: MemberSources): readonly MemberView[] {
  const owned = countBy(state.owners);
  const next = countBy(state.owners.map((owner, p) => state.moves.get(p as Move['partition'])?.to ?? owner));
  return [...state.members.values()]
    .sort((a, b) => (a.node < b.node ? -1 : 1))
    .map((member) => {
      const { node } = member;
      return { ...memberView(member, sources), partitions: owned(node), partitions_next: next(node) };
    });
}

function memberView(member: Member, { self, liveness, reports }: MemberSources) {
  const { node, status, address, http, protobuf } = member;
  const report = reports.get(node);
  return {
    node,
    status,
    reachability: node === self ? 'alive' : liveness.reachability(node),
    location: locationOf(member),
    address: addressText(address),
    http: http === undefined ? null : addressText(http),
    protobuf: protobuf === undefined ? null : addressText(protobuf),
    has_strays: liveness.hasStrays(node),
    version: report?.version ?? null,
    epoch: report?.epoch ?? null,
    free_bytes: report?.freeBytes ?? null,
    stray_bytes: report?.strayBytes ?? null,
  } as const;
}

function countBy(owners: readonly NodeId[]): (node: NodeId) => number {
  const counts = new Map<NodeId, number>();
  for (const owner of owners) counts.set(owner, (counts.get(owner) ?? 0) + 1);
  return (node) => counts.get(node) ?? 0;
}

export function moveCounts(state: ClusterState): MoveCounts {
  const counts = { planned: 0, copying: 0, switched: 0, released: 0 };
  for (const { stage } of state.moves.values()) counts[stage] += 1;
  return counts;
}

export function moveViews(state: ClusterState): readonly MoveView[] {
  return [...state.moves.values()]
    .map(({ partition, from, to, stage }) => ({ partition, from: from ?? null, to, stage }))
    .sort((a, b) => a.partition - b.partition);
}

export function ringView(state: ClusterState): RingView {
  const { generation, epoch, owners, ownedSince, moves } = state;
  const partitions = owners.map((owner, partition) => {
    const move = moves.get(partition as Move['partition']);
    const shown = { partition, owner, owned_since: ownedSince[partition]! };
    if (move === undefined) return shown;
    return { ...shown, move: { from: move.from ?? null, to: move.to, stage: move.stage } };
  });
  return { generation, epoch, ring_size: owners.length, partitions };
}

export function planView(state: ClusterState, plan: Plan, problems: readonly string[]): PlanView {
  const { risk } = plan;
  return {
    plan_id: planIdOf(state),
    changes: plan.changes,
    nodes: plan.nodes.map((node) => ({
      node: node.node,
      location: node.location,
      before: node.before,
      after: node.after,
      partitions_before: node.partitionsBefore,
      partitions_after: node.partitionsAfter,
      moves_in: node.movesIn,
      moves_out: node.movesOut,
      bytes_in: node.bytesIn,
      bytes_out: node.bytesOut,
    })),
    moves: plan.moves,
    moves_min: plan.movesMin,
    bytes: plan.bytes,
    seconds: Math.ceil(plan.seconds),
    same_node: { count: plan.sameNode.count, partitions: plan.sameNode.listed },
    same_location: { count: plan.sameLocation.count, partitions: plan.sameLocation.listed },
    two_failures:
      risk === null
        ? null
        : {
            replicas: risk.replicas,
            pairs: risk.pairs,
            pairs_losing_all: risk.pairsLosingAll,
            pairs_losing_quorum: risk.pairsLosingQuorum,
            worst_losing_all: risk.worstLosingAll,
          },
    warnings: plan.warnings,
    problems,
  };
}

export function transfersView(state: ClusterState, reports: ReadonlyMap<NodeId, NodeReport>): TransfersView {
  const all = [...reports];
  return {
    epoch: state.epoch,
    moves: moveViews(state),
    transfers: all.flatMap(([node, { transfers }]) => transfers.map((one) => transferView(node, one))),
    unlisted: all.reduce((sum, [, { transfersUnlisted }]) => sum + transfersUnlisted, 0),
    strays: all
      .filter(([, { strayPartitions }]) => strayPartitions > 0)
      .map(([node, { strayPartitions, strayBytes }]) => {
        return { node, partitions: strayPartitions, bytes: strayBytes };
      }),
    unanswered: [...state.members.keys()].filter((node) => !reports.has(node)).sort(),
  };
}

function transferView(node: NodeId, transfer: ReportedTransfer): TransferView {
  return {
    node,
    direction: transfer.direction,
    purpose: transfer.purpose,
    partition: transfer.partition,
    peer: transfer.peer,
    state: transfer.isRunning ? 'running' : 'waiting',
    bytes: transfer.bytes,
    bytes_total: transfer.bytesTotal ?? null,
    bytes_per_second: transfer.bytesPerSecond ?? null,
    seconds_left: transfer.secondsLeft ?? null,
    failures: transfer.failures,
    last_error: transfer.lastError ?? null,
  };
}

function addressText({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
