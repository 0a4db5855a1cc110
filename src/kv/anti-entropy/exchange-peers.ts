/** Questions to other replicas and their answers, over the messenger; to a replica on this very node by a call. */
import type { Buffer } from 'node:buffer';
import { channel, type Messenger } from '../../core/transport/index.ts';
import type { Log, NodeId, Timer, Timers } from '../../environment/index.ts';
import { decodeReply, decodeRequest, encodeReply, encodeRequest, isReply } from './exchange-codec.ts';
import type { ExchangeReply, ExchangeRequest } from './exchange-message.ts';

/** No answer within it: the peer is gone, or has much to do. */
const answerTimeoutMs = 30_000;

const unreachable: ExchangeReply = { kind: 'refused', refusal: 'unreachable' };

interface Waiting {
  readonly to: NodeId;
  readonly timer: Timer;
  readonly done: (reply: ExchangeReply) => void;
}

export type Answerer = (
  from: NodeId,
  request: ExchangeRequest,
  answer: (reply: ExchangeReply) => void,
) => void;

export class ExchangePeers {
  readonly #messenger: Messenger;
  readonly #timers: Timers;
  readonly #answerer: Answerer;
  readonly #log: Log;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #isClosed = false;

  constructor(messenger: Messenger, timers: Timers, log: Log, answerer: Answerer) {
    this.#messenger = messenger;
    this.#timers = timers;
    this.#log = log;
    this.#answerer = answerer;
    messenger.receive(channel.antiEntropy, (from, body) => this.#received(from, body));
    messenger.onDisconnect((peer, traffic) => {
      if (traffic === 'repair') this.#giveUp((waiting) => waiting.to === peer);
    });
  }

  /** Always answered, `refused` as `unreachable` if nobody else did. */
  ask(to: NodeId, request: ExchangeRequest): Promise<ExchangeReply> {
    if (this.#isClosed) return Promise.resolve(unreachable);
    return new Promise((resolve) => {
      if (to === this.#messenger.self) {
        this.#answerer(to, request, resolve);
        return;
      }
      this.#lastId = (this.#lastId + 1) >>> 0;
      const id = this.#lastId;
      const bytes = encodeRequest(id, request);
      if (!this.#send(to, bytes)) {
        resolve(unreachable);
        return;
      }
      const timer = this.#timers.after(answerTimeoutMs, () => this.#answered(id, unreachable));
      this.#waiting.set(id, { to, timer, done: resolve });
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#giveUp(() => true);
  }

  #received(from: NodeId, body: Buffer): void {
    if (this.#isClosed) return;
    if (isReply(body)) {
      const reply = decodeReply(body);
      if (reply === undefined) this.#log.warn('an anti-entropy reply is malformed', { from });
      else if (this.#waiting.get(reply.id)?.to === from) this.#answered(reply.id, reply.message);
      return;
    }
    const request = decodeRequest(body);
    if (request === undefined) {
      this.#log.warn('an anti-entropy request is malformed', { from });
      return;
    }
    // What does not fit into the queue is as good as lost: the asker has a time limit.
    this.#answerer(from, request.message, (reply) => this.#send(from, encodeReply(request.id, reply)));
  }

  #send(to: NodeId, bytes: Buffer): boolean {
    return this.#messenger.send(to, 'repair', channel.antiEntropy, bytes.length, (into, at) => {
      bytes.copy(into, at);
    });
  }

  #answered(id: number, reply: ExchangeReply): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    waiting.timer.cancel();
    waiting.done(reply);
  }

  #giveUp(which: (waiting: Waiting) => boolean): void {
    for (const [id, waiting] of [...this.#waiting]) if (which(waiting)) this.#answered(id, unreachable);
  }
}
