/**
 * A cluster of nodes that do nothing but hold replicas and compare them: vnodes that merge, on the memory engine with
 * its journal, in a simulated world. Tests write to single replicas, and so make every divergence there is.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { actorId, VersionVector } from '../../clocks/index.ts';
import { type Partition, Ring } from '../../core/ring/index.ts';
import type { NodeId } from '../../environment/index.ts';
import { World } from '../../simulator/index.ts';
import { byteLiteral, bytesOfText } from '../../stdx/index.ts';
import { encodeContent, tombstoneContent } from '../../wire/index.ts';
import { NameHash } from '../coordinator/index.ts';
import { makeObject, type VersionedObject } from '../object/index.ts';
import { ObjectKey } from '../vnode/index.ts';
import type { AntiEntropy, AntiEntropySettings, Placements } from './index.ts';
import { ReplicaNode } from './replica-node.fixture.ts';

export const quickSettings: AntiEntropySettings = {
  isActive: true,
  intervalMs: 10_000,
  exchangesMax: 4,
  repairsPerSecondMax: 1000,
  rebuildPerSecondMax: 25_000,
  verifyIntervalMs: 604_800_000,
};

/** An object that `writer` made by its write number `counter`. */
export function objectOf(writer: number, counter: number, isTombstone = false): VersionedObject {
  const dot = { actor: actorId(byteLiteral(String(writer).padStart(8, '0')), 1), counter };
  const content = isTombstone
    ? tombstoneContent(byteLiteral('vtag'), 0 as Parameters<typeof tombstoneContent>[1])
    : encodeContent({
        value: Buffer.from(`value ${writer} ${counter}`),
        links: [],
        userMeta: [],
        indexes: [],
        deleted: false,
      });
  return makeObject(VersionVector.empty.with(dot, 0), [{ dot, content }]);
}

export function keyOf(name: string, bucket = 'b'): ObjectKey {
  const key = bytesOfText(name);
  return new ObjectKey({ bucketType: byteLiteral('default'), bucket: bytesOfText(bucket), key });
}

export class ReplicaCluster {
  readonly world: World;
  readonly nodes: readonly ReplicaNode[];
  ring: Ring;
  readonly n: number;
  messages = 0;
  messageBytes = 0;
  readonly requests = new Map<string, number>();
  readonly placements: Placements;
  readonly #cuts = new Set<string>();
  readonly #names = new NameHash();

  constructor(world: World, nodeCount: number, ringSize: number, n = 3) {
    this.world = world;
    this.n = n;
    this.nodes = Array.from({ length: nodeCount }, (_, i) => new ReplicaNode(this, `n${i}@host`));
    this.ring = new Ring(
      1,
      Array.from({ length: ringSize }, (_, i) => this.nodes[i % nodeCount]!.id),
    );
    this.placements = { of: () => ({ nVal: n, bucketOnly: false }), nVals: [n], revision: '1' };
  }

  async start(settings: AntiEntropySettings = quickSettings): Promise<void> {
    for (const node of this.nodes) await node.start(settings);
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) if (node.process.isUp) await node.stop();
  }

  node(id: NodeId): ReplicaNode {
    const node = this.nodes.find((candidate) => candidate.id === id);
    assert.ok(node !== undefined, id);
    return node;
  }

  /** Both ways, with what liveness makes of it. */
  cut(a: ReplicaNode, b: ReplicaNode): void {
    this.#cuts.add(`${a.id} ${b.id}`).add(`${b.id} ${a.id}`);
    a.down.add(b.id);
    b.down.add(a.id);
    for (const node of [a, b]) node.topologyChanged();
  }

  heal(): void {
    this.#cuts.clear();
    for (const node of this.nodes) {
      node.down.clear();
      node.topologyChanged();
    }
  }

  isCut(from: NodeId, to: NodeId): boolean {
    return this.#cuts.has(`${from} ${to}`);
  }

  firstOf(key: ObjectKey): Partition {
    return this.ring.partitionOf(this.#names.of(key.address));
  }

  /** The replicas of a key: each partition with its owner. */
  replicasOf(key: ObjectKey): readonly { partition: Partition; node: ReplicaNode }[] {
    return Array.from({ length: this.n }, (_, step) => {
      const partition = this.ring.after(this.firstOf(key), step);
      return { partition, node: this.node(this.ring.ownerOf(partition)) };
    });
  }

  /** To those replicas alone; by default to all. */
  put(key: ObjectKey, object: VersionedObject, positions: readonly number[] = [0, 1, 2]): void {
    this.replicasOf(key).forEach(({ partition, node }, i) => {
      if (positions.includes(i)) node.put(partition, key, object);
    });
  }

  /** Key i by write number i + 1 of `writer`. */
  putAll(keys: readonly ObjectKey[], writer: number, positions?: readonly number[]): void {
    for (const [i, key] of keys.entries()) this.put(key, objectOf(writer, i + 1), positions);
  }

  /** What each replica of a key holds; all the same if it has converged. */
  versions(key: ObjectKey): readonly (string | undefined)[] {
    return this.replicasOf(key).map(({ partition, node }) =>
      node.commit.engine.get(key.borrow(partition))?.toString('latin1'),
    );
  }

  total(name: keyof ReturnType<AntiEntropy['status']>['totals']): number {
    return this.nodes.reduce((sum, node) => sum + node.antiEntropy.status().totals[name], 0);
  }

  /** Resolves when every node has its trees. */
  async built(): Promise<void> {
    await this.until(() =>
      this.nodes.every(
        (node) =>
          !node.process.isUp || node.antiEntropy.status().partitions.every(({ state }) => state === 'built'),
      ),
    );
  }

  async until(holds: () => boolean, withinMs = 600_000): Promise<void> {
    const end = this.world.nowMs + withinMs;
    while (!holds()) {
      assert.ok(this.world.nowMs < end, `not within ${withinMs} ms`);
      await this.world.sleep(100);
    }
  }
}

/** Runs a story of a cluster in a world of its own. */
export async function inCluster(
  options: { readonly nodes: number; readonly ringSize: number; readonly n?: number; readonly seed?: number },
  story: (cluster: ReplicaCluster) => Promise<void>,
  settings: AntiEntropySettings = quickSettings,
): Promise<void> {
  const world = new World({ seed: options.seed ?? 1 });
  const cluster = new ReplicaCluster(world, options.nodes, options.ringSize, options.n);
  await world.run(async () => {
    await cluster.start(settings);
    await story(cluster);
    await cluster.stop();
  });
}
