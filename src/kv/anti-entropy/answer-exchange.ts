/** Answers the questions of other replicas from this node's trees and objects. */
import type { Partition } from '../../core/ring/index.ts';
import type { Topology } from '../../core/topology/index.ts';
import type { Environment, NodeId } from '../../environment/index.ts';
import { branchesOf } from '../../merkle/index.ts';
import { unreachable } from '../../stdx/index.ts';
import { StorageError } from '../../storage/index.ts';
import type { ExchangeReply, ExchangeRequest, Fence, Refusal, ReplicaPair } from './exchange-message.ts';
import type { Placements } from './placements.ts';
import type { SegmentListings } from './segment-listing.ts';
import type { TreeKeeper } from './tree-keeper.ts';

/** Listings at once for others; one more is `busy`. */
const listingsMax = 4;

export interface AnswerParts {
  readonly environment: Pick<Environment, 'tasks' | 'log'>;
  readonly topology: Topology;
  readonly placements: Placements;
  readonly keeper: TreeKeeper;
  readonly listings: SegmentListings;
  /** Compares the partition's trees with its objects, soon. */
  readonly verify: (partition: Partition) => void;
}

export class ExchangeAnswers {
  readonly #parts: AnswerParts;
  #listing = 0;

  constructor(parts: AnswerParts) {
    this.#parts = parts;
  }

  /** Calls `answer` once, at once or later. */
  answer(from: NodeId, request: ExchangeRequest, answer: (reply: ExchangeReply) => void): void {
    const { topology, placements, keeper } = this.#parts;
    const { pair, fence, question } = request;
    const refusal = refusalOf(topology, placements, pair, from, topology.self, fence);
    if (refusal !== undefined) {
      answer({ kind: 'refused', refusal });
      return;
    }
    const tree = keeper.treeOf(pair.far, pair.first, pair.nVal);
    if (tree === undefined) {
      answer({ kind: 'refused', refusal: 'building' });
      return;
    }
    switch (question.kind) {
      case 'top': {
        const { high, low } = tree.root;
        const isSame = high === question.root.high && low === question.root.low;
        answer(isSame ? { kind: 'same' } : { kind: 'top', hashes: tree.top });
        return;
      }
      case 'leaves':
        answer({
          kind: 'leaves',
          levels: branchesOf(question.branches).map((branch) => tree.leavesOf(branch)),
        });
        return;
      case 'verify':
        this.#parts.verify(pair.far);
        answer({ kind: 'same' });
        return;
      case 'list':
        this.#list(pair, question, answer);
        return;
      default:
        unreachable(question);
    }
  }

  #list(
    { far, first, nVal }: ReplicaPair,
    { segments, after }: Extract<ExchangeRequest['question'], { kind: 'list' }>,
    answer: (reply: ExchangeReply) => void,
  ): void {
    if (this.#listing >= listingsMax) {
      answer({ kind: 'refused', refusal: 'busy' });
      return;
    }
    this.#listing += 1;
    this.#parts.environment.tasks.spawn('anti-entropy-listing', async () => {
      try {
        const slice = await this.#parts.listings.slice({ partition: far, first, nVal }, segments, after);
        answer({ kind: 'list', slice });
      } catch (error) {
        if (!(error instanceof StorageError)) throw error;
        this.#parts.environment.log.warn('a partition could not be listed for anti-entropy', {
          partition: far,
          reason: error.message,
        });
        answer({ kind: 'refused', refusal: 'storage' });
      } finally {
        this.#listing -= 1;
      }
    });
  }
}

/** What this node knows that trees must agree on to be compared. */
export function presentFence(topology: Topology, placements: Placements): Fence {
  return { ringEpoch: topology.ring.epoch, placements: hashOfText(placements.revision) };
}

/**
 * Why the two replicas cannot be compared now, as this node sees it; undefined if they can. Only primaries of partitions
 * that do not move are: what else holds objects is about to hand them on.
 */
export function refusalOf(
  topology: Topology,
  placements: Placements,
  { first, nVal, near, far }: ReplicaPair,
  nearNode: NodeId,
  farNode: NodeId,
  fence: Fence,
): Refusal | undefined {
  const { ring } = topology;
  const present = presentFence(topology, placements);
  if (fence.ringEpoch !== present.ringEpoch || fence.placements !== present.placements) return 'epoch';
  if (Math.max(first, near, far) >= ring.size) return 'epoch';
  const isMember = (partition: number) => ((partition - first) & (ring.size - 1)) < Math.min(nVal, ring.size);
  if (!isMember(near) || !isMember(far)) return 'owner';
  if (ring.ownerOf(near) !== nearNode || ring.ownerOf(far) !== farNode) return 'owner';
  return topology.isMoving(near) || topology.isMoving(far) ? 'owner' : undefined;
}

/** FNV-1a, 32 bits. */
function hashOfText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
