/**
 * Drives a query over a covering set of vnodes: all nodes of the set side by side, each asked for one slice at a time
 * of all its partitions together, and what they send merged in order.
 *
 * V1  What is there throughout is reported once, in order; or the walk fails and says which partitions nobody could
 *     answer for.
 * V2  A node that is lost, is silent for too long, or no longer serves a partition is replaced: other holders of the same
 *     names go on behind what it reported last.
 * V3  What was sent and nobody has taken yet is bounded, whatever the number of nodes: each has a share of
 *     `itemsAheadMax`, and is asked for more when half of its share is gone.
 */
import type { Clock, Instant, NodeId, Timers } from '../../environment/index.ts';
import type { ByteString } from '../../stdx/index.ts';
import type { Partition, Replica } from '../ring/index.ts';
import type { Topology } from '../topology/index.ts';
import type { VnodeRouter } from '../vnode/index.ts';
import { type CoverageStep, planCoverage } from './coverage-plan.ts';
import { OrderedMerge } from './ordered-merge.ts';
import type { WalkReply, WalkRequest } from './walk-protocol.ts';

/** `storage`: the copies that are left cannot be read. */
export type CoverageFailureCode = 'insufficient' | 'storage' | 'timeout' | 'refused';

export class CoverageFailure extends Error {
  override readonly name = 'CoverageFailure';
  readonly code: CoverageFailureCode;
  /** For `insufficient` and `storage`: names of these first partitions could not be reported. */
  readonly missing: readonly Partition[];
  constructor(code: CoverageFailureCode, message: string, missing: readonly Partition[] = []) {
    super(message);
    this.code = code;
    this.missing = missing;
  }
}

export interface CoverageParts {
  readonly topology: Topology;
  readonly router: VnodeRouter<WalkRequest, WalkReply>;
  readonly clock: Clock;
  readonly timers: Timers;
}

export interface CoverageQuery {
  readonly query: ByteString;
  /** Replicas of each name that is asked for. */
  readonly n: number;
  /** Any number: spreads the load of many queries. */
  readonly offset: number;
  /** Absent: none, and the walk lasts as long as it is pulled. */
  readonly deadline?: Instant;
  /** Begin behind this item. */
  readonly after?: ByteString;
  /** Items that will be taken at most; absent: all. */
  readonly itemsMax?: number;
  /** Only how many items there are: `next` gives none, and `counted` says it. */
  readonly counts?: boolean;
  /** Only names whose first partition is one of these; absent: all. */
  readonly firstPartitions?: ReadonlySet<Partition>;
}

/** Items asked for and not taken yet, of all nodes together; each node may still send so few. */
const itemsAheadMax = 16_000;
const shareMin = 100;
/** Items handed over at a time. */
const handedMax = 2000;
/** A partition whose holders fail one after another is asked for at most so often. */
const attemptsMax = 8;
/** A node that has not answered for so long is passed over. */
const sliceTimeoutMs = 15_000;
/** Before the same nodes are asked again: a move that one of them has heard of, and this one not, is known by then. */
const retryMs = 100;

/** What one node has been asked for. */
interface Stream {
  readonly node: NodeId;
  readonly steps: readonly CoverageStep[];
  readonly run: number;
  readonly attempt: number;
  /** Holders of these names that have failed. */
  readonly avoided: ReadonlySet<NodeId>;
  isAsked: boolean;
}

type Origin = Pick<Stream, 'attempt' | 'avoided'>;

export class CoverageWalk {
  readonly #parts: CoverageParts;
  readonly #query: CoverageQuery;
  readonly #merge = new OrderedMerge<ByteString>();
  readonly #streams = new Set<Stream>();
  /** Retries that wait for their time. */
  #pauses = 0;
  #failure: CoverageFailure | undefined;
  #wake: (() => void) | undefined;
  #closed = false;
  #taken = 0;
  #counted = 0;

