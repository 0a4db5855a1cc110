/**
 * What a commit of the staged changes would do, for people to look at first.
 *
 * The moves are not predicted: the commit is folded, and what comes out is shown. A plan is valid for as long as
 * nothing changes that matters to it (`planBasis`, C6). Plain JSON.
 */
import type { NodeId } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import {
  assessRing,
  failureSetCount,
  failureSetsMax,
  movesMin,
  type Partition,
  type RingNode,
  ringRisk,
  type Violations,
} from '../ring/index.ts';
import type {
  ClusterCommand,
  ClusterState,
  CommandRefusal,
  Member,
  MemberStatus,
  StagedChange,
} from './cluster-state.ts';
import { fold } from './fold.ts';
import { locationOf } from './member-location.ts';
import { movesInOrder } from './moves.ts';
import { claimedOwners, owningNodes } from './plan-claim.ts';
import { planWarnings } from './plan-warnings.ts';
import { membersAfter, refusalOfStaged } from './staging.ts';

export interface PlanInputs {
  /** As far as known. */
  readonly bytesOf: ReadonlyMap<Partition, number>;
  /** What one node sends, and what one node takes, at the same time. */
  readonly bytesPerSecond: number;
  /** The length of preference lists that risk is judged by: what most buckets have as `n_val`. */
  readonly replicas: number;
}

export type PlanOutcome =
  | { readonly kind: 'planned'; readonly plan: Plan }
  /** There is nothing to plan, or what is staged is not possible any more. */
  | { readonly kind: 'refused'; readonly refusal: CommandRefusal };

export interface Plan {
  readonly planOf: { readonly generation: number; readonly epoch: number };
  /** The ring to reach. */
  readonly owners: readonly NodeId[];
  readonly changes: readonly StagedChange[];
  /** Members before and after, by name. */
  readonly nodes: readonly PlannedNode[];
  /** Those that the commit begins, in the order of partitions. */
  readonly moves: readonly PlannedMove[];
  /** The fewest that a balanced ring takes, whatever its preference lists look like. */
  readonly movesMin: number;
  /** Of partitions whose size is known. */
  readonly bytes: number;
  /** Until the slowest node is through, at `bytesPerSecond`. */
  readonly seconds: number;
  /** Preference lists of `target_n_val` partitions, in the ring to reach. */
  readonly sameNode: Violations;
  readonly sameLocation: Violations;
  /** What two nodes that fail together could cost; null: too many pairs to try, or fewer than two nodes. */
  readonly risk: PlannedRisk | null;
  /** Why the commit would be refused unless forced; null: it would not. */
  readonly refusal: CommandRefusal | null;
  readonly warnings: readonly string[];
}

