/**
 * Whether a node takes in what another wants to hand to it, by the state it knows (R20, R23, C9). Judged when a
 * transfer opens and again whenever the state changes.
 */
import type { NodeId } from '../../environment/index.ts';
import { unreachable } from '../../stdx/index.ts';
import type { Partition } from '../ring/index.ts';
import type { ClusterState } from '../topology/index.ts';
import { keeperOf } from './partition-role.ts';
import type { OpenTransfer, TransferRefusalCode, WantTransfer } from './transfer-message.ts';

export interface TransferRefusal {
  readonly code: TransferRefusalCode;
  readonly reason: string;
}

/** Undefined: it is welcome. */
export function refusalOf(
  state: ClusterState,
  self: NodeId,
  from: NodeId,
  open: OpenTransfer,
): TransferRefusal | undefined {
  return strangerRefusal(state, self, from, open) ?? placeRefusal(state, self, from, open);
}

function strangerRefusal(
  state: ClusterState,
  self: NodeId,
  from: NodeId,
  open: OpenTransfer,
): TransferRefusal | undefined {
  const stranger = (reason: string): TransferRefusal => ({ code: 'stranger', reason });
  if (open.clusterId !== state.clusterId) return stranger('of another cluster');
  if (from === self) return stranger('a node hands nothing to itself');
  if (open.to !== self) return stranger(`meant for ${open.to}, and this is ${self}`);
  if (open.toInstance !== state.members.get(self)?.instance) return stranger('meant for another instance');
  if (isBehind(state, open)) return undefined;
  if (open.fromInstance !== state.members.get(from)?.instance) return stranger(`${from} is no member`);
  return undefined;
}

function placeRefusal(
  state: ClusterState,
  self: NodeId,
  from: NodeId,
  open: OpenTransfer,
): TransferRefusal | undefined {
  const { partition, source, since } = open;
  if (partition >= state.owners.length || source >= state.owners.length) {
    return { code: 'misplaced', reason: 'there is no such partition' };
  }
  if (isExpected(state, self, from, open)) return undefined;
  // What the sender knows and we do not may explain it.
  if (isBehind(state, open)) return { code: 'behind', reason: 'this node does not know that epoch yet' };
  return {
    code: 'misplaced',
    reason: `no ${open.purpose} of partition ${partition} (from ${source}, since epoch ${since}) is expected here`,
  };
}

function isExpected(state: ClusterState, self: NodeId, from: NodeId, open: OpenTransfer): boolean {
  const { partition, source, since, purpose } = open;
  const move = state.moves.get(partition);
  const isOfMove = move?.to === self && move.stage === 'copying' && move.since === since;
  switch (purpose) {
    case 'move':
      return isOfMove && move.from === from && source === partition;
    case 'rebuild':
      return isOfMove && move.from === undefined && state.owners[source] === from;
    case 'stray':
      return (
        keeperOf(state, partition) === self && source === partition && !isIncoming(state, from, partition)
      );
    default:
      return unreachable(purpose);
  }
}

/**
 * The partition is being copied to that node, whether it knows of it yet or not. What was forwarded to it must stay there
 * (G1): the copy may come without it, and who has handed stray data over forgets it.
 */
function isIncoming({ moves }: ClusterState, node: NodeId, partition: Partition): boolean {
  const move = moves.get(partition);
  return move?.to === node && move.stage === 'copying';
}

/** Whoever said this knows a later state. */
export function isBehind(
  state: ClusterState,
  said: Pick<OpenTransfer | WantTransfer, 'generation' | 'epoch'>,
): boolean {
  if (said.generation !== state.generation) return said.generation > state.generation;
  return said.epoch > state.epoch;
}
