/**
 * A load that does not wait: a process of its own that sends Protocol Buffers requests at given rates whatever becomes
 * of them, as a crowd of clients does who know nothing of each other. A request's time counts from when it was due.
 * Beside them one connection says ping now and then: what does nothing but wait for the server's event loop.
 */
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { LatencyHistogram } from './latency-histogram.ts';
import { type Operation, writeKey } from './protocol.ts';
import { protocols } from './protocols.ts';

export interface OfferPhase {
  readonly perSecond: number;
  readonly forMs: number;
}

export interface OfferOrder {
  /** 127.0.0.1, if not given. */
  readonly host?: string;
  readonly port: number;
  /** Other nodes of the same database: connections are spread over all. */
  readonly otherPorts?: readonly number[];
  readonly operation: Operation;
  readonly valueBytes: number;
  readonly keys: number;
  readonly connections: number;
  readonly phases: readonly OfferPhase[];
  readonly sliceMs: number;
}

/** What came back in one slice of time. */
export interface OfferSlice extends LatencySummary {
  readonly atMs: number;
  readonly offered: number;
  /** Answered with success within `usefulMsMax`. */
  readonly good: number;
  readonly late: number;
  readonly refused: number;
  /** Not sent, since the server does not read. */
  readonly unsent: number;
  readonly pingMsMax: number;
  /** The longest that the generator itself did not turn: what it adds to times that it measures. */
  readonly ownMsMax: number;
}

/** Said to a generator that has its order: nothing more is offered, and what came is told. */
export type OfferEnd = 'end';

export type OfferReport =
  | { readonly kind: 'slice'; readonly slice: OfferSlice }
  /** `whole`: without the first phase, if there are several. */
  | { readonly kind: 'ended'; readonly whole: LatencySummary }
  | { readonly kind: 'failed'; readonly message: string };

export interface LatencySummary {
  readonly p50Micros: number;
  readonly p99Micros: number;
  readonly p999Micros: number;
  readonly worstMicros: number;
  readonly answered: number;
}

/** Who asked has given up after this. */
const usefulMsMax = 1000;
const unsentBytesMax = 256 * 1024;
const pingEveryMs = 20;
const noiseBytes = 2 ** 20;
const codeError = 0;
const codePong = 2;
const ping = Buffer.from([0, 0, 0, 1, 1]);

class OpenConnection {
  readonly #socket: Socket;
  readonly #load: OfferedLoad;
  /** When the requests in flight were due, oldest first, from `#next` on. */
  #dueAt: number[] = [];
  #next = 0;
  #wasGreeted: () => void = () => undefined;
  /** Resolves when the server has answered a first ping. */
  readonly greeted: Promise<void>;
  #pending = Buffer.alloc(0);

  constructor(load: OfferedLoad, { host = '127.0.0.1' }: OfferOrder, port: number) {
    this.#load = load;
    this.#socket = connect({ port, host, noDelay: true });
    this.#socket.on('data', (chunk: Buffer) => this.#received(chunk));
    this.#socket.on('error', (error) => load.fail(error));
    this.greeted = new Promise((resolve) => (this.#wasGreeted = resolve));
    this.#socket.write(ping);
  }

  get isFull(): boolean {
    return this.#socket.writableLength > unsentBytesMax;
  }

  close(): void {
    this.#socket.destroy();
  }

  send(requests: Buffer, count: number, dueAt: number): void {
    for (let i = 0; i < count; i += 1) this.#dueAt.push(dueAt);
    this.#socket.write(requests);
  }

  #received(chunk: Buffer): void {
    const bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const now = performance.now();
    let at = 0;
    while (bytes.length - at >= 5) {
      const end = at + 4 + bytes.readUInt32BE(at);
      if (end > bytes.length) break;
      if (bytes[at + 4] === codePong) {
        this.#wasGreeted();
        at = end;
        continue;
      }
      this.#load.answered(now - (this.#dueAt[this.#next] ?? now), bytes[at + 4] === codeError, bytes, at);
      this.#next += 1;
      at = end;
    }
    this.#pending = Buffer.from(bytes.subarray(at));
    if (this.#next < 10_000) return;
    this.#dueAt = this.#dueAt.slice(this.#next);
    this.#next = 0;
  }
}

/** One ping at a time; how long the last one took, or is taking. */
class Pinger {
  readonly #socket: Socket;
  #sentAt: number | undefined;
  #worstMs = 0;

  constructor({ host = '127.0.0.1', port }: OfferOrder, fail: (error: Error) => void) {
    this.#socket = connect({ port, host, noDelay: true });
    this.#socket.on('error', fail);
    this.#socket.on('data', () => {
      this.#worstMs = Math.max(this.#worstMs, performance.now() - (this.#sentAt ?? 0));
      this.#sentAt = undefined;
    });
  }

