/** A client that pings on a connection of its own and remembers how long that took. */
import assert from 'node:assert/strict';
import { FrameConnection } from './frame-connection.ts';
import { sleep } from './seeded-run.ts';

const pingEveryMs = 20;

export interface Steadiness {
  readonly pings: number;
  readonly slowestMs: number;
}

export class SteadyClient implements AsyncDisposable {
  readonly #connection: FrameConnection;
  readonly #pinging: Promise<void>;
  #isStopped = false;
  #pings = 0;
  #slowestMs = 0;

  private constructor(connection: FrameConnection) {
    this.#connection = connection;
    this.#pinging = this.#ping();
    // Whoever stops it hears of it.
    this.#pinging.catch(() => undefined);
  }

  static async start(port: number): Promise<SteadyClient> {
    return new SteadyClient(await FrameConnection.connect(port));
  }

  /** Rejects if a ping was not answered. */
  async stop(): Promise<Steadiness> {
    this.#isStopped = true;
    await this.#pinging;
    assert.ok(this.#pings > 0, 'pings were answered');
    return { pings: this.#pings, slowestMs: this.#slowestMs };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    this.#connection[Symbol.dispose]();
    await this.#pinging.catch(() => undefined);
  }

  async #ping(): Promise<void> {
    while (!this.#isStopped) {
      const started = performance.now();
      await this.#connection.ping();
      this.#slowestMs = Math.max(this.#slowestMs, performance.now() - started);
      this.#pings += 1;
      await sleep(pingEveryMs);
    }
  }
}
