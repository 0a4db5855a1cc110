import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import type { ClusterLog, ProposeOutcome } from '../core/cluster/index.ts';
import type { ClusterCommand, ClusterState, RegistryEntry } from '../core/topology/index.ts';
import type { Tasks } from '../environment/index.ts';
import { type ByteString, byteLiteral } from '../stdx/index.ts';
import { GroupCommit, openMemoryEngine, type StorageEngine, WriteBatch } from '../storage/index.ts';
import { adoptProperties } from './adopt-properties.ts';
import { ClusterRegistry } from './cluster-registry.ts';
import { dropBucketType } from './drop-bucket-type.ts';
import { EngineRegistry } from './engine-registry.ts';
import { defaultBucketProperties, KvFailure } from './index.ts';
import { PropertyStore } from './property-store.ts';
import { propertiesKey } from './vnode/key-layout.ts';

const tasks: Tasks = { spawn: (_name, body) => void body(), endOfTurn: (run) => void setImmediate(run) };
const timers = { after: () => ({ cancel: () => {} }) };
const log = { debug() {}, info() {}, warn() {}, error() {} };
const at = (bucket: string) => ({ bucketType: byteLiteral('default'), bucket: byteLiteral(bucket) });

/** A cluster's log, as far as its registry goes, that is agreed on by one. */
class AgreedAtOnce implements ClusterLog {
  state: ClusterState;
  hasMajority = true;
  /** Runs before a proposal is folded: somebody else was quicker. */
  before: (() => void) | undefined;
  /** Runs when one has been. */
  after: (() => void) | undefined;
  readonly #told: ((state: ClusterState, before: ClusterState) => void)[] = [];

  constructor(clusterId = 'the cluster') {
    const registry = new Map<ByteString, RegistryEntry>();
    this.state = { clusterId, generation: 1, epoch: 1, registry } as unknown as ClusterState;
  }

  /** This node is a member of the other cluster from now on. */
  join(other: AgreedAtOnce): void {
    this.#follow(other.state);
  }

  onState(changed: (state: ClusterState, before: ClusterState) => void): void {
    this.#told.push(changed);
  }
  sawEpoch(): void {}

  async propose(command: ClusterCommand): Promise<ProposeOutcome> {
    assert.ok(command.kind === 'register');
    if (!this.hasMajority) return { kind: 'unavailable', reason: 'one of three voters is reached' };
    const { before } = this;
    const { clusterId } = this.state;
    this.before = undefined;
    before?.();
    if (this.state.clusterId !== clusterId) return { kind: 'unavailable', reason: 'joined another' };
    const registry = new Map(this.state.registry);
    const epoch = this.state.epoch + 1;
    for (const { name, value, expected } of command.changes) {
      if (expected !== undefined && (registry.get(name)?.revision ?? 0) !== expected)
        return { kind: 'refused', refusal: { code: 'conflict', reason: 'revision' } };
      if (value === undefined) registry.delete(name);
      else registry.set(name, { value, revision: epoch });
    }
    this.#follow({ ...this.state, registry, epoch });
    this.after?.();
    return { kind: 'applied', epoch };
  }

  #follow(state: ClusterState): void {
    const last = this.state;
    this.state = state;
    for (const changed of this.#told) changed(state, last);
  }
}

const storeOf = (clusterLog: ClusterLog) =>
  new PropertyStore({
    registry: new ClusterRegistry(clusterLog),
    defaults: defaultBucketProperties,
    log,
    timeoutMs: 100,
  });

test('a change is seen by every node that follows the log; a reset too', async () => {
  const agreed = new AgreedAtOnce();
  const here = storeOf(agreed);
  const there = storeOf(agreed);
  await here.set(at('b'), { n_val: 5 });
  assert.equal(there.of(at('b'))?.n_val, 5);
  await there.set(at('b'), { allow_mult: true });
  assert.deepEqual([here.of(at('b'))?.n_val, here.of(at('b'))?.allow_mult], [5, true]);
  await here.reset(at('b'));
  assert.deepEqual(there.of(at('b')), defaultBucketProperties);
});

test('R45 allow_mult-stuck: set to true, then false, reads back as set', async () => {
  const store = storeOf(new AgreedAtOnce());
  for (const allow_mult of [true, false]) {
    await store.set(at('b'), { allow_mult });
    assert.equal(store.of(at('b'))?.allow_mult, allow_mult);
  }
});

test('two nodes that change one bucket at once both have their way', async () => {
  const agreed = new AgreedAtOnce();
  const here = storeOf(agreed);
  const there = storeOf(agreed);
  let others: Promise<void> | undefined;
  agreed.before = () => {
    others = there.set(at('b'), { n_val: 5 });
  };
  // The other proposal is folded within ours: ours then meets a later revision, and is made anew.
  const ours = here.set(at('b'), { allow_mult: true });
  await ours;
  await others;
  assert.deepEqual([here.of(at('b'))?.n_val, here.of(at('b'))?.allow_mult], [5, true]);
});

test('without a majority a change is refused with a reason, and nothing is seen of it', async () => {
  const agreed = new AgreedAtOnce();
  const store = storeOf(agreed);
  agreed.hasMajority = false;
  await assert.rejects(store.set(at('b'), { n_val: 5 }), (error: unknown) => {
    assert.ok(error instanceof KvFailure);
    assert.deepEqual(error.error, { code: 'no_majority', reason: 'one of three voters is reached' });
    return true;
  });
  assert.deepEqual(store.of(at('b')), defaultBucketProperties);
});

