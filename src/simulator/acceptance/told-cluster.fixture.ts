/**
 * A cluster as its acceptance tests tell of it: nodes are letters, in the order in which they were born, and every
 * step is one call. The nodes are real, the world is simulated, and each story is told under several seeds.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import type { Partition } from '../../core/ring/index.ts';
import { NameHash } from '../../kv/coordinator/index.ts';
import {
  type BucketPropertyChanges,
  type DeleteRequest,
  type DeleteResult,
  type GetRequest,
  type GetResult,
  type KeyValueStore,
  type KvError,
  KvFailure,
  type NameStream,
  type PutRequest,
  type PutResult,
  partitionRange,
  VersionedObject,
} from '../../kv/index.ts';
import { ObjectKey } from '../../kv/vnode/index.ts';
import type { HaleNode } from '../../server/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { type StorageEngine, WriteBatch } from '../../storage/index.ts';
import { encodeContent } from '../../wire/index.ts';
import { storedCopies } from '../checkers/replicas-agree.ts';
import { runScenario } from '../run-scenario.ts';
import { type ConfigurationPart, quietClusterConfiguration } from '../workloads/cluster-configuration.ts';
import type { ClusterMember } from '../workloads/cluster-member.ts';
import { ClusterStage } from '../workloads/cluster-stage.ts';
import type { World } from '../world.ts';

export interface Setting {
  readonly nodes: number;
  readonly ringSize?: number;
  readonly fixed?: ConfigurationPart;
  readonly locationOf?: (index: number) => string;
  readonly wrapEngine?: (engine: StorageEngine, letter: string) => StorageEngine;
  readonly seeds?: readonly number[];
}

/** Nobody waits a minute for two replicas to be compared. */
const brisk: ConfigurationPart = { 'anti_entropy.interval': 2000 };
const letters = 'abcdefghijklmnopqrstuvwxyz';
const bucketType = byteLiteral('default');
const diskBytes = 2 ** 36;
const detectionMsMax = 30_000;
export const usualBucket = 'stories';

/** Tells the story under each seed. The name begins with the row of docs/internals/acceptance.md. */
export function story(name: string, setting: Setting, tell: (cluster: ToldCluster) => Promise<void>): void {
  test(name, async () => {
    for (const seed of setting.seeds ?? [1]) {
      const scenario = {
        name: 'acceptance',
        describe: name,
        run: async (world: World) => {
          world.work.atLeast('steps', 1);
          const cluster = new ToldCluster(world, setting);
          await cluster.stage.form();
          cluster.enlargeDisks();
          await tell(cluster);
        },
      };
      const { failure } = await runScenario(scenario, seed);
      if (failure === undefined) continue;
      throw failure.cause instanceof assert.AssertionError
        ? failure.cause
        : new Error(`seed ${seed}: ${failure.message}`, { cause: failure.cause });
    }
  });
}

export class ToldCluster {
  readonly world: World;
  readonly stage: ClusterStage;
  readonly #hash = new NameHash();

  constructor(world: World, { nodes, ringSize, fixed, locationOf, wrapEngine }: Setting) {
    this.world = world;
    this.stage = new ClusterStage(world, {
      nodes,
      configuration: quietClusterConfiguration({ ring_size: ringSize ?? 16, ...brisk, ...fixed }),
      ...(locationOf === undefined ? {} : { locationOf }),
      ...(wrapEngine === undefined
        ? {}
        : { wrapEngine: (engine: StorageEngine, name: string) => wrapEngine(engine, letterOf(name)) }),
    });
  }

  member(letter: string): ClusterMember {
    const found = this.stage.members.find(({ name }) => letterOf(name) === letter);
    assert.ok(found, `there is a node ${letter}`);
    return found;
  }

  /** Of all members, in the order of their births. */
  get letters(): readonly string[] {
    return this.stage.names.map(letterOf);
  }

  /** A commit asks for more room than a simulated disk has. */
  enlargeDisks(): void {
    for (const { disk } of this.world.nodes) {
      disk.conditions = { ...disk.conditions, capacityBytes: diskBytes };
    }
  }

  /** A new node, which serves as a cluster of its own. */
  async boot(): Promise<string> {
    const member = this.stage.boot();
    await this.stage.untilServing([member]);
    this.enlargeDisks();
    return letterOf(member.name);
  }

