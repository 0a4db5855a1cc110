/**
 * Asks every member for its report, and answers those that ask this node.
 *
 * A member that liveness calls dead is not asked, and one that does not answer in time is left out: who looks at the
 * cluster in trouble must not wait for the trouble to end.
 */
import { Buffer } from 'node:buffer';
import { channel, type LivenessView, type Messenger, type ReplicatedClusterLog } from '../../core/index.ts';
import type { Environment, NodeId, Timer } from '../../environment/index.ts';
import {
  decodeReportMessage,
  encodeReportMessage,
  type NodeReport,
  type ReportMessage,
} from './node-report.ts';

const answerMsMax = 2000;
/** A question, or its answer, may be lost; it is asked again. */
const askAgainMs = 600;
/** Answers that this node works on at once; what comes beyond them is asked again. */
const answersMax = 8;

export interface NodeReportsParts {
  readonly environment: Pick<Environment, 'timers' | 'tasks' | 'log'>;
  readonly messenger: Messenger;
  readonly log: Pick<ReplicatedClusterLog, 'state' | 'isRemoved'>;
  readonly liveness: Pick<LivenessView, 'reachability'>;
  readonly own: (wantsSizes: boolean) => Promise<NodeReport>;
}

interface Asking {
  readonly of: NodeId;
  readonly wantsSizes: boolean;
  readonly finish: (report: NodeReport | undefined) => void;
  again: Timer;
  readonly end: Timer;
}

export class NodeReports {
  readonly #parts: NodeReportsParts;
  readonly #asking = new Map<number, Asking>();
  #lastToken = 0;
  #answering = 0;

  constructor(parts: NodeReportsParts) {
    this.#parts = parts;
    parts.messenger.receive(channel.admin, (from, body) => this.#receive(from, Buffer.from(body)));
  }

  /** By member, in the order of their names; this node's own is always among them. */
  async gather(options: { readonly sizes: boolean }): Promise<ReadonlyMap<NodeId, NodeReport>> {
    const { log, messenger, own } = this.#parts;
    const nodes = [...log.state.members.keys()].sort();
    const reports = await Promise.all(
      nodes.map((node) => (node === messenger.self ? own(options.sizes) : this.#ask(node, options.sizes))),
    );
    const gathered = new Map<NodeId, NodeReport>();
    for (const [i, node] of nodes.entries()) {
      const report = reports[i];
      if (report !== undefined) gathered.set(node, report);
    }
    return gathered;
  }

  #ask(of: NodeId, wantsSizes: boolean): Promise<NodeReport | undefined> {
    const { environment, liveness, log } = this.#parts;
    // To who was removed nobody talks.
    if (log.isRemoved || liveness.reachability(of) === 'dead') return Promise.resolve(undefined);
    this.#lastToken += 1;
    const token = this.#lastToken;
    return new Promise((finish) => {
      const end = environment.timers.after(answerMsMax, () => this.#finish(token, undefined));
      const again = environment.timers.after(askAgainMs, () => this.#askAgain(token));
      this.#asking.set(token, { of, wantsSizes, finish, again, end });
      this.#send(of, { kind: 'ask', token, wantsSizes });
    });
  }

  #askAgain(token: number): void {
    const asking = this.#asking.get(token);
    if (asking === undefined) return;
    this.#send(asking.of, { kind: 'ask', token, wantsSizes: asking.wantsSizes });
    asking.again = this.#parts.environment.timers.after(askAgainMs, () => this.#askAgain(token));
  }

  #finish(token: number, report: NodeReport | undefined): void {
    const asking = this.#asking.get(token);
    if (asking === undefined) return;
    this.#asking.delete(token);
    asking.again.cancel();
    asking.end.cancel();
    asking.finish(report);
  }

  #receive(from: NodeId, body: Buffer): void {
    const message = decodeReportMessage(body);
    if (message === undefined) {
      this.#parts.environment.log.warn('a message of administration cannot be read', { from });
    } else if (message.kind === 'ask') this.#answer(from, message.token, message.wantsSizes);
    else if (this.#asking.get(message.token)?.of === from) this.#finish(message.token, message.report);
  }

  #answer(to: NodeId, token: number, wantsSizes: boolean): void {
    if (this.#answering >= answersMax) return;
    this.#answering += 1;
    this.#parts.environment.tasks.spawn('report of this node', async () => {
      const report = await this.#parts.own(wantsSizes);
      this.#answering -= 1;
      this.#send(to, { kind: 'report', token, report });
    });
  }

  /** What does not fit into the queue is as good as lost on the way. */
  #send(to: NodeId, message: ReportMessage): void {
    const bytes = encodeReportMessage(message);
    this.#parts.messenger.send(to, 'repair', channel.admin, bytes.length, (into, at) => {
      bytes.copy(into, at);
    });
  }
}
