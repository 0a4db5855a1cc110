/**
 * Going on after a majority of voters is lost for good: an operator's last resort (docs/internals/cluster.md).
 *
 * The survivor that is asked makes a new generation of the state, from the farthest that any survivor knows, in
 * a consensus group of which it is the only voter; the cluster then picks voters as always. Members of the old
 * generation follow, since a higher generation is beyond any epoch of a lower one. What only the lost ones had
 * agreed on is lost.
 *
 *   R1. Not while the old voters have a leader: two groups would agree on different things.
 *   R2. Two recoveries at once, at two survivors, make two different generations, so the later one prevails
 *       everywhere and no (generation, epoch) ever has two states (C1).
 */
import type { Environment, NodeId } from '../../environment/index.ts';
import { type ClusterState, recovered } from '../topology/index.ts';
import { groupOfOne } from './founding.ts';
import { isBeyond } from './proposal.ts';
import type { ReplicatedClusterLog } from './replicated-cluster-log.ts';

export type RecoverOutcome =
  | { readonly kind: 'recovered'; readonly generation: number; readonly epoch: number }
  /** Nothing has changed. */
  | { readonly kind: 'refused'; readonly reason: string };

const answerMsMax = 3000;
const catchUpMsMax = 10_000;
const lookMs = 50;
/** Generations between one and the next: two survivors that recover at once rarely draw the same. */
const generationStepMax = 2 ** 16;

export async function recoverCluster(
  log: ReplicatedClusterLog,
  survivors: ReadonlySet<NodeId>,
  environment: Pick<Environment, 'timers' | 'random' | 'log'>,
): Promise<RecoverOutcome> {
  const refusal = whyNot(log, survivors) ?? (await gatherFarthest(log, survivors, environment));
  // Something may have changed while others were asked.
  const stillWhyNot = refusal ?? whyNot(log, survivors);
  if (stillWhyNot !== undefined) return { kind: 'refused', reason: stillWhyNot };
  const before = log.state;
  const next = recovered(before, survivors);
  const generation = next.generation + (environment.random.u32() % generationStepMax);
  const state: ClusterState = { ...next, generation };
  environment.log.error('recovering the cluster log without a majority of its voters', {
    survivors: [...survivors].sort().join(' '),
    generationBefore: before.generation,
    epochBefore: before.epoch,
    generation,
    epoch: state.epoch,
  });
  const group = groupOfOne(state, log.self, environment.random);
  const identity = { kind: 'identity', identity: log.identity } as const;
  const failure = await log.rebase([identity, { kind: 'state', state }, ...group], state);
  if (failure !== undefined) return { kind: 'refused', reason: failure };
  return { kind: 'recovered', generation, epoch: state.epoch };
}

function whyNot(log: ReplicatedClusterLog, survivors: ReadonlySet<NodeId>): string | undefined {
  if (log.isRemoved) return 'the cluster has removed this node';
  if (!survivors.has(log.self)) return `${log.self} itself must be among the survivors`;
  for (const node of survivors) {
    if (!log.state.members.has(node)) return `${node} is no member`;
  }
  if (log.state.members.get(log.self)!.status !== 'valid') return `${log.self} is not a valid member`;
  if (log.isLed) return 'the voters have a leader: the cluster can still agree on changes';
  return undefined;
}

/** Brings this node to the farthest place that any survivor knows. Says why that cannot be. */
async function gatherFarthest(
  log: ReplicatedClusterLog,
  survivors: ReadonlySet<NodeId>,
  { timers }: Pick<Environment, 'timers'>,
): Promise<string | undefined> {
  const others = [...survivors].filter((node) => node !== log.self).sort();
  const surveys = await Promise.all(others.map((node) => log.surveys.ask(node, answerMsMax)));
  for (const [i, node] of others.entries()) {
    const survey = surveys[i];
    if (survey === undefined) return `${node} does not answer: it may know more; name only those that do`;
    if (survey.isLed) return `${node} says that the voters have a leader`;
    log.sawEpoch(survey.at.generation, survey.at.epoch, node);
  }
  const isBehind = (): boolean => surveys.some((survey) => survey && isBeyond(survey.at, log.state));
  for (let waitedMs = 0; isBehind(); waitedMs += lookMs) {
    if (waitedMs > catchUpMsMax) return 'a survivor knows more, and could not be followed in time';
    await new Promise<void>((resolve) => {
      timers.after(lookMs, resolve);
    });
  }
  return undefined;
}
