/** Hinted handoff, handoff of moving partitions, and the repair of replicas that are gone: docs/internals/acceptance.md. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import type { Partition } from '../../core/ring/index.ts';
import { type QuorumValue, quorumAll, quorumCount, type VersionedObject } from '../../kv/index.ts';
import type { KeyRange } from '../../storage/index.ts';
import { PassingEngine } from '../workloads/passing-engine.ts';
import { RottingEngine } from './rotting-engine.fixture.ts';
import { story, type ToldCluster } from './told-cluster.fixture.ts';

const two: QuorumValue = quorumCount(2);
/** Trees are checked against what is stored, and tombstones that linger are found by that. */
const checkedEachMinute = { 'anti_entropy.verify_interval': 60_000 };
const names = Array.from({ length: 20 }, (_, i) => `k${i}`);

async function assertReplicasHave(
  cluster: ToldCluster,
  key: string,
  values: readonly string[],
): Promise<void> {
  for (const primary of cluster.primariesOf(key)) {
    assert.deepEqual(await cluster.replica(primary, key), values, `${key} at ${primary}`);
  }
}

story(
  'gh_riak_core_154, R25 hinted-handoff-after-restart: what fallbacks took is handed over, though they restart too',
  { nodes: 5 },
  async (cluster) => {
    const [a] = cluster.primariesOf('k0');
    const others = cluster.letters.filter((letter) => letter !== a);
    for (const name of names) await cluster.store(others[0]!, name, 'old', { w: quorumAll });
    cluster.stop(a!);
    await cluster.untilGivenUp(a!);
    for (const name of names) await cluster.update(others[1]!, name, 'new', { w: quorumAll });
    const hinted: string[] = [];
    for (const letter of others) {
      const copies = await cluster.copies(letter, 'k0');
      const owned = cluster.ownedBy(letter);
      if ([...copies.keys()].some((partition) => !owned.includes(partition))) hinted.push(letter);
    }
    assert.equal(hinted.length, 1, `one fallback holds k0, not ${hinted.join()}`);
    cluster.crash(hinted[0]!);
    await cluster.start(hinted[0]!);
    await cluster.start(a!);
    await cluster.stage.untilQuiet();
    for (const name of names) await assertReplicasHave(cluster, name, ['new']);
    for (const letter of others) {
      const owned = cluster.ownedBy(letter);
      for (const partition of (await cluster.copies(letter, 'k0')).keys()) {
        assert.ok(owned.includes(partition), `${letter} still holds a hint`);
      }
    }
  },
);

story(
  'objects longer than half of the queue leave with their node, and arrive at one that joins',
  { nodes: 4, fixed: { 'cluster.queue.handoff.maximum': 512 * 1024, transfer_limit: 4 }, seeds: [1, 2, 3] },
  async (cluster) => {
    const sizes = [200, 320, 600, 250, 400, 700];
    const large = names.map((name, i) => [name, 'x'.repeat(sizes[i % sizes.length]! * 1024)] as const);
    for (const [name, value] of large) await cluster.store('a', name, value, { w: quorumAll });
    const [leaver] = cluster.primariesOf('k0');
    const leaving = cluster.member(leaver!);
    await cluster.stage.change([{ kind: 'leave', node: leaving.id }]);
    await cluster.stage.untilGone(leaving);
    const newcomer = await cluster.boot();
    await cluster.join(newcomer);
    await cluster.stage.change([{ kind: 'join', node: cluster.member(newcomer).id }]);
    await cluster.stage.untilSettled();
    await cluster.stage.untilQuiet();
    for (const [name, value] of large) await assertReplicasHave(cluster, name, [value]);
  },
);

