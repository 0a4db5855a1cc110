/** Siblings, forgotten copies, tombstones and clocks (the kv679 family): docs/internals/acceptance.md has the rows. */
import assert from 'node:assert/strict';
import type { Partition } from '../../core/ring/index.ts';
import { quorumAll, quorumCount, quorumOne, type VersionedObject } from '../../kv/index.ts';
import { story, type ToldCluster } from './told-cluster.fixture.ts';

/** Tombstones that linger are found when trees are checked. */
const checkedEachMinute = { 'anti_entropy.verify_interval': 60_000 };
const two = quorumCount(2);

async function assertEverywhere(cluster: ToldCluster, key: string, values: readonly string[]): Promise<void> {
  await cluster.stage.untilQuiet();
  for (const at of cluster.letters)
    assert.deepEqual(await cluster.values(at, key), values, `${key} at ${at}`);
  for (const primary of cluster.primariesOf(key)) {
    assert.deepEqual(await cluster.replica(primary, key), values, `the replica of ${key} at ${primary}`);
  }
}

story(
  'R01 kv679_dataloss: the coordinator lost its copy; its next acknowledged write is not taken for an old one',
  { nodes: 4 },
  async (cluster) => {
    const [a] = cluster.primariesOf('k');
    await cluster.setProperties(a!, { allow_mult: true });
    for (const value of ['1', '2', '3']) await cluster.update(a!, 'k', value, { w: quorumAll });
    await cluster.forget(a!, 'k');
    await cluster.store(a!, 'k', 'new');
    await assertEverywhere(cluster, 'k', ['3', 'new']);
  },
);

story(
  'R02 kv679_dataloss_fb: the coordinator lost its copy, and fallbacks bring back an older one; its next write stays',
  { nodes: 5 },
  async (cluster) => {
    const [a, b, c] = cluster.primariesOf('k');
    await cluster.setProperties(a!, { allow_mult: true });
    cluster.stop(b!);
    cluster.stop(c!);
    await cluster.untilGivenUp(b!, c!);
    await cluster.store(a!, 'k', '1', { w: quorumAll });
    const heal = cluster.cut(cluster.outsidersOf('k'));
    await cluster.start(b!);
    await cluster.start(c!);
    await cluster.untilSeen([a!, b!, c!]);
    await cluster.update(a!, 'k', '2', { w: quorumAll });
    await cluster.update(a!, 'k', '3', { w: quorumAll });
    await cluster.forget(a!, 'k');
    const healOthers = cluster.cut([b!, c!]);
    heal();
    await cluster.untilSeen([a!, ...cluster.outsidersOf('k')]);
    await cluster.untilGone(a!, [b!, c!]);
    // Nothing is left there, or what the fallbacks have kept.
    await cluster.get(a!, 'k', { r: quorumOne });
    await cluster.world.sleep(100);
    await cluster.store(a!, 'k', 'new', { w: two });
    healOthers();
    await cluster.untilSeen();
    await cluster.stage.untilQuiet();
    for (const at of cluster.letters) {
      const values = await cluster.values(at, 'k');
      assert.ok(values.includes('3') && values.includes('new'), `${values.join()} at ${at}`);
    }
  },
);

story(
  'R04 kv679_tombstone: deleted while a primary was cut off, reaped, written anew: the new value stays after the heal',
  { nodes: 4, fixed: { delete_mode: 200, tombstone_pause: 100 } },
  async (cluster) => {
    const [a, b, c] = cluster.primariesOf('k');
    await cluster.store(a!, 'k', 'old', { w: quorumAll });
    const heal = cluster.cut([c!]);
    await cluster.untilGone(a!, [c!]);
    await cluster.untilGone(b!, [c!]);
    assert.equal((await cluster.delete(a!, 'k')).kind, 'deleted');
    await cluster.world.sleep(5000);
    assert.deepEqual(await cluster.values(b!, 'k'), []);
    await cluster.store(b!, 'k', 'new');
    heal();
    await cluster.untilSeen();
    await assertEverywhere(cluster, 'k', ['new']);
  },
);