  ping(): void {
    if (this.#sentAt !== undefined) return;
    this.#sentAt = performance.now();
    this.#socket.write(ping);
  }

  takeWorstMs(): number {
    const pendingMs = this.#sentAt === undefined ? 0 : performance.now() - this.#sentAt;
    const worst = Math.max(this.#worstMs, pendingMs);
    this.#worstMs = 0;
    return worst;
  }

  close(): void {
    this.#socket.destroy();
  }
}

class OfferedLoad {
  readonly #order: OfferOrder;
  readonly #report: (report: OfferReport) => void;
  readonly #connections: OpenConnection[];
  readonly #pinger: Pinger;
  readonly #template: Buffer;
  readonly #keyOffset: number;
  /** Of a put. Half of a value is another piece of the noise each time: it can be compressed to about half. */
  readonly #valueOffset: number | undefined;
  readonly #noise = randomBytes(noiseBytes);
  #startedAt = 0;
  #histogram = new LatencyHistogram();
  #whole = new LatencyHistogram();
  #counts = { offered: 0, good: 0, late: 0, refused: 0, unsent: 0 };
  #turn = 0;
  #key = 0;
  #isOver = false;
  #isEnding = false;
  #ownMsMax = 0;

  constructor(order: OfferOrder, report: (report: OfferReport) => void) {
    this.#order = order;
    this.#report = report;
    const value = Buffer.alloc(order.valueBytes, 0x78);
    const { request, keyOffset } = protocols.pb.template(order.operation, value, 0);
    this.#valueOffset = order.operation === 'put' ? request.indexOf(value) : undefined;
    this.#template = request;
    this.#keyOffset = keyOffset;
    const ports = [order.port, ...(order.otherPorts ?? [])];
    this.#connections = Array.from(
      { length: order.connections },
      (_, index) => new OpenConnection(this, order, ports[index % ports.length]!),
    );
    this.#pinger = new Pinger(order, (error) => this.fail(error));
  }

  async run(): Promise<void> {
    // A busy server accepts one connection a turn: who is not in yet is not part of the question.
    await Promise.all(this.#connections.map((connection) => connection.greeted));
    this.#startedAt = performance.now();
    const slices = setInterval(() => this.#endSlice(), this.#order.sliceMs);
    const pings = setInterval(() => this.#pinger.ping(), pingEveryMs);
    for (const [index, phase] of this.#order.phases.entries()) {
      if (index === 1) this.#whole = new LatencyHistogram();
      await this.#offer(phase);
    }
    clearInterval(slices);
    clearInterval(pings);
    if (!this.#isOver) this.#report({ kind: 'ended', whole: summaryOf(this.#whole) });
    this.#isOver = true;
    for (const connection of this.#connections) connection.close();
    this.#pinger.close();
  }

  answered(tookMs: number, failed: boolean, bytes: Buffer, at: number): void {
    if (failed) {
      const text = bytes.toString('latin1', at + 5, at + 4 + bytes.readUInt32BE(at));
      if (text.includes('overload')) this.#counts.refused += 1;
      else if (text.includes('timeout')) this.#counts.late += 1;
      else this.fail(new Error(`error reply: ${text}`));
      return;
    }
    this.#counts[tookMs <= usefulMsMax ? 'good' : 'late'] += 1;
    this.#histogram.record(tookMs * 1000);
    this.#whole.record(tookMs * 1000);
  }

  end(): void {
    this.#isEnding = true;
  }

  fail(error: Error): void {
    if (!this.#isOver) this.#report({ kind: 'failed', message: error.message });
    this.#isOver = true;
  }

  #offer({ perSecond, forMs }: OfferPhase): Promise<void> {
    const startedAt = performance.now();
    let sent = 0;
    let tickedAt = startedAt;
    return new Promise((resolve) => {
      const tick = setInterval(() => {
        const now = performance.now();
        this.#ownMsMax = Math.max(this.#ownMsMax, now - tickedAt);
        tickedAt = now;
        const due = Math.floor((perSecond * Math.min(now - startedAt, forMs)) / 1000) - sent;
        sent += due;
        this.#send(due, now);
        if (now - startedAt < forMs && !this.#isOver && !this.#isEnding) return;
        clearInterval(tick);
        resolve();
      }, 1);
    });
  }

  #send(count: number, now: number): void {
    this.#counts.offered += count;
    const connections = Math.min(count, this.#connections.length);
    for (let left = count, share = 0; share < connections; share += 1) {
      const batch = Math.ceil(left / (connections - share));
      left -= batch;
      const connection = this.#connections[this.#turn]!;
      this.#turn = (this.#turn + 1) % this.#connections.length;
      if (connection.isFull) this.#counts.unsent += batch;
      else connection.send(this.#requests(batch), batch, now);
    }
  }

  #requests(count: number): Buffer {
    const template = this.#template;
    const bytes = Buffer.allocUnsafe(template.length * count);
    for (let i = 0; i < count; i += 1) {
      template.copy(bytes, i * template.length);
      this.#key = (Math.imul(this.#key, 1664525) + 1013904223) >>> 0;
      const key = Math.floor((this.#key / 2 ** 32) * this.#order.keys);
      writeKey(bytes, i * template.length + this.#keyOffset, key);
      if (this.#valueOffset === undefined) continue;
      const length = this.#order.valueBytes >>> 1;
      const from = this.#key % (noiseBytes - length);
      this.#noise.copy(bytes, i * template.length + this.#valueOffset, from, from + length);
    }
    return bytes;
  }

  #endSlice(): void {
    const slice = {
      ...this.#counts,
      atMs: performance.now() - this.#startedAt,
      ...summaryOf(this.#histogram),
      pingMsMax: this.#pinger.takeWorstMs(),
      ownMsMax: this.#ownMsMax,
    };
    this.#ownMsMax = 0;
    this.#report({ kind: 'slice', slice });
    this.#histogram = new LatencyHistogram();
    this.#counts = { offered: 0, good: 0, late: 0, refused: 0, unsent: 0 };
  }
}

function summaryOf(histogram: LatencyHistogram): LatencySummary {
  return {
    p50Micros: histogram.percentile(0.5),
    p99Micros: histogram.percentile(0.99),
    p999Micros: histogram.percentile(0.999),
    worstMicros: histogram.percentile(1),
    answered: histogram.total,
  };
}

process.once('message', (order: OfferOrder) => {
  const load = new OfferedLoad(order, (report) => process.send?.(report));
  process.once('message', () => load.end());
  load.run().catch((error: unknown) => load.fail(error as Error));
});
