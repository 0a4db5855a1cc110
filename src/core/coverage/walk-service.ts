/**
 * A node's answers to coverage queries: walks the partitions that it is asked for until a slice is full.
 */
import type { Tasks } from '../../environment/index.ts';
import type { ByteString } from '../../stdx/index.ts';
import type { Partition } from '../ring/index.ts';
import type { VnodeService } from '../vnode/index.ts';
import type { WalkReply, WalkRequest, WalkStep } from './walk-protocol.ts';

/** What a service lets coverage queries see of one partition, in an order that is the same at every replica. */
export interface CoverageService {
  /** Undefined: the query is malformed. Nothing is read before `next`. */
  walk(query: ByteString, step: WalkStep): PartitionWalk | undefined;
}

export interface PartitionWalk {
  /** The next items, perhaps none, and the mark of the place behind them; undefined at the end. */
  next(): Promise<{ readonly items: readonly ByteString[]; readonly after: ByteString } | undefined>;
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
}

export const walkLimits: WalkLimits = { itemsMax: 2000, bytesMax: 256 * 1024 };

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

  async #walk({ query, steps }: WalkRequest): Promise<WalkReply> {
    const slice = new Slice(this.#limits);
    for (const step of steps) {
      if (slice.isFull) break;
      const ended = await this.#walkStep(query, step, slice);
      if (ended !== 'end') return slice.stepsDone > 0 || ended === 'full' ? slice.reply() : ended;
      slice.stepEnded();
    }
    return slice.reply();
  }

  /** A slice counts only if the partition is still served here when it is complete: it may be dropped meanwhile. */
  async #walkStep(query: ByteString, step: WalkStep, slice: Slice): Promise<'end' | 'full' | WalkReply> {
    if (!this.#ownership.serves(step.partition)) return this.#moved();
    const walk = this.#service.walk(query, step);
    if (walk === undefined) return { kind: 'failed', reason: 'refused', message: 'malformed query' };
    const mark = slice.mark();
    try {
      for (;;) {
        const found = await walk.next();
        if (!this.#ownership.serves(step.partition)) {
          slice.cut(mark);
          return this.#moved();
        }
        if (found === undefined) return 'end';
        slice.add(found.items, found.after);
        if (slice.isFull) return 'full';
      }
    } catch (error) {
      if (!(error instanceof WalkError)) throw error;
      slice.cut(mark);
      return { kind: 'failed', reason: 'storage', message: error.message };
    } finally {
      await walk.close();
    }
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

class Slice {
  readonly #limits: WalkLimits;
  #items: ByteString[] = [];
  #bytes = 0;
  #stepsDone = 0;
  #after: ByteString | undefined;

  constructor(limits: WalkLimits) {
    this.#limits = limits;
  }

  get isFull(): boolean {
    return this.#items.length >= this.#limits.itemsMax || this.#bytes >= this.#limits.bytesMax;
  }

  get stepsDone(): number {
    return this.#stepsDone;
  }

  add(items: readonly ByteString[], after: ByteString): void {
    for (const item of items) {
      this.#items.push(item);
      this.#bytes += item.length;
    }
    this.#after = after;
  }

  stepEnded(): void {
    this.#stepsDone += 1;
    this.#after = undefined;
  }

  /** Where the present step's items begin. */
  mark(): number {
    return this.#items.length;
  }

  cut(mark: number): void {
    this.#items.length = mark;
    this.#after = undefined;
  }

  reply(): WalkReply {
    const after = this.#after;
    return {
      kind: 'slice',
      items: this.#items,
      stepsDone: this.#stepsDone,
      ...(after === undefined ? {} : { after }),
    };
  }
}
