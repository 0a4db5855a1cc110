/**
 * The load generator: a process of its own that drives one server with closed-loop connections.
 *
 * Told by one message what to do; answers `started` when the warm-up is over, `ended` when the measured
 * time is over (the parent reads the server's CPU time at both), then the result.
 */
import { Buffer } from 'node:buffer';
import { connect, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { LatencyHistogram } from './latency-histogram.ts';
import { type Operation, type ProtocolName, writeKey } from './protocol.ts';
import { protocols } from './protocols.ts';

export interface LoadOrder {
  readonly protocol: ProtocolName;
  readonly port: number;
  /** Other nodes of the same database: connections are spread over all. */
  readonly otherPorts?: readonly number[];
  readonly operation: Operation;
  readonly valueBytes: number;
  readonly keys: number;
  readonly connections: number;
  /** Requests in flight per connection. */
  readonly pipeline: number;
  /** `uniform` over the keys; `sequential` puts each once, then ends: the preload. */
  readonly order: 'uniform' | 'sequential';
  readonly warmupMs: number;
  readonly measuredMs: number;
}

export interface LoadResult {
  readonly operations: number;
  readonly seconds: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
  readonly p999Micros: number;
  readonly generatorCpuMicros: number;
}

export type LoadReport =
  | { readonly kind: 'started' }
  | { readonly kind: 'ended'; readonly result: LoadResult }
  | { readonly kind: 'failed'; readonly message: string };

interface RequestTemplate {
  readonly request: Buffer;
  readonly keyOffset: number;
}

class Client {
  readonly #run: LoadRun;
  readonly #socket: Socket;
  readonly #template: RequestTemplate;
  /** Times at which the requests in flight were sent, oldest first. */
  readonly #sentAt: number[] = [];
  #pending = Buffer.alloc(0);

  constructor(run: LoadRun, port: number, index: number) {
    this.#run = run;
    this.#template = run.templateOf(index);
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('connect', () => {
      const greeting = run.protocol.greeting?.(index);
      if (greeting !== undefined) this.#socket.write(greeting);
      this.#send(run.order.pipeline);
    });
    this.#socket.on('data', (chunk: Buffer) => this.#received(chunk));
    this.#socket.on('error', (error) => run.fail(error));
    this.#socket.on('close', () => run.clientClosed());
  }

  close(): void {
    this.#socket.destroy();
  }

  #send(count: number): void {
    const requests: Buffer[] = [];
    for (let request = 0; request < count; request += 1) {
      const bytes = this.#run.nextRequest(this.#template);
      if (bytes === undefined) break;
      requests.push(bytes);
    }
    if (requests.length === 0) {
      if (this.#sentAt.length === 0) this.#socket.end();
      return;
    }
    const now = performance.now();
    for (const _ of requests) this.#sentAt.push(now);
    this.#socket.write(requests.length === 1 ? requests[0] : Buffer.concat(requests));
  }

  #received(chunk: Buffer): void {
    const { protocol, order } = this.#run;
    const bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    let at = 0;
    let replies = 0;
    const now = performance.now();
    try {
      for (;;) {
        const end = protocol.replyEnd(bytes, at, bytes.length, order.operation);
        if (end < 0) break;
        at = end;
        replies += 1;
        this.#run.completed((now - (this.#sentAt.shift() ?? now)) * 1000);
      }
    } catch (error) {
      this.#run.fail(error as Error);
      return;
    }
    this.#pending = at === bytes.length ? Buffer.alloc(0) : Buffer.from(bytes.subarray(at));
    if (replies > 0) this.#send(replies);
  }
}

class LoadRun {
  readonly order: LoadOrder;
  readonly protocol;
  readonly #value: Buffer;
  readonly #report: (report: LoadReport) => void;
  readonly #histogram = new LatencyHistogram();
  readonly #clients: Client[];
  #nextKey = 0;
  #measuring = false;
  #finished = false;
  #open: number;

  constructor(order: LoadOrder, report: (report: LoadReport) => void) {
    this.order = order;
    this.protocol = protocols[order.protocol];
    this.#report = report;
    this.#value = Buffer.alloc(order.valueBytes, 0x78);
    this.#open = order.connections;
    const ports = [order.port, ...(order.otherPorts ?? [])];
    const portOf = (client: number): number => ports[client % ports.length] ?? order.port;
    this.#clients = Array.from(
      { length: order.connections },
      (_, client) => new Client(this, portOf(client), client),
    );
    if (order.order === 'uniform') setTimeout(() => this.#measure(), order.warmupMs);
  }

  templateOf(client: number): RequestTemplate {
    return this.protocol.template(this.order.operation, this.#value, client);
  }

  nextRequest(template: RequestTemplate): Buffer | undefined {
    if (this.#finished) return undefined;
    const key = this.#key();
    if (key === undefined) return undefined;
    const request = Buffer.from(template.request);
    writeKey(request, template.keyOffset, key);
    return request;
  }

  completed(micros: number): void {
    if (this.#measuring || this.order.order === 'sequential') this.#histogram.record(micros);
  }

  clientClosed(): void {
    this.#open -= 1;
    if (this.#open === 0 && this.order.order === 'sequential' && !this.#finished)
      this.#end(0, process.cpuUsage());
  }

  fail(error: Error): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#report({ kind: 'failed', message: error.message });
  }

  #key(): number | undefined {
    if (this.order.order === 'sequential') {
      return this.#nextKey < this.order.keys ? this.#nextKey++ : undefined;
    }
    return Math.floor(this.#random() * this.order.keys);
  }

  /** A cheap generator; the choice of keys need not be unpredictable, only even. */
  #random(): number {
    this.#nextKey = (Math.imul(this.#nextKey, 1664525) + 1013904223) >>> 0;
    return this.#nextKey / 2 ** 32;
  }

  #measure(): void {
    this.#measuring = true;
    const cpu = process.cpuUsage();
    const startedAt = performance.now();
    this.#report({ kind: 'started' });
    setTimeout(() => this.#end(startedAt, cpu), this.order.measuredMs);
  }

  #end(startedAt: number, cpuBefore: NodeJS.CpuUsage): void {
    if (this.#finished) return;
    this.#measuring = false;
    this.#finished = true;
    const cpu = process.cpuUsage(cpuBefore);
    const histogram = this.#histogram;
    this.#report({
      kind: 'ended',
      result: {
        operations: histogram.total,
        seconds: (performance.now() - startedAt) / 1000,
        p50Micros: histogram.percentile(0.5),
        p99Micros: histogram.percentile(0.99),
        p999Micros: histogram.percentile(0.999),
        generatorCpuMicros: cpu.user + cpu.system,
      },
    });
    for (const client of this.#clients) client.close();
  }
}

process.once('message', (order: LoadOrder) => {
  new LoadRun(order, (report) => process.send?.(report));
});