story(
  'R05 kv679_tombstone2: a replica lost its power just after it took the tombstone; the value written anew stays',
  { nodes: 4, fixed: { delete_mode: 200, tombstone_pause: 100 } },
  async (cluster) => {
    const [a, b, c] = cluster.primariesOf('k');
    await cluster.store(a!, 'k', 'old', { w: quorumAll });
    assert.equal((await cluster.delete(a!, 'k', { w: quorumAll })).kind, 'deleted');
    cluster.crash(c!);
    await cluster.untilGivenUp(c!);
    await cluster.world.sleep(5000);
    await cluster.store(b!, 'k', 'new');
    await cluster.start(c!);
    await cluster.untilSeen();
    await assertEverywhere(cluster, 'k', ['new']);
  },
);

story(
  'R04 doomstone-fallback: the old value lies at a fallback that is away; the delete waits for it, and nothing comes back',
  { nodes: 4, fixed: { delete_mode: 'immediate', tombstone_pause: 100, ...checkedEachMinute } },
  async (cluster) => {
    const [a, , c] = cluster.primariesOf('k');
    const [d] = cluster.outsidersOf('k');
    cluster.stop(c!);
    await cluster.untilGivenUp(c!);
    await cluster.store(a!, 'k', 'old', { w: quorumAll, dw: quorumAll });
    assert.ok((await cluster.copies(d!, 'k')).size > 0, 'the fallback holds it');
    cluster.crash(d!);
    await cluster.start(c!);
    await cluster.untilGivenUp(d!);
    assert.equal((await cluster.delete(a!, 'k', { w: quorumAll })).kind, 'deleted');
    for (let i = 0; i < 20; i++) {
      assert.deepEqual(await cluster.values(a!, 'k', { r: quorumAll }), []);
      await cluster.world.sleep(10_000);
    }
    await cluster.start(d!);
    await cluster.untilSeen();
    await assertEverywhere(cluster, 'k', []);
  },
);

story(
  'R04: a copy that was under way to one replica while the key was deleted and forgotten does not bring it back',
  { nodes: 4, fixed: { delete_mode: 'immediate', tombstone_pause: 100 } },
  async (cluster) => {
    const [a, b, c] = cluster.primariesOf('k');
    const hosts = [a!, c!].map((letter) => cluster.member(letter).process.host);
    await cluster.get(a!, 'k');
    // Everybody reaches everybody, and so says liveness; only what a says to c lies in its connection.
    const heal = cluster.world.network.cut(hosts[0]!, hosts[1]!);
    await cluster.store(a!, 'k', 'old', { w: two });
    assert.equal((await cluster.delete(b!, 'k', { w: quorumAll, dw: quorumAll })).kind, 'deleted');
    await cluster.world.sleep(1000);
    for (const primary of [a!, b!, c!]) {
      assert.equal((await cluster.copies(primary, 'k')).size, 0, `the tombstone is forgotten at ${primary}`);
    }
    heal();
    await cluster.world.sleep(1000);
    await assertEverywhere(cluster, 'k', []);
  },
);

story(
  'R04: a copy that was under way while its replica forgot the tombstone, and was started anew, does not come back',
  { nodes: 4, fixed: { delete_mode: 'immediate', tombstone_pause: 100 } },
  async (cluster) => {
    const [a, b, c] = cluster.primariesOf('k');
    await cluster.store(a!, 'k', 'old', { w: quorumAll, dw: quorumAll });
    const [[partition, late]] = [...(await cluster.copies(c!, 'k'))] as [[Partition, VersionedObject]];
    assert.equal((await cluster.delete(b!, 'k', { w: quorumAll, dw: quorumAll })).kind, 'deleted');
    await cluster.world.sleep(1000);
    assert.equal((await cluster.copies(c!, 'k')).size, 0, 'the tombstone is forgotten');
    cluster.stop(c!);
    await cluster.start(c!);
    assert.equal(await cluster.deliverLate(c!, 'k', partition, late), 'stored');
    await cluster.untilSeen();
    await assertEverywhere(cluster, 'k', []);
  },
);

