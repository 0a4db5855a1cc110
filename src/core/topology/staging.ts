/**
 * Changes of membership that operators have said and not yet committed. Each is checked when it is staged, among those
 * staged before it, and all are checked again when they are committed.
 */
import { Buffer } from 'node:buffer';
import type { NodeId } from '../../environment/index.ts';
import { unreachable } from '../../stdx/index.ts';
import type { ClusterState, CommandRefusal, Member, StagedChange } from './cluster-state.ts';
import { changed, type Folded, refused, reshaped } from './folded.ts';
import { mayBecome, type StatusCause } from './member-status.ts';
import { changeStatus } from './membership.ts';
import { memberTextBytesMax, removedInstancesMax, stagedChangesMax } from './topology-limits.ts';

export function stageChange(state: ClusterState, change: StagedChange): Folded {
  const kept = state.staged.filter((earlier) => !isOverriddenBy(earlier, change));
  if (kept.length >= stagedChangesMax) {
    return refused(state, 'too_large', `at most ${stagedChangesMax} changes are staged at once`);
  }
  const staged = [...kept, change];
  const refusal = refusalOfChanges(state.members, staged);
  return refusal === undefined ? reshaped(state, { staged }) : { state, refusal };
}

export function clearStaged(state: ClusterState): Folded {
  return state.staged.length === 0 ? changed(state, {}) : reshaped(state, { staged: [] });
}

/** Why what is staged can no more be committed as it stands: members have changed since. */
export function refusalOfStaged({ members, staged }: ClusterState): CommandRefusal | undefined {
  return refusalOfChanges(members, staged);
}

/** The members as a commit of `staged` leaves them; who has then nothing left is still `leaving`. */
export function membersAfter(
  members: ReadonlyMap<NodeId, Member>,
  staged: readonly StagedChange[],
): ReadonlyMap<NodeId, Member> {
  if (staged.length === 0) return members;
  const next = new Map(members);
  for (const change of staged) {
    if (change.kind === 'location') {
      const member = next.get(change.node);
      if (member !== undefined) next.set(change.node, { ...member, location: change.location });
    } else for (const { node, cause } of statusChanges(change)) changeStatus(next, node, cause);
  }
  return next;
}

/**
 * The instances that may never come back. Who was removed while it was joining owned nothing; and who left in
 * order has handed over all it had.
 */
export function removedAfter({ removed, members, staged }: ClusterState): readonly string[] {
  const added = staged
    .flatMap((change) => (change.kind === 'location' ? [] : statusChanges(change)))
    .filter(({ node, cause }) => cause === 'removed' && members.get(node)?.status !== 'joining')
    .map(({ node }) => members.get(node)!.instance);
  return [...removed, ...added].slice(-removedInstancesMax);
}

type MembershipChange = Exclude<StagedChange, { kind: 'location' }>;

function statusChanges(change: MembershipChange): readonly { node: NodeId; cause: StatusCause }[] {
  const { kind, node } = change;
  switch (kind) {
    case 'join':
      return [{ node, cause: 'join-committed' }];
    case 'leave':
      return [{ node, cause: 'leave-committed' }];
    case 'remove':
      return [{ node, cause: 'removed' }];
    case 'replace':
      return [
        { node, cause: 'leave-committed' },
        { node: change.by, cause: 'join-committed' },
      ];
    case 'force-replace':
      return [
        { node, cause: 'removed' },
        { node: change.by, cause: 'join-committed' },
      ];
    default:
      return unreachable(kind);
  }
}

/** A newcomer's join makes way for the word that it replaces somebody; a later location for an earlier one. */
function isOverriddenBy(earlier: StagedChange, change: StagedChange): boolean {
  if (change.kind === 'location') return earlier.kind === 'location' && earlier.node === change.node;
  const isReplacement = change.kind === 'replace' || change.kind === 'force-replace';
  return isReplacement && earlier.kind === 'join' && earlier.node === change.by;
}

/** A node has one change of status in a plan; so each is judged by the status that the node has now. */
function refusalOfChanges(
  members: ReadonlyMap<NodeId, Member>,
  changes: readonly StagedChange[],
): CommandRefusal | undefined {
  const concerned = new Set<NodeId>();
  for (const change of changes) {
    if (change.kind === 'location') {
      const refusal = refusalOfLocation(members, change.node, change.location);
      if (refusal !== undefined) return refusal;
      continue;
    }
    for (const { node, cause } of statusChanges(change)) {
      const member = members.get(node);
      if (member === undefined) return { code: 'unknown_member', reason: `${node} is no member` };
      if (concerned.has(node)) {
        return { code: 'conflict', reason: `a change of ${node} is staged already` };
      }
      concerned.add(node);
      if (!mayBecome(member.status, cause)) {
        return {
          code: 'wrong_status',
          reason: `${node} is ${member.status}: ${change.kind} is not possible`,
        };
      }
    }
  }
  for (const { status } of membersAfter(members, changes).values()) if (status === 'valid') return undefined;
  return { code: 'last_member', reason: 'nobody would be left to own the ring' };
}

function refusalOfLocation(
  members: ReadonlyMap<NodeId, Member>,
  node: NodeId,
  location: string | undefined,
): CommandRefusal | undefined {
  if (!members.has(node)) return { code: 'unknown_member', reason: `${node} is no member` };
  if (Buffer.byteLength(location ?? '', 'utf8') > memberTextBytesMax) {
    return { code: 'too_large', reason: `a location has at most ${memberTextBytesMax} bytes` };
  }
  return undefined;
}
