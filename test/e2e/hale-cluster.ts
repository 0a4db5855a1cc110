/** A cluster of real processes on loopback addresses of their own, with their data in one directory. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { OverviewView } from '../../src/server/index.ts';
import { ClusterNode, type ClusterNodeOptions, clusterPort } from './cluster-node.ts';
import { isLongForm, sleep } from './seeded-run.ts';

const pollMs = 100;
/** How long it takes is told, and depends on what else the machine does: this is for what never ends. */
const settleMsMax = isLongForm ? 600_000 : 60_000;
/** The machine that runs tests does other things too; only a test of overload wants to see it. */
const patience = ['overload.turn_delay=10s', 'overload.request_delay=30s'];

export interface HaleClusterOptions {
  readonly size: number;
  readonly ringSize?: number;
  /** `key=value` of every node. */
  readonly settings?: readonly string[];
  /** Called before a node starts for the first time. */
  readonly prepare?: (node: ClusterNode, index: number) => void;
  /** Where a node runs, if not in this network namespace. */
  readonly placeOf?: (index: number) => Pick<ClusterNodeOptions, 'host' | 'within' | 'httpHost'>;
}

export class HaleCluster implements AsyncDisposable {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'hale-cluster-'));
  readonly nodes: ClusterNode[] = [];
  readonly #options: HaleClusterOptions;
  /** Clusters of other tests that run now have other addresses. */
  readonly #subnet = `127.${1 + randomInt(250)}.${randomInt(256)}`;

  private constructor(options: HaleClusterOptions) {
    this.#options = options;
  }

  /** Resolves when all are members and the ring is as it should be. */
  static async start(options: HaleClusterOptions): Promise<HaleCluster> {
    const cluster = new HaleCluster(options);
    try {
      await Promise.all(Array.from({ length: options.size }, () => cluster.startNode()));
      const [first, ...others] = cluster.nodes;
      assert.ok(first !== undefined, 'a cluster has a node');
      first.isMember = true;
      for (const node of others) await cluster.join(node);
      if (others.length > 0) await cluster.commit();
      await cluster.settled();
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A node that is no member yet. */
  async startNode(...settings: readonly string[]): Promise<ClusterNode> {
    const index = this.nodes.length;
    const { ringSize = 64, placeOf = () => ({ host: `${this.#subnet}.${index + 1}` }) } = this.#options;
    const node = new ClusterNode({
      label: `n${index + 1}`,
      directory: this.directory,
      settings: [`ring_size=${ringSize}`, ...patience, ...(this.#options.settings ?? []), ...settings],
      ...placeOf(index),
    });
    this.nodes.push(node);
    this.#options.prepare?.(node, index);
    await node.start();
    return node;
  }

  /** The members that answer. */
  get serving(): readonly ClusterNode[] {
    return this.nodes.filter((node) => node.isServing && node.isMember);
  }

  /** Any node takes any request. */
  get anyNode(): ClusterNode {
    const [node] = this.serving;
    assert.ok(node !== undefined, 'a node serves');
    return node;
  }

  /** Enters `node` in the cluster, and stages that it becomes an owner. */
  async join(node: ClusterNode): Promise<void> {
    await node.change('join', { seed: `${this.anyNode.host}:${clusterPort}` });
    node.isMember = true;
  }

  /** As soon as the cluster is healthy. Returns how many partitions the plan moves. */
  async commit(by: ClusterNode = this.anyNode): Promise<number> {
    const deadline = performance.now() + settleMsMax;
    for (;;) {
      try {
        const { moves } = (await by.change('commit')) as { readonly moves: number };
        return moves;
      } catch (error) {
        const isUnhealthy = error instanceof assert.AssertionError && error.message.includes('"unhealthy"');
        if (!isUnhealthy || performance.now() > deadline) throw error;
        await sleep(pollMs);
      }
    }
  }

  /**
   * Resolves when all that serve and are members know the same, see each other, and nothing moves or waits to
   * be handed back. Returns how long that took.
   */
  async settled(msMax = settleMsMax): Promise<number> {
    const started = performance.now();
    for (;;) {
      const problem = await this.#unsettled();
      const elapsed = performance.now() - started;
      if (problem === undefined) return elapsed;
      assert.ok(elapsed < msMax, `not settled after ${Math.round(elapsed)} ms: ${problem}`);
      await sleep(pollMs);
    }
  }

  async #unsettled(): Promise<string | undefined> {
    const views: OverviewView[] = [];
    for (const node of this.serving) {
      try {
        views.push(await node.view());
      } catch (error) {
        // One that leaves ends when it has left.
        if (!(error instanceof TypeError)) throw error;
        return `${node.name} does not answer`;
      }
    }
    const members = views.filter(({ role }) => role !== 'removed');
    const epochs = new Set(members.map(({ generation, epoch }) => `${generation}.${epoch}`));
    if (epochs.size !== 1) return `epochs ${[...epochs].join(', ')}`;
    for (const view of members) {
      const problem = problemOf(view, new Set(members.map(({ node }) => node)));
      if (problem !== undefined) return `${view.node}: ${problem}`;
    }
    return undefined;
  }

  /** No node logged an error. */
  assertSound(): void {
    for (const node of this.nodes) assert.deepEqual(node.loggedErrors, [], node.name);
  }

  /** All at once. */
  async kill(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    if (process.env.E2E_KEEP !== undefined) {
      for (const node of this.nodes) writeFileSync(`${node.dataDirectory}.log`, node.log);
      console.log(`kept: ${this.directory}`);
      return;
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Of members that do not serve nothing is asked. */
function problemOf({ moves, members }: OverviewView, serving: ReadonlySet<string>): string | undefined {
  const left = Object.entries(moves).filter(([, count]) => count > 0);
  if (left.length > 0) return `moves ${JSON.stringify(moves)}`;
  for (const { node, status, reachability, has_strays } of members) {
    if (status !== 'valid' && status !== 'down') return `${node} is ${status}`;
    if (!serving.has(node)) continue;
    if (reachability !== 'alive') return `${node} is ${reachability}`;
    if (has_strays) return `${node} has strays`;
  }
  return undefined;
}
