/**
 * What operators ask of a cluster, at any of its nodes. Reads show what this node knows; changes go through the
 * cluster log, and have happened when they resolve. Everything rejects with `AdminFailure` alone.
 */
import type {
  Cluster,
  ClusterCommand,
  ClusterState,
  JoinOutcome,
  Plan,
  ProposeOutcome,
  StagedChange,
} from '../../core/index.ts';
import type { Address, Environment, NodeId } from '../../environment/index.ts';
import type { AntiEntropyStatus } from '../../kv/index.ts';
import { unreachable } from '../../stdx/index.ts';
import type { ClusteredDatabase } from '../clustered-database.ts';
import { AdminFailure } from './admin-failure.ts';
import { healthProblems, type PlanSettings, planOfStaged } from './cluster-plan.ts';
import {
  type MemberView,
  memberViews,
  moveCounts,
  type OverviewView,
  type PlanView,
  planView,
  type RingView,
  ringView,
  roleOf,
  type TransfersView,
  transfersView,
} from './cluster-views.ts';
import type { NodeReport } from './node-report.ts';
import { NodeReports } from './node-reports.ts';
import { type OwnReportParts, ownReport } from './own-report.ts';
import { type PlanOf, planIdOf } from './plan-id.ts';
import { type RiskQuestion, type RiskView, riskView } from './ring-risk-view.ts';

/** For a majority of voters to agree. */
const proposeMsMax = 10_000;

export interface ClusterAdminParts extends OwnReportParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'tasks' | 'disk' | 'log' | 'random'>;
  readonly database: ClusteredDatabase;
  readonly settings: PlanSettings;
}

export interface CommitRequest {
  /** The plan that was looked at; undefined: the one that is made now. */
  readonly planOf: PlanOf | undefined;
  readonly isForced: boolean;
}

export interface CommitAnswer {
  readonly epoch: number;
  readonly moves: number;
  readonly bytes: number;
  readonly seconds: number;
  /** What was overridden. */
  readonly forced: readonly string[];
}

export class ClusterAdmin {
  readonly reports: NodeReports;
  readonly #parts: ClusterAdminParts;

  constructor(parts: ClusterAdminParts) {
    this.#parts = parts;
    const { environment } = parts;
    const { messenger, log, liveness } = parts.database.cluster;
    const own = (wantsSizes: boolean): Promise<NodeReport> => ownReport(parts, wantsSizes);
    this.reports = new NodeReports({ environment, messenger, log, liveness, own });
  }

  get self(): NodeId {
    return this.#cluster.log.self;
  }

  get state(): ClusterState {
    return this.#cluster.log.state;
  }

