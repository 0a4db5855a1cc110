/**
 * `hale start --join`: a node joins by itself, and while the cluster is young it also plans and commits by itself, so
 * that nobody need type anything to get a cluster of several.
 *
 * Young is a cluster in which nobody can lose anything by a plan that no person has seen:
 *
 *   - everything that is staged is a join,
 *   - every member answers, and holds no more than `youngBytesMax`,
 *   - it is healthy, or becomes so within `patienceMs`: nobody is away or marked down, nothing moves.
 *
 * If it is not, the join stays staged and an operator decides. Several nodes that do this at once stage their joins
 * first and wait for one another a little; whoever commits first commits for all, and what the others then propose is
 * outdated, so they look again.
 */
import type { ClusterState, JoinOutcome } from '../../core/index.ts';
import type { Address, Environment } from '../../environment/index.ts';
import { AdminFailure } from './admin-failure.ts';
import type { ClusterAdmin } from './cluster-admin.ts';

/** Of the partitions that a member owns, by the engine's estimate. */
export const youngBytesMax = 64 * 1024 ** 2;
const patienceMs = 120_000;
const lookAgainMs = 100;
/** How long nothing new must have been staged before one node commits for all. */
const gatherMs = 300;
const seedAgainMs = 250;

export type EnterOutcome =
  /** `isNew` false: it was a member of a cluster of several already, and asked nobody. */
  | { readonly kind: 'member'; readonly isNew: boolean }
  /** Trying again changes nothing. */
  | { readonly kind: 'refused'; readonly code: string; readonly reason: string }
  | { readonly kind: 'stopped' };

export type GrowOutcome =
  | { readonly kind: 'grown' }
  | { readonly kind: 'left-to-operator'; readonly reason: string }
  | { readonly kind: 'stopped' };

export interface GrowParts {
  readonly admin: ClusterAdmin;
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'log' | 'random'>;
  readonly isStopping: () => boolean;
}

/** Tries the seeds in turn until one takes this node in. */
export async function enterCluster(seeds: readonly Address[], parts: GrowParts): Promise<EnterOutcome> {
  const { admin, environment, isStopping } = parts;
  if (admin.state.members.size > 1) return { kind: 'member', isNew: false };
  let reason = '';
  for (let i = 0; !isStopping(); i++) {
    const seed = seeds[i % seeds.length]!;
    const outcome: JoinOutcome = await admin.enter(seed);
    if (outcome.kind === 'joined' || outcome.kind === 'already') return { kind: 'member', isNew: true };
    if (outcome.kind === 'refused') return outcome;
    if (outcome.reason !== reason) {
      reason = outcome.reason;
      environment.log.warn('could not join a cluster; trying again', {
        host: seed.host,
        port: seed.port,
        reason,
      });
    }
    // Two that name each other must not refuse each other for ever, in step.
    await sleep(seedAgainMs * (0.5 + environment.random.fraction()), environment);
  }
  return { kind: 'stopped' };
}

/** For a node that has entered its cluster. Resolves when its join was committed, by whomever, or is left alone. */
export async function growYoungCluster(parts: GrowParts): Promise<GrowOutcome> {
  const { admin, environment, isStopping } = parts;
  const { clock } = environment;
  const began = clock.now();
  let reason = 'the cluster log cannot be reached';
  let basis = -1;
  let quietSince = began;
  while (!isStopping()) {
    const { state } = admin;
    const status = state.members.get(admin.self)?.status;
    if (status !== 'joining') return { kind: 'grown' };
    if (state.planBasis !== basis) {
      basis = state.planBasis;
      quietSince = clock.now();
    }
    if (clock.now() - began > patienceMs) return leftToOperator(reason, parts);
    const isQuiet = clock.now() - quietSince >= gatherMs;
    const next = await attempt(parts, state, isQuiet);
    if (next.kind === 'old') return leftToOperator(next.reason, parts);
    if (next.kind === 'wait') reason = next.reason;
    await sleep(lookAgainMs * (0.5 + environment.random.fraction()), environment);
  }
  return { kind: 'stopped' };
}

type Attempt =
  | { readonly kind: 'done' }
  | { readonly kind: 'wait'; readonly reason: string }
  /** The cluster is not young. */
  | { readonly kind: 'old'; readonly reason: string };

async function attempt({ admin }: GrowParts, state: ClusterState, isQuiet: boolean): Promise<Attempt> {
  try {
    await admin.stageOwnJoin();
    if (state.staged.some(({ kind }) => kind !== 'join')) {
      return { kind: 'old', reason: 'other changes than joins are staged' };
    }
    if (!isQuiet) return { kind: 'wait', reason: 'others are joining' };
    const reports = await admin.reports.gather({ sizes: true });
    for (const [node, { partitionBytes }] of reports) {
      const bytes = [...partitionBytes.values()].reduce((sum, each) => sum + each, 0);
      if (bytes > youngBytesMax) return { kind: 'old', reason: `${node} holds data already` };
    }
    const silent = [...admin.state.members.keys()].find((node) => !reports.has(node));
    if (silent !== undefined) return { kind: 'wait', reason: `${silent} does not answer` };
    await admin.commit({ planOf: undefined, isForced: false });
    return { kind: 'done' };
  } catch (error) {
    if (!(error instanceof AdminFailure)) throw error;
    return { kind: 'wait', reason: [error.message, ...error.reasons].join(': ') };
  }
}

function leftToOperator(reason: string, { environment }: GrowParts): GrowOutcome {
  environment.log.warn(
    'the join is staged and waits for an operator: see hale cluster plan, hale cluster commit',
    { reason },
  );
  return { kind: 'left-to-operator', reason };
}

function sleep(ms: number, { timers }: Pick<Environment, 'timers'>): Promise<void> {
  return new Promise((resolve) => {
    timers.after(ms, resolve);
  });
}