  // ——— What befalls nodes ———

  /** `kill -9`. */
  stop(letter: string): void {
    this.member(letter).end('kill');
  }

  /** A power cut. */
  crash(letter: string): void {
    this.member(letter).end('crash');
  }

  async start(letter: string): Promise<void> {
    this.member(letter).process.restart();
    await this.stage.untilServing([this.member(letter)]);
  }

  /** Nothing passes between the two sides until the function it returns is called. */
  cut(one: readonly string[], other: readonly string[] = this.#others(one)): () => void {
    const hosts = (side: readonly string[]) => side.map((letter) => this.member(letter).process.host);
    return this.world.network.partition([hosts(one), hosts(other)]);
  }

  /** Waits until a commit would not be refused for the health of the cluster. */
  async untilHealthy(): Promise<void> {
    for (let i = 0; i < 60; i++) {
      const overview = await this.operate(this.letters[0]!, (admin) => admin.overview());
      if (typeof overview !== 'string' && overview.problems.length === 0) return;
      if (i === 59) assert.fail(`in ill health: ${JSON.stringify(overview)}`);
      await this.world.sleep(1000);
    }
  }

  /** Gives the change to an operator's interface at the node. Returns the code of a refusal. */
  async operate<Result>(
    at: string,
    work: (admin: HaleNode['admin']) => Promise<Result>,
  ): Promise<Result | string> {
    const answer = await this.member(at).within<{ result: Result } | { refusal: string }>(
      async ({ node }) => {
        try {
          return { result: await work(node.admin) };
        } catch (error) {
          if (!(error instanceof Error) || error.name !== 'AdminFailure' || !('code' in error)) throw error;
          return { refusal: String(error.code) };
        }
      },
    );
    assert.ok(typeof answer !== 'string', `${at} answers`);
    this.world.work.add('steps');
    return 'refusal' in answer ? answer.refusal : answer.result;
  }

  /** Enters the node in the cluster and stages its join. */
  async join(letter: string, seed = this.letters.find((one) => one !== letter)!): Promise<void> {
    await this.stage.join(this.member(letter), this.member(seed));
    this.world.work.add('steps');
  }

  /** Waits until every node that serves, and is not among them, has given the named ones up. */
  async untilGivenUp(...lost: readonly string[]): Promise<void> {
    await this.#untilSeen(this.#others(lost), lost, false);
  }

  /** Waits until the one node has given the named ones up. */
  async untilGone(by: string, whom: readonly string[]): Promise<void> {
    await this.#untilSeen([by], whom, false);
  }

  /** Waits until all named nodes see each other. */
  async untilSeen(among: readonly string[] = this.letters): Promise<void> {
    await this.#untilSeen(among, among, true);
  }

