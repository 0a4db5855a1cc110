/**
 * A few whole stores in one simulated world, with a transport between them that misbehaves within its contract, and
 * beyond it by saying replies twice. Who is thought to be up is what the test says. Messages are encoded and
 * decoded on their way.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { type Partition, type PreferenceList, preferenceList, Ring } from '../core/ring/index.ts';
import type { Topology } from '../core/topology/index.ts';
import type { PeerTransport, RequestRoute } from '../core/vnode/index.ts';
import { type Environment, type NodeId, nodeIdOf } from '../environment/index.ts';
import { World } from '../simulator/index.ts';
import { byteLiteral } from '../stdx/index.ts';
import {
  GroupCommit,
  openMemoryEngine,
  type StorageEngine,
  StorageError,
  WriteBatch,
} from '../storage/index.ts';
import { encodeContent } from '../wire/index.ts';
import { NameHash } from './coordinator/index.ts';
import {
  type DeleteRequest,
  type DeleteResult,
  defaultBucketProperties,
  type GetRequest,
  type GetResult,
  type KeyValueParts,
  type KeyValueSettings,
  LocalKeyValueStore,
  type PutRequest,
  type PutResult,
  type ReplicaReply,
  type ReplicaRequest,
  replicaCodec,
  silentObserver,
} from './index.ts';
import { fixtureSettings } from './key-value-settings.fixture.ts';
import type { VersionedObject } from './object/index.ts';
import { ObjectKey } from './vnode/index.ts';

const settings: KeyValueSettings = {
  ...fixtureSettings,
  requestTimeoutMs: 10_000,
  tombstonePauseMs: 50,
  readRepairsPerSecondMax: 100_000,
  hedgeDelayMsMax: 200,
  bucketDefaults: { ...defaultBucketProperties, allow_mult: true },
  objectBytesMax: 100_000,
  objectBytesWarn: 50_000,
  siblingsMax: 100,
  siblingsWarn: 50,
};

export interface StoresOptions {
  readonly seed?: number;
  readonly nodes?: number;
  readonly settings?: Partial<KeyValueSettings>;
  readonly parts?: (node: number) => Partial<KeyValueParts>;
}

export const addressOf = (key: string) => ({
  bucketType: byteLiteral('default'),
  bucket: byteLiteral('b'),
  key: byteLiteral(key),
});

/** What happens to messages from one node to another. */
export interface Link {
  /**
   * `silent`: they vanish, and the asker hears at its deadline. `refused`: it hears at once. `full`: the queue to the
   * node takes nothing more.
   */
  state: 'open' | 'silent' | 'refused' | 'full';
  delayMsMax: number;
  /** Shares of the replies that are lost, or said twice. */
  lost: number;
  doubled: number;
}

class TestTopology implements Topology {
  readonly self: NodeId;
  ring: Ring;
  readonly down = new Set<NodeId>();
  /** Of those that are down: reachable, but held back by liveness. */
  readonly held = new Set<NodeId>();
  readonly moving = new Set<Partition>();
  /** Of those that move, what comes to this node or goes from it. */
  readonly ownMoves = new Set<Partition>();
  isSettled = true;
  readonly #told: (() => void)[] = [];

  constructor(self: NodeId, ring: Ring) {
    this.self = self;
    this.ring = ring;
  }

  isUp(node: NodeId): boolean {
    return node === this.self || !this.down.has(node);
  }

  mayAnswer(node: NodeId): boolean {
    return this.isUp(node) || this.held.has(node);
  }

  isMoving(partition: Partition): boolean {
    return this.moving.has(partition);
  }

  isOwnMove(partition: Partition): boolean {
    return this.ownMoves.has(partition);
  }

  preferenceList(first: Partition, n: number): PreferenceList {
    return preferenceList(this.ring, first, n, (node) => this.isUp(node));
  }

  onChange(changed: () => void): void {
    this.#told.push(changed);
  }

  changed(): void {
    for (const tell of this.#told) tell();
  }
}

export interface Sent {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly partition: Partition;
  readonly request: ReplicaRequest;
  readonly route: RequestRoute;
  reply: ReplicaReply['kind'] | undefined;
}

export class StoreNode {
  readonly id: NodeId;
  readonly topology: TestTopology;
  readonly environment: Environment;
  readonly engine: StorageEngine;
  readonly counted = { repairs: 0, reaped: 0, hedges: 0, forwards: 0, replacements: 0 };
  readonly #parts: () => Partial<KeyValueParts>;
  readonly #changes: Partial<KeyValueSettings>;
  readonly #peers: PeerTransport<ReplicaRequest, ReplicaReply>;
  store!: LocalKeyValueStore;
  isDown = false;
  /** Requests that wait for a frozen node. */
  frozen: (() => void)[] | undefined;
  /** Reads of the engine fail as if the disk did. */
  sick = false;
  /** Writes of the engine do. */
  refusesWrites = false;

