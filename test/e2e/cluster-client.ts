/**
 * A client of a cluster as applications are: it has one connection, and when that breaks it goes on with another
 * node. Remembers what nodes that should have answered did not.
 */
import assert from 'node:assert/strict';
import type { ClusterNode } from './cluster-node.ts';
import { ConnectionLostError, ErrorReply, type Found, type FrameConnection } from './frame-connection.ts';
import type { HaleCluster } from './hale-cluster.ts';
import { type SeededRun, sleep } from './seeded-run.ts';

const retryMs = 5;
/** Who waits longer for a node that serves has met a bug. */
const answerMsMax = 30_000;

export interface RequestTally {
  answered: number;
  /** The node was killed or paused while it had the request. */
  interrupted: number;
  /** Texts of refusals by nodes that served, and how many. */
  readonly refused: Map<string, number>;
  slowestMs: number;
}

export function newTally(): RequestTally {
  return { answered: 0, interrupted: 0, refused: new Map(), slowestMs: 0 };
}

type Ask<T> = (connection: FrameConnection) => Promise<T>;

export class ClusterClient implements Disposable {
  readonly #cluster: HaleCluster;
  readonly #run: SeededRun;
  readonly #tally: () => RequestTally;
  #node: ClusterNode | undefined;
  #connection: FrameConnection | undefined;

  constructor(cluster: HaleCluster, run: SeededRun, tally: () => RequestTally) {
    this.#cluster = cluster;
    this.#run = run;
    this.#tally = tally;
  }

  /** Undefined: not answered; whether it was carried out is not known. */
  async ask<T>(request: Ask<T>): Promise<T | undefined> {
    const { node, connection } = await this.#connected();
    const life = node.process;
    const tally = this.#tally();
    const started = performance.now();
    try {
      const answer = await answerOrPause(node, request(connection));
      if (answer === undefined) throw new ConnectionLostError('the node was paused');
      tally.answered += 1;
      tally.slowestMs = Math.max(tally.slowestMs, performance.now() - started);
      return answer.value;
    } catch (error) {
      if (error instanceof ErrorReply) {
        tally.refused.set(error.message, (tally.refused.get(error.message) ?? 0) + 1);
        await sleep(retryMs);
        return undefined;
      }
      if (!(error instanceof ConnectionLostError)) throw error;
      this.#drop();
      tally.interrupted += 1;
      await sleep(retryMs);
      const served = node.isServing && node.process === life && !node.isLeaving;
      assert.ok(!served, `${node.name} closed a connection: ${error.message}`);
      return undefined;
    }
  }

  get(bucket: string, key: string): Promise<Found | undefined> {
    return this.ask((connection) => connection.get(bucket, key));
  }

  /** False: not acknowledged. */
  async put(bucket: string, key: string, value: Buffer, context?: Buffer): Promise<boolean> {
    const done = await this.ask(async (connection) => {
      await connection.put(bucket, key, value, context);
      return true;
    });
    return done === true;
  }

  async delete(bucket: string, key: string): Promise<boolean> {
    const done = await this.ask(async (connection) => {
      await connection.delete(bucket, key);
      return true;
    });
    return done === true;
  }

  /** Goes to another node for the next request. */
  move(): void {
    this.#drop();
  }

  [Symbol.dispose](): void {
    this.#drop();
  }

  async #connected(): Promise<{ node: ClusterNode; connection: FrameConnection }> {
    const deadline = performance.now() + answerMsMax;
    for (;;) {
      const node = this.#node;
      const connection = this.#connection;
      if (node?.isServing === true && connection !== undefined && !connection.isLost)
        return { node, connection };
      this.#drop();
      assert.ok(performance.now() < deadline, 'no node serves');
      const { serving } = this.#cluster;
      if (serving.length === 0) {
        await sleep(retryMs);
        continue;
      }
      const chosen = this.#run.pick(serving);
      try {
        this.#connection = await chosen.connect();
        this.#node = chosen;
      } catch (error) {
        if (!(error instanceof ConnectionLostError)) throw error;
        await sleep(retryMs);
      }
    }
  }

  #drop(): void {
    this.#connection?.[Symbol.dispose]();
    this.#connection = undefined;
    this.#node = undefined;
  }
}

/** Undefined: the node was paused before it answered. */
async function answerOrPause<T>(node: ClusterNode, answer: Promise<T>): Promise<{ value: T } | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const started = performance.now();
  const paused = new Promise<undefined>((resolve, reject) => {
    timer = setInterval(() => {
      if (!node.isServing) resolve(undefined);
      else if (performance.now() - started > answerMsMax) reject(new Error(`${node.name} does not answer`));
    }, 50);
  });
  try {
    return await Promise.race([answer.then((value) => ({ value })), paused]);
  } finally {
    clearInterval(timer);
    // What comes after the pause is nobody's.
    answer.catch(() => undefined);
  }
}
