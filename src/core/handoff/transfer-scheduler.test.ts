import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Partition } from '../ring/index.ts';
import {
  a,
  b,
  c,
  HandoffWorld,
  type HandoffWorldOptions,
  p0,
  type WorldFaults,
} from './handoff-world.fixture.ts';

const keys = Array.from({ length: 24 }, (_, i) => `k${i}`);

/**
 * Partition 0 goes from a to b, back, and to c, while clients write at owners and fallbacks, links break and nodes
 * are killed. Afterwards everything that was acknowledged is at the owner, and nobody holds anything else.
 */
async function wander(options: HandoffWorldOptions): Promise<HandoffWorld> {
  const cluster = new HandoffWorld(options);
  const { world } = cluster;
  let writes = 0;
  let isOver = false;
  const pick = <T>(from: readonly T[]): T => from[world.random.below(from.length)];
  const client = (): void => {
    if (isOver) return;
    // Mostly at who owns it by the state; sometimes where it does not belong.
    const at = world.random.fraction() < 0.75 ? cluster.state.owners[0] : pick([a, b, c]);
    cluster.write(at, p0, pick(keys), `w${writes++}`);
    world.after(6 * world.random.fraction(), client);
  };
  const trouble = (): void => {
    if (isOver) return;
    const kind = world.random.below(4);
    if (kind === 0) {
      const victim = pick([a, b, c]);
      cluster.kill(victim);
      world.after(20 + 150 * world.random.fraction(), () => cluster.restart(victim));
    } else if (kind === 1) {
      cluster.cut(pick([a, b]), c);
      world.after(100 * world.random.fraction(), () => cluster.heal());
    } else if (kind === 2) {
      cluster.cut(a, b);
      world.after(200 * world.random.fraction(), () => cluster.heal());
    } else cluster.breakLink(a, b);
    world.after(300 * world.random.fraction(), trouble);
  };
  await cluster.run(async () => {
    await world.sleep(20);
    client();
    client();
    trouble();
    for (const [from, to] of [
      [a, b],
      [b, a],
      [a, c],
    ]) {
      cluster.planMove(p0, from, to);
      await world.sleep(100);
      const until = world.nowMs + 1500;
      while (cluster.state.moves.size > 0 && world.nowMs < until) await world.sleep(10);
      if (cluster.state.moves.size > 0) break;
    }
    isOver = true;
    await world.sleep(400);
    cluster.heal();
    for (const name of [a, b, c]) cluster.restart(name);
    await cluster.settle(60_000);
  });
  return cluster;
}

test('C3, C4: what was acknowledged while a partition wandered is at its owner, and nowhere else', async () => {
  let acked = 0;
  let moved = 0;
  for (let seed = 1; seed <= 25; seed++) {
    const cluster = await wander({ seed });
    assert.deepEqual(cluster.missing(), [], `seed ${seed}`);
    for (const node of cluster.nodes.values()) {
      const isOwner = cluster.state.owners[0] === node.name;
      assert.ok(
        isOwner || node.disk.of(p0).size === 0,
        `seed ${seed}: ${node.name} holds what is not its own`,
      );
    }
    for (const ids of cluster.acked.values()) acked += ids.size;
    moved += cluster.reports.filter(({ what }) => what === 'dropped').length;
  }
  assert.ok(acked > 3000, `${acked} acknowledged`);
  assert.ok(moved > 25, `${moved} moves completed`);
});

test('C3: a gate that forgets little makes the copy begin anew, and loses nothing', async () => {
  for (let seed = 100; seed < 106; seed++) {
    const cluster = await wander({ seed, missedMax: 1 });
    assert.deepEqual(cluster.missing(), [], `seed ${seed}`);
  }
});

