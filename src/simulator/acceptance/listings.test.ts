/** Listings over a covering set, and what all nodes know of buckets: docs/internals/acceptance.md has the rows. */
import assert from 'node:assert/strict';
import { quorumAll } from '../../kv/index.ts';
import { story } from './told-cluster.fixture.ts';

/** A listing asks one replica of each key. */
const everyDisk = { w: quorumAll, dw: quorumAll };
const names = Array.from({ length: 30 }, (_, i) => `k${String(i).padStart(2, '0')}`);

story(
  'verify_listkeys: keys and buckets are complete through joins and leaves, at every moment',
  { nodes: 2 },
  async (cluster) => {
    for (const name of names) await cluster.store('a', name, 'v', everyDisk);
    const newcomers = [await cluster.boot(), await cluster.boot()];
    for (const letter of newcomers) await cluster.join(letter);
    await cluster.stage.change(
      newcomers.map((letter) => ({ kind: 'join', node: cluster.member(letter).id })),
    );
    let listings = 0;
    const listAll = async (letters: readonly string[]): Promise<void> => {
      for (const at of letters) {
        assert.deepEqual(await cluster.keys(at), names, `keys at ${at}`);
        assert.deepEqual(await cluster.buckets(at), ['stories'], `buckets at ${at}`);
        listings += 1;
      }
    };
    while (!cluster.stage.isSettled()) await listAll(cluster.letters);
    const a = cluster.member('a');
    await cluster.stage.change([{ kind: 'leave', node: a.id }]);
    while (cluster.stage.state(cluster.member('b')).members.has(a.id)) await listAll(['b', ...newcomers]);
    await cluster.stage.untilGone(a);
    await cluster.stage.untilSettled();
    await listAll(cluster.letters);
    assert.ok(listings > 20, `${listings} listings`);
  },
);

story(
  'verify_listkeys: with nodes stopped listings are complete or refused: insufficient_vnodes_available, never short',
  { nodes: 4 },
  async (cluster) => {
    for (const name of names) await cluster.store('a', name, 'v', everyDisk);
    cluster.stop('d');
    await cluster.untilGivenUp('d');
    assert.deepEqual(await cluster.keys('a'), names);
    cluster.stop('c');
    await cluster.untilGivenUp('c', 'd');
    assert.deepEqual(await cluster.keys('a'), names);
    cluster.stop('b');
    await cluster.untilGivenUp('b', 'c', 'd');
    const refused = await cluster.keys('a');
    assert.ok('code' in refused && refused.code === 'insufficient_vnodes_available', JSON.stringify(refused));
    assert.ok(refused.partitions !== undefined && refused.partitions.length > 0, 'it names what is missing');
    for (const letter of ['b', 'c', 'd']) await cluster.start(letter);
    await cluster.untilSeen();
    for (const at of cluster.letters) assert.deepEqual(await cluster.keys(at), names);
  },
);

story(
  'verify_listkeys: a node that dies in the middle of a listing makes it fail or be complete',
  { nodes: 4, seeds: [1, 2, 3] },
  async (cluster) => {
    for (const name of names) await cluster.store('a', name, 'v', everyDisk);
    const listing = cluster.keys('a');
    await cluster.world.sleep(cluster.world.random.between(0, 3));
    cluster.crash('b');
    const listed = await listing;
    if ('code' in listed)
      assert.ok(['timeout', 'insufficient_vnodes_available'].includes(listed.code), listed.code);
    else assert.deepEqual(listed, names);
  },
);

story(
  'R22 empty-after-drop: listings all through the moves of a replacement never miss what a partition has dropped',
  { nodes: 3, ringSize: 32 },
  async (cluster) => {
    for (const name of names) await cluster.store('a', name, 'v', everyDisk);
    const d = await cluster.boot();
    await cluster.join(d);
    const b = cluster.member('b');
    await cluster.stage.change([{ kind: 'replace', node: b.id, by: cluster.member(d).id }]);
    let listings = 0;
    while (cluster.stage.state(cluster.member('a')).members.has(b.id)) {
      for (const at of ['a', 'c', d]) assert.deepEqual(await cluster.keys(at), names, `keys at ${at}`);
      listings += 3;
    }
    assert.ok(listings > 10, `${listings} listings`);
    await cluster.stage.untilGone(b);
  },
);

story(
  'verify_reset_bucket_props: a reset at one node gives the defaults at all',
  { nodes: 3 },
  async (cluster) => {
    await cluster.setProperties('a', { n_val: 2, allow_mult: true, last_write_wins: true });
    for (const at of cluster.letters) {
      assert.equal(cluster.properties(at)?.n_val, 2);
      assert.equal(cluster.properties(at)?.allow_mult, true);
    }
    await cluster.resetProperties('b');
    const untouched = cluster.properties('c', 'another');
    for (const at of cluster.letters) assert.deepEqual(cluster.properties(at), untouched);
  },
);

story(
  'R45 allow_mult-stuck: true, then false, set at different nodes, reads back as set, also after all have restarted',
  { nodes: 3 },
  async (cluster) => {
    await cluster.setProperties('a', { allow_mult: true });
    await cluster.setProperties('b', { allow_mult: false });
    for (const letter of cluster.letters) cluster.crash(letter);
    for (const letter of cluster.letters) cluster.member(letter).process.restart();
    await cluster.stage.untilSettled();
    for (const at of cluster.letters) assert.equal(cluster.properties(at)?.allow_mult, false);
  },
);

story(
  'R44 defaults-flip: a node that restarts with other defaults leaves buckets that have properties of their own alone',
  { nodes: 3 },
  async (cluster) => {
    await cluster.setProperties('a', { allow_mult: false, n_val: 3 });
    const before = cluster.properties('b');
    const b = cluster.member('b');
    Object.assign(b.options.configuration, {
      'buckets.default.allow_mult': true,
      'buckets.default.n_val': 2,
    });
    await b.restartCleanly();
    await cluster.stage.untilSettled();
    assert.equal(cluster.properties('b', 'another')?.allow_mult, true);
    assert.deepEqual(cluster.properties('b'), before);
    await cluster.store('b', 'k', 'one');
    await cluster.store('b', 'k', 'two');
    assert.deepEqual(await cluster.values('b', 'k'), ['two']);
  },
);

story(
  'verify_cluster_converge: four nodes end in one ring, which each of them shows',
  { nodes: 4 },
  async (cluster) => {
    const { owners } = cluster.stage.state();
    for (const member of cluster.stage.members) assert.deepEqual(cluster.stage.state(member).owners, owners);
    assert.deepEqual(cluster.shares(), [4, 4, 4, 4]);
    await cluster.store('d', 'k', 'v');
    assert.deepEqual(await cluster.values('a', 'k'), ['v']);
  },
);
