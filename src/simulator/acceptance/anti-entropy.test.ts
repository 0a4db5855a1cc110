/** Replicas that differ, and nobody reads them: docs/internals/acceptance.md has the rows. */
import assert from 'node:assert/strict';
import { configurationWith } from '../../config/index.ts';
import { quorumAll, quorumCount, quorumOne } from '../../kv/index.ts';
import { story, type ToldCluster } from './told-cluster.fixture.ts';

const names = Array.from({ length: 30 }, (_, i) => `k${i}`);
const checked = { 'anti_entropy.verify_interval': 60_000 };

async function assertReplicas(cluster: ToldCluster, expected: (name: string) => string): Promise<void> {
  for (const name of names) {
    for (const primary of cluster.primariesOf(name)) {
      assert.deepEqual(await cluster.replica(primary, name), [expected(name)], `${name} at ${primary}`);
    }
  }
}

function repairs(cluster: ToldCluster): number {
  return cluster.stage.members
    .flatMap(({ present }) => present.node.database.antiEntropy.status().exchanges)
    .reduce((sum, { keysRepaired }) => sum + keysRepaired, 0);
}

async function untilHealed(cluster: ToldCluster): Promise<void> {
  // As long as trees that are checked once a minute need to notice.
  await cluster.world.sleep(130_000);
  await cluster.stage.untilQuiet();
}

async function assertRest(cluster: ToldCluster): Promise<void> {
  const before = repairs(cluster);
  await cluster.world.sleep(20_000);
  assert.equal(repairs(cluster), before, 'once healed nothing is repaired any more');
}

story(
  'verify_aae, verify_tictac_aae: a partition whose data was wiped',
  { nodes: 3, fixed: checked },
  async (cluster) => {
    for (const name of names) await cluster.store('a', name, `v ${name}`, { w: quorumAll });
    await cluster.stage.untilQuiet();
    for (const partition of cluster.ownedBy('b').slice(0, 3)) await cluster.wipe('b', partition);
    const missing = await copiesAt(cluster, 'b');
    await untilHealed(cluster);
    assert.ok((await copiesAt(cluster, 'b')) > missing);
    await assertReplicas(cluster, (name) => `v ${name}`);
    await assertRest(cluster);
  },
);

async function copiesAt(cluster: ToldCluster, letter: string): Promise<number> {
  return [...(await cluster.disk(letter)).values()].reduce((sum, stored) => sum + stored.length, 0);
}

for (const [what, before] of [
  ['fewer than n replicas were written', false],
  ['fewer than n replicas were updated', true],
] as const) {
  story(
    `verify_aae, R60 fewer copies: ${what}, with handoff and reads out of the way`,
    { nodes: 4 },
    async (cluster) => {
      if (before) for (const name of names) await cluster.store('a', name, 'before', { w: quorumAll });
      // Each writer stores at itself alone, behind the backs of the others.
      const heals = cluster.letters.map((letter) => cluster.cut([letter]));
      for (const name of names) {
        const [a] = cluster.primariesOf(name);
        await cluster.put(a!, name, `v ${name}`, {
          w: quorumOne,
          dw: quorumOne,
          sloppyQuorum: false,
          timeoutMs: 500,
        });
      }
      for (const heal of heals) heal();
      await cluster.untilSeen();
      await cluster.stage.untilQuiet();
      await assertReplicas(cluster, (name) => `v ${name}`);
      await assertRest(cluster);
    },
  );
}

const { 'anti_entropy.interval': intervalUsual } = configurationWith({});
/** Each pair is compared once in an interval, and twice before it is repaired. */
const repairedMsMax = 3 * intervalUsual;