  async #untilSeen(by: readonly string[], whom: readonly string[], isUp: boolean): Promise<void> {
    const seen = (): boolean =>
      by.every((letter) => {
        const { serving } = this.member(letter);
        if (serving === undefined) return !isUp;
        const { topology } = serving.node.database.cluster;
        return whom.every((other) => topology.isUp(this.member(other).id) === isUp);
      });
    await this.stage.until(`${whom.join()} ${isUp ? 'up' : 'given up'}`, seen, detectionMsMax);
  }

  // ——— Requests ———

  async put(at: string, key: string, value: string | Buffer, options: Partial<PutRequest> = {}) {
    const content = encodeContent({
      value: Buffer.from(value),
      links: [],
      userMeta: [],
      indexes: [],
      deleted: false,
    });
    const request = { ...addressOf(key), content, ...options };
    return this.#ask<PutResult>(at, (store, done) => store.put(request, done));
  }

  /** Fails the story if the write is refused. */
  async store(at: string, key: string, value: string | Buffer, options: Partial<PutRequest> = {}) {
    const result = await this.put(at, key, value, options);
    assert.equal(result.kind, 'stored', `put of ${key} at ${at}: ${JSON.stringify(result)}`);
  }

  /** Over what is read there. */
  async update(at: string, key: string, value: string, options: Partial<PutRequest> = {}) {
    const context = await this.context(at, key);
    await this.store(at, key, value, { ...(context === undefined ? {} : { context }), ...options });
  }

  async get(at: string, key: string, options: Partial<GetRequest> = {}): Promise<GetResult> {
    return this.#ask<GetResult>(at, (store, done) => store.get({ ...addressOf(key), ...options }, done));
  }

  async context(at: string, key: string): Promise<Buffer | undefined> {
    const read = await this.get(at, key);
    return read.kind === 'found' ? read.object.context : undefined;
  }

  /** The live values of the key, sorted; fails the story if it cannot be read. */
  async values(at: string, key: string, options: Partial<GetRequest> = {}): Promise<readonly string[]> {
    const result = await this.get(at, key, options);
    assert.ok(
      result.kind === 'found' || result.kind === 'notfound',
      `${key} at ${at}: ${JSON.stringify(result)}`,
    );
    return result.kind === 'found' ? valuesOf(result.object) : [];
  }

  async delete(at: string, key: string, options: Partial<DeleteRequest> = {}): Promise<DeleteResult> {
    const request = { ...addressOf(key), ...options };
    return this.#ask<DeleteResult>(at, (store, done) => store.delete(request, done));
  }

  /** All keys of a bucket, or why they cannot be listed. */
  keys(at: string, bucket = usualBucket): Promise<readonly string[] | KvError> {
    return this.#list(at, (store) => store.listKeys({ bucketType, bucket: byteLiteral(bucket) }, {}));
  }

  buckets(at: string): Promise<readonly string[] | KvError> {
    return this.#list(at, (store) => store.listBuckets(bucketType, {}));
  }

  /** Resolves when every node knows. */
  async setProperties(at: string, changes: BucketPropertyChanges, bucket = usualBucket): Promise<void> {
    const address = { bucketType, bucket: byteLiteral(bucket) };
    await this.member(at).within(({ node }) => node.store.setProperties(address, changes));
    this.world.work.add('steps');
    const epoch = this.stage.state(this.member(at)).epoch;
    await this.untilEpoch(epoch);
  }

  async resetProperties(at: string, bucket = usualBucket): Promise<void> {
    const address = { bucketType, bucket: byteLiteral(bucket) };
    await this.member(at).within(({ node }) => node.store.resetProperties(address));
    await this.untilEpoch(this.stage.state(this.member(at)).epoch);
  }

  /** The code of a refusal; undefined: it was done. */
  async tryProperties(at: string, changes: BucketPropertyChanges): Promise<KvError['code'] | undefined> {
    const outcome = await this.member(at).within(async ({ node }) => {
      try {
        await node.store.setProperties(addressOf(''), changes);
        return { error: undefined };
      } catch (error) {
        if (!(error instanceof KvFailure)) throw error;
        return error;
      }
    });
    assert.ok(typeof outcome !== 'string', `${at} answers`);
    return outcome.error?.code;
  }

  properties(at: string, bucket = usualBucket) {
    return this.member(at).present.node.store.properties({ bucketType, bucket: byteLiteral(bucket) });
  }

  async untilEpoch(epoch: number): Promise<void> {
    const knows = ({ serving }: ClusterMember): boolean =>
      serving === undefined || serving.node.database.cluster.log.state.epoch >= epoch;
    await this.stage.until(`epoch ${epoch} is known`, () => this.stage.members.every(knows), 60_000);
  }

  async #list(at: string, open: (store: KeyValueStore) => NameStream): Promise<readonly string[] | KvError> {
    const names = await this.member(at).within(async ({ node }) => {
      try {
        const found: string[] = [];
        const stream = open(node.store);
        for (let some = await stream.next(); some !== undefined; some = await stream.next()) {
          found.push(...some);
        }
        return found.sort();
      } catch (error) {
        if (!(error instanceof KvFailure)) throw error;
        return error.error;
      }
    });
    assert.ok(typeof names !== 'string', `${at} answers`);
    this.world.work.add('steps');
    return names;
  }

  async #ask<Result>(
    at: string,
    call: (store: KeyValueStore, done: (result: Result) => void) => void,
  ): Promise<Result> {
    const result = await this.member(at).ask<Result>(call);
    assert.ok(result !== 'down' && result !== 'gone', `${at} answers`);
    this.world.work.add('steps');
    return result;
  }

  // ——— Where things are ———

  /** The partitions of the key's preference list. */
  partitionsOf(key: string, nVal = 3): readonly Partition[] {
    const { ring } = this.stage.anyone.present.node.database.cluster.topology;
    const first = ring.partitionOf(this.#hash.of(addressOf(key), false));
    return Array.from({ length: nVal }, (_, step) => ring.after(first, step));
  }

  /** The owners of the key's replicas, in the order of the preference list. */
  primariesOf(key: string, nVal = 3): readonly string[] {
    const { owners } = this.stage.state();
    return this.partitionsOf(key, nVal).map((partition) => letterOf(owners[partition]!));
  }

  outsidersOf(key: string): readonly string[] {
    const primaries = this.primariesOf(key);
    return this.letters.filter((letter) => !primaries.includes(letter));
  }

  ownedBy(letter: string): readonly Partition[] {
    const { owners } = this.stage.state();
    const { id } = this.member(letter);
    return [...owners.keys()].filter((partition) => owners[partition] === id) as Partition[];
  }

  /** How many partitions each member owns, from the most to the least. */
  shares(): readonly number[] {
    return this.letters.map((letter) => this.ownedBy(letter).length).sort((x, y) => y - x);
  }

  /** What the disk of the node holds of the key, by partition. */
  async copies(letter: string, key: string): Promise<ReadonlyMap<Partition, VersionedObject>> {
    const stored = (await this.disk(letter)).get(`${usualBucket}/${key}`) ?? [];
    return new Map(stored.map(({ partition, bytes }) => [partition, VersionedObject.decode(bytes)]));
  }

  async disk(letter: string) {
    const copies = await this.member(letter).within(({ engine, node }) =>
      storedCopies(engine, node.database.cluster.topology.ring.partitions()),
    );
    assert.ok(typeof copies !== 'string', `${letter} serves`);
    return copies;
  }

  /** The live values of the replica of a primary. */
  async replica(letter: string, key: string): Promise<readonly string[]> {
    const copies = await this.copies(letter, key);
    const [object] = this.partitionsOf(key).flatMap((partition) => copies.get(partition) ?? []);
    return object === undefined ? [] : valuesOf(object);
  }

  /** Gives a replica a copy that was under way for long, as the coordinator of it would. Returns the kind of its answer. */
  async deliverLate(letter: string, key: string, partition: Partition, object: VersionedObject) {
    const put = { kind: 'put', durability: 'synced', purpose: 'write', announce: false } as const;
    const answer = await this.member(letter).within(
      ({ node }) =>
        new Promise<string>((resolve) => {
          const { replicas } = node.database.store;
          const request = { ...put, key: new ObjectKey(addressOf(key)), object };
          replicas.handle(partition, request, ({ kind }) => resolve(kind));
        }),
    );
    this.world.work.add('steps');
    return answer;
  }

  /** Takes the key from the disk of the node, behind its back. */
  async forget(letter: string, key: string): Promise<void> {
    const stored = (await this.disk(letter)).get(`${usualBucket}/${key}`) ?? [];
    assert.ok(stored.length > 0, `${letter} has ${key}`);
    const batch = new WriteBatch();
    for (const { storageKey } of stored) batch.delete(storageKey);
    await this.member(letter).within(({ engine }) => engine.write(batch, 'synced'));
  }

  /** Takes all objects of a partition from the disk of the node, behind its back. */
  async wipe(letter: string, partition: Partition): Promise<void> {
    await this.member(letter).within(({ engine }) => engine.deleteRange(partitionRange(partition)));
  }

  #others(some: readonly string[]): readonly string[] {
    return this.letters.filter((letter) => !some.includes(letter));
  }
}

function letterOf(name: string): string {
  return letters[Number(/^hale(\d+)@/.exec(name)?.[1]) - 1]!;
}

export function addressOf(key: string) {
  return { bucketType, bucket: byteLiteral(usualBucket), key: byteLiteral(key) };
}

function valuesOf(object: VersionedObject): readonly string[] {
  const live = object.contents().filter(({ deleted }) => !deleted);
  return live.map(({ value }) => value.toString('latin1')).sort();
}
