/**
 * A cluster of nodes that do nothing but hold replicas and compare them: vnodes that merge, on the memory engine with
 * its journal, in a simulated world. Tests write to single replicas, and so make every divergence there is.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { actorId, VersionVector } from '../../clocks/index.ts';
import { type Partition, type PreferenceList, preferenceList, Ring } from '../../core/ring/index.ts';
import type { Topology } from '../../core/topology/index.ts';
import type { MessageFill, MessageHandler, Messenger } from '../../core/transport/index.ts';
import { type Environment, type NodeId, nodeIdOf } from '../../environment/index.ts';
import { type SimulatedProcess, World } from '../../simulator/index.ts';
import { byteLiteral, bytesOfText } from '../../stdx/index.ts';
import {
  type Cursor,
  GroupCommit,
  openMemoryEngine,
  type ScanOptions,
  type StorageEngine,
  StorageError,
  WriteBatch,
} from '../../storage/index.ts';
import { encodeContent, tombstoneContent } from '../../wire/index.ts';
import { NameHash } from '../coordinator/index.ts';
import { makeObject, mergeObjects, VersionedObject } from '../object/index.ts';
import {
  addressOf,
  ObjectKey,
  objectsRange,
  type ReplicaReply,
  type ReplicaRequest,
} from '../vnode/index.ts';
import { AntiEntropy, type AntiEntropySettings, type Placements, type StoredChanges } from './index.ts';
import type { ReplicaRouter } from './repair-key.ts';

export const latencyMs = 1;

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

export class ReplicaNode {
  readonly id: NodeId;
  readonly process: SimulatedProcess;
  readonly cluster: ReplicaCluster;
  antiEntropy!: AntiEntropy;
  commit!: GroupCommit;
  handler: MessageHandler | undefined;
  #changed: () => void = () => {};
  /** Nodes that this one takes for dead. */
  readonly down = new Set<NodeId>();
  readonly moving = new Set<Partition>();
  /** Keys that were read at all replicas for their tombstones. */
  readonly readAll: string[] = [];
  /** Corrupt reads and failures to come. */
  damaged = new Set<string>();
  /** A bug to plant: changes that the trees are not told of. */
  isDeaf = false;

  constructor(cluster: ReplicaCluster, name: string) {
    this.cluster = cluster;
    this.id = nodeIdOf(name);
    this.process = cluster.world.node(name);
  }

  get environment(): Environment {
    return this.process.environment;
  }

  async start(settings: AntiEntropySettings): Promise<void> {
    const { environment } = this;
    const journal = { disk: environment.disk, directory: 'journal' };
    const engine = await openMemoryEngine({ journal }, environment);
    const damageable: StorageEngine = {
      name: engine.name,
      get health() {
        return engine.health;
      },
      get: (key) => this.#checked(key, engine.get(key)),
      scan: (range, options) => this.#scan(engine.scan(range, options), options),
      write: (batch, durability) => engine.write(batch, durability),
      deleteRange: (range) => engine.deleteRange(range),
      sizeEstimate: (range) => engine.sizeEstimate(range),
      copyTo: (directory) => engine.copyTo(directory),
      close: () => engine.close(),
    };
    this.commit = new GroupCommit(damageable, environment.tasks);
    const topology = this.#topology();
    const { placements } = this.cluster;
    this.antiEntropy = await AntiEntropy.open({
      environment,
      commit: this.commit,
      topology,
      placements,
      settings,
    });
    this.antiEntropy.start({
      messenger: this.#messenger(),
      router: this.#router(),
      durabilityOf: () => 'synced',
      readAll: (address) => this.readAll.push(address.key),
    });
  }

  async stop(): Promise<void> {
    await this.antiEntropy.stop();
    await this.commit.drain();
    await this.antiEntropy.close();
    await this.commit.engine.close();
    this.handler = undefined;
    this.process.kill();
  }

  topologyChanged(): void {
    this.#changed();
  }

  handle(partition: Partition, request: ReplicaRequest, reply: (reply: ReplicaReply) => void): void {
    this.cluster.requests.set(request.kind, (this.cluster.requests.get(request.kind) ?? 0) + 1);
    if (request.kind === 'get') reply(this.#get(partition, request.key));
    else if (request.kind === 'put') this.put(partition, request.key, request.object, reply);
    else assert.fail(`anti-entropy asks for no ${request.kind}`);
  }

  /** Merges, as a vnode does, and tells the trees when it is committed. */
  put(
    partition: Partition,
    key: ObjectKey,
    object: VersionedObject,
    reply: (reply: ReplicaReply) => void = () => {},
  ): void {
    const before = this.#forWrite(partition, key);
    const after = before === undefined ? object : mergeObjects(before, object);
    this.#store(partition, key, before, after, () => reply({ kind: 'stored' }));
  }

  remove(partition: Partition, key: ObjectKey): void {
    this.#store(partition, key, this.#forWrite(partition, key), undefined, () => {});
  }

  /** Changes the disk behind everybody's back. */
  async wipe(partition: Partition): Promise<void> {
    const batch = new WriteBatch();
    for (const key of (await this.contents(partition)).keys()) {
      batch.delete(new ObjectKey(addressOf(Buffer.from(key, 'latin1'))).copy(partition));
    }
    await this.commit.engine.write(batch, 'synced');
  }

  /** Storage keys with the bytes of their objects. */
  async contents(partition: Partition): Promise<Map<string, string>> {
    const cursor = this.commit.engine.scan(objectsRange(partition), { corrupt: () => {} });
    const contents = new Map<string, string>();
    for (;;) {
      const entries = await cursor.next({ entriesMax: 1000, bytesMax: 2 ** 24 });
      for (const { key, value } of entries) contents.set(key.toString('latin1'), value.toString('latin1'));
      if (entries.length === 0) break;
    }
    await cursor.close();
    return contents;
  }

  get changes(): StoredChanges {
    return this.antiEntropy.changes;
  }

  #store(
    partition: Partition,
    key: ObjectKey,
    before: VersionedObject | undefined,
    after: VersionedObject | undefined,
    done: () => void,
  ): void {
    this.commit.write(
      'synced',
      (batch) =>
        after === undefined ? batch.delete(key.copy(partition)) : batch.put(key.copy(partition), after.bytes),
      (error) => {
        if (error !== undefined) this.changes.doubt(partition);
        else {
          this.damaged.delete(key.borrow(partition).toString('latin1'));
          if (!this.isDeaf) this.changes.observe(partition, key, before, after);
        }
        done();
      },
    );
  }

  #forWrite(partition: Partition, key: ObjectKey): VersionedObject | undefined {
    try {
      const bytes = this.commit.get(key.borrow(partition));
      return bytes && VersionedObject.decode(bytes);
    } catch (error) {
      assert.ok(error instanceof StorageError);
      this.changes.doubt(partition);
      return undefined;
    }
  }

  #get(partition: Partition, key: ObjectKey): ReplicaReply {
    try {
      const bytes = this.commit.engine.get(key.borrow(partition));
      return bytes === undefined
        ? { kind: 'notfound' }
        : { kind: 'object', object: VersionedObject.decode(bytes) };
    } catch (error) {
      assert.ok(error instanceof StorageError);
      return { kind: 'failed', error: { code: 'storage', reason: error.message }, damaged: true };
    }
  }

  #checked(key: Buffer, value: Buffer | undefined): Buffer | undefined {
    if (this.damaged.has(key.toString('latin1'))) throw new StorageError('corrupt', 'rotten');
    return value;
  }

  #scan(cursor: Cursor, options: ScanOptions | undefined): Cursor {
    const isRotten = (key: Buffer) => options?.keysOnly !== true && this.damaged.has(key.toString('latin1'));
    return {
      next: async (limits: Parameters<typeof cursor.next>[0]) => {
        for (;;) {
          const entries = await cursor.next(limits);
          const good = entries.filter(({ key }) => !isRotten(key));
          for (const { key } of entries) {
            if (isRotten(key)) options?.corrupt?.(key, new StorageError('corrupt', 'rotten'));
          }
          if (good.length > 0 || entries.length === 0) return good;
        }
      },
      seek: (key: Buffer) => cursor.seek(key),
      close: () => cursor.close(),
    };
  }

  #topology(): Topology {
    const { cluster, id, down, moving } = this;
    const isUp = (node: NodeId) => !down.has(node);
    return {
      self: id,
      get ring() {
        return cluster.ring;
      },
      isUp,
      preferenceList: (first: Partition, n: number): PreferenceList =>
        preferenceList(cluster.ring, first, n, isUp),
      isMoving: (partition: Partition) => moving.has(partition),
      isOwnMove: () => false,
      isSettled: true,
      onChange: (changed: () => void) => {
        this.#changed = changed;
      },
    };
  }

  #messenger(): Messenger {
    const { cluster, id } = this;
    return {
      self: id,
      receive: (_on, handle) => {
        this.handler = handle;
      },
      send: (to, _traffic, _on, length: number, fill: MessageFill) => {
        const bytes = Buffer.alloc(length);
        fill(bytes, 0);
        cluster.messages += 1;
        cluster.messageBytes += length;
        const node = cluster.node(to);
        if (!cluster.isCut(id, to) && node.process.isUp) {
          node.environment.timers.after(latencyMs, () => node.handler?.(id, bytes));
        }
        return true;
      },
      queuedBytes: () => 0,
      whenWritable: (_to, _traffic, run) => run(),
      onDisconnect: () => {},
    };
  }

  #router(): ReplicaRouter {
    const { cluster, id, environment } = this;
    return {
      send: (replica, request, reply) => {
        const node = cluster.node(replica.node);
        if (cluster.isCut(id, node.id) || !node.process.isUp) {
          environment.timers.after(latencyMs, () => reply({ kind: 'unanswered', reason: 'unreachable' }));
          return;
        }
        node.environment.timers.after(latencyMs, () => {
          node.handle(replica.partition, request, (answer) => {
            environment.timers.after(latencyMs, () => reply(answer));
          });
        });
      },
    };
  }
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