  constructor(parts: {
    readonly id: NodeId;
    readonly topology: TestTopology;
    readonly environment: Environment;
    readonly memory: StorageEngine;
    readonly changes: Partial<KeyValueSettings>;
    readonly peers: PeerTransport<ReplicaRequest, ReplicaReply>;
    readonly extra: () => Partial<KeyValueParts>;
  }) {
    this.id = parts.id;
    this.topology = parts.topology;
    this.environment = parts.environment;
    this.#changes = parts.changes;
    this.#peers = parts.peers;
    this.#parts = parts.extra;
    const { memory } = parts;
    this.engine = Object.assign(Object.create(memory) as StorageEngine, {
      get: (key: Buffer) => {
        if (this.sick) throw new StorageError('io', 'sick disk');
        return memory.get(key);
      },
      write: (...batch: Parameters<StorageEngine['write']>) =>
        this.refusesWrites ? Promise.reject(new StorageError('io', 'sick disk')) : memory.write(...batch),
      scan: memory.scan.bind(memory),
      sizeEstimate: memory.sizeEstimate.bind(memory),
      deleteRange: memory.deleteRange.bind(memory),
    });
  }

  /** Begins a life of the store, on what the engine holds. */
  async open(): Promise<void> {
    const { counted } = this;
    this.store = await LocalKeyValueStore.open({
      environment: this.environment,
      commit: new GroupCommit(this.engine, this.environment.tasks),
      topology: this.topology,
      observer: {
        ...silentObserver,
        readRepaired: (replicas) => {
          counted.repairs += replicas;
        },
        tombstoneReaped: () => {
          counted.reaped += 1;
        },
        readHedged: () => {
          counted.hedges += 1;
        },
        writeForwarded: () => {
          counted.forwards += 1;
        },
        replicaReplaced: () => {
          counted.replacements += 1;
        },
      },
      settings: { ...settings, ...this.#changes },
      peers: this.#peers,
      ...this.#parts(),
    });
  }

  put(key: string, value: string, options: Partial<PutRequest> = {}): Promise<PutResult> {
    const parts = { value: Buffer.from(value), links: [], userMeta: [], indexes: [], deleted: false };
    return new Promise((done) => {
      this.store.put({ ...addressOf(key), content: encodeContent(parts), ...options }, done);
    });
  }

  get(key: string, options: Partial<GetRequest> = {}): Promise<GetResult> {
    return new Promise((done) => this.store.get({ ...addressOf(key), ...options }, done));
  }

  delete(key: string, options: Partial<DeleteRequest> = {}): Promise<DeleteResult> {
    return new Promise((done) => this.store.delete({ ...addressOf(key), ...options }, done));
  }

  /** The values that a get shows, or its failure's code. */
  async values(key: string, options: Partial<GetRequest> = {}): Promise<readonly string[]> {
    const result = await this.get(key, options);
    if (result.kind === 'failed') return [`failed: ${result.error.code}`];
    return result.kind === 'found' ? valuesOf(result.object) : [];
  }

  ask(partition: Partition, request: ReplicaRequest): Promise<ReplicaReply> {
    return new Promise((done) => this.store.replicas.handle(partition, request, done));
  }

  async copy(partition: Partition, key: string): Promise<VersionedObject | undefined> {
    const reply = await this.ask(partition, { kind: 'get', key: new ObjectKey(addressOf(key)) });
    return reply.kind === 'object' ? reply.object : undefined;
  }

  async repair(partition: Partition, key: string, object: VersionedObject): Promise<void> {
    const reply = await this.ask(partition, {
      kind: 'put',
      key: new ObjectKey(addressOf(key)),
      object,
      durability: 'synced',
      purpose: 'repair',
      announce: false,
    });
    assert.equal(reply.kind, 'stored');
  }

  /** The copy is gone, as if its file had been removed. */
  async forget(partition: Partition, key: string): Promise<void> {
    const batch = new WriteBatch();
    batch.delete(new ObjectKey(addressOf(key)).copy(partition));
    await this.engine.write(batch, 'synced');
  }
}

export function valuesOf(object: VersionedObject): readonly string[] {
  return object
    .contents()
    .map((content) => (content.deleted ? 'deleted' : content.value.toString()))
    .sort();
}

export class ReplicatedStores {
  readonly world: World;
  readonly nodes: StoreNode[] = [];
  readonly sent: Sent[] = [];
  readonly #links = new Map<string, Link>();
  readonly #ring: Ring;
  readonly #names = new NameHash();

  private constructor(world: World, ring: Ring) {
    this.world = world;
    this.#ring = ring;
  }

  /** Runs `body` in a world of its own. A ring of 8 is dealt out to the nodes in turn. */
  static async run(
    options: StoresOptions,
    body: (stores: ReplicatedStores, ...nodes: StoreNode[]) => Promise<void>,
  ): Promise<void> {
    const world = new World({ seed: options.seed ?? 1 });
    const ids = Array.from({ length: options.nodes ?? 5 }, (_, i) => nodeIdOf(`n${i}@host${i}`));
    const owners = Array.from({ length: 8 }, (_, partition) => ids[partition % ids.length]);
    const stores = new ReplicatedStores(world, new Ring(1, owners));
    await world.run(async () => {
      for (const [i, id] of ids.entries()) await stores.#add(id, i, options);
      await body(stores, ...stores.nodes);
    });
  }

