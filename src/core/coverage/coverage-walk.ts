/**
 * Drives a query over a covering set of vnodes: nodes side by side, each asked for one slice at a time, and for
 * the next only when the consumer has taken the last. A node that is lost, or no longer serves a partition,
 * is replaced: another holder of the same names goes on behind the item reported last. So each name that is
 * there throughout is reported once, or the walk fails and says which partitions nobody could answer for.
 */
import type { Clock, Instant, NodeId } from '../../environment/index.ts';
import type { ByteString } from '../../stdx/index.ts';
import type { Partition, Replica } from '../ring/index.ts';
import type { Topology } from '../topology/index.ts';
import type { VnodeRouter } from '../vnode/index.ts';
import { planCoverage } from './coverage-plan.ts';
import type { WalkReply, WalkRequest, WalkStep } from './walk-protocol.ts';

/** `storage`: the copies that are left cannot be read. */
export type CoverageFailureCode = 'insufficient' | 'storage' | 'timeout' | 'refused';

export class CoverageFailure extends Error {
  override readonly name = 'CoverageFailure';
  readonly code: CoverageFailureCode;
  /** For `insufficient`: names of these first partitions could not be reported. */
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
}

export interface CoverageQuery {
  readonly query: ByteString;
  /** Replicas of each name that is asked for. */
  readonly n: number;
  /** Any number: spreads the load of many queries. */
  readonly offset: number;
  readonly deadline: Instant;
}

/** Nodes asked at the same time: what they have sent and nobody has taken yet is held in memory. */
const nodesAtOnceMax = 8;
/** A partition whose holders fail one after another is asked for at most so often. */
const attemptsMax = 6;

interface Task extends WalkStep {
  readonly attempt: number;
  /** Holders of these names that have failed. */
  readonly avoided: ReadonlySet<NodeId>;
}

export class CoverageWalk {
  readonly #parts: CoverageParts;
  readonly #query: CoverageQuery;
  /** What each node still has to walk, in order. */
  readonly #waiting = new Map<NodeId, Task[]>();
  readonly #asked = new Set<NodeId>();
  #slices: (readonly ByteString[])[] = [];
  #failure: CoverageFailure | undefined;
  #wake: (() => void) | undefined;
  #closed = false;

  /** Throws `CoverageFailure` 'insufficient'. */
  constructor(parts: CoverageParts, query: CoverageQuery) {
    this.#parts = parts;
    this.#query = query;
    this.#plan(undefined, { partition: 0 as Partition, attempt: 0, avoided: new Set() });
  }

  /** Items, at least one; undefined at the end. Rejects with `CoverageFailure`. */
  async next(): Promise<readonly ByteString[] | undefined> {
    for (;;) {
      if (this.#closed) return undefined;
      if (this.#failure !== undefined) throw this.#failure;
      const slice = this.#slices.shift();
      if (slice !== undefined) return slice;
      this.#ask();
      if (this.#failure !== undefined || this.#slices.length > 0) continue;
      if (this.#asked.size === 0) {
        if ([...this.#waiting.values()].every((tasks) => tasks.length === 0)) return undefined;
        // A node refused at once, and what it had to do fell to one that this round had passed over.
        continue;
      }
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  close(): void {
    this.#closed = true;
    this.#wakeUp();
  }

  /** One request a node, as long as nothing waits for the consumer. */
  #ask(): void {
    for (const [node, tasks] of this.#waiting) {
      if (this.#asked.size >= nodesAtOnceMax) return;
      if (this.#asked.has(node) || tasks.length === 0) continue;
      this.#askNode(node, tasks);
    }
  }

  #askNode(node: NodeId, tasks: Task[]): void {
    const timeoutMs = this.#query.deadline - this.#parts.clock.now();
    if (timeoutMs <= 0) {
      this.#fail(new CoverageFailure('timeout', 'the time is up'));
      return;
    }
    this.#asked.add(node);
    const replica: Replica = { partition: tasks[0]!.partition, node, primary: true };
    const request: WalkRequest = { query: this.#query.query, steps: [...tasks] };
    this.#parts.router.send(replica, request, (reply) => this.#replied(node, tasks, reply), timeoutMs);
  }

  #replied(node: NodeId, tasks: Task[], reply: WalkReply): void {
    this.#asked.delete(node);
    if (this.#closed || this.#failure !== undefined) return;
    // Who claims more than it was asked for is as good as gone: a peer's word must not end this node.
    if (reply.kind === 'slice' && reply.stepsDone <= tasks.length) this.#take(tasks, reply);
    else if (reply.kind === 'failed' && (reply.reason === 'timeout' || reply.reason === 'refused')) {
      this.#fail(new CoverageFailure(reply.reason, reply.message));
    } else this.#replan(node, tasks, reply);
    this.#wakeUp();
  }

  #take(tasks: Task[], { items, stepsDone, after }: WalkReply & { kind: 'slice' }): void {
    tasks.splice(0, stepsDone);
    if (after !== undefined && tasks.length > 0) tasks[0] = { ...tasks[0]!, after };
    if (items.length > 0) this.#slices.push(items);
  }

  /** Other holders take over what the node has not done. */
  #replan(node: NodeId, tasks: Task[], reply: WalkReply): void {
    this.#waiting.delete(node);
    for (const task of tasks) {
      if (task.attempt >= attemptsMax) {
        this.#fail(new CoverageFailure('insufficient', 'vnodes failed again and again', [task.partition]));
        return;
      }
      const avoided = new Set(task.avoided).add(node);
      try {
        this.#plan(this.#firstsOf(task), { ...task, attempt: task.attempt + 1, avoided });
      } catch (error) {
        if (!(error instanceof CoverageFailure)) throw error;
        const isUnreadable = reply.kind === 'failed' && reply.reason === 'storage';
        this.#fail(isUnreadable ? new CoverageFailure('storage', reply.message, error.missing) : error);
        return;
      }
    }
  }

  #firstsOf({ partition, firstPartitions }: Task): ReadonlySet<Partition> {
    if (firstPartitions !== undefined) return firstPartitions;
    const { ring } = this.#parts.topology;
    const replicas = Math.min(this.#query.n, ring.size);
    const firsts = new Set<Partition>();
    for (let back = 0; back < replicas; back += 1) firsts.add(ring.after(partition, ring.size - back));
    return firsts;
  }

  #plan(wanted: ReadonlySet<Partition> | undefined, task: Task): void {
    const { topology } = this.#parts;
    const { ring } = topology;
    const { n, offset } = this.#query;
    const isAvailable = (partition: Partition): boolean => {
      const owner = ring.ownerOf(partition);
      return topology.isUp(owner) && !task.avoided.has(owner);
    };
    const plan = planCoverage(ring, n, offset, isAvailable, wanted);
    if (plan.kind === 'insufficient') {
      throw new CoverageFailure('insufficient', 'no vnode that could answer is up', plan.missing);
    }
    for (const step of plan.steps) {
      const node = ring.ownerOf(step.partition);
      const tasks = this.#waiting.get(node) ?? [];
      this.#waiting.set(node, tasks);
      const { attempt, avoided, after } = task;
      tasks.push({ ...step, attempt, avoided, ...(after === undefined ? {} : { after }) });
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
