/** Nodes that stop, start, fall silent or are cut off, in a cluster that stays: docs/internals/acceptance.md has the rows. */
import assert from 'node:assert/strict';
import { clusterPort } from '../workloads/cluster-configuration.ts';
import { assertAllThere, idOf, names, storeAll } from './stored-names.fixture.ts';
import { story } from './told-cluster.fixture.ts';

story(
  'verify_claimant: no node is special: with the leader stopped the others agree on changes, and its return undoes none',
  { nodes: 5 },
  async (cluster) => {
    const leader = cluster.letters.find((letter) => leads(letter));
    assert.ok(leader !== undefined, 'somebody leads');
    const others = cluster.letters.filter((letter) => letter !== leader);
    cluster.crash(leader);
    await cluster.stage.until('another leads', () => others.some(leads), 60_000);
    await cluster.setProperties(others[0]!, { n_val: 2 });
    const { epoch } = cluster.stage.state();
    await cluster.start(leader);
    await cluster.stage.untilSettled();
    assert.ok(cluster.stage.state(cluster.member(leader)).epoch >= epoch);
    for (const at of cluster.letters) assert.equal(cluster.properties(at)?.n_val, 2);

    function leads(letter: string): boolean {
      return cluster.member(letter).serving?.node.database.cluster.log.leads ?? false;
    }
  },
);

story(
  'cluster_meta_basic: properties are agreed where a majority is; the others refuse, and know them after the heal',
  { nodes: 5 },
  async (cluster) => {
    const heal = cluster.cut(['a', 'b']);
    const settled = cluster.setProperties('c', { n_val: 2 }).then(() => 'known to all');
    assert.equal(await cluster.tryProperties('a', { n_val: 1 }), 'no_majority');
    assert.equal(cluster.properties('e')?.n_val, 2);
    assert.equal(cluster.properties('b')?.n_val, 3);
    heal();
    await settled;
    await cluster.stage.untilSettled();
    const known = cluster.letters.map((at) => cluster.properties(at)?.n_val);
    assert.equal(new Set(known).size, 1, `one truth, not ${known.join()}`);
  },
);

story('gh_riak_core_155: gets from the first moment after a restart', { nodes: 3 }, async (cluster) => {
  await storeAll(cluster, 'a');
  cluster.stop('a');
  await cluster.start('a');
  const reads = await Promise.all(
    Array.from({ length: 400 }, (_, i) => cluster.get('a', names[i % names.length]!)),
  );
  for (const { kind } of reads) assert.equal(kind, 'found');
});

story(
  'rt_basic_test: nodes stop and start cleanly, and are one cluster again',
  { nodes: 2 },
  async (cluster) => {
    await storeAll(cluster, 'a');
    for (const letter of cluster.letters) {
      await cluster.member(letter).restartCleanly(1000);
      await cluster.stage.untilServing();
    }
    await cluster.stage.untilSettled();
    await assertAllThere(cluster);
  },
);

story(
  'gh_riak_core_176: a node that listens everywhere and names another address takes part in handoff both ways',
  { nodes: 3 },
  async (cluster) => {
    await storeAll(cluster, 'a');
    const b = cluster.member('b');
    const { host } = b.process;
    Object.assign(b.options.configuration, {
      'listener.cluster.internal': { host: '0.0.0.0', port: clusterPort },
      'cluster.advertised': { host, port: clusterPort },
    });
    await b.restartCleanly();
    await cluster.stage.untilSettled();
    const d = await cluster.boot();
    await cluster.join(d, 'b');
    await cluster.stage.change([{ kind: 'join', node: idOf(cluster, d) }]);
    await cluster.stage.untilSettled();
    const a = cluster.member('a');
    await cluster.stage.change([{ kind: 'leave', node: a.id }]);
    await cluster.stage.untilGone(a);
    await cluster.stage.untilSettled();
    assert.equal(cluster.stage.state().members.get(b.id)?.address.host, host);
    await assertAllThere(cluster);
  },
);

story(
  'verify_tick_change: the pace of liveness is changed node by node, and no request fails meanwhile',
  { nodes: 4 },
  async (cluster) => {
    await storeAll(cluster, 'a');
    for (const letter of cluster.letters) {
      const member = cluster.member(letter);
      Object.assign(member.options.configuration, { 'liveness.interval': 3000, 'liveness.suspicion': 9000 });
      const restarting = member.restartCleanly(2000);
      const others = cluster.letters.filter((other) => other !== letter);
      for (let i = 0; i < 40; i++) {
        const name = names[i % names.length]!;
        const at = others[i % others.length]!;
        assert.deepEqual(await cluster.values(at, name), [`value of ${name}`]);
        await cluster.update(at, name, `value of ${name}`);
        await cluster.world.sleep(50);
      }
      await restarting;
      await cluster.stage.untilServing();
    }
    await cluster.untilSeen();
    await assertAllThere(cluster);
  },
);

for (const [what, cutMs] of [
  ['a moment', 5000],
  ['longer than connections live', 120_000],
] as const) {
  story(
    `one-way cut: a node that was not heard by one other for ${what} is seen by all soon after the heal`,
    { nodes: 4, seeds: [1, 2, 3] },
    async (cluster) => {
      const [a, c] = ['a', 'c'].map((letter) => cluster.member(letter).process.host);
      const heal = cluster.world.network.cut(a!, c!);
      await cluster.get('b', names[0]!);
      await cluster.world.sleep(cutMs);
      heal();
      const isAtRest = (): boolean =>
        cluster.stage.members.every(({ present }) => present.node.database.cluster.topology.isSettled);
      await cluster.stage.until('all see all', isAtRest, 5000);
    },
  );
}
