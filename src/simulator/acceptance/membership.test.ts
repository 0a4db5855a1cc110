/** Building, growing and shrinking clusters: docs/internals/acceptance.md has the rows. */
import assert from 'node:assert/strict';
import { type GetResult, quorumAll } from '../../kv/index.ts';
import { clusterPort } from '../workloads/cluster-configuration.ts';
import { addressOf, story, type ToldCluster } from './told-cluster.fixture.ts';

const names = Array.from({ length: 20 }, (_, i) => `k${i}`);

async function storeAll(cluster: ToldCluster, at: string): Promise<void> {
  for (const name of names) await cluster.store(at, name, `value of ${name}`, { w: quorumAll });
}

async function assertAllThere(cluster: ToldCluster): Promise<void> {
  for (const at of cluster.letters) {
    for (const name of names) assert.deepEqual(await cluster.values(at, name), [`value of ${name}`]);
  }
}

function idOf(cluster: ToldCluster, letter: string) {
  return cluster.member(letter).id;
}

story(
  'verify_build_cluster, verify_handoff: four nodes join one by one under stored data, and leave one by one',
  { nodes: 1 },
  async (cluster) => {
    await storeAll(cluster, 'a');
    for (const shares of [
      [8, 8],
      [6, 5, 5],
      [4, 4, 4, 4],
    ]) {
      const newcomer = await cluster.boot();
      await cluster.join(newcomer);
      await cluster.stage.change([{ kind: 'join', node: idOf(cluster, newcomer) }]);
      await cluster.stage.untilSettled();
      assert.deepEqual(cluster.shares(), shares);
      await assertAllThere(cluster);
    }
    for (const leaver of ['b', 'd', 'a']) {
      const member = cluster.member(leaver);
      await cluster.stage.change([{ kind: 'leave', node: member.id }]);
      await cluster.stage.untilGone(member);
      await cluster.stage.untilSettled();
      await assertAllThere(cluster);
    }
    assert.deepEqual(cluster.letters, ['c']);
    assert.deepEqual(cluster.shares(), [16]);
    await cluster.stage.untilQuiet();
  },
);

story(
  'verify_staged_clustering: nothing moves before the commit, a plan that is outdated is refused, clear forgets',
  { nodes: 2 },
  async (cluster) => {
    const ownersBefore = cluster.stage.state().owners;
    const c = await cluster.boot();
    await cluster.join(c);
    await cluster.untilHealthy();
    const staged = { kind: 'join', node: idOf(cluster, c) } as const;
    await cluster.operate('a', (admin) => admin.stage(staged));
    await cluster.world.sleep(5000);
    assert.deepEqual(cluster.stage.state().owners, ownersBefore);
    assert.equal(cluster.stage.state().moves.size, 0);
    assert.equal(cluster.stage.state().members.get(staged.node)?.status, 'joining');

    const old = await cluster.operate('a', async (admin) => (await admin.planNow()).plan);
    assert.ok(typeof old !== 'string');
    await cluster.operate('b', (admin) => admin.clear());
    await cluster.untilEpoch(cluster.stage.state(cluster.member('b')).epoch);
    assert.deepEqual(cluster.stage.state().staged, []);
    const outdated = await cluster.operate('a', (admin) =>
      admin.commit({ planOf: old.planOf, isForced: false }),
    );
    assert.equal(outdated, 'plan_outdated');
    const nothing = await cluster.operate('a', (admin) =>
      admin.commit({ planOf: undefined, isForced: false }),
    );
    assert.equal(nothing, 'nothing_planned');

    await cluster.operate('a', (admin) => admin.stage(staged));
    const plan = await cluster.operate('a', async (admin) => (await admin.planNow()).plan);
    assert.ok(typeof plan !== 'string');
    const answer = await cluster.operate('a', (admin) =>
      admin.commit({ planOf: plan.planOf, isForced: false }),
    );
    assert.ok(typeof answer !== 'string', `refused: ${answer as string}`);
    await cluster.stage.untilSettled();
    assert.deepEqual(cluster.stage.state().owners, plan.owners);
    assert.deepEqual(cluster.shares(), [6, 5, 5]);
  },
);

story(
  'verify_staged_clustering: replace hands over just what the other had; force-replace rebuilds it from the rest',
  { nodes: 4 },
  async (cluster) => {
    await storeAll(cluster, 'a');
    const ownedByB = cluster.ownedBy('b');
    const e = await cluster.boot();
    await cluster.join(e);
    const b = cluster.member('b');
    await cluster.stage.change([{ kind: 'replace', node: b.id, by: idOf(cluster, e) }]);
    await cluster.stage.untilGone(b);
    await cluster.stage.untilSettled();
    assert.deepEqual(cluster.ownedBy(e), ownedByB);
    await assertAllThere(cluster);

    const f = await cluster.boot();
    await cluster.join(f);
    const ownedByC = cluster.ownedBy('c');
    const c = cluster.member('c');
    cluster.crash('c');
    await cluster.untilGivenUp('c');
    await cluster.stage.change([{ kind: 'force-replace', node: c.id, by: idOf(cluster, f) }]);
    cluster.stage.retire(c);
    await cluster.stage.untilSettled();
    assert.deepEqual(cluster.ownedBy(f), ownedByC);
    await cluster.stage.untilQuiet();
    await assertAllThere(cluster);
    for (const name of names) {
      for (const primary of cluster.primariesOf(name)) {
        assert.deepEqual(await cluster.replica(primary, name), [`value of ${name}`]);
      }
    }
  },
);

