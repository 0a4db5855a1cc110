/** A cluster of real processes on loopback addresses of their own, with their data in one directory. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { StagedChange } from '../../src/core/index.ts';
import { ClusterNode, type ClusterNodeOptions } from './cluster-node.ts';
import type { ClusterView } from './cluster-order.ts';
import { sleep } from './seeded-run.ts';

const pollMs = 100;
const settleMsMax = 60_000;

export interface HaleClusterOptions {
  readonly size: number;
  readonly ringSize?: number;
  /** `key=value` of every node. */
  readonly settings?: readonly string[];
  /** Where a node runs, if not in this network namespace. */
  readonly placeOf?: (index: number) => Pick<ClusterNodeOptions, 'host' | 'within'>;
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
      for (const node of cluster.nodes.slice(1)) await cluster.join(node);
      await cluster.commit();
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
      settings: [`ring_size=${ringSize}`, ...(this.#options.settings ?? []), ...settings],
      ...placeOf(index),
    });
    this.nodes.push(node);
    await node.start();
    return node;
  }

  get first(): ClusterNode {
    return this.nodes[0]!;
  }

  get serving(): readonly ClusterNode[] {
    return this.nodes.filter((node) => node.isServing);
  }

  /** Enters `node` in the cluster, and stages that it becomes an owner. */
  async join(node: ClusterNode): Promise<void> {
    await node.join(this.first);
    await this.stage({ kind: 'join', node: node.name });
  }

  async stage(change: StagedChange, by: ClusterNode = this.first): Promise<void> {
    const answer = await by.order({ kind: 'stage', change });
    assert.equal(answer.kind, 'applied', JSON.stringify(answer));
  }

  /** Returns how many partitions the plan moves. */
  async commit(by: ClusterNode = this.first): Promise<number> {
    const answer = await by.order({ kind: 'commit', isForced: false });
    assert.equal(answer.kind, 'applied', JSON.stringify(answer));
    return answer.moves as number;
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
    const views = new Map<ClusterNode, ClusterView>();
    for (const node of this.serving) views.set(node, await node.view());
    const members = [...views].filter(([, view]) => !view.isRemoved);
    const epochs = new Set(members.map(([, { generation, epoch }]) => `${generation}.${epoch}`));
    if (epochs.size !== 1) return `epochs ${[...epochs].join(', ')}`;
    for (const [node, view] of members) {
      if (view.moves.length > 0) {
        return `${node.name}: ${view.moves.length} moves, the first ${JSON.stringify(view.moves[0])}`;
      }
      if (Object.values(view.members).some((status) => status !== 'valid' && status !== 'down')) {
        return `${node.name}: ${JSON.stringify(view.members)}`;
      }
      const unseen = members.filter(([other]) => view.reachability[other.name] !== 'alive');
      if (unseen.length > 0 && members.length > 1) {
        return `${node.name} sees ${JSON.stringify(view.reachability)}`;
      }
      if (view.strayPartitions.length > 0) {
        return `${node.name} has strays in ${view.strayPartitions.join()}: ${JSON.stringify(view.transfers[0])}`;
      }
      const strays = view.withStrays.filter((name) => members.some(([other]) => other.name === name));
      if (strays.length > 0) return `${node.name} knows of strays at ${strays.join(', ')}`;
    }
    return undefined;
  }

  /** No node logged an error or ended by itself. */
  assertSound(): void {
    for (const node of this.nodes) assert.deepEqual(node.loggedErrors, [], node.name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) await node.kill();
    if (process.env.E2E_KEEP !== undefined) {
      for (const node of this.nodes) writeFileSync(`${node.dataDirectory}.log`, node.log);
      console.log(`kept: ${this.directory}`);
      return;
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}
