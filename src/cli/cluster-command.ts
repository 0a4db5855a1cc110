/** `hale cluster …`: what is shown, and what is changed. Each asks the node at `--at`. */
import type { MemberView, OverviewView, PlanView, RingView, TransfersView } from '../server/index.ts';
import { adminGet, adminPost } from './admin-request.ts';
import {
  membersLine,
  membersText,
  overviewLine,
  overviewText,
  ringLine,
  ringText,
  transfersLine,
  transfersText,
} from './cluster-text.ts';
import { planText } from './plan-text.ts';
import { bytesText, countText, spanText } from './quantity-text.ts';
import type { Terminal } from './terminal.ts';
import { isAtRest, waitForCluster } from './wait-for-cluster.ts';
import { type ShowOptions, show } from './watch.ts';

export interface ChangeOptions {
  readonly at: string;
  readonly json: boolean;
  /** Undefined: do not wait. */
  readonly waitMs: number | undefined;
}

export type At = { readonly at: string };

export function showOverview(terminal: Terminal, options: ShowOptions & At): Promise<void> {
  const fetch = () => adminGet<OverviewView>(options.at, 'cluster');
  return show(terminal, { fetch, text: overviewText, line: overviewLine }, options);
}

export function showMembers(terminal: Terminal, options: ShowOptions & At): Promise<void> {
  const fetch = () =>
    adminGet<{ epoch: number; members: readonly MemberView[] }>(options.at, 'cluster/members');
  return show(
    terminal,
    {
      fetch,
      text: ({ members }) =>
        membersText(
          members,
          members.reduce((sum, { partitions }) => sum + partitions, 0),
        ),
      line: ({ members }) => membersLine(members),
    },
    options,
  );
}

export function showRing(terminal: Terminal, options: ShowOptions & At): Promise<void> {
  const fetch = () => adminGet<RingView>(options.at, 'cluster/ring');
  return show(terminal, { fetch, text: ringText, line: ringLine }, options);
}

export function showTransfers(terminal: Terminal, options: ShowOptions & At): Promise<void> {
  let movesTotal = 0;
  const fetch = async () => {
    const view = await adminGet<TransfersView>(options.at, 'cluster/transfers');
    movesTotal = view.moves.length === 0 ? 0 : Math.max(movesTotal, view.moves.length);
    return view;
  };
  const text = (view: TransfersView) => transfersText(view, movesTotal);
  return show(terminal, { fetch, text, line: transfersLine }, options);
}

export async function showPlan(terminal: Terminal, { at, json }: At & { json: boolean }): Promise<void> {
  const plan = await adminGet<PlanView>(at, 'cluster/plan');
  terminal.out(json ? `${JSON.stringify(plan, undefined, 2)}\n` : planText(plan));
}

interface CommitAnswer {
  readonly epoch: number;
  readonly moves: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly forced: readonly string[];
}

export async function commitPlan(
  terminal: Terminal,
  options: ChangeOptions & { readonly plan: string | undefined; readonly force: boolean },
): Promise<void> {
  const { at, plan, force } = options;
  const answer = await adminPost<CommitAnswer>(at, 'cluster/commit', {
    force,
    ...(plan === undefined ? {} : { plan }),
  });
  for (const problem of answer.forced) terminal.error(`hale: forced: ${problem}\n`);
  const size = answer.bytes === 0 ? '' : `, ${bytesText(answer.bytes)}, about ${spanText(answer.seconds)}`;
  await finish(
    terminal,
    options,
    answer,
    `committed: ${countText(answer.moves, 'partition')} to move${size}`,
    {
      unless: 'partitions still move, or somebody has not left yet',
      isDone: (view) => view.epoch >= answer.epoch && isAtRest(view),
    },
  );
}

export async function joinCluster(terminal: Terminal, seed: string, options: ChangeOptions): Promise<void> {
  const { node } = await adminGet<OverviewView>(options.at, 'cluster');
  const answer = await adminPost<{ clusterId: string; epoch: number }>(options.at, 'cluster/join', { seed });
  const done = `joined cluster ${answer.clusterId}; it owns nothing until a plan is committed`;
  await finish(terminal, options, answer, done, {
    unless: 'its join has not been committed, or partitions still move',
    isDone: (view) => statusOf(view, node) === 'valid' && isAtRest(view),
  });
}

export async function leaveCluster(
  terminal: Terminal,
  node: string | undefined,
  options: ChangeOptions,
): Promise<void> {
  const { at } = options;
  const named = node ?? (await adminGet<OverviewView>(at, 'cluster')).node;
  const answer = await adminPost<object>(at, 'cluster/leave', { node: named });
  const isDone = (view: OverviewView) => view.role === 'removed' || statusOf(view, named) === undefined;
  await finish(terminal, options, answer, `staged: leave ${named}`, {
    unless: `${named} has not left yet`,
    isDone,
    mayGo: (last) =>
      last.node === named && ['leaving', 'exiting'].includes(statusOf(last, named) ?? 'exiting'),
  });
}

function statusOf({ members }: OverviewView, name: string): string | undefined {
  return members.find(({ node }) => node === name)?.status;
}

/** Any other change: said in one request, done when it is answered. */
export async function changeCluster(
  terminal: Terminal,
  path: string,
  body: object,
  done: string,
  options: Omit<ChangeOptions, 'waitMs'>,
): Promise<void> {
  const answer = await adminPost<object>(options.at, `cluster/${path}`, body);
  await finish(terminal, { ...options, waitMs: undefined }, answer, done);
}

type Effect = Omit<Parameters<typeof waitForCluster>[1], 'at' | 'timeoutMs'>;

async function finish(
  terminal: Terminal,
  { at, json, waitMs }: ChangeOptions,
  answer: object,
  done: string,
  effect?: Effect,
): Promise<void> {
  terminal.out(json ? `${JSON.stringify(answer)}\n` : `${done}\n`);
  if (waitMs === undefined || effect === undefined) return;
  await waitForCluster(terminal, { at, timeoutMs: waitMs, ...effect });
  if (!json) terminal.out('done\n');
}
