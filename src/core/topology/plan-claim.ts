/** The ring that staged changes lead to: what claim gives, fitted to what cannot move now. */
import type { NodeId } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import { claimOwners, type Partition, type RingNode, replaceOwner } from '../ring/index.ts';
import type { ClusterState, Member } from './cluster-state.ts';
import { pinnedOwner } from './commit.ts';
import { locationOf } from './member-location.ts';

/** Who shall own the ring. Who is down keeps its share: an operator's word that it comes back. */
export function owningNodes(members: ReadonlyMap<NodeId, Member>): readonly RingNode[] {
  return [...members.values()]
    .filter(({ status }) => status === 'valid' || status === 'down')
    .map((member) => ({ node: member.node, location: locationOf(member) }))
    .sort((a, b) => (a.node < b.node ? -1 : 1));
}

/** `members`: as the plan leaves them; at least one is valid. */
export function claimedOwners(state: ClusterState, members: ReadonlyMap<NodeId, Member>): readonly NodeId[] {
  const nodes = owningNodes(members);
  const owners = presentOwners(state, members);
  const reached = isReplacementOnly(state, nodes, owners)
    ? owners
    : claimOwners({ owners, nodes, targetN: state.targetN });
  return fitted(state, members, reached);
}

/** Then nothing else moves, though claim might find a better ring by now. */
function isReplacementOnly(
  { staged }: ClusterState,
  nodes: readonly RingNode[],
  owners: readonly NodeId[],
): boolean {
  if (staged.length === 0 || !staged.every((change) => 'by' in change)) return false;
  const able = new Set(nodes.map(({ node }) => node));
  return owners.every((owner) => able.has(owner));
}

/**
 * Where the data is, for claim to move as little as it can: a partition that is being copied or rebuilt
 * counts as the receiver's, one whose owner is replaced as the replacement's.
 */
function presentOwners(state: ClusterState, members: ReadonlyMap<NodeId, Member>): readonly NodeId[] {
  let owners: readonly NodeId[] = state.owners.map((owner, partition) => {
    const move = state.moves.get(partition as Partition);
    if (move === undefined || members.get(move.to)?.status !== 'valid') return owner;
    return move.stage === 'copying' || move.from === undefined ? move.to : owner;
  });
  for (const change of state.staged) {
    if ('by' in change) owners = replaceOwner(owners, change.node, change.by);
  }
  return owners;
}

/** Claim knows neither of partitions that must be released before they move on, nor that who is down gets nothing. */
function fitted(
  state: ClusterState,
  members: ReadonlyMap<NodeId, Member>,
  claimed: readonly NodeId[],
): readonly NodeId[] {
  const isValid = (node: NodeId) => members.get(node)?.status === 'valid';
  const loads = new Map<NodeId, number>();
  for (const { node } of owningNodes(members)) if (isValid(node)) loads.set(node, 0);
  for (const node of claimed) if (isValid(node)) loads.set(node, loads.get(node)! + 1);
  return claimed.map((node, partition) => {
    const pinned = pinnedOwner(state.moves.get(partition as Partition), members);
    if (pinned !== undefined) return pinned;
    const owner = state.owners[partition];
    if (isValid(node) || node === owner) return node;
    const instead = isValid(owner) ? owner : leastLoaded(loads);
    loads.set(instead, loads.get(instead)! + 1);
    return instead;
  });
}

function leastLoaded(loads: ReadonlyMap<NodeId, number>): NodeId {
  let least: NodeId | undefined;
  for (const [node, load] of loads) if (least === undefined || load < loads.get(least)!) least = node;
  assert(least !== undefined, 'somebody is valid');
  return least;
}
