/**
 * Clients that write, read and delete on all nodes of a cluster while a test does things to it, and the memory
 * of what was acknowledged.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { KeyHistory } from './acknowledged-writes.ts';
import { ClusterClient, newTally, type RequestTally } from './cluster-client.ts';
import type { ClusterNode } from './cluster-node.ts';
import type { HaleCluster } from './hale-cluster.ts';
import { type SeededRun, sleep } from './seeded-run.ts';

export interface ClusterLoadOptions {
  readonly clients: number;
  readonly keysPerClient: number;
  /** Of 100 requests; the rest are reads. */
  readonly putPercent: number;
  readonly deletePercent: number;
}

const checkClients = 8;
/** Who has answered nobody by then has stopped. */
const answerMsMax = 30_000;
const answerPollMs = 20;
const movePercent = 2;

export class ClusterLoad implements AsyncDisposable {
  readonly #cluster: HaleCluster;
  readonly #run: SeededRun;
  readonly #options: ClusterLoadOptions;
  readonly #histories: readonly (readonly KeyHistory[])[];
  /** Keys that were acknowledged, and of which no delete was ever sent; since when, on the test's clock. */
  readonly #existing = new Map<string, number>();
  readonly #falseNotFound: string[] = [];
  #tally = newTally();
  /** Whether an existing key that is not found is a fault: not where its replicas are on the other side of a cut. */
  seesAll = true;
  #isStopping = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(cluster: HaleCluster, run: SeededRun, options: ClusterLoadOptions) {
    this.#cluster = cluster;
    this.#run = run;
    this.#options = options;
    this.#histories = Array.from({ length: options.clients }, (_, client) =>
      Array.from({ length: options.keysPerClient }, (__, key) => new KeyHistory('load', `c${client}k${key}`)),
    );
  }

  start(): void {
    this.#isStopping = false;
    const running = Promise.all(this.#histories.map((keys) => this.#work(keys)));
    running.catch(() => undefined);
    this.#running = running;
  }

  /** Resolves when no request is in progress; rejects if a client met what must not be. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  /** What happened since the last call. */
  tally(): RequestTally {
    const tally = this.#tally;
    this.#tally = newTally();
    return tally;
  }

  /**
   * While `act` goes on, until it is undone: every request to a node that served was answered. Prints how
   * many and how slow.
   */
  async during(
    context: TestContext,
    what: string,
    act: () => Promise<unknown>,
    undo: () => unknown = () => undefined,
  ): Promise<RequestTally> {
    this.tally();
    const started = performance.now();
    try {
      await act();
      // Beside other work the machine may not have come to it yet.
      while (this.#tally.answered === 0 && performance.now() - started < answerMsMax)
        await sleep(answerPollMs);
    } finally {
      await undo();
    }
    const tally = this.tally();
    const { answered, interrupted, refused, slowestMs } = tally;
    const elapsedMs = performance.now() - started;
    const rate = Math.round((answered / elapsedMs) * 1000);
    context.diagnostic(
      `${what}: ${Math.round(elapsedMs)} ms, ${answered} answered (${rate}/s), ${interrupted} interrupted, ` +
        `slowest ${Math.round(slowestMs)} ms`,
    );
    assert.deepEqual([...refused], [], `${what}: refused`);
    assert.deepEqual(this.#falseNotFound, [], `${what}: existing keys were not found`);
    assert.ok(answered > 0, `${what}: nothing was answered`);
    return tally;
  }

  /** Reads all keys, each through a node drawn by chance: nothing acknowledged is missing. Returns how many. */
  async check(): Promise<number> {
    const left = this.#histories.flat().values();
    const tally = newTally();
    let checked = 0;
    const worker = async (): Promise<void> => {
      using client = new ClusterClient(this.#cluster, this.#run, () => tally);
      for (const history of left) {
        client.move();
        const found = await client.get(history.bucket, history.key);
        assert.ok(found !== undefined, `${history.key}: ${[...tally.refused.keys()].join(', ')}`);
        assert.ok(found.values.length <= 1, 'one value');
        history.check(found.values[0]);
        checked += 1;
      }
    };
    await Promise.all(Array.from({ length: checkClients }, worker));
    return checked;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    await this.#running.catch(() => undefined);
  }

  /** One request of a key at a time. */
  async #work(keys: readonly KeyHistory[]): Promise<void> {
    using client = new ClusterClient(this.#cluster, this.#run, () => this.#tally);
    const { putPercent, deletePercent } = this.#options;
    while (!this.#isStopping) {
      const history = this.#run.pick(keys);
      const chance = this.#run.below(100);
      if (chance < putPercent) await this.#put(client, history);
      else if (chance < putPercent + deletePercent) await this.#delete(client, history);
      else await this.#get(client, history);
      if (this.#run.chance(movePercent)) client.move();
    }
  }

  async #put(client: ClusterClient, history: KeyHistory): Promise<void> {
    const { number, value } = history.nextPut();
    if (!(await client.put(history.bucket, history.key, value))) return;
    history.acknowledged(number);
    if (this.#options.deletePercent === 0 && !this.#existing.has(history.key)) {
      this.#existing.set(history.key, performance.now());
    }
  }

  async #delete(client: ClusterClient, history: KeyHistory): Promise<void> {
    const number = history.nextDelete();
    if (await client.delete(history.bucket, history.key)) history.acknowledged(number);
  }

  async #get(client: ClusterClient, history: KeyHistory): Promise<void> {
    const since = this.#existing.get(history.key);
    const found = await client.get(history.bucket, history.key);
    if (found === undefined || since === undefined || found.values.length > 0 || !this.seesAll) return;
    const agoMs = Math.round(performance.now() - since);
    const doubts = await Promise.all(this.#cluster.serving.map(doubtsOf));
    this.#falseNotFound.push(`${history.key}, written ${agoMs} ms before; ${doubts.join('; ')}`);
  }
}

/** Whom the node does not think alive: a write that went to fallbacks meanwhile is not at its primaries yet. */
async function doubtsOf(node: ClusterNode): Promise<string> {
  try {
    const { members } = await node.view();
    const doubted = members.filter(({ reachability }) => reachability !== 'alive');
    return `${node.name}: ${doubted.map((one) => `${one.node} ${one.reachability}`).join() || 'all alive'}`;
  } catch (error) {
    return `${node.name}: ${String(error)}`;
  }
}