story(
  'an object that merges made longer than a message: reads elsewhere and moves say so, the rest moves, and it follows when it is small',
  {
    nodes: 5,
    // The least message; so two siblings do what it otherwise takes more for.
    fixed: {
      'cluster.message.maximum': 2 ** 20,
      'object.size.maximum': 800 * 1024,
      'object.size.warning_threshold': 800 * 1024,
    },
  },
  async (cluster) => {
    const [a, b, c] = cluster.primariesOf('k0');
    const [d, e] = cluster.outsidersOf('k0');
    await cluster.setProperties(a!, { allow_mult: true });
    for (const name of names.slice(1)) await cluster.store(a!, name, 'v', { w: quorumAll });
    const heal = cluster.cut([a!, b!], [c!, d!, e!]);
    for (const one of [a!, b!]) await cluster.untilGone(one, [c!, d!, e!]);
    for (const one of [c!, d!, e!]) await cluster.untilGone(one, [a!, b!]);
    await cluster.store(a!, 'k0', 'x'.repeat(700 * 1024));
    await cluster.store(c!, 'k0', 'y'.repeat(700 * 1024));
    heal();
    await cluster.untilSeen();
    const outside = async (): Promise<string> => {
      const read = await cluster.get(d!, 'k0');
      return read.kind === 'failed' ? read.error.code : read.kind;
    };
    for (let i = 0; i < 60 && (await outside()) !== 'too_large'; i++) await cluster.world.sleep(1000);
    assert.equal(await outside(), 'too_large');
    const leaving = cluster.member(a!);
    await cluster.stage.change([{ kind: 'leave', node: leaving.id }]);
    const saysWhy = (): boolean => {
      const { transfers } = leaving.present.node.database;
      return transfers
        .transfers()
        .some(({ lastError = '' }) => lastError.includes('too large for a message'));
    };
    await cluster.stage.until('the move says why', saysWhy, 120_000);
    await cluster.update(a!, 'k0', 'small', { w: quorumAll });
    await cluster.stage.untilGone(leaving);
    await cluster.stage.untilQuiet();
    await assertReplicasHave(cluster, 'k0', ['small']);
    for (const name of names.slice(1)) await assertReplicasHave(cluster, name, ['v']);
  },
);

story(
  'verify_delete_onreplace: a replaced node leaves neither data nor tombstones behind',
  { nodes: 5, fixed: { delete_mode: 3000, ...checkedEachMinute } },
  async (cluster) => {
    for (const name of names) await cluster.store('a', name, 'v', { w: quorumAll });
    const replaced = cluster.member('b');
    const newcomer = await cluster.boot();
    await cluster.join(newcomer);
    for (const name of names) assert.equal((await cluster.delete('a', name)).kind, 'deleted');
    await cluster.stage.change([{ kind: 'replace', node: replaced.id, by: cluster.member(newcomer).id }]);
    await cluster.stage.untilGone(replaced);
    await cluster.stage.untilQuiet();
    const left = async (): Promise<readonly string[]> => {
      const stored: string[] = [];
      for (const letter of cluster.letters) stored.push(...(await cluster.disk(letter)).keys());
      return stored;
    };
    // What could not be forgotten at its time waits for a check of the trees, and then for its time again.
    for (let i = 0; i < 60 && (await left()).length > 0; i++) await cluster.world.sleep(10_000);
    assert.deepEqual(await left(), []);
  },
);

story(
  'R12 reap-in-handoff: tombstones are reaped while their partitions move, and none stays at a new owner',
  { nodes: 3, fixed: { delete_mode: 200, tombstone_pause: 100, ...checkedEachMinute } },
  async (cluster) => {
    for (const name of names) await cluster.store('a', name, 'v', { w: quorumAll });
    const d = await cluster.boot();
    await cluster.join(d);
    await cluster.stage.change([{ kind: 'join', node: cluster.member(d).id }]);
    for (const name of names) assert.equal((await cluster.delete('a', name)).kind, 'deleted');
    await cluster.stage.untilSettled();
    await cluster.stage.untilQuiet();
    for (let i = 0; i < 60; i++) {
      let stored = 0;
      for (const letter of cluster.letters) stored += (await cluster.disk(letter)).size;
      if (stored === 0) return;
      await cluster.world.sleep(10_000);
    }
    assert.fail('a tombstone was never reaped');
  },
);

