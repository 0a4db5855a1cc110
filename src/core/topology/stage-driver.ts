/**
 * What the leader of the cluster log proposes now, so that moves go forward.
 *
 * Asked again whenever something has changed; it remembers nothing, so two that both think they lead do no harm:
 * a command that comes second finds its moves in a later stage and is refused.
 */
import type { NodeId } from '../../environment/index.ts';
import type { Partition } from '../ring/index.ts';
import type { ClusterCommand, ClusterState, Move } from './cluster-state.ts';
import { isStaged } from './membership.ts';
import { type StageGoal, stageGoals } from './move-stage.ts';
import { movesInOrder } from './moves.ts';

export interface StageFacts {
  /** The epoch that each node has said it follows, in this generation. The leader's own is among them. */
  readonly acked: ReadonlyMap<NodeId, number>;
  /** As the leader's liveness sees them; the leader is among them. */
  readonly reachable: ReadonlySet<NodeId>;
  /** Members that said they hold no stray data. */
  readonly withoutStrays: ReadonlySet<NodeId>;
  readonly voters: ReadonlySet<NodeId>;
  /** Members that have been away for long and have never said that they follow the log. Absent: none. */
  readonly neverCame?: ReadonlySet<NodeId>;
  /**
   * By partition, the `since` of the move's stage when it was reported: what was said of an earlier move, or of a
   * copying that has begun anew, does not count. `verified`: by the old owner, or of a rebuild by the new one.
   */
  readonly verified: ReadonlyMap<Partition, number>;
  /** By the old owner. */
  readonly dropped: ReadonlyMap<Partition, number>;
  /** Partitions that one node sends, and that one node receives, at once. */
  readonly transferLimit: number;
}

export function nextStages(state: ClusterState, facts: StageFacts): ClusterCommand[] {
  const followed = leastAcked(state, facts);
  const slots = new TransferSlots(state, facts);
  const ready = new Map<StageGoal, Partition[]>(stageGoals.map((goal) => [goal, []]));
  for (const move of movesInOrder(state.moves)) {
    if (move.since > followed) continue;
    const goal = nextGoal(move, facts, slots);
    if (goal !== undefined) ready.get(goal)!.push(move.partition);
  }
  const commands: ClusterCommand[] = [];
  for (const [to, partitions] of ready) {
    if (partitions.length > 0) commands.push({ kind: 'advance', partitions, to, asOf: state.epoch });
  }
  for (const { node, status } of state.members.values()) {
    const isDone = status === 'exiting' && mayBeExpelled(node, state, followed, facts);
    const isGhost = status === 'joining' && isForgotten(node, state, facts);
    if (isDone || isGhost) commands.push({ kind: 'expel', node });
  }
  return commands;
}

/** C5: the epoch that every member has reached who can be reached. */
function leastAcked({ members, epoch }: ClusterState, { acked, reachable }: StageFacts): number {
  let least = epoch;
  for (const node of members.keys()) {
    if (reachable.has(node)) least = Math.min(least, acked.get(node) ?? 0);
  }
  return least;
}

function nextGoal(move: Move, facts: StageFacts, slots: TransferSlots): StageGoal | undefined {
  const { partition, from, to, stage, since } = move;
  switch (stage) {
    case 'planned':
      return canTalk(move, facts) && slots.take(move) ? 'copying' : undefined;
    case 'copying':
      // Not to who has died meanwhile: the old owner may still answer.
      return facts.verified.get(partition) === since && facts.reachable.has(to) ? 'switched' : undefined;
    case 'switched':
      return 'released';
    case 'released':
      return from === undefined || facts.dropped.get(partition) === since ? 'done' : undefined;
  }
}

function canTalk({ from, to }: Move, { reachable }: StageFacts): boolean {
  return reachable.has(to) && (from === undefined || reachable.has(from));
}

/**
 * Who is exiting has handed over its partitions; what it holds as a fallback must go too, which it says itself. One that
 * cannot be reached may still have such data and come back: only an operator removes it.
 */
function mayBeExpelled(node: NodeId, state: ClusterState, followed: number, facts: StageFacts): boolean {
  if (facts.voters.has(node) || state.planBasis > followed) return false;
  return facts.reachable.has(node) && facts.withoutStrays.has(node);
}

/**
 * It was admitted and died before it had the state, and nobody has staged it: a name that keeps the cluster from being at
 * rest. If it comes after all it asks again, and is admitted anew.
 */
function isForgotten(node: NodeId, state: ClusterState, { neverCame }: StageFacts): boolean {
  return neverCame?.has(node) === true && !isStaged(state, node);
}

class TransferSlots {
  readonly #limit: number;
  readonly #sending = new Map<NodeId, number>();
  readonly #receiving = new Map<NodeId, number>();

  /** A copy that waits for a dead node takes the place of no other: it may wait until an operator acts. */
  constructor({ moves }: ClusterState, facts: StageFacts) {
    this.#limit = facts.transferLimit;
    for (const move of moves.values()) {
      if (move.stage === 'copying' && canTalk(move, facts)) this.#occupy(move);
    }
  }

  take(move: Move): boolean {
    const { from, to } = move;
    if (from !== undefined && (this.#sending.get(from) ?? 0) >= this.#limit) return false;
    if ((this.#receiving.get(to) ?? 0) >= this.#limit) return false;
    this.#occupy(move);
    return true;
  }

  #occupy({ from, to }: Move): void {
    if (from !== undefined) this.#sending.set(from, (this.#sending.get(from) ?? 0) + 1);
    this.#receiving.set(to, (this.#receiving.get(to) ?? 0) + 1);
  }
}