story(
  'R11: a tombstone that could not be forgotten at its time, and that nobody reads, is swept',
  { nodes: 4, fixed: { delete_mode: 'immediate', tombstone_pause: 100, 'tombstone.sweep.interval': 20_000 } },
  async (cluster) => {
    const [a, b, c] = cluster.primariesOf('k');
    await cluster.store(a!, 'k', 'old', { w: quorumAll });
    cluster.stop(c!);
    await cluster.untilGivenUp(c!);
    assert.equal((await cluster.delete(b!, 'k')).kind, 'deleted');
    await cluster.start(c!);
    await cluster.untilSeen();
    await cluster.stage.untilQuiet();
    await cluster.world.sleep(60_000);
    for (const letter of cluster.letters) assert.equal((await cluster.copies(letter, 'k')).size, 0, letter);
  },
);

story(
  'R04: a key that was deleted while a replica was away does not come back with it',
  { nodes: 4, fixed: { delete_mode: 'immediate', tombstone_pause: 100 } },
  async (cluster) => {
    const [a, , c] = cluster.primariesOf('k');
    await cluster.store(a!, 'k', 'old', { w: quorumAll });
    cluster.stop(c!);
    await cluster.untilGivenUp(c!);
    assert.equal((await cluster.delete(a!, 'k')).kind, 'deleted');
    await cluster.world.sleep(60_000);
    await cluster.start(c!);
    await cluster.untilSeen();
    await assertEverywhere(cluster, 'k', []);
  },
);

story(
  'R06 kv679_uid: the ids of all vnodes of all nodes are distinct',
  { nodes: 3, ringSize: 64 },
  async (cluster) => {
    await cluster.setProperties('a', { allow_mult: true });
    // Each blind write is a sibling under the id of the vnode that coordinated it.
    const actorsOf = new Map<string, string>();
    for (let i = 0; i < 150; i++) {
      const key = `k${i}`;
      const [a] = cluster.primariesOf(key);
      await cluster.store(a!, key, 'v', { w: quorumAll });
      const read = await cluster.get(a!, key);
      assert.equal(read.kind, 'found');
      if (read.kind !== 'found') return;
      const [dot] = read.object.dots;
      const vnode = `${a} ${cluster.partitionsOf(key)[0]}`;
      const owner = actorsOf.get(String(dot?.actor).slice(0, 8));
      assert.ok(owner === undefined || owner === vnode, `${vnode} has the id of ${owner}`);
      actorsOf.set(String(dot?.actor).slice(0, 8), vnode);
    }
    assert.ok(actorsOf.size > 40, `${actorsOf.size} vnodes`);
  },
);

story(
  'R07 sibling_explosion: two writers at two nodes, each with the context of its own last put',
  { nodes: 4 },
  async (cluster) => {
    await cluster.setProperties('a', { allow_mult: true });
    const [a, b] = cluster.primariesOf('k');
    const contexts = new Map<string, Uint8Array>();
    for (let i = 0; i < 100; i++) {
      const at = i % 2 === 0 ? a! : b!;
      const context = contexts.get(at);
      const result = await cluster.put(at, 'k', `${at}${i}`, {
        ...(context === undefined ? {} : { context }),
        returnObject: 'head',
      });
      assert.ok(result.kind === 'stored' && result.object !== undefined);
      contexts.set(at, result.object.context);
    }
    const values = await cluster.values('c', 'k', { r: quorumAll });
    assert.ok(values.length <= 4, `${values.length} siblings`);
    assert.ok(values.includes(`${a}98`) && values.includes(`${b}99`), values.join());
  },
);

for (const [allowMult, expected] of [
  [true, ['left', 'right']],
  [false, ['right']],
] as const) {
  story(
    `verify_siblingmerge_basic: two sides write at once; with allow_mult=${allowMult} all replicas show ${expected.join(' and ')}`,
    { nodes: 4 },
    async (cluster) => {
      await cluster.setProperties('a', { allow_mult: allowMult });
      const [a, b, c] = cluster.primariesOf('k');
      const [d] = cluster.outsidersOf('k');
      await cluster.store(a!, 'k', 'before', { w: quorumAll });
      const heal = cluster.cut([a!, d!], [b!, c!]);
      await cluster.untilGone(a!, [b!, c!]);
      await cluster.untilGone(b!, [a!, d!]);
      await cluster.update(a!, 'k', 'left');
      await cluster.world.sleep(1000);
      await cluster.update(b!, 'k', 'right');
      heal();
      await cluster.untilSeen();
      await cluster.stage.untilQuiet();
      for (const at of cluster.letters) assert.deepEqual(await cluster.values(at, 'k'), expected);
    },
  );
}

