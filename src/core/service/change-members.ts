/** One change of membership from an operator's word to the begin of its moves, for programs that operate themselves. */
import type { Environment, Instant } from '../../environment/index.ts';
import { unreachable } from '../../stdx/index.ts';
import type { ClusterLog } from '../cluster/index.ts';
import {
  type ClusterCommand,
  type ClusterState,
  type CommandRefusal,
  commitPlanned,
  planChanges,
  type StagedChange,
} from '../topology/index.ts';

export type ChangeOutcome =
  /** Agreed; partitions may still move. */
  | { readonly kind: 'done' }
  | { readonly kind: 'refused'; readonly refusal: CommandRefusal }
  /** Not within the time; it may still happen. */
  | { readonly kind: 'unavailable'; readonly reason: string };

type MembershipChange = Exclude<StagedChange, { kind: 'location' }>;

/** How soon after a change of others was in the way it is tried again. */
const againMs = 50;
const proposalMsMax = 5000;
/** Others change the cluster as well: these say only that they were first. */
const raced: ReadonlySet<CommandRefusal['code']> = new Set([
  'conflict',
  'moves_pending',
  'nothing_planned',
  'plan_outdated',
]);

/**
 * Stages the change and commits what is staged, of whomever; waits for moves that are under way. It looks neither at the
 * cluster's health nor at what the plan costs: `planChanges` and `refusalsToCommit` are for who wants to.
 */
export async function changeMembers(
  log: ClusterLog,
  change: MembershipChange,
  environment: Pick<Environment, 'clock' | 'timers'>,
  timeoutMs: number,
): Promise<ChangeOutcome> {
  const { clock, timers } = environment;
  const end = (clock.now() + timeoutMs) as Instant;
  let reason = 'partitions still move';
  while (!isDone(log.state, change)) {
    const left = end - clock.now();
    if (left <= 0) return { kind: 'unavailable', reason };
    const command = nextCommand(log.state, change);
    if (command !== undefined) {
      const outcome = await log.propose(command, Math.min(left, proposalMsMax));
      if (outcome.kind === 'applied') continue;
      if (outcome.kind === 'refused') {
        // What was in the way may have been this very change, said by somebody else.
        if (isDone(log.state, change)) break;
        if (!raced.has(outcome.refusal.code)) return outcome;
      }
      reason = outcome.kind === 'refused' ? outcome.refusal.reason : outcome.reason;
    }
    await new Promise<void>((resolve) => {
      timers.after(againMs, resolve);
    });
  }
  return { kind: 'done' };
}

/** Undefined: nothing can be done now. */
function nextCommand(state: ClusterState, change: MembershipChange): ClusterCommand | undefined {
  if (state.moves.size > 0) return undefined;
  const isStaged = state.staged.some(({ kind, node }) => kind === change.kind && node === change.node);
  if (!isStaged) return { kind: 'stage', change };
  const outcome = planChanges(state, { bytesOf: new Map(), bytesPerSecond: 1, replicas: state.targetN });
  return outcome.kind === 'planned' ? commitPlanned(outcome.plan, false) : undefined;
}

function isDone({ members }: ClusterState, change: MembershipChange): boolean {
  const status = members.get(change.node)?.status;
  const isGoing = status === undefined || status === 'leaving' || status === 'exiting';
  switch (change.kind) {
    case 'join':
      return status === 'valid';
    case 'leave':
      return isGoing;
    case 'remove':
      return status === undefined;
    case 'replace':
      return isGoing && members.get(change.by)?.status === 'valid';
    case 'force-replace':
      return status === undefined && members.get(change.by)?.status === 'valid';
    default:
      return unreachable(change);
  }
}