async function engineWith(values: Readonly<Record<string, string>>): Promise<StorageEngine> {
  const engine = await openMemoryEngine({}, { tasks, timers });
  const batch = new WriteBatch();
  for (const [bucket, value] of Object.entries(values))
    batch.put(propertiesKey(at(bucket)), Buffer.from(value));
  await engine.write(batch, 'os');
  return engine;
}

test('what a node kept by itself is brought into the registry once: nothing is overwritten, damage stays damage', async () => {
  const agreed = new AgreedAtOnce();
  await storeOf(agreed).set(at('known'), { n_val: 7 });
  const many = Object.fromEntries(
    Array.from({ length: 40 }, (_, i) => [`b${i}`, `{"n_val":${(i % 5) + 1}}`]),
  );
  const engine = await engineWith({ ...many, known: '{"n_val":1}', cut: '{' });
  const open = () => EngineRegistry.open(new GroupCommit(engine, tasks));
  agreed.hasMajority = false;
  await assert.rejects(adoptProperties(await open(), new ClusterRegistry(agreed), 100), KvFailure);
  agreed.hasMajority = true;
  await adoptProperties(await open(), new ClusterRegistry(agreed), 100);
  const store = storeOf(agreed);
  for (let i = 0; i < 40; i += 1) assert.equal(store.of(at(`b${i}`))?.n_val, (i % 5) + 1);
  assert.equal(store.of(at('known'))?.n_val, 7);
  assert.match(store.damageOf(at('cut')) ?? '', /set or reset/);
  assert.deepEqual((await open()).names(byteLiteral('')), [], 'the own records are gone');
  await store.reset(at('b1'));
  await adoptProperties(await open(), new ClusterRegistry(agreed), 100);
  assert.deepEqual(store.of(at('b1')), defaultBucketProperties, 'and do not come back');
});

const orders = byteLiteral('orders');
const bucketsOfType = 40;

/** A cluster whose type `orders`, and many buckets of it, have this `n_val`. */
async function clusterWithOrders(clusterId: string, nVal: number) {
  const agreed = new AgreedAtOnce(clusterId);
  const store = storeOf(agreed);
  assert.equal(await store.types.create(orders, { n_val: nVal }), undefined);
  assert.equal(await store.types.activate(orders), undefined);
  for (let i = 0; i < bucketsOfType; i += 1) await store.set(ofOrders(i), { allow_mult: nVal > 2 });
  return { agreed, store };
}

const ofOrders = (i: number) => ({ bucketType: orders, bucket: byteLiteral(`b${i}`) });

test('a node that joins a cluster has its properties at once, though the revisions of its own were the same', async () => {
  const own = await clusterWithOrders('own', 2);
  const joined = await clusterWithOrders('joined', 5);
  await own.store.types.create(byteLiteral('unknown there'), {});
  await own.store.set(at('b'), { n_val: 1 });
  own.agreed.join(joined.agreed);
  for (const address of [ofOrders(0), { ...ofOrders(0), bucket: byteLiteral('without any') }]) {
    assert.deepEqual(own.store.of(address), joined.store.of(address));
  }
  assert.equal(own.store.types.get(orders)?.properties.n_val, 5);
  assert.equal(own.store.types.get(byteLiteral('unknown there')), undefined);
  assert.deepEqual(own.store.of(at('b')), defaultBucketProperties);
});

test('what forgets a type does not go on in the cluster that the node joins meanwhile', async () => {
  // Between any two of its steps.
  for (let steps = 1; steps <= 4; steps += 1) {
    const own = await clusterWithOrders('own', 2);
    const joined = await clusterWithOrders('joined', 5);
    let left = steps;
    own.agreed.after = () => {
      left -= 1;
      if (left === 0) own.agreed.join(joined.agreed);
    };
    await assert.rejects(own.store.types.forget(orders), KvFailure);
    assert.equal(own.agreed.state, joined.agreed.state, `after ${steps} steps nothing is taken from it`);
    assert.deepEqual(own.store.of(ofOrders(1)), joined.store.of(ofOrders(1)));
  }
});

test('changes that wait for their turn, or are made anew, are given up where the node joins a cluster meanwhile', async () => {
  const own = await clusterWithOrders('own', 2);
  const joined = await clusterWithOrders('joined', 5);
  own.agreed.before = () => own.agreed.join(joined.agreed);
  const changes = [3, 4].map((n_val) => own.store.set(ofOrders(0), { n_val }));
  const outcomes = await Promise.allSettled(changes);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  assert.equal(own.agreed.state, joined.agreed.state);
});

test('a type that holds nothing in the own cluster is not dropped in the one that was joined while that was looked at', async () => {
  const own = await clusterWithOrders('own', 2);
  const joined = await clusterWithOrders('joined', 5);
  const listBuckets = () => ({
    next: async () => {
      own.agreed.join(joined.agreed);
      return undefined;
    },
    close: async () => {},
  });
  await assert.rejects(dropBucketType({ listBuckets }, own.store.types, orders), KvFailure);
  assert.equal(own.agreed.state, joined.agreed.state);
});

test('what a node kept by itself is brought into the cluster that it joins while it brings it into its own', async () => {
  const agreed = new AgreedAtOnce('own');
  const joined = new AgreedAtOnce('joined');
  agreed.before = () => agreed.join(joined);
  const engine = await engineWith({ b: '{"n_val":5}' });
  const own = await EngineRegistry.open(new GroupCommit(engine, tasks));
  await adoptProperties(own, new ClusterRegistry(agreed), 100);
  assert.equal(agreed.state.clusterId, 'joined');
  assert.equal(storeOf(agreed).of(at('b'))?.n_val, 5);
});