export interface PlannedNode {
  readonly node: NodeId;
  readonly location: string;
  readonly before: MemberStatus;
  /** At once, by the commit; who leaves goes when its partitions have moved. */
  readonly after: MemberStatus | 'gone';
  readonly partitionsBefore: number;
  /** When all moves are done. */
  readonly partitionsAfter: number;
  readonly movesIn: number;
  readonly movesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export interface PlannedMove {
  readonly partition: Partition;
  /** Null: rebuilt from the other replicas. */
  readonly from: NodeId | null;
  readonly to: NodeId;
  /** Null: not known. */
  readonly bytes: number | null;
}

export interface PlannedRisk {
  readonly replicas: number;
  readonly pairs: number;
  /** Pairs of nodes that hold all replicas of some preference list between them, or so many that no quorum is left. */
  readonly pairsLosingAll: number;
  readonly pairsLosingQuorum: number;
  /** Preference lists of which the worst pair takes all. */
  readonly worstLosingAll: number;
}

export function planChanges(state: ClusterState, inputs: PlanInputs): PlanOutcome {
  const refusal = refusalOfStaged(state);
  if (refusal !== undefined) return { kind: 'refused', refusal };
  const owners = claimedOwners(state, membersAfter(state.members, state.staged));
  const forced = fold(state, commitOf(state, owners, true));
  if (forced.refusal !== undefined) return { kind: 'refused', refusal: forced.refusal };
  return { kind: 'planned', plan: planTo(state, owners, forced.state, inputs) };
}

/** The command that carries a plan out. */
export function commitPlanned({ planOf, owners }: Plan, isForced: boolean): ClusterCommand {
  return { kind: 'commit', planOf, owners, isForced };
}

function commitOf(
  { generation, epoch }: ClusterState,
  owners: readonly NodeId[],
  isForced: boolean,
): ClusterCommand {
  return { kind: 'commit', planOf: { generation, epoch }, owners, isForced };
}

function planTo(
  state: ClusterState,
  owners: readonly NodeId[],
  after: ClusterState,
  inputs: PlanInputs,
): Plan {
  const moves = movesInOrder(after.moves)
    .filter((move) => state.moves.get(move.partition) !== move)
    .map(({ partition, from, to }): PlannedMove => {
      return { partition, from: from ?? null, to, bytes: inputs.bytesOf.get(partition) ?? null };
    });
  const able = owningNodes(after.members);
  const { sameNode, sameLocation } = assessRing(owners, able, Math.min(state.targetN, owners.length));
  const nodes = plannedNodes(state, owners, after.members, moves);
  const busiest = Math.max(0, ...nodes.map(({ bytesIn, bytesOut }) => Math.max(bytesIn, bytesOut)));
  assert(inputs.bytesPerSecond > 0, 'something is sent');
  const plan = {
    planOf: { generation: state.generation, epoch: state.epoch },
    owners,
    changes: state.staged,
    nodes,
    moves,
    movesMin: movesMin(
      state.owners,
      able.map(({ node }) => node),
    ),
    bytes: moves.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0),
    seconds: busiest / inputs.bytesPerSecond,
    sameNode: { ...sameNode },
    sameLocation: { ...sameLocation },
    risk: plannedRisk(owners, able, inputs.replicas),
    refusal: fold(state, commitOf(state, owners, false)).refusal ?? null,
  };
  return { ...plan, warnings: planWarnings(plan, state.targetN) };
}

function plannedNodes(
  state: ClusterState,
  owners: readonly NodeId[],
  membersThen: ReadonlyMap<NodeId, Member>,
  moves: readonly PlannedMove[],
): PlannedNode[] {
  const count = (list: readonly (NodeId | null)[], node: NodeId) =>
    list.filter((each) => each === node).length;
  const sum = (list: readonly PlannedMove[]) => list.reduce((total, { bytes }) => total + (bytes ?? 0), 0);
  return [...state.members.values()]
    .sort((a, b) => (a.node < b.node ? -1 : 1))
    .map((member): PlannedNode => {
      const { node, status } = member;
      const incoming = moves.filter(({ to }) => to === node);
      const outgoing = moves.filter(({ from }) => from === node);
      return {
        node,
        location: locationOf(membersThen.get(node) ?? member),
        before: status,
        after: membersThen.get(node)?.status ?? 'gone',
        partitionsBefore: count(state.owners, node),
        partitionsAfter: count(owners, node),
        movesIn: incoming.length,
        movesOut: outgoing.length,
        bytesIn: sum(incoming),
        bytesOut: sum(outgoing),
      };
    });
}

function plannedRisk(
  owners: readonly NodeId[],
  nodes: readonly RingNode[],
  replicas: number,
): PlannedRisk | null {
  if (nodes.length < 2 || failureSetCount(nodes.length, 2) > failureSetsMax) return null;
  const risk = ringRisk(owners, nodes, Math.min(replicas, owners.length), 2);
  return {
    replicas,
    pairs: risk.sets,
    pairsLosingAll: risk.setsLosingAll,
    pairsLosingQuorum: risk.setsLosingQuorum,
    worstLosingAll: risk.worst[0]?.allLost ?? 0,
  };
}
