/** Who is a member, and what it says of itself. */
import { Buffer } from 'node:buffer';
import type { NodeId } from '../../environment/index.ts';
import type { ClusterState, Member } from './cluster-state.ts';
import { changed, type Folded, refused, reshaped } from './folded.ts';
import { mayBecome, type StatusCause, statusAfter } from './member-status.ts';
import { capabilitiesMax, membersMax, memberTextBytesMax } from './topology-limits.ts';

export function admitMember(state: ClusterState, member: Member): Folded {
  const { node, instance } = member;
  const known = state.members.get(node);
  if (known?.instance === instance) return announceMember(state, member);
  if (known !== undefined) {
    return refused(state, 'name_taken', `${node} is a member already, with another data directory`);
  }
  if (state.removed.includes(instance)) {
    return refused(state, 'removed', `${node} was removed for good: its data must not come back`);
  }
  for (const other of state.members.values()) {
    if (other.instance === instance) {
      return refused(state, 'conflict', `${node} has the data directory of ${other.node}`);
    }
  }
  if (state.owners.includes(node)) {
    return refused(state, 'name_taken', `what a removed ${node} owned is still being rebuilt`);
  }
  const excess = memberExcess(member);
  if (excess !== undefined) return refused(state, 'too_large', excess);
  if (state.members.size >= membersMax) {
    return refused(state, 'too_large', `a cluster has at most ${membersMax} members`);
  }
  return reshaped(state, { members: withMember(state.members, { ...member, status: 'joining' }) });
}

/** Location and status are the operators' to say. */
export function announceMember(state: ClusterState, member: Member): Folded {
  const { node, instance, address, capabilities, http, protobuf } = member;
  const known = state.members.get(node);
  if (known === undefined) return refused(state, 'unknown_member', `${node} is no member`);
  if (known.instance !== instance) {
    return refused(state, 'name_taken', `the member ${node} has another data directory`);
  }
  const excess = memberExcess(member);
  if (excess !== undefined) return refused(state, 'too_large', excess);
  const next: Member = { ...known, address, capabilities, http, protobuf };
  return changed(state, { members: withMember(state.members, next) });
}

export function markMember(state: ClusterState, node: NodeId, status: 'down' | 'valid'): Folded {
  const member = state.members.get(node);
  if (member === undefined) return refused(state, 'unknown_member', `${node} is no member`);
  const cause: StatusCause = status === 'down' ? 'marked-down' : 'marked-valid';
  if (!mayBecome(member.status, cause)) {
    return refused(state, 'wrong_status', `${node} is ${member.status}, and cannot be marked ${status}`);
  }
  return reshaped(state, { members: withStatus(state.members, node, cause) });
}

export function expelMember(state: ClusterState, node: NodeId): Folded {
  const member = state.members.get(node);
  if (member === undefined) return refused(state, 'unknown_member', `${node} is no member`);
  const isWanted = member.status === 'joining' && isStaged(state, node);
  if (isWanted || !mayBecome(member.status, 'expelled')) {
    return refused(
      state,
      'wrong_status',
      `${node} is ${member.status}: only who is exiting or joining is expelled`,
    );
  }
  return reshaped(state, {
    members: withStatus(state.members, node, 'expelled'),
    staged: state.staged.filter((change) => change.node !== node),
  });
}

/** Somebody means it to join, or to take the place of another. */
export function isStaged({ staged }: ClusterState, node: NodeId): boolean {
  return staged.some((change) => change.node === node || ('by' in change && change.by === node));
}

/** Who was leaving and has nothing left is exiting. For the end of every command that ends or changes moves. */
export function withEmptiedExiting(
  members: ReadonlyMap<NodeId, Member>,
  owners: readonly NodeId[],
  moves: ClusterState['moves'],
): ReadonlyMap<NodeId, Member> {
  const leaving = [...members.values()].filter(({ status }) => status === 'leaving');
  if (leaving.length === 0) return members;
  let next = members;
  for (const { node } of leaving) {
    if (owners.includes(node) || isConcerned(node, moves)) continue;
    next = withStatus(next, node, 'emptied');
  }
  return next;
}

function isConcerned(node: NodeId, moves: ClusterState['moves']): boolean {
  for (const { from, to } of moves.values()) if (from === node || to === node) return true;
  return false;
}

function withMember(members: ReadonlyMap<NodeId, Member>, member: Member): Map<NodeId, Member> {
  return new Map(members).set(member.node, member);
}

export function withStatus(
  members: ReadonlyMap<NodeId, Member>,
  node: NodeId,
  cause: StatusCause,
): Map<NodeId, Member> {
  const next = new Map(members);
  changeStatus(next, node, cause);
  return next;
}

/** In place. The caller has checked that the transition is allowed. */
export function changeStatus(members: Map<NodeId, Member>, node: NodeId, cause: StatusCause): void {
  const member = members.get(node)!;
  const status = statusAfter(member.status, cause);
  if (status === undefined) members.delete(node);
  else members.set(node, { ...member, status });
}

function memberExcess(member: Member): string | undefined {
  const { node, instance, address, location, capabilities, http, protobuf } = member;
  if (node.length === 0 || instance.length === 0) return 'a member has a name and an instance';
  const texts = [node, instance, location ?? '', ...capabilities.keys()];
  for (const each of [address, http, protobuf]) texts.push(each?.host ?? '');
  const isLong = texts.some((text) => Buffer.byteLength(text, 'utf8') > memberTextBytesMax);
  if (isLong) return `names of a member have at most ${memberTextBytesMax} bytes`;
  if (capabilities.size > capabilitiesMax) return `a member has at most ${capabilitiesMax} capabilities`;
  return undefined;
}