story(
  'R04: a copy that is under way while its key is deleted and forgotten and its partition moves does not come back',
  { nodes: 4, fixed: { delete_mode: 'immediate', tombstone_pause: 100 } },
  async (cluster) => {
    for (const name of names) await cluster.store('a', name, 'old', { w: quorumAll, dw: quorumAll });
    const late: [string, Partition, VersionedObject][] = [];
    for (const name of names) {
      for (const [partition, object] of await cluster.copies('b', name)) late.push([name, partition, object]);
    }
    assert.ok(late.length >= 5);
    for (const name of names) {
      assert.equal((await cluster.delete('c', name, { w: quorumAll, dw: quorumAll })).kind, 'deleted');
    }
    await cluster.world.sleep(1000);
    assert.equal((await cluster.disk('b')).size, 0, 'the tombstones are forgotten');
    const owned = cluster.ownedBy('b');
    const replaced = cluster.member('b');
    const e = await cluster.boot();
    await cluster.join(e);
    const { id } = cluster.member(e);
    await cluster.stage.change([{ kind: 'replace', node: replaced.id, by: id }]);
    await cluster.stage.untilGone(replaced);
    for (const [name, partition, object] of late) {
      if (owned.includes(partition) && cluster.stage.state().owners[partition] === id) {
        assert.equal(await cluster.deliverLate(e, name, partition, object), 'stored');
      }
    }
    for (const name of names) assert.deepEqual(await cluster.values('a', name), [], name);
    assert.deepEqual([...(await cluster.disk(e)).keys()], [], 'nothing has come back');
  },
);

story(
  'overlap_with_crdt_tag: bytes that look like the header of another kind, and siblings, are moved as they are',
  { nodes: 3 },
  async (cluster) => {
    await cluster.setProperties('a', { allow_mult: true });
    const odd = [
      Buffer.from([69, 1, 71, 1]),
      Buffer.from([0x83, 0x6d, 0, 0]),
      Buffer.alloc(0),
      Buffer.alloc(70_000, 0xff),
    ];
    for (const [i, value] of odd.entries()) await cluster.store('a', `odd${i}`, value, { w: quorumAll });
    await cluster.store('a', 'both', 'one', { w: quorumAll });
    await cluster.store('b', 'both', 'other', { w: quorumAll });
    const d = await cluster.boot();
    await cluster.join(d);
    await cluster.stage.change([{ kind: 'join', node: cluster.member(d).id }]);
    await cluster.stage.untilQuiet();
    for (const [i, value] of odd.entries()) {
      await assertReplicasHave(cluster, `odd${i}`, [value.toString('latin1')]);
      assert.deepEqual(await cluster.values(d, `odd${i}`), [value.toString('latin1')]);
    }
    await assertReplicasHave(cluster, 'both', ['one', 'other']);
  },
);

story(
  'partition_repair: a partition that lost all its data gets back just what it had, from the other replicas',
  { nodes: 4, fixed: checkedEachMinute },
  async (cluster) => {
    for (const name of names) await cluster.store('a', name, `value of ${name}`, { w: quorumAll });
    await cluster.stage.untilQuiet();
    const [a] = cluster.primariesOf('k0');
    const [partition] = cluster.partitionsOf('k0');
    const heldBefore = await heldIn(partition!);
    assert.ok(heldBefore.length > 0);
    await cluster.wipe(a!, partition!);
    assert.deepEqual(await heldIn(partition!), []);
    for (let i = 0; i < 120 && (await heldIn(partition!)).length < heldBefore.length; i++) {
      await cluster.world.sleep(5000);
    }
    assert.deepEqual(await heldIn(partition!), heldBefore);
    for (const name of names) await assertReplicasHave(cluster, name, [`value of ${name}`]);

    async function heldIn(wanted: typeof partition): Promise<readonly string[]> {
      const disk = await cluster.disk(a!);
      return [...disk]
        .filter(([, stored]) => stored.some((copy) => copy.partition === wanted))
        .map(([name]) => name);
    }
  },
);

