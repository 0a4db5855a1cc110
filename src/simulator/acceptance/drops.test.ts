/** Buckets and bucket types that are dropped while the cluster changes. */
import assert from 'node:assert/strict';
import { KvFailure } from '../../kv/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { addressOf, story, type ToldCluster, usualBucket } from './told-cluster.fixture.ts';

const names = Array.from({ length: 40 }, (_, i) => `k${String(i).padStart(2, '0')}`);
const address = { bucketType: byteLiteral('default'), bucket: byteLiteral(usualBucket) };
const untilGoneMsMax = 300_000;

async function drop(cluster: ToldCluster, at: string): Promise<void> {
  const outcome = await cluster.member(at).within(async ({ node }) => {
    await node.database.store.drops.dropBucket(address);
    return { isMarked: true };
  });
  assert.deepEqual(outcome, { isMarked: true });
  await cluster.untilEpoch(cluster.stage.state(cluster.member(at)).epoch);
}

function isGone(cluster: ToldCluster): boolean {
  return cluster.stage.members.every(
    ({ serving }) => serving?.node.database.store.drops.inProgress.length === 0,
  );
}

/** What all disks hold of the bucket. */
async function copiesLeft(cluster: ToldCluster): Promise<number> {
  let left = 0;
  for (const at of cluster.letters) for (const name of names) left += (await cluster.copies(at, name)).size;
  return left;
}

story(
  'a bucket that is dropped is out of sight at once, gone everywhere in the end, and then a bucket like any other',
  { nodes: 3 },
  async (cluster) => {
    await cluster.setProperties('a', { n_val: 2, allow_mult: true });
    for (const name of names) await cluster.store('a', name, 'v');
    await cluster.store('b', 'kept', 'v', { bucket: byteLiteral('another') });
    await drop(cluster, 'b');
    for (const at of cluster.letters) {
      const read = await cluster.get(at, 'k00');
      assert.deepEqual(read, { kind: 'failed', error: { code: 'being_dropped' } });
      const put = await cluster.put(at, 'k00', 'late');
      assert.deepEqual(put, { kind: 'failed', error: { code: 'being_dropped' } });
      await assertRefused(cluster, at);
    }
    await cluster.stage.until('the bucket is gone', () => isGone(cluster), untilGoneMsMax);
    for (const at of cluster.letters) {
      assert.deepEqual(await cluster.keys(at), []);
      assert.deepEqual(await cluster.keys(at, 'another'), ['kept']);
      assert.equal(cluster.properties(at)?.n_val, 3, 'its properties went with it');
    }
    await cluster.world.sleep(20_000);
    assert.equal(await copiesLeft(cluster), 0, 'no tombstone is left');
    await cluster.store('c', 'k00', 'again');
    assert.deepEqual(await cluster.values('a', 'k00'), ['again']);
  },
);

async function assertRefused(cluster: ToldCluster, at: string): Promise<void> {
  const outcome = await cluster.member(at).within(async ({ node }) => {
    try {
      node.store.listKeys(address, {});
      return { code: 'listed' };
    } catch (error) {
      if (!(error instanceof KvFailure)) throw error;
      return { code: error.error.code };
    }
  });
  assert.deepEqual(outcome, { code: 'being_dropped' });
}

story(
  'a drop ends only when the node that was away has lost its copies, too; a restart of all goes on with it',
  { nodes: 4, seeds: [1, 2] },
  async (cluster) => {
    for (const name of names) await cluster.store('a', name, 'v');
    cluster.stop('d');
    await cluster.untilGivenUp('d');
    await drop(cluster, 'a');
    await cluster.world.sleep(30_000);
    assert.equal(cluster.member('a').present.node.database.store.drops.inProgress.length, 1);
    for (const letter of ['a', 'b', 'c']) cluster.crash(letter);
    for (const letter of cluster.letters) cluster.member(letter).process.restart();
    await cluster.stage.untilServing(cluster.stage.members);
    await cluster.stage.until('the bucket is gone', () => isGone(cluster), untilGoneMsMax);
    for (const at of cluster.letters) {
      assert.deepEqual(await cluster.keys(at), []);
      for (const name of names) assert.deepEqual(await cluster.values(at, name), []);
    }
  },
);

story(
  'a type that is dropped with its objects takes all its buckets along, while a node joins',
  { nodes: 3 },
  async (cluster) => {
    const type = byteLiteral('carts');
    await cluster.member('a').within(async ({ node }) => {
      const { bucketTypes } = node.database.store;
      assert.equal(await bucketTypes.create(type, {}), undefined);
      assert.equal(await bucketTypes.activate(type), undefined);
    });
    await cluster.untilEpoch(cluster.stage.state(cluster.member('a')).epoch);
    for (const [i, name] of names.entries()) {
      const bucket = byteLiteral(`b${i % 5}`);
      await cluster.store('b', name, 'v', { bucketType: type, bucket });
    }
    const newcomer = await cluster.boot();
    await cluster.join(newcomer);
    await cluster.stage.change([{ kind: 'join', node: cluster.member(newcomer).id }]);
    await cluster.member('c').within(({ node }) => node.database.store.drops.dropType(type));
    await cluster.stage.until('the type is gone', () => isGone(cluster), untilGoneMsMax);
    for (const at of cluster.letters) {
      const { bucketTypes } = cluster.member(at).present.node.database.store;
      assert.equal(bucketTypes.get(type), undefined);
      const read = await cluster.get(at, 'k00', { ...addressOf('k00'), bucketType: type });
      assert.deepEqual(read, {
        kind: 'failed',
        error: { code: 'unknown_bucket_type', bucketType: 'carts' },
      });
    }
  },
);

story(
  'a drop that is under way in a cluster of one ends when its node joins another cluster, and takes nothing from that',
  { nodes: 1, seeds: [1, 2, 3] },
  async (cluster) => {
    const type = byteLiteral('orders');
    const many = Array.from({ length: 400 }, (_, i) => `k${i}`);
    const newcomer = await cluster.boot();
    for (const at of ['a', newcomer]) {
      await cluster.member(at).within(async ({ node }) => {
        const { bucketTypes } = node.database.store;
        assert.equal(await bucketTypes.create(type, { n_val: 1 }), undefined);
        assert.equal(await bucketTypes.activate(type), undefined);
      });
      for (const name of many) await cluster.store(at, name, `of ${at}`, { bucketType: type });
    }
    await cluster.member(newcomer).within(({ node }) => node.database.store.drops.dropType(type));
    await cluster.join(newcomer);
    const { drops } = cluster.member(newcomer).present.node.database.store;
    assert.ok(drops.removed > 0 && drops.removed < many.length, `${drops.removed} gone: in the middle of it`);
    await cluster.world.sleep(30_000);
    for (const at of cluster.letters) {
      const { store } = cluster.member(at).present.node.database;
      assert.equal(store.bucketTypes.get(type)?.status, 'active');
      for (const name of many) {
        const values = await cluster.values(at, name, { bucketType: type });
        assert.ok(values.includes('of a'), `${name} at ${at}`);
      }
    }
  },
);