story(
  'verify_leave: who leaves, by its own word or by that of another, hands over all and is no member any more',
  { nodes: 5 },
  async (cluster) => {
    await storeAll(cluster, 'c');
    for (const [leaver, by] of [
      ['b', 'b'],
      ['d', 'a'],
    ] as const) {
      const member = cluster.member(leaver);
      await cluster.untilHealthy();
      await cluster.operate(by, (admin) => admin.stage({ kind: 'leave', node: member.id }));
      const answer = await cluster.operate(by, (admin) =>
        admin.commit({ planOf: undefined, isForced: false }),
      );
      assert.ok(typeof answer !== 'string', `refused: ${answer as string}`);
      await cluster.stage.until(
        `${leaver} holds nothing`,
        () => cluster.ownedBy(leaver).length === 0,
        600_000,
      );
      await cluster.stage.until(
        'it knows',
        () => member.serving?.node.database.cluster.log.isRemoved ?? true,
        60_000,
      );
      if (member.isServing) assert.equal((await cluster.disk(leaver)).size, 0, 'it has dropped its data');
      await cluster.stage.untilGone(member);
      await cluster.stage.untilSettled();
      assert.equal(cluster.stage.state().members.has(member.id), false);
      await assertAllThere(cluster);
    }
  },
);

story(
  'verify_leave: who is removed for good is rebuilt from the others, and never let in again',
  { nodes: 4 },
  async (cluster) => {
    await storeAll(cluster, 'a');
    const member = cluster.member('d');
    cluster.stop('d');
    await cluster.untilGivenUp('d');
    await cluster.stage.change([{ kind: 'remove', node: member.id }]);
    await cluster.stage.until(
      'its partitions are rebuilt',
      () => cluster.stage.state().moves.size === 0 && !cluster.stage.state().members.has(member.id),
      600_000,
    );
    member.process.restart();
    await cluster.stage.untilServing([member]);
    const isRefused = await cluster.stage.join(member, cluster.member('a')).then(
      () => false,
      (error: Error) => /may not join/.test(error.message),
    );
    assert.ok(isRefused, 'its instance was removed with its data');
    cluster.stage.retire(member);
    await cluster.stage.untilQuiet();
    await assertAllThere(cluster);
  },
);

story(
  'verify_down: with a member stopped a join is not committed, until that one is marked down; it comes back valid',
  { nodes: 3 },
  async (cluster) => {
    await storeAll(cluster, 'a');
    const c = cluster.member('c');
    const d = await cluster.boot();
    cluster.stop('c');
    await cluster.stage.until('c is given up', () => !isUp('a', c.id) && !isUp('b', c.id), 60_000);
    await cluster.join(d);
    await cluster.operate('a', (admin) => admin.stage({ kind: 'join', node: idOf(cluster, d) }));
    const refused = await cluster.operate('a', (admin) =>
      admin.commit({ planOf: undefined, isForced: false }),
    );
    assert.equal(refused, 'unhealthy');
    assert.equal(cluster.stage.state().members.get(idOf(cluster, d))?.status, 'joining');
    await cluster.operate('b', (admin) => admin.mark(c.id, 'down'));
    await cluster.operate('a', (admin) => admin.commit({ planOf: undefined, isForced: true }));
    await cluster.stage.until(
      'the newcomer owns its share',
      () =>
        cluster.stage.state().members.get(idOf(cluster, d))?.status === 'valid' &&
        cluster.ownedBy(d).length > 0,
      60_000,
    );
    await cluster.start('c');
    assert.equal(cluster.stage.state().members.get(c.id)?.status, 'down');
    await cluster.operate('c', (admin) => admin.mark(c.id, 'valid'));
    await cluster.stage.untilQuiet();
    await assertAllThere(cluster);

    function isUp(at: string, whom: typeof c.id): boolean {
      return cluster.member(at).present.node.database.cluster.topology.isUp(whom);
    }
  },
);

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
  'verify_rejoin: a node leaves, comes back and joins anew while clients write; every acknowledged write is there',
  { nodes: 4 },
  async (cluster) => {
    const acked = new Map<string, string>();
    let isOver = false;
    const writer = (async () => {
      for (let i = 0; !isOver || i < 100; i++) {
        const key = `k${i % 50}`;
        const result = await cluster.put(['b', 'c', 'd'][i % 3]!, key, `${key} ${i}`);
        assert.equal(result.kind, 'stored', JSON.stringify(result));
        acked.set(key, `${key} ${i}`);
        await cluster.world.sleep(20);
      }
    })();
    const a = cluster.member('a');
    await cluster.stage.change([{ kind: 'leave', node: a.id }]);
    await cluster.stage.untilGone(a);
    // Who has left comes back with a new data directory, which makes it another.
    const e = await cluster.boot();
    await cluster.join(e);
    await cluster.stage.change([{ kind: 'join', node: idOf(cluster, e) }]);
    await cluster.stage.untilSettled();
    isOver = true;
    await writer;
    assert.equal(acked.size, 50);
    await cluster.stage.untilQuiet();
    for (const [key, value] of acked) {
      for (const primary of cluster.primariesOf(key)) {
        assert.deepEqual(await cluster.replica(primary, key), [value]);
      }
    }
  },
);

