/**
 * A node's answers to coverage queries: walks the partitions that it is asked for side by side, and gives what comes
 * first in order, until a slice is full.
 */
import type { Tasks } from '../../environment/index.ts';
import type { ByteString } from '../../stdx/index.ts';
import type { Partition } from '../ring/index.ts';
import type { VnodeService } from '../vnode/index.ts';
import { OrderedMerge } from './ordered-merge.ts';
import type { WalkReply, WalkRequest, WalkStep } from './walk-protocol.ts';

/** What a service lets coverage queries see of one partition, in an order that is the same at every replica. */
export interface CoverageService {
  /**
   * Of what lies beyond `after`; absent: of all. About `itemsExpected` will be wanted: who reads ahead need read no
   * more, since the next slice begins a walk of its own. Undefined: the query is malformed. Nothing is read before `next`.
   */
  walk(
    query: ByteString,
    step: WalkStep,
    after: ByteString | undefined,
    itemsExpected: number,
  ): PartitionWalk | undefined;
}

export interface PartitionWalk {
  /**
   * The next items in bytewise order, about so many, perhaps none; and how far it looked, which is no less than the
   * last item. Undefined at the end. Rejects with `WalkError`.
   */
  next(
    itemsMax: number,
  ): Promise<{ readonly items: readonly ByteString[]; readonly after: ByteString } | undefined>;
  close(): Promise<void>;
}

/** A walk that cannot go on at this node, for a reason that another may not have. */
export class WalkError extends Error {
  override readonly name = 'WalkError';
}

export interface WalkLimits {
  /** Items and bytes from which a slice takes no more. */
  readonly itemsMax: number;
  readonly bytesMax: number;
  /** Items of a slice that only counts. */
  readonly countedMax: number;
}

export const walkLimits: WalkLimits = { itemsMax: 4000, bytesMax: 256 * 1024, countedMax: 20_000 };

/** What one partition is asked for at a time. */
const pullMin = 16;
const pullMax = 512;
/** A slice that finds nothing ends when it has looked so often, lest one request hold a node for long. */
const roundsMax = 32;

export class WalkService implements VnodeService<WalkRequest, WalkReply> {
  readonly #service: CoverageService;
  readonly #tasks: Pick<Tasks, 'spawn'>;
  readonly #ownership: Ownership;
  readonly #limits: WalkLimits;

  constructor(
    service: CoverageService,
    ownership: Ownership,
    tasks: Pick<Tasks, 'spawn'>,
    limits: WalkLimits = walkLimits,
  ) {
    this.#limits = limits;
    this.#service = service;
    this.#ownership = ownership;
    this.#tasks = tasks;
  }

  handle(_first: Partition, request: WalkRequest, reply: (reply: WalkReply) => void): void {
    this.#tasks.spawn('coverage: walk', async () => reply(await this.#walk(request)));
  }

  /** A slice counts only if its partitions are still served here when it is complete: they may be dropped meanwhile. */
  async #walk(request: WalkRequest): Promise<WalkReply> {
    const { query, steps, after } = request;
    if (!this.#servesAll(steps)) return this.#moved();
    const countMax = request.counts
      ? this.#limits.countedMax
      : Math.min(request.itemsMax, this.#limits.itemsMax);
    const pullSize = pullSizeOf(countMax, steps.length);
    const walks: PartitionWalk[] = [];
    try {
      for (const step of steps) {
        const walk = this.#service.walk(query, step, after, Math.min(countMax, pullSize));
        if (walk === undefined) return { kind: 'failed', reason: 'refused', message: 'malformed query' };
        walks.push(walk);
      }
      const slice = new Slice(
        walks,
        after ?? '',
        pullSize,
        countMax,
        request.counts ? Infinity : this.#limits.bytesMax,
      );
      await slice.fill();
      return this.#servesAll(steps) ? slice.reply(request.counts) : this.#moved();
    } catch (error) {
      if (!(error instanceof WalkError)) throw error;
      return this.#servesAll(steps)
        ? { kind: 'failed', reason: 'storage', message: error.message }
        : this.#moved();
    } finally {
      await Promise.all(walks.map((walk) => walk.close()));
    }
  }

  #servesAll(steps: readonly WalkStep[]): boolean {
    return steps.every(({ partition }) => this.#ownership.serves(partition));
  }

  #moved(): WalkReply {
    return { kind: 'moved', epoch: this.#ownership.epoch };
  }
}

/** Which partitions this node answers for, now. */
export interface Ownership {
  readonly epoch: number;
  serves(partition: Partition): boolean;
}

/** Of one partition of so many, twice its fair share: most slices are then filled at the first look. */
function pullSizeOf(countMax: number, partitions: number): number {
  return Math.min(Math.max(Math.ceil((2 * countMax) / partitions), pullMin), pullMax);
}

/** The walk of each partition that goes on, by the run that it is in the merge. */
class Slice {
  readonly #merge = new OrderedMerge<ByteString>();
  readonly #walks = new Map<number, PartitionWalk>();
  readonly #countMax: number;
  readonly #bytesMax: number;
  readonly #pullSize: number;
  readonly #items: ByteString[] = [];
  #bytes = 0;

  constructor(
    walks: readonly PartitionWalk[],
    after: string,
    pullSize: number,
    countMax: number,
    bytesMax: number,
  ) {
    this.#countMax = countMax;
    this.#bytesMax = bytesMax;
    this.#pullSize = pullSize;
    for (const walk of walks) this.#walks.set(this.#merge.begin(after), walk);
  }

  async fill(): Promise<void> {
    for (let round = 0; round < roundsMax && !this.#isFull && this.#walks.size > 0; round += 1) {
      // All of them, even if one fails: who closes walks afterwards finds none in the middle of something.
      const pulls = await Promise.allSettled([...this.#walks].map(([run, walk]) => this.#pull(run, walk)));
      for (const pull of pulls) if (pull.status === 'rejected') throw pull.reason;
      this.#take();
    }
    this.#take();
  }

  reply(counts: boolean): WalkReply {
    const rest = this.#merge.isEnded ? {} : { after: this.#merge.place as ByteString };
    const counted = this.#items.length;
    return { kind: 'slice', items: counts ? [] : this.#items, counted, ...rest };
  }

  get #isFull(): boolean {
    return this.#items.length >= this.#countMax || this.#bytes >= this.#bytesMax;
  }

  /** Those that are far ahead of the others wait. */
  async #pull(run: number, walk: PartitionWalk): Promise<void> {
    if (this.#merge.buffered(run) > this.#pullSize / 2) return;
    const found = await walk.next(this.#pullSize);
    if (found !== undefined) {
      this.#merge.add(run, found.items, found.after);
      return;
    }
    this.#merge.end(run);
    this.#walks.delete(run);
  }

  #take(): void {
    while (!this.#isFull) {
      const piece = this.#merge.take(Math.min(pullMax, this.#countMax - this.#items.length));
      if (piece.length === 0) return;
      for (const item of piece) {
        this.#items.push(item);
        this.#bytes += item.length;
      }
    }
  }
}