story(
  'a divergence behind a cut is found and repaired at the default settings, within minutes of the heal',
  { nodes: 4, fixed: { 'anti_entropy.interval': intervalUsual }, seeds: [1, 2] },
  async (cluster) => {
    for (const name of names) await cluster.store('a', name, 'before', { w: quorumAll });
    const heals = cluster.letters.map((letter) => cluster.cut([letter]));
    // Nobody keeps a hint.
    const alone = { w: quorumOne, dw: quorumOne, sloppyQuorum: false, timeoutMs: 500 };
    for (const name of names) await cluster.put(cluster.primariesOf(name)[0]!, name, `v ${name}`, alone);
    // What waits in the connections for the heal is given up meanwhile.
    await cluster.world.sleep(30_000);
    for (const heal of heals) heal();
    await eventually(cluster, repairedMsMax, async () => {
      for (const name of names) {
        for (const primary of cluster.primariesOf(name)) {
          const copies = await cluster.replica(primary, name);
          if (copies.length !== 1 || copies[0] !== `v ${name}`) return false;
        }
      }
      return true;
    });
  },
);

async function eventually(cluster: ToldCluster, msMax: number, isSo: () => Promise<boolean>): Promise<void> {
  const end = cluster.world.nowMs + msMax;
  while (!(await isSo())) {
    assert.ok(cluster.world.nowMs < end, `not within ${msMax} ms`);
    await cluster.world.sleep(1000);
  }
}

story(
  'verify_tictacaae_nodedown: with a node down only primaries are compared; it is made good when it is back',
  { nodes: 5, fixed: checked },
  async (cluster) => {
    for (const name of names) await cluster.store('a', name, 'old', { w: quorumAll });
    await cluster.stage.untilQuiet();
    cluster.crash('c');
    await cluster.untilGivenUp('c');
    const [partition] = cluster.ownedBy('b');
    await cluster.wipe('b', partition!);
    for (const name of names) await cluster.update('a', name, 'new', { w: quorumCount(2) });
    await cluster.world.sleep(130_000);
    for (const name of names) {
      for (const primary of cluster.primariesOf(name)) {
        if (primary !== 'c')
          assert.deepEqual(await cluster.replica(primary, name), ['new'], `${name} at ${primary}`);
      }
    }
    await cluster.start('c');
    await cluster.untilSeen();
    await cluster.stage.untilQuiet();
    await assertReplicas(cluster, () => 'new');
    await assertRest(cluster);
  },
);

story(
  'R59 aae-after-delete: a replica misses a delete; the tombstone gets there without a read',
  { nodes: 3, fixed: { delete_mode: 'keep' } },
  async (cluster) => {
    for (const name of names) await cluster.store('a', name, 'v', { w: quorumAll });
    const heal = cluster.cut(['c']);
    for (const name of names) {
      const context = await cluster.context('a', name);
      await cluster.delete('a', name, { w: quorumCount(2), ...(context === undefined ? {} : { context }) });
    }
    heal();
    await cluster.untilSeen();
    await cluster.stage.untilQuiet();
    for (const name of names) {
      for (const primary of cluster.primariesOf(name))
        assert.deepEqual(await cluster.replica(primary, name), []);
    }
    await assertRest(cluster);
  },
);

story(
  'P3: a node that stops while others write to it finds trees of what it holds at its next start',
  { nodes: 4, fixed: checked, seeds: [1, 2, 3] },
  async (cluster) => {
    for (const name of names) await cluster.store('a', name, 'old', { w: quorumAll });
    await cluster.stage.untilQuiet();
    let isBack = false;
    const restarted = cluster
      .member('a')
      .restartCleanly()
      .then(() => (isBack = true));
    const writes: Promise<unknown>[] = [];
    for (let i = 0; !isBack; i++) {
      writes.push(cluster.put('b', `new${i}`, 'v', { w: quorumOne }));
      await cluster.world.sleep(0.1);
    }
    await Promise.all([...writes, restarted]);
    await cluster.stage.untilServing();
    await cluster.world.sleep(130_000);
    const { built, verified, drifted } = cluster
      .member('a')
      .present.node.database.antiEntropy.status().totals;
    assert.ok(verified > 0, 'trees are checked');
    assert.deepEqual({ built, drifted }, { built: 0, drifted: 0 }, `${writes.length} writes`);
  },
);
