/** Building and changing clusters: docs/internals/acceptance.md has the rows. */
import assert from 'node:assert/strict';
import { quorumAll } from '../../kv/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { assertAllThere, idOf, names, storeAll } from './stored-names.fixture.ts';
import { story, type ToldCluster } from './told-cluster.fixture.ts';

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
  'ghost: a node dies on its way into a cluster and does not come back: it is struck off; later it may come after all',
  { nodes: 3 },
  async (cluster) => {
    const ghost = cluster.member(await cluster.boot());
    const isMember = (): boolean => cluster.stage.state(cluster.member('a')).members.has(ghost.id);
    const joining = cluster.stage.join(ghost, cluster.member('a')).catch(() => 'it died');
    while (!isMember()) await cluster.world.sleep(0.5);
    assert.equal(cluster.stage.state(ghost).members.size, 1, 'it has not come yet');
    ghost.end('kill');
    await cluster.world.sleep(300_000);
    assert.ok(isMember(), 'it has some time to come');
    await cluster.stage.until('it is struck off', () => !isMember(), 600_000);
    ghost.process.restart();
    await joining;
    await cluster.join('d', 'b');
    await cluster.stage.change([{ kind: 'join', node: ghost.id }]);
    await cluster.stage.untilQuiet();
    assert.deepEqual(cluster.shares(), [4, 4, 4, 4]);
  },
);

story(
  'ghost: a member that did come, died and is away for long is no ghost, though nobody who leads has heard it',
  { nodes: 3 },
  async (cluster) => {
    const { stage, world } = cluster;
    const away = cluster.member(await cluster.boot());
    await cluster.join('d');
    await world.sleep(5000);
    cluster.crash('d');
    for (const letter of ['a', 'b', 'c']) {
      cluster.stop(letter);
      await world.sleep(10_000);
      await cluster.start(letter);
    }
    await world.sleep(900_000);
    assert.ok(stage.state(cluster.member('a')).members.has(away.id));
    await cluster.start('d');
    await stage.change([{ kind: 'join', node: away.id }]);
    await stage.untilQuiet();
    assert.deepEqual(cluster.shares(), [4, 4, 4, 4]);
  },
);

for (const [what, isCut, changes] of [
  ['cut off for a few changes', true, 5],
  ['cut off for longer than the log reaches back', true, 100],
  ['down for longer than the log reaches back', false, 100],
] as const) {
  story(
    `a voter that was ${what} hears that another votes in its place, and its replica ends`,
    {
      nodes: 4,
      fixed: { 'cluster.voter_patience': 5000, 'cluster.log.snapshot_entries': 50 },
      seeds: [1, 2, 3],
    },
    async (cluster) => {
      const logOf = (letter: string) => cluster.member(letter).present.node.database.cluster.log;
      const leader = cluster.letters.find((letter) => logOf(letter).leads)!;
      const away = cluster.letters.find((letter) => letter !== leader && logOf(letter).isLed)!;
      const { replica } = logOf(away).status;
      const { id } = cluster.member(away);
      const heal = isCut ? cluster.cut([away]) : () => {};
      if (!isCut) cluster.stop(away);
      await cluster.stage.until('it votes no more', () => !logOf(leader).status.voters.includes(id), 60_000);
      for (let n = 0; n < changes; n++) {
        await cluster.tryProperties(leader, { n_val: 1 + (n % 3) });
        cluster.world.work.add('steps');
      }
      heal();
      if (!isCut) await cluster.start(away);
      await cluster.untilSeen();
      await cluster.stage.untilSettled();
      await cluster.world.sleep(10_000);
      const { status } = logOf(away);
      assert.notEqual(status.replica, replica, 'it would vote under another name');
      assert.deepEqual(status.voters, [], 'no replica runs');
    },
  );
}

story(
  'a node that joins has the properties of the cluster at once, though its own were registered at the same epochs',
  { nodes: 1 },
  async (cluster) => {
    const newcomer = await cluster.boot();
    const type = byteLiteral('orders');
    const epochAt = (at: string): number => cluster.stage.state(cluster.member(at)).epoch;
    const wanted = Math.max(epochAt('a'), epochAt(newcomer));
    for (const [at, n_val] of [
      ['a', 2],
      [newcomer, 1],
    ] as const) {
      await cluster.member(at).within(async ({ node }) => {
        for (let i = 0; epochAt(at) < wanted; i += 1) {
          await node.store.setProperties(
            { bucketType: byteLiteral('default'), bucket: byteLiteral(`b${i}`) },
            { n_val },
          );
        }
        const { bucketTypes } = node.database.store;
        assert.equal(await bucketTypes.create(type, { n_val }), undefined);
        assert.equal(await bucketTypes.activate(type), undefined);
      });
    }
    assert.equal(epochAt('a'), epochAt(newcomer));
    await cluster.join(newcomer);
    for (const at of cluster.letters) {
      const { store } = cluster.member(at).present.node;
      assert.equal(store.properties({ bucketType: type, bucket: byteLiteral('b') })?.n_val, 2, at);
    }
  },
);