  async #add(id: NodeId, i: number, options: StoresOptions): Promise<void> {
    const { environment } = this.world.node(id);
    const node = new StoreNode({
      id,
      topology: new TestTopology(id, this.#ring),
      environment,
      memory: await openMemoryEngine({}, environment),
      changes: options.settings ?? {},
      peers: { send: (...message) => this.#send(id, ...message) },
      extra: () => options.parts?.(i) ?? {},
    });
    await node.open();
    this.nodes.push(node);
  }

  link(from: StoreNode, to: StoreNode): Link {
    const name = `${from.id} ${to.id}`;
    let link = this.#links.get(name);
    if (link === undefined) {
      link = { state: 'open', delayMsMax: 1, lost: 0, doubled: 0 };
      this.#links.set(name, link);
    }
    return link;
  }

  /** Both ways. */
  cut(a: StoreNode, b: StoreNode, state: Link['state'] = 'silent'): void {
    this.link(a, b).state = state;
    this.link(b, a).state = state;
  }

  heal(): void {
    for (const link of this.#links.values()) Object.assign(link, { state: 'open', lost: 0, doubled: 0 });
    for (const node of this.nodes) node.topology.down.clear();
    this.changed();
  }

  /** Everybody's liveness says so. */
  declareDown(...nodes: readonly StoreNode[]): void {
    for (const { topology } of this.nodes) for (const { id } of nodes) topology.down.add(id);
    this.changed();
  }

  changed(): void {
    for (const { topology } of this.nodes) topology.changed();
  }

  /** The nodes of the key's n primaries, in order, and the others. */
  placesOf(key: string): { primaries: StoreNode[]; others: StoreNode[]; partitions: Partition[] } {
    const first = this.#ring.partitionOf(this.#names.of(addressOf(key)));
    const partitions = [0, 1, 2].map((step) => this.#ring.after(first, step));
    const primaries = partitions.map((partition) => this.nodeOf(this.#ring.ownerOf(partition)));
    return { primaries, partitions, others: this.nodes.filter((node) => !primaries.includes(node)) };
  }

  nodeOf(id: NodeId): StoreNode {
    const node = this.nodes.find((each) => each.id === id);
    assert.ok(node !== undefined);
    return node;
  }

  sentOf(kind: ReplicaRequest['kind']): readonly Sent[] {
    return this.sent.filter(({ request }) => request.kind === kind);
  }

  #send(
    from: NodeId,
    to: NodeId,
    partition: Partition,
    request: ReplicaRequest,
    route: RequestRoute,
    reply: (reply: ReplicaReply) => void,
  ): void {
    const { world } = this;
    const there = this.link(this.nodeOf(from), this.nodeOf(to));
    const back = this.link(this.nodeOf(to), this.nodeOf(from));
    const node = this.nodeOf(to);
    const sent: Sent = { from, to, partition, request: travelled(request), route, reply: undefined };
    this.sent.push(sent);
    let isAnswered = false;
    const answer = (answered: ReplicaReply, times = 1): void => {
      if (isAnswered) return;
      if (replicaCodec.isLast(answered)) isAnswered = true;
      sent.reply = answered.kind;
      for (let time = 0; time < times; time += 1) reply(answered);
    };
    world.after(Math.max(0, route.timeoutMs), () => answer(replicaCodec.unanswered('timeout')));
    const delayed = (link: Link, run: () => void) =>
      world.after(world.random.fraction() * link.delayMsMax, run);
    if (there.state === 'refused' || node.isDown) {
      delayed(there, () => answer(replicaCodec.unanswered('unreachable')));
      return;
    }
    if (there.state === 'full') {
      answer(replicaCodec.unanswered('overload'));
      return;
    }
    if (there.state === 'silent') return;
    const serve = (): void => {
      node.store.replicas.handle(partition, sent.request, (made) => {
        if (back.state === 'full') delayed(back, () => answer(replicaCodec.unanswered('unheard')));
        if (back.state !== 'open' || node.isDown || world.random.fraction() < back.lost) return;
        const told = travelledBack(made);
        const times = world.random.fraction() < back.doubled ? 2 : 1;
        delayed(back, () => answer(told, times));
      });
    };
    delayed(there, () => {
      if (node.frozen === undefined) serve();
      else node.frozen.push(serve);
    });
  }
}

function travelled(request: ReplicaRequest): ReplicaRequest {
  const body = Buffer.alloc(replicaCodec.requestBytes(request));
  replicaCodec.writeRequest(request, body, 0);
  const tail = replicaCodec.requestTail?.(request);
  tail?.copy(body, body.length - tail.length);
  const read = replicaCodec.readRequest(body);
  assert.ok(read !== undefined, 'a request reads back');
  return read;
}

function travelledBack(reply: ReplicaReply): ReplicaReply {
  const body = Buffer.alloc(replicaCodec.replyBytes(reply));
  replicaCodec.writeReply(reply, body, 0);
  const tail = replicaCodec.replyTail?.(reply);
  tail?.copy(body, body.length - tail.length);
  const read = replicaCodec.readReply(body);
  assert.ok(read !== undefined, 'a reply reads back');
  return read;
}
