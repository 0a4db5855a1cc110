import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byteLiteral } from '../../stdx/index.ts';
import { ReplicatedStores, type StoreNode } from '../replicated-stores.fixture.ts';
import { countOfKeys, estimateOfKeys } from './count-of-keys.ts';
import { bucketField } from './index-query.ts';

const keys = 400;
const bucket = { bucketType: byteLiteral('default'), bucket: byteLiteral('b') };
const every = { ...bucket, field: bucketField, range: { kind: 'equal', term: byteLiteral('_') } } as const;
/** Of the stores' ring, and of a key. */
const [ringSize, replicas] = [8, 3];
/** Of the count in a part of the ring, for a binomial of `keys` trials: beyond what any draw of these tests comes to. */
const standardErrorsMax = 5;

async function load(node: StoreNode): Promise<void> {
  for (let at = 0; at < keys; at += 1) assert.equal((await node.put(`k${at}`, '')).kind, 'stored');
}

test('a sample looks at n_val partitions, and at twice as many until it has enough', () =>
  ReplicatedStores.run({ nodes: 1 }, async (_stores, a) => {
    await load(a);
    const { indexes } = a.store;
    const shares = new Set<number>();
    for (let draws = 0; draws < 20; draws += 1) {
      for (const enough of [1, keys * 0.55, keys * 0.9]) {
        const { counted, share } = await indexes.sample(every, enough);
        shares.add(share);
        const spread = Math.sqrt(keys * share * (1 - share));
        assert.ok(Math.abs(counted - keys * share) <= standardErrorsMax * spread, `${counted} in ${share}`);
        assert.ok(counted >= enough || share === 1);
        if (enough === 1) assert.equal(share, replicas / ringSize);
      }
    }
    assert.deepEqual(
      [...shares].sort((left, right) => left - right),
      [3 / 8, 6 / 8, 1],
    );
  }));

test('fewer keys than a sample needs, and a bucket in one place, are counted whole', () =>
  ReplicatedStores.run({ nodes: 1 }, async (_stores, a) => {
    await load(a);
    const { store } = a;
    const exact = { count: keys, standardError: 0 };
    assert.deepEqual(await estimateOfKeys(store.indexes, bucket), exact);
    assert.equal(await countOfKeys(store.indexes, bucket), keys);
    const chash_keyfun = { mod: 'riak_core_util', fun: 'chash_bucketonly_keyfun' };
    await store.setProperties(bucket, { chash_keyfun });
    assert.equal((await store.indexes.sample(every, 1)).share, 1);
  }));

test('an estimate tells its error: of 10,000 keys in three eighths of the ring, some 211 keys', async () => {
  const indexes = { sample: () => Promise.resolve({ counted: 10_000, share: 3 / 8 }) };
  const { count, standardError } = await estimateOfKeys(indexes, bucket);
  assert.equal(count, 26_667);
  assert.equal(Math.round(standardError), 211);
});