story(
  'R26 forward-until-removed: gets and puts at every node, the leaving one too, all through a leave',
  { nodes: 4 },
  async (cluster) => {
    await storeAll(cluster, 'b');
    const leaver = cluster.member('a');
    await cluster.stage.change([{ kind: 'leave', node: leaver.id }]);
    let answered = 0;
    for (let i = 0; cluster.stage.state(cluster.member('b')).members.has(leaver.id); i++) {
      const name = names[i % names.length]!;
      for (const at of cluster.letters) {
        if (!cluster.member(at).isServing) continue;
        const read = await cluster
          .member(at)
          .ask<GetResult>((store, done) => store.get(addressOf(name), done));
        // Its process ends when it has nothing left to do.
        if (typeof read === 'string') continue;
        assert.equal(read.kind, 'found', `${name} at ${at}: ${JSON.stringify(read)}`);
        answered += 1;
      }
    }
    assert.ok(answered > 20, `${answered} gets during the leave`);
    await cluster.stage.untilGone(leaver);
    await assertAllThere(cluster);
  },
);

story(
  'R32 join-while-starting, verify_build_cluster_caps_race: a join through a node that starts is refused or waits',
  { nodes: 2 },
  async (cluster) => {
    const c = cluster.member(await cluster.boot());
    cluster.stop('b');
    cluster.member('b').process.restart();
    await cluster.join('c', 'b');
    await cluster.stage.untilServing();
    await cluster.stage.change([{ kind: 'join', node: c.id }]);
    await cluster.stage.untilSettled();
    assert.deepEqual(cluster.shares(), [6, 5, 5]);
  },
);

story(
  'R34 filtered-preflist: a cluster grows by more than n - r nodes at once, and reads at r=n miss nothing meanwhile',
  { nodes: 2, ringSize: 32 },
  async (cluster) => {
    await storeAll(cluster, 'a');
    const newcomers = [
      await cluster.boot(),
      await cluster.boot(),
      await cluster.boot(),
      await cluster.boot(),
    ];
    for (const letter of newcomers) await cluster.join(letter);
    await cluster.stage.change(newcomers.map((letter) => ({ kind: 'join', node: idOf(cluster, letter) })));
    let reads = 0;
    while (!cluster.stage.isSettled()) {
      const name = names[reads % names.length]!;
      const at = cluster.letters[reads % cluster.letters.length]!;
      assert.deepEqual(await cluster.values(at, name, { r: quorumAll }), [`value of ${name}`]);
      reads += 1;
    }
    assert.ok(reads > 20, `${reads} reads while it grew`);
    assert.deepEqual(cluster.shares(), [6, 6, 5, 5, 5, 5]);
    await assertAllThere(cluster);
  },
);

const racks = (index: number) => `rack ${(index - 1) % 4}`;

function assertLocationsApart(cluster: ToldCluster): void {
  const { members, owners } = cluster.stage.state();
  for (const [partition] of owners.entries()) {
    const locations = [0, 1, 2].map(
      (step) => members.get(owners[(partition + step) % owners.length]!)!.location,
    );
    assert.equal(new Set(locations).size, 3, `partition ${partition} lies in ${locations.join()}`);
  }
}

story(
  'location, location_leave: replicas lie in distinct locations, also after a leave and a replacement',
  { nodes: 8, ringSize: 32, locationOf: racks, fixed: { target_n_val: 3 } },
  async (cluster) => {
    assertLocationsApart(cluster);
    const d = cluster.member('d');
    await cluster.stage.change([{ kind: 'leave', node: d.id }]);
    await cluster.stage.untilGone(d);
    await cluster.stage.untilSettled();
    assertLocationsApart(cluster);
    // The ninth stands in the rack of the first.
    const newcomer = await cluster.boot();
    await cluster.join(newcomer);
    const a = cluster.member('a');
    await cluster.stage.change([{ kind: 'replace', node: a.id, by: idOf(cluster, newcomer) }]);
    await cluster.stage.untilGone(a);
    await cluster.stage.untilSettled();
    assertLocationsApart(cluster);
    const stranger = cluster.member(await cluster.boot());
    const refused = await cluster.operate('b', (admin) =>
      admin.stage({ kind: 'location', node: stranger.id, location: 'rack 1' }),
    );
    assert.equal(refused, 'unknown_member');
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
