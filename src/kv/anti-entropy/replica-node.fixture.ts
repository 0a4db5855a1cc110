/** A node of `ReplicaCluster`: a store of replicas, and what compares them. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { BackgroundWork, unknownForeground } from '../../core/background/index.ts';
import { type Partition, type PreferenceList, preferenceList } from '../../core/ring/index.ts';
import type { Topology } from '../../core/topology/index.ts';
import type { MessageFill, MessageHandler, Messenger } from '../../core/transport/index.ts';
import { type Environment, type NodeId, nodeIdOf } from '../../environment/index.ts';
import type { SimulatedProcess } from '../../simulator/index.ts';
import {
  type Cursor,
  GroupCommit,
  openMemoryEngine,
  type ScanOptions,
  type StorageEngine,
  StorageError,
  WriteBatch,
} from '../../storage/index.ts';
import { mergeObjects, VersionedObject } from '../object/index.ts';
import {
  addressOf,
  ObjectKey,
  objectsRange,
  type ReplicaReply,
  type ReplicaRequest,
} from '../vnode/index.ts';
import { AntiEntropy, type AntiEntropySettings, type StoredChanges } from './index.ts';
import type { ReplicaRouter } from './repair-key.ts';
import type { ReplicaCluster } from './replica-cluster.fixture.ts';

/** Of each message. */
const latencyMs = 1;

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
      background: new BackgroundWork(environment, unknownForeground),
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
      mayAnswer: isUp,
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
      messageBytesMax: Infinity,
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