const planted: readonly WorldFaults[] = [
  { snapshotsEarly: true },
  { looksEarly: true },
  { dropsLate: true },
  { forgetsBlindly: true },
  { forgetsMissed: true },
];
for (const faults of planted) {
  test(`the law finds a planted fault: ${Object.keys(faults).join()}`, async () => {
    const seeds = 150;
    for (let seed = 1; seed <= seeds; seed++) {
      const cluster = await wander({ seed, faults }).catch((error: Error) => error);
      if (cluster instanceof Error || cluster.missing().length > 0) return;
    }
    assert.fail(`not found in ${seeds} seeds`);
  });
}

test('a sender that died and came back at once does not wait for what it had begun to be forgotten', async () => {
  const cluster = new HandoffWorld({
    seed: 3,
    handoff: { transfersMax: 1, incoming: { window: 3, idleMsMax: 600_000 } },
  });
  const { world } = cluster;
  await cluster.run(async () => {
    await world.sleep(20);
    for (const key of keys) cluster.write(a, p0, key, `value of ${key}`);
    await world.sleep(100);
    cluster.planMove(p0, a, b);
    while (cluster.node(b).disk.of(p0).size === 0) await world.sleep(0.1);
    cluster.kill(a);
    await world.sleep(20);
    cluster.restart(a);
    await cluster.settle(30_000);
  });
  assert.equal(cluster.state.owners[0], b);
  assert.deepEqual(cluster.missing(), []);
});

test('what somebody had begun who died does not keep others out', async () => {
  const cluster = new HandoffWorld({
    seed: 5,
    handoff: { transfersMax: 1, incoming: { window: 3, idleMsMax: 600_000 } },
  });
  const { world } = cluster;
  const p1 = 1 as Partition;
  await cluster.run(async () => {
    await world.sleep(20);
    cluster.change(({ owners }) => ({ owners: owners.map((owner, i) => (i === p1 ? c : owner)) }));
    await world.sleep(60);
    for (const key of keys) {
      cluster.write(a, p0, key, `value of ${key}`);
      cluster.write(c, p1, key, `value of ${key}`);
    }
    await world.sleep(100);
    cluster.planMove(p0, a, b);
    while (cluster.node(b).disk.of(p0).size === 0) await world.sleep(0.1);
    cluster.kill(a);
    cluster.planMove(p1, c, b);
    const end = world.nowMs + 5000;
    while (cluster.node(b).disk.of(p1).size < keys.length) {
      assert.ok(world.nowMs < end, 'c has not got through to b');
      await world.sleep(10);
    }
    cluster.restart(a);
    await cluster.settle(30_000);
  });
  assert.deepEqual(cluster.missing(), []);
});

test('a node that takes no more is asked for one transfer at a time, and takes the next soon after it has room', async () => {
  const cluster = new HandoffWorld({
    seed: 7,
    handoffAt: new Map([
      [a, { transfersMax: 8 }],
      [b, { transfersMax: 1 }],
    ]),
  });
  const { world } = cluster;
  const partitions = cluster.state.owners.map((_, index) => index as Partition);
  let tookMs = 0;
  let folds = 0;
  await cluster.run(async () => {
    await world.sleep(20);
    for (const partition of partitions) {
      for (let i = 0; i < 300; i += 1) cluster.write(a, partition, `k${i}`, `value of ${i}`);
    }
    await world.sleep(200);
    const begunAt = world.nowMs;
    for (const partition of partitions) cluster.planMove(partition, a, b);
    await cluster.settle(30_000);
    tookMs = world.nowMs - begunAt;
    folds = cluster.node(a).store!.folds;
  });
  assert.deepEqual(cluster.missing(), []);
  assert.ok(partitions.every((partition) => cluster.state.owners[partition] === b));
  // Of virtual time: a third of a second each, and pauses of at most 60 ms between them.
  assert.ok(tookMs < 3200, `${tookMs} ms`);
  // One each that was taken, as many at first as may be under way, and one every 30 ms.
  assert.ok(folds <= 2 * partitions.length + tookMs / 30, `${folds} snapshots in ${tookMs} ms`);
});