for (const allowMult of [true, false]) {
  story(
    `R13 lww-clock-skew: one node is an hour ahead; a write that has read the other's wins, with allow_mult=${allowMult}`,
    { nodes: 4 },
    async (cluster) => {
      await cluster.setProperties('a', { allow_mult: allowMult });
      const [a, b] = cluster.primariesOf('k');
      cluster.member(b!).process.jumpClock(3_600_000);
      await cluster.store(b!, 'k', 'ahead', { w: quorumAll });
      await cluster.update(a!, 'k', 'after', { w: quorumAll });
      await assertEverywhere(cluster, 'k', ['after']);
      // Of two that know nothing of each other, siblings keep both; without them the later stamp is shown.
      await cluster.store(b!, 'blind', 'ahead', { w: quorumAll });
      await cluster.store(a!, 'blind', 'after', { w: quorumAll });
      const shown = await cluster.values('a', 'blind');
      assert.deepEqual(shown, allowMult ? ['after', 'ahead'] : ['ahead']);
    },
  );
}

story(
  'R09 redirect-retries: the coordinator is frozen, another takes the write over, and the frozen one wakes: one value',
  { nodes: 4 },
  async (cluster) => {
    await cluster.setProperties('a', { allow_mult: true });
    const [a] = cluster.primariesOf('k');
    const [asked] = cluster.outsidersOf('k');
    cluster.member(a!).process.pause();
    await cluster.store(asked!, 'k', 'once');
    cluster.member(a!).process.resume();
    await cluster.untilSeen();
    await cluster.stage.untilQuiet();
    for (const at of cluster.letters) assert.deepEqual(await cluster.values(at, 'k'), ['once']);
  },
);

story(
  'R11 tombstone-not-reaped: one replica is older when the delete is to be forgotten; after quiet no copy of it is left',
  { nodes: 4, fixed: { delete_mode: 3000, ...checkedEachMinute } },
  async (cluster) => {
    const [a, b, c] = cluster.primariesOf('k');
    await cluster.store(a!, 'k', 'old', { w: quorumAll });
    const heal = cluster.cut([c!], [a!, b!]);
    const context = await cluster.context(a!, 'k');
    assert.ok(context !== undefined);
    assert.equal((await cluster.delete(a!, 'k', { context, w: two })).kind, 'deleted');
    heal();
    await cluster.untilSeen();
    const copies = async (): Promise<number> => {
      let count = 0;
      for (const letter of cluster.letters) count += (await cluster.copies(letter, 'k')).size;
      return count;
    };
    assert.ok((await copies()) > 0);
    for (let i = 0; i < 60 && (await copies()) > 0; i++) await cluster.world.sleep(5000);
    assert.equal(await copies(), 0);
    await assertEverywhere(cluster, 'k', []);
  },
);

story(
  'R10 delete-immediate: the tombstone is forgotten at once; a key that is written right after it stays',
  { nodes: 4, fixed: { delete_mode: 'immediate', tombstone_pause: 100 } },
  async (cluster) => {
    for (let i = 0; i < 30; i++) {
      const key = `k${i}`;
      const at = cluster.letters[i % 4]!;
      await cluster.store(at, key, 'old', { w: quorumAll });
      assert.equal((await cluster.delete(at, key)).kind, 'deleted');
      await cluster.world.sleep(cluster.world.random.between(0, 300));
      await cluster.store(cluster.letters[(i + 1) % 4]!, key, 'new');
    }
    await cluster.stage.untilQuiet();
    for (let i = 0; i < 30; i++) assert.deepEqual(await cluster.values('a', `k${i}`), ['new']);
  },
);
