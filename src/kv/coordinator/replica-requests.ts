/**
 * Asks replicas, and finds them again when they have moved. A node that no longer owns a partition says so
 * (`moved`); then this node's view of the ring is old, or about to be renewed, and the request goes to whoever
 * owns the partition by the next view.
 */
import type { Replica } from '../../core/ring/index.ts';
import type { Topology } from '../../core/topology/index.ts';
import { Deadline, type Deadlines, type RequestRoute, type VnodeRouter } from '../../core/vnode/index.ts';
import type { Clock, Instant } from '../../environment/index.ts';
import type { ReplicaReply, ReplicaRequest } from '../vnode/index.ts';

/** How often a request follows a partition that moves: each step is a change of the ring. */
export const movedStepsMax = 3;
/** How long a request waits for the news that its replica already has. */
export const ringNewsMsMax = 5000;

interface Question {
  readonly replica: Replica;
  readonly request: ReplicaRequest;
  readonly reply: (reply: ReplicaReply) => void;
  readonly until: Instant;
  readonly traffic: RequestRoute['traffic'];
  readonly step: number;
}

const unreached: ReplicaReply = { kind: 'unanswered', reason: 'unreachable' };

export class ReplicaRequests {
  readonly #router: VnodeRouter<ReplicaRequest, ReplicaReply>;
  readonly #topology: Topology;
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  readonly #waiting = new Set<AwaitedNews>();

  constructor(parts: {
    readonly router: VnodeRouter<ReplicaRequest, ReplicaReply>;
    readonly topology: Topology;
    readonly clock: Clock;
    readonly deadlines: Deadlines;
  }) {
    this.#router = parts.router;
    this.#topology = parts.topology;
    this.#clock = parts.clock;
    this.#deadlines = parts.deadlines;
    parts.topology.onChange(() => this.#ringChanged());
  }

  /** As `VnodeRouter.send`, except that `moved` is never the answer. */
  send(
    replica: Replica,
    request: ReplicaRequest,
    reply: (reply: ReplicaReply) => void,
    timeoutMs: number,
    traffic: RequestRoute['traffic'] = 'foreground',
  ): void {
    if (replica.node === this.#topology.self) {
      this.#router.send(replica, request, reply, timeoutMs, traffic);
      return;
    }
    const until = (this.#clock.now() + timeoutMs) as Instant;
    this.#ask({ replica, request, reply, until, traffic, step: 0 });
  }

  #ask(question: Question): void {
    const { replica, request, until, traffic } = question;
    const leftMs = until - this.#clock.now();
    this.#router.send(
      replica,
      request,
      (reply) => {
        if (reply.kind === 'moved') this.#moved(question);
        else question.reply(reply);
      },
      leftMs,
      traffic,
    );
  }

  #moved(question: Question): void {
    const leftMs = question.until - this.#clock.now();
    if (question.step >= movedStepsMax || leftMs <= 0) question.reply(unreached);
    else if (!this.#follow(question)) {
      const news = new AwaitedNews(question, () => {
        this.#waiting.delete(news);
        question.reply(unreached);
      });
      this.#waiting.add(news);
      this.#deadlines.set(news, Math.min(ringNewsMsMax, leftMs));
    }
  }

  /** False: by what is known here the partition has not moved. */
  #follow(question: Question): boolean {
    const { replica } = question;
    const owner = this.#topology.ring.ownerOf(replica.partition);
    if (owner === replica.node) return false;
    this.#ask({
      ...question,
      replica: { partition: replica.partition, node: owner, primary: true },
      step: question.step + 1,
    });
    return true;
  }

  #ringChanged(): void {
    for (const news of [...this.#waiting]) {
      if (!this.#follow(news.question)) continue;
      this.#waiting.delete(news);
      this.#deadlines.clear(news);
    }
  }
}

class AwaitedNews extends Deadline {
  readonly question: Question;
  override readonly expired: () => void;

  constructor(question: Question, expired: () => void) {
    super();
    this.question = question;
    this.expired = expired;
  }
}