story(
  'verify_readonly: a disk that takes no writes costs a replica, not the service, and is made good afterwards',
  { nodes: 5 },
  async (cluster) => {
    const [a] = cluster.primariesOf('k0');
    const others = cluster.letters.filter((letter) => letter !== a);
    for (const name of names) await cluster.store(a!, name, 'old', { w: quorumAll });
    const { disk } = cluster.member(a!).process;
    const usual = disk.conditions;
    disk.conditions = { ...usual, syncFailure: 1 };
    for (const [i, name] of names.entries()) {
      await cluster.update(others[i % others.length]!, name, 'new', { w: two, dw: two });
      // One of the two that have it may be a fallback, until the third replica has it, too.
      await cluster.world.sleep(100);
      assert.deepEqual(await cluster.values(others[0]!, name), ['new']);
    }
    disk.conditions = usual;
    await cluster.stage.untilQuiet();
    for (const name of names) await assertReplicasHave(cluster, name, ['new']);
  },
);

story(
  'verify_readonly: asked of the node with the sick disk itself, writes succeed as well',
  { nodes: 5 },
  async (cluster) => {
    const [a] = cluster.primariesOf('k0');
    const { disk } = cluster.member(a!).process;
    const usual = disk.conditions;
    disk.conditions = { ...usual, syncFailure: 1 };
    let stored = 0;
    for (const name of names) {
      const result = await cluster.put(a!, name, 'v');
      if (result.kind === 'stored') stored += 1;
      await cluster.world.sleep(100);
    }
    disk.conditions = usual;
    assert.ok(stored >= names.length - 1, `${stored} of ${names.length} were stored`);
  },
);

story(
  'verify_corruption_filtering, R27 handoff-eio: values that rot are never served, are made good, and keep no node from leaving',
  { nodes: 4, wrapEngine: (engine) => new RottingEngine(engine) },
  async (cluster) => {
    for (const name of names) await cluster.store('a', name, 'v', { w: quorumAll, dw: quorumAll });
    await cluster.stage.untilQuiet();
    const rotten = names.filter((name) => cluster.primariesOf(name).includes('b')).slice(0, 5);
    const disk = await cluster.disk('b');
    const { engine } = cluster.member('b').present;
    assert.ok(engine instanceof RottingEngine && rotten.length === 5);
    for (const name of rotten) {
      for (const { storageKey } of disk.get(`stories/${name}`) ?? []) engine.rot(storageKey);
    }
    assert.deepEqual(await cluster.values('b', rotten[0]!), ['v']);
    assert.deepEqual(await cluster.keys('b'), [...names].sort());
    const b = cluster.member('b');
    await cluster.stage.change([{ kind: 'leave', node: b.id }]);
    await cluster.stage.untilGone(b);
    await cluster.stage.untilQuiet();
    for (const name of names) await assertReplicasHave(cluster, name, ['v']);
  },
);

story(
  'R28 and R08 in a handoff: blind and read-modify writes while partitions move are kept, once each',
  { nodes: 2 },
  async (cluster) => {
    await cluster.setProperties('a', { allow_mult: true });
    const newcomers = [await cluster.boot(), await cluster.boot()];
    for (const letter of newcomers) await cluster.join(letter);
    await cluster.stage.change(
      newcomers.map((letter) => ({ kind: 'join', node: cluster.member(letter).id })),
    );
    const written = new Map<string, string>();
    for (let i = 0; !cluster.stage.isSettled() || i < 60; i++) {
      const name = `m${i % 40}`;
      const at = cluster.letters[i % cluster.letters.length]!;
      await cluster.update(at, name, `v${i}`);
      written.set(name, `v${i}`);
    }
    await cluster.stage.untilQuiet();
    for (const [name, value] of written) await assertReplicasHave(cluster, name, [value]);
  },
);