  /** Throws `CoverageFailure` 'insufficient'. */
  constructor(parts: CoverageParts, query: CoverageQuery) {
    this.#parts = parts;
    this.#query = query;
    this.#plan(query.firstPartitions, query.after, { attempt: 0, avoided: new Set() });
  }

  /** Items found by a walk that only counts. */
  get counted(): number {
    return this.#counted;
  }

  /** Items in bytewise order, at least one; undefined at the end. Rejects with `CoverageFailure`. */
  async next(): Promise<readonly ByteString[] | undefined> {
    for (;;) {
      if (this.#closed) return undefined;
      if (this.#failure !== undefined) throw this.#failure;
      const wanted = Math.min(handedMax, this.#left);
      const items = this.#merge.take(wanted);
      this.#taken += items.length;
      if (this.#left === 0 && items.length === 0) return undefined;
      if (this.#left > 0) this.#ask();
      if (items.length > 0) return items;
      if (this.#failure !== undefined) continue;
      // A node that refused at once has ended its run, or another has begun.
      if (this.#merge.isEnded && this.#pauses === 0) return undefined;
      if (this.#isAsking || this.#pauses > 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  close(): void {
    this.#closed = true;
    this.#wakeUp();
  }

  get #left(): number {
    return (this.#query.itemsMax ?? Number.POSITIVE_INFINITY) - this.#taken;
  }

  get #isAsking(): boolean {
    for (const { isAsked } of this.#streams) if (isAsked) return true;
    return false;
  }

  #ask(): void {
    const share = Math.max(shareMin, Math.ceil(itemsAheadMax / this.#streams.size / 2));
    for (const stream of [...this.#streams]) {
      if (stream.isAsked || this.#merge.buffered(stream.run) > share / 2) continue;
      if (this.#failure !== undefined || !this.#streams.has(stream)) continue;
      this.#askNode(stream, Math.min(share, this.#left));
    }
  }

  #askNode(stream: Stream, itemsMax: number): void {
    const leftMs = this.#leftMs();
    if (leftMs <= 0) {
      this.#fail(new CoverageFailure('timeout', 'the time is up'));
      return;
    }
    stream.isAsked = true;
    const { node, steps, run } = stream;
    const replica: Replica = { partition: steps[0]!.partition, node, primary: true };
    const mark = this.#merge.markOf(run) as ByteString;
    const request: WalkRequest = {
      query: this.#query.query,
      steps,
      itemsMax,
      counts: this.#query.counts === true,
      ...(mark === '' ? {} : { after: mark }),
    };
    const timeoutMs = Math.min(leftMs, sliceTimeoutMs);
    this.#parts.router.send(replica, request, (reply) => this.#replied(stream, request, reply), timeoutMs);
  }

  #leftMs(): number {
    const { deadline } = this.#query;
    return deadline === undefined ? Number.POSITIVE_INFINITY : deadline - this.#parts.clock.now();
  }

  #replied(stream: Stream, request: WalkRequest, reply: WalkReply): void {
    stream.isAsked = false;
    if (this.#closed || this.#failure !== undefined) return;
    // Who sends what it was not asked for is as good as gone: a peer's word must not end this node.
    if (reply.kind === 'slice' && isInOrder(request, reply)) this.#take(stream, reply);
    else if (reply.kind === 'failed' && reply.reason === 'refused') {
      this.#fail(new CoverageFailure('refused', reply.message));
    } else if (this.#leftMs() <= 0) this.#fail(new CoverageFailure('timeout', 'the time is up'));
    else this.#replace(stream, reply);
    this.#wakeUp();
  }

  #take(stream: Stream, { items, counted, after }: WalkReply & { kind: 'slice' }): void {
    this.#counted += counted;
    this.#merge.add(stream.run, items, after ?? items.at(-1) ?? this.#merge.markOf(stream.run));
    if (after !== undefined) return;
    this.#merge.end(stream.run);
    this.#streams.delete(stream);
  }

  /** Other holders take over what the node has not done; if there are none, it is asked again, after a while. */
  #replace(stream: Stream, reply: WalkReply): void {
    const { run, attempt, node, steps } = stream;
    const mark = this.#merge.markOf(run) as ByteString;
    this.#streams.delete(stream);
    const firsts = this.#firstsOf(steps);
    const avoided = new Set(stream.avoided).add(node);
    const isMove = reply.kind === 'moved';
    try {
      if (attempt >= attemptsMax) {
        throw new CoverageFailure('insufficient', 'vnodes failed again and again', [...firsts]);
      }
      this.#plan(firsts, mark, { attempt: attempt + 1, avoided });
      this.#merge.end(run);
    } catch (error) {
      if (!(error instanceof CoverageFailure)) throw error;
      if (isMove && attempt < attemptsMax) this.#retrySoon(run, mark, firsts, attempt);
      else this.#fail(this.#unanswered(error, reply));
    }
  }

  /** Whoever owns the partitions then. The run stays in the merge meanwhile, so that nothing is taken ahead of it. */
  #retrySoon(run: number, mark: ByteString, firsts: ReadonlySet<Partition>, attempt: number): void {
    this.#pauses += 1;
    this.#parts.timers.after(retryMs * (attempt + 1), () => {
      this.#pauses -= 1;
      if (this.#closed || this.#failure !== undefined) return;
      try {
        this.#plan(firsts, mark, { attempt: attempt + 1, avoided: new Set() });
        this.#merge.end(run);
      } catch (error) {
        if (!(error instanceof CoverageFailure)) throw error;
        this.#fail(error);
      }
      this.#wakeUp();
    });
  }

  #unanswered(failure: CoverageFailure, reply: WalkReply): CoverageFailure {
    const isUnreadable = reply.kind === 'failed' && reply.reason === 'storage';
    return isUnreadable ? new CoverageFailure('storage', reply.message, failure.missing) : failure;
  }

  #firstsOf(steps: readonly CoverageStep[]): ReadonlySet<Partition> {
    const { ring } = this.#parts.topology;
    const replicas = Math.min(this.#query.n, ring.size);
    const firsts = new Set<Partition>();
    for (const { partition, firstPartitions } of steps) {
      for (const first of firstPartitions ?? []) firsts.add(first);
      if (firstPartitions !== undefined) continue;
      for (let back = 0; back < replicas; back += 1) firsts.add(ring.after(partition, ring.size - back));
    }
    return firsts;
  }

  /** One stream for each node that has to be asked. */
  #plan(wanted: ReadonlySet<Partition> | undefined, after: ByteString | undefined, origin: Origin): void {
    const { topology } = this.#parts;
    const { ring } = topology;
    const isAvailable = (partition: Partition): boolean => {
      const owner = ring.ownerOf(partition);
      return topology.isUp(owner) && !origin.avoided.has(owner);
    };
    const plan = planCoverage(ring, this.#query.n, this.#query.offset, isAvailable, wanted);
    if (plan.kind === 'insufficient') {
      throw new CoverageFailure('insufficient', 'no vnode that could answer is up', plan.missing);
    }
    const byNode = new Map<NodeId, CoverageStep[]>();
    for (const step of plan.steps) {
      const node = ring.ownerOf(step.partition);
      const steps = byNode.get(node);
      if (steps === undefined) byNode.set(node, [step]);
      else steps.push(step);
    }
    for (const [node, steps] of byNode) {
      this.#streams.add({ node, steps, run: this.#merge.begin(after), isAsked: false, ...origin });
    }
  }

  #fail(failure: CoverageFailure): void {
    this.#failure ??= failure;
    this.#wakeUp();
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

/** Within what was asked for: in order, each once, and moving on. */
function isInOrder({ after, counts }: WalkRequest, reply: WalkReply & { kind: 'slice' }): boolean {
  let last: string = after ?? '';
  for (const item of reply.items) {
    if (item <= last) return false;
    last = item;
  }
  const movesOn = reply.after === undefined || (reply.after >= last && reply.after > (after ?? ''));
  return movesOn && (!counts || reply.items.length === 0);
}
