/** A client of the Protocol Buffers interface that measures what is asked seldom: any request, in this process. */
import type { Buffer } from 'node:buffer';
import { connect, type Socket } from 'node:net';
import { textOfBytes } from '../../src/stdx/index.ts';
import { decodeMessage, FrameReader, rpbErrorResp } from '../../src/wire/index.ts';
import { cpuMicros, untilIdle } from './run-load.ts';

const frameBytesMax = 256 * 1024 * 1024;
/** Frames that are on their way when many are sent. */
const pipelineMax = 16;
const warmupMs = 300;

interface Waiting {
  /** True: it was the last reply to the request. */
  readonly take: (body: Buffer) => boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class FrameClient {
  readonly #socket: Socket;
  readonly #frames = new FrameReader(frameBytesMax);
  readonly #waiting: Waiting[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#received(chunk));
    socket.on('error', (error) => this.#lost(error));
    socket.on('close', () => this.#lost(new Error('the connection was closed')));
  }

  static connect(port: number): Promise<FrameClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => resolve(new FrameClient(socket)));
    });
  }

  /** Resolves at the last reply, as `take` says it; by default the first. The body it is given changes afterwards. */
  ask(frame: Buffer, take: (body: Buffer) => boolean = () => true): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ take, resolve, reject });
      this.#socket.write(frame);
    });
  }

  /** As many at a time as are useful. */
  async askAll(count: number, frameOf: (index: number) => Buffer): Promise<void> {
    for (let at = 0; at < count; at += pipelineMax) {
      const length = Math.min(pipelineMax, count - at);
      await Promise.all(Array.from({ length }, (_, i) => this.ask(frameOf(at + i))));
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #received(chunk: Buffer): void {
    this.#frames.feed(chunk);
    while (this.#frames.next()) {
      const { code, bytes, start, end } = this.#frames;
      const body = bytes.subarray(start, end);
      const [waiting] = this.#waiting;
      if (waiting === undefined) throw new Error(`a reply with code ${code} that nobody asked for`);
      if (code === rpbErrorResp.code) {
        this.#waiting.shift();
        waiting.reject(new Error(textOfBytes(decodeMessage(rpbErrorResp, body).errmsg)));
      } else if (waiting.take(body)) {
        this.#waiting.shift();
        waiting.resolve();
      }
    }
    this.#frames.retain();
  }

  #lost(error: Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}

export interface LoopResult {
  readonly operations: number;
  readonly seconds: number;
  /** Of the server's processes, for one operation. */
  readonly cpuMicros: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface LoopOptions {
  readonly pids: () => readonly number[];
  readonly measuredMs: number;
  /** At least so many, however long that takes. */
  readonly operationsMin?: number;
  /** Called when what follows is measured. */
  readonly warmedUp?: () => void;
}

/** Each client asks one thing after another. The server is idle before, and weighed until it is idle again. */
export async function measureLoop(
  clients: readonly FrameClient[],
  operate: (client: FrameClient, index: number) => Promise<void>,
  { pids, measuredMs, operationsMin = 1, warmedUp }: LoopOptions,
): Promise<LoopResult> {
  const times: number[] = [];
  let begun = 0;
  const loop = async (client: FrameClient, untilMs: number, until: number): Promise<void> => {
    while (performance.now() < untilMs || begun < until) {
      const at = performance.now();
      begun += 1;
      await operate(client, begun - 1);
      times.push(performance.now() - at);
    }
  };
  const run = (ms: number, until: number) => {
    const untilMs = performance.now() + ms;
    return Promise.all(clients.map((client) => loop(client, untilMs, until)));
  };
  await run(Math.min(warmupMs, measuredMs), 1);
  await untilIdle(pids());
  const cpuBefore = cpuMicros(pids());
  times.length = 0;
  warmedUp?.();
  const startedAt = performance.now();
  await run(measuredMs, begun + operationsMin);
  const seconds = (performance.now() - startedAt) / 1000;
  await untilIdle(pids());
  const cpu = cpuMicros(pids()) - cpuBefore;
  times.sort((a, b) => a - b);
  const percentile = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))]!;
  const operations = times.length;
  return {
    operations,
    seconds,
    cpuMicros: cpu / operations,
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
  };
}