story(
  'R23 handoff-into-deleted: the receiver of a hint leaves meanwhile; the hint finds the new owner',
  { nodes: 5 },
  async (cluster) => {
    const [a] = cluster.primariesOf('k0');
    const others = cluster.letters.filter((letter) => letter !== a);
    cluster.stop(a!);
    await cluster.untilGivenUp(a!);
    for (const name of names) await cluster.store(others[0]!, name, 'hinted', { w: quorumAll });
    const gone = cluster.member(a!);
    await cluster.stage.change([{ kind: 'remove', node: gone.id }]);
    cluster.stage.retire(gone);
    await cluster.stage.untilQuiet();
    for (const name of names) await assertReplicasHave(cluster, name, ['hinted']);
  },
);

story(
  'R27 in a hint: a hint that has rotted is made good from the other replicas, and the cluster comes to rest',
  { nodes: 4, wrapEngine: (engine) => new RottingEngine(engine) },
  async (cluster) => {
    const [a, , c] = cluster.primariesOf('k');
    const [d] = cluster.outsidersOf('k');
    cluster.stop(c!);
    await cluster.untilGivenUp(c!);
    await cluster.store(a!, 'k', 'v', { w: quorumAll, dw: quorumAll });
    const { engine } = cluster.member(d!).present;
    const hints = (await cluster.disk(d!)).get('stories/k') ?? [];
    assert.ok(engine instanceof RottingEngine && hints.length > 0);
    for (const { storageKey } of hints) engine.rot(storageKey);
    await cluster.start(c!);
    await cluster.untilSeen();
    await cluster.stage.untilQuiet();
    await assertReplicasHave(cluster, 'k', ['v']);
  },
);

/** A disk that takes seconds to drop a partition, as it does of a large one. */
class SlowDrops extends PassingEngine {
  static sleep: ((milliseconds: number) => Promise<unknown>) | undefined;

  override async deleteRange(range: KeyRange): Promise<void> {
    await SlowDrops.sleep?.(8000);
    await super.deleteRange(range);
  }
}

story(
  'a drop that outlasts its move wipes nothing that came later: the new owner dies, and the old one owns the partition again',
  { nodes: 3, wrapEngine: (engine) => new SlowDrops(engine) },
  async (cluster) => {
    const { stage, world } = cluster;
    for (const name of names) await cluster.store('a', name, 'old');
    const d = await cluster.boot();
    await cluster.join(d);
    const newcomer = cluster.member(d);
    SlowDrops.sleep = (milliseconds) => world.sleep(milliseconds);
    await stage.change([{ kind: 'join', node: newcomer.id }]);
    const moves = () => [...stage.state().moves.values()];
    const areReleased = () => moves().length > 0 && moves().every((move) => move.stage === 'released');
    await stage.until('all are released', areReleased, 120_000);
    const released = moves();
    cluster.crash(d);
    await cluster.untilGivenUp(d);
    await cluster.operate('a', (admin) => admin.stage({ kind: 'remove', node: newcomer.id }));
    await cluster.operate('a', (admin) => admin.commit({ planOf: undefined, isForced: true }));
    stage.retire(newcomer);
    // With one replica each, what is wiped is gone.
    await cluster.setProperties('a', { n_val: 1 });
    const acknowledged: string[] = [];
    for (let i = 0; i < 60; i += 1) {
      if ((await cluster.put('a', `n${i}`, 'new')).kind === 'stored') acknowledged.push(`n${i}`);
    }
    SlowDrops.sleep = undefined;
    await stage.untilQuiet();
    await world.sleep(60_000);
    const { owners } = stage.state();
    assert.ok(released.some(({ partition, from }) => owners[partition] === from));
    assert.ok(acknowledged.length > 20, `${acknowledged.length} were acknowledged`);
    for (const name of acknowledged) assert.deepEqual(await cluster.values('a', name), ['new'], name);
  },
);