  get #cluster(): Cluster {
    return this.#parts.database.cluster;
  }

  /**
   * Calls `told` when the cluster is found to have removed this node, also if that was so when it started. In order: it
   * was leaving, and has handed over what it had.
   */
  onRemoved(told: (isInOrder: boolean) => void): void {
    const { log } = this.#cluster;
    const statusIn = ({ members }: ClusterState): string | undefined => members.get(log.self)?.status;
    let status = statusIn(log.state);
    if (log.isRemoved) {
      told(false);
      return;
    }
    log.onState((state) => {
      status = statusIn(state) ?? status;
    });
    log.onRemoved(() => told(status === 'leaving' || status === 'exiting'));
  }

  async overview(): Promise<OverviewView> {
    const reports = await this.reports.gather({ sizes: false });
    const { log, liveness } = this.#cluster;
    const { state, self } = log;
    const sources = { self, liveness, reports };
    return {
      cluster_id: state.clusterId,
      node: self,
      generation: state.generation,
      epoch: state.epoch,
      plan_id: planIdOf(state),
      ring_size: state.owners.length,
      target_n_val: state.targetN,
      leader: log.leader ?? null,
      voters: log.status.voters,
      role: roleOf(log),
      members: memberViews(state, sources),
      staged: state.staged,
      moves: moveCounts(state),
      problems: log.isRemoved ? ['this node was removed from the cluster'] : healthProblems(state, sources),
    };
  }

  async members(): Promise<{ readonly epoch: number; readonly members: readonly MemberView[] }> {
    const reports = await this.reports.gather({ sizes: false });
    const { self, state } = this;
    return {
      epoch: state.epoch,
      members: memberViews(state, { self, liveness: this.#cluster.liveness, reports }),
    };
  }

  ring(): RingView {
    return ringView(this.state);
  }

  async transfers(): Promise<TransfersView> {
    const reports = await this.reports.gather({ sizes: false });
    return transfersView(this.state, reports);
  }

  risk(question: Omit<RiskQuestion, 'replicas'> & { readonly replicas: number | undefined }): RiskView {
    const replicas = question.replicas ?? this.#parts.settings.replicas;
    return riskView(this.state, { ...question, replicas });
  }

  antiEntropy(): AntiEntropyStatus {
    return this.#parts.database.antiEntropy.status();
  }

  async plan(): Promise<PlanView> {
    const { state, plan, problems } = await this.planNow();
    return planView(state, plan, problems);
  }

  /** `problems`: why it should not be committed. */
  async planNow(): Promise<{
    readonly state: ClusterState;
    readonly plan: Plan;
    readonly problems: readonly string[];
  }> {
    const reports = await this.reports.gather({ sizes: true });
    const { self, state } = this;
    const plan = planOfStaged(state, reports, this.#parts.settings);
    const sources = { self, liveness: this.#cluster.liveness, reports };
    return { state, plan, problems: healthProblems(state, sources, plan) };
  }

  async commit({ planOf, isForced }: CommitRequest): Promise<CommitAnswer> {
    if (planOf !== undefined) this.#checkStillHolds(planOf);
    const { state, plan, problems } = await this.planNow();
    if (planOf !== undefined) this.#checkStillHolds(planOf);
    if (problems.length > 0 && !isForced) {
      throw new AdminFailure(409, 'unhealthy', 'the cluster is not healthy', problems);
    }
    const { log } = this.#parts.environment;
    const fields = { planId: planIdOf(state), moves: plan.moves.length };
    if (problems.length > 0) {
      log.warn('a plan is committed by force', { ...fields, inSpiteOf: problems.join('; ') });
    }
    const epoch = await this.propose({
      kind: 'commit',
      planOf: planOf ?? plan.planOf,
      owners: plan.owners,
      isForced,
    });
    log.info('a plan was committed', { ...fields, epoch });
    return {
      epoch,
      moves: plan.moves.length,
      bytes: plan.bytes,
      seconds: Math.ceil(plan.seconds),
      forced: isForced ? problems : [],
    };
  }

  /** Also where it stood staged already. */
  async stage(change: StagedChange): Promise<number> {
    if (this.state.staged.some((staged) => isSameChange(staged, change))) return this.state.epoch;
    return this.propose({ kind: 'stage', change });
  }

  /** Enters this node into the cluster of the node at `seed`, and stages its join there. */
  async join(seed: Address): Promise<{ readonly clusterId: string; readonly epoch: number }> {
    const outcome = await this.enter(seed);
    switch (outcome.kind) {
      case 'joined':
      case 'already':
        return { clusterId: outcome.clusterId, epoch: await this.stageOwnJoin() };
      case 'refused':
        throw new AdminFailure(409, outcome.code, outcome.reason);
      case 'unavailable':
        throw new AdminFailure(503, 'unavailable', outcome.reason);
      default:
        return unreachable(outcome);
    }
  }

  enter(seed: Address): Promise<JoinOutcome> {
    return this.#cluster.join(seed);
  }

  /** Nothing to do for who is a full member, or replaces somebody by what is staged. */
  async stageOwnJoin(): Promise<number> {
    const { self, state } = this;
    const isNamed = state.staged.some(
      (change) =>
        ('by' in change && change.by === self) || (change.kind !== 'location' && change.node === self),
    );
    if (isNamed || state.members.get(self)?.status !== 'joining') return state.epoch;
    return this.stage({ kind: 'join', node: self });
  }

  mark(node: NodeId, status: 'down' | 'valid'): Promise<number> {
    return this.propose({ kind: 'mark', node, status });
  }

  clear(): Promise<number> {
    return this.propose({ kind: 'clear' });
  }

  /** Gives up the moves that have not begun. */
  cancel(): Promise<number> {
    return this.propose({ kind: 'cancel' });
  }

  async recover(survivors: ReadonlySet<NodeId>): Promise<{ generation: number; epoch: number }> {
    const outcome = await this.#cluster.recover(survivors);
    if (outcome.kind === 'refused') throw new AdminFailure(409, 'recover_refused', outcome.reason);
    const { generation, epoch } = outcome;
    return { generation, epoch };
  }

  /** The epoch at which it was done. */
  async propose(command: ClusterCommand): Promise<number> {
    if (this.#cluster.log.isRemoved) {
      throw new AdminFailure(409, 'removed', 'the cluster has removed this node');
    }
    const epoch = appliedEpoch(await this.#cluster.propose(command, proposeMsMax));
    this.#parts.environment.log.info('the cluster was changed as asked', { change: command.kind, epoch });
    return epoch;
  }

  #checkStillHolds(planOf: PlanOf): void {
    const { generation, planBasis, epoch } = this.state;
    const holds = planOf.generation === generation && planOf.epoch >= planBasis && planOf.epoch <= epoch;
    if (!holds) {
      const reason = 'the cluster has changed since the plan was made; look at the new one';
      throw new AdminFailure(409, 'plan_outdated', reason);
    }
  }
}

function appliedEpoch(outcome: ProposeOutcome): number {
  switch (outcome.kind) {
    case 'applied':
      return outcome.epoch;
    case 'refused':
      throw new AdminFailure(409, outcome.refusal.code, outcome.refusal.reason);
    case 'unavailable':
      throw new AdminFailure(503, 'unavailable', `${outcome.reason}; it may still happen`);
    default:
      return unreachable(outcome);
  }
}

function isSameChange(a: StagedChange, b: StagedChange): boolean {
  return (
    a.kind === b.kind &&
    a.node === b.node &&
    ('by' in a ? a.by : undefined) === ('by' in b ? b.by : undefined) &&
    (a.kind === 'location' ? a.location : undefined) === (b.kind === 'location' ? b.location : undefined)
  );
}
