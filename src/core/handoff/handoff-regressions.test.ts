/** What went wrong in other databases' handoff, each once, and must not here. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeIdOf } from '../../environment/index.ts';
import type { Partition } from '../ring/index.ts';
import type { ClusterState, MoveStage } from '../topology/index.ts';
import { refusalOf } from './admit-transfer.ts';
import { a, b, c, HandoffWorld, type HandoffWorldOptions, p0 } from './handoff-world.fixture.ts';
import type { OpenTransfer } from './transfer-message.ts';

const keys = Array.from({ length: 30 }, (_, i) => `k${i}`);
const p1 = 1 as Partition;

async function story(options: HandoffWorldOptions, tell: (cluster: HandoffWorld) => Promise<void>) {
  const cluster = new HandoffWorld(options);
  await cluster.run(async () => {
    await cluster.world.sleep(100);
    await tell(cluster);
  });
  assert.deepEqual(cluster.missing(), []);
  return cluster;
}

function fill(cluster: HandoffWorld, at = a, partition = p0): Promise<void> {
  for (const key of keys) cluster.write(at, partition, key, `first of ${key}`);
  return cluster.world.sleep(20);
}

function write(cluster: HandoffWorld, at: typeof a, key: string, id: string): Promise<boolean> {
  return new Promise((resolve) => cluster.write(at, p0, key, id, resolve));
}

async function until(cluster: HandoffWorld, what: string, isSo: () => boolean): Promise<void> {
  const end = cluster.world.nowMs + 20_000;
  while (!isSo()) {
    assert.ok(cluster.world.nowMs < end, `never: ${what}`);
    await cluster.world.sleep(1);
  }
}

const stageOf = (state: ClusterState): MoveStage | undefined => state.moves.get(p0)?.stage;

test('R20: a transfer is refused by everyone but the very node that the sender means', () => {
  const { state } = new HandoffWorld({ seed: 1 });
  const move = { partition: p0, from: a, to: b, stage: 'copying', since: 5 } as const;
  const moving: ClusterState = { ...state, epoch: 5, moves: new Map([[p0, move]]) };
  const open: OpenTransfer = {
    kind: 'open',
    id: '0102030405060708',
    purpose: 'move',
    partition: p0,
    source: p0,
    since: 5,
    clusterId: 'cluster',
    generation: 1,
    epoch: 5,
    fromInstance: `instance of ${a}`,
    to: b,
    toInstance: `instance of ${b}`,
    first: 0,
  };
  const code = (change: Partial<OpenTransfer>, self = b, from = a) =>
    refusalOf(moving, self, from, { ...open, ...change })?.code;
  assert.equal(code({}), undefined);
  assert.equal(code({}, a), 'stranger');
  assert.equal(code({}, c), 'stranger');
  assert.equal(code({}, b, b), 'stranger');
  assert.equal(code({ to: c }), 'stranger');
  assert.equal(code({ toInstance: 'another disk' }), 'stranger');
  assert.equal(code({ fromInstance: 'another disk' }), 'stranger');
  assert.equal(code({ clusterId: 'another' }), 'stranger');
  assert.equal(code({}, b, nodeIdOf('gone@h9')), 'stranger');
  assert.equal(code({ fromInstance: `instance of ${c}` }, b, c), 'misplaced');
  assert.equal(code({ since: 4 }), 'misplaced');
  assert.equal(code({ purpose: 'rebuild' }), 'misplaced');
  assert.equal(code({ purpose: 'stray' }), 'misplaced');
  assert.equal(code({ partition: 9 as Partition }), 'misplaced');
  assert.equal(code({ since: 6, epoch: 6 }), 'behind');
  const stray = { purpose: 'stray', to: a, toInstance: `instance of ${a}` } as const;
  assert.equal(code({ ...stray, fromInstance: `instance of ${c}` }, a, c), undefined);
  assert.equal(code({ ...stray, fromInstance: `instance of ${b}` }, a, b), 'misplaced');
});

test('R21, R22: from the switch until the drop is known to all, the old owner acknowledges nothing of its own', async () => {
  await story({ seed: 3 }, async (cluster) => {
    await fill(cluster);
    cluster.planMove(p0, a, b);
    await until(cluster, 'switched at a', () => stageOf(cluster.node(a).state) === 'switched');
    cluster.cut(a, b);
    const results: Promise<boolean>[] = [];
    // The fence lets one in five slip through here.
    for (let i = 0; i < 40; i++) results.push(write(cluster, a, keys[0], `late ${i}`));
    assert.ok((await Promise.all(results)).every((isAcked) => !isAcked));
    cluster.heal();
    await cluster.settle(20_000);
    assert.equal(cluster.node(a).disk.of(p0).size, 0);
  });
});

test('M3: what a drop that failed has left goes to the owner, though its move is over by then', async () => {
  await story({ seed: 5 }, async (cluster) => {
    const disk = await failedDrop(cluster);
    cluster.change(() => ({ moves: new Map() }));
    await until(cluster, 'a knows', () => cluster.node(a).state.moves.size === 0);
    await until(cluster, 'all attempts that fail are over', () => disk.dropsRefused === 0);
    await until(cluster, 'it is gone', () => disk.of(p0).size === 0);
    assert.deepEqual(cluster.missing(), []);
  });
});

/** p0 has moved from a to b, and a's first attempt to drop it has failed. */
async function failedDrop(cluster: HandoffWorld) {
  await fill(cluster);
  const { disk } = cluster.node(a);
  disk.dropsRefused = 3;
  cluster.planMove(p0, a, b);
  await until(cluster, 'one attempt has failed', () => disk.dropsRefused < 3);
  return disk;
}

for (const heir of [a, c]) {
  test(`M3: a drop that has not begun is not begun when ${heir} gets the partition instead`, async () => {
    await story({ seed: 5 }, async (cluster) => {
      const disk = await failedDrop(cluster);
      // It is the only copy that is left.
      cluster.kill(b);
      cluster.change(({ members, epoch }) => ({
        members: new Map([...members].filter(([node]) => node !== b)),
        moves: new Map([[p0, { partition: p0, from: undefined, to: heir, stage: 'planned', since: epoch }]]),
      }));
      await until(cluster, 'the heir owns it', () => cluster.state.moves.size === 0);
      await until(cluster, 'all attempts that fail are over', () => disk.dropsRefused === 0);
      await cluster.world.sleep(5000);
      assert.equal(cluster.state.owners[p0], heir);
      assert.deepEqual(cluster.missing(), []);
    });
  });
}

test('R23: what is brought to an owner that is giving the partition away goes to the next', async () => {
  await story({ seed: 4, handoff: { transfersMax: 1 } }, async (cluster) => {
    cluster.setDead(a, true);
    await fill(cluster, c);
    cluster.planMove(p0, a, b);
    await cluster.world.sleep(30);
    cluster.setDead(a, false);
    await until(cluster, 'c hands over', () => cluster.node(a).disk.of(p0).size > 0);
    await cluster.settle(20_000);
    assert.equal(cluster.node(b).disk.of(p0).size, keys.length);
    assert.ok(cluster.node(a).process.isUp);
  });
});

test('R24: partitions move one beside the other, and a report is of one move only', async () => {
  const cluster = await story({ seed: 7 }, async (cluster) => {
    await fill(cluster);
    await fill(cluster, a, p1);
    cluster.planMove(p0, a, b);
    cluster.planMove(p1, a, c);
    await cluster.settle(20_000);
    cluster.planMove(p0, b, a);
    await cluster.settle(20_000);
  });
  assert.equal(cluster.state.owners[0], a);
  assert.equal(cluster.state.owners[1], c);
  const told = cluster.reports.map(
    ({ move, what }) => `${what} ${move.partition} ${move.from} ${move.since}`,
  );
  assert.equal(told.length, 6);
  assert.equal(new Set(told).size, 6);
});

test('R25: what a fallback took is handed over after restarts and failures, and then it holds nothing', async () => {
  await story({ seed: 5 }, async (cluster) => {
    cluster.kill(a);
    await fill(cluster, c);
    assert.ok(cluster.node(c).hasStrays);
    cluster.kill(c);
    await cluster.world.sleep(50);
    cluster.restart(c);
    assert.ok(cluster.node(c).hasStrays, 'until it has looked');
    cluster.cut(a, c);
    cluster.restart(a);
    await cluster.world.sleep(3000);
    const [waiting] = cluster.node(c).scheduler!.transfers();
    assert.equal(waiting?.purpose, 'stray');
    assert.ok(waiting.failures > 1, 'it goes on trying');
    assert.match(waiting.lastError ?? '', /does not answer/);
    cluster.heal();
    const healedAt = cluster.world.nowMs;
    await until(cluster, 'c is empty', () => !cluster.node(c).hasStrays);
    // The longest pause, the time to find a lost connection, and the transfer itself.
    assert.ok(cluster.world.nowMs - healedAt < 2000);
    assert.equal(cluster.node(c).disk.of(p0).size, 0);
    assert.equal(cluster.node(a).disk.of(p0).size, keys.length);
    assert.deepEqual(cluster.node(c).scheduler!.transfers(), []);
  });
});

test('R27: one item that cannot be read does not keep the rest, and the move waits for it', async () => {
  await story({ seed: 6 }, async (cluster) => {
    await fill(cluster);
    const { disk } = cluster.node(a);
    disk.damaged.add('k7');
    cluster.planMove(p0, a, b);
    await until(cluster, 'the rest is there', () => cluster.node(b).disk.of(p0).size === keys.length - 1);
    await cluster.world.sleep(2000);
    assert.equal(stageOf(cluster.state), 'copying');
    assert.deepEqual(cluster.reports, []);
    const [waiting] = cluster.node(a).scheduler!.transfers();
    assert.equal(waiting.lastError, '1 items cannot be read here');
    disk.damaged.clear();
    await cluster.settle(20_000);
  });
});

test('G4: a node that proposed the switch and was killed takes no write alone when it is back', async () => {
  for (const startsLenient of [false, true]) {
    const cluster = new HandoffWorld({ seed: 8, faults: { startsLenient } });
    let isAcked = false;
    await cluster.run(async () => {
      await cluster.world.sleep(100);
      await fill(cluster);
      cluster.planMove(p0, a, b);
      await until(cluster, 'verified', () => cluster.reports.length > 0);
      cluster.drivesStages = false;
      cluster.kill(a);
      cluster.restart(a);
      cluster.cut(a, b);
      isAcked = await write(cluster, a, 'k0', 'after the proposal');
      cluster.drivesStages = true;
      await until(cluster, 'switched', () => stageOf(cluster.state) === 'released');
      cluster.heal();
      await cluster.settle(20_000);
    });
    // The planted fault shows that the story is about it.
    assert.equal(isAcked, startsLenient);
    assert.equal(cluster.missing().length, startsLenient ? 1 : 0);
  }
});

test('G2: while copying, a write that the new owner cannot take counts, and is brought to it before the switch', async () => {
  await story({ seed: 9 }, async (cluster) => {
    await fill(cluster);
    cluster.drivesStages = false;
    cluster.change((state) => {
      const move = { partition: p0, from: a, to: b, stage: 'copying', since: state.epoch } as const;
      return { moves: new Map([[p0, move]]) };
    });
    await until(cluster, 'copying', () => cluster.node(a).state.moves.size > 0);
    cluster.cut(a, b);
    assert.ok(await write(cluster, a, 'k0', 'missed'));
    assert.ok(!cluster.node(b).disk.of(p0).get('k0')?.has('missed'));
    cluster.drivesStages = true;
    cluster.heal();
    await cluster.settle(20_000);
  });
});

test('G1: what was forwarded to a new owner that does not know of the move yet stays there', async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    await story({ seed }, async (cluster) => {
      await fill(cluster);
      cluster.planMove(p0, a, b);
      await until(cluster, 'b knows the plan', () => stageOf(cluster.node(b).state) === 'planned');
      cluster.deaf.add(b);
      // The copy's snapshot is taken; that it is offered to b is lost without a word.
      cluster.cut(a, b);
      await until(cluster, 'a copies', () => stageOf(cluster.node(a).state) === 'copying');
      await cluster.world.sleep(5);
      cluster.heal();
      assert.ok(await write(cluster, a, keys[0], 'behind the snapshot'));
      // To b this is data of the owner's: it offers it to a, which has it.
      await cluster.world.sleep(150);
      cluster.deaf.delete(b);
      cluster.node(b).learn(cluster.state);
      await cluster.settle(20_000);
    });
  }
});

test('a receiver without space refuses, says why, and gets everything when it has space', async () => {
  await story({ seed: 10 }, async (cluster) => {
    await fill(cluster);
    cluster.node(b).disk.isFull = true;
    cluster.planMove(p0, a, b);
    await cluster.world.sleep(1500);
    assert.match(cluster.node(a).scheduler!.transfers()[0].lastError ?? '', /full/);
    cluster.node(b).disk.isFull = false;
    await cluster.settle(20_000);
  });
});

test('a move that is cancelled leaves nothing with who was to get it', async () => {
  await story({ seed: 11 }, async (cluster) => {
    await fill(cluster);
    cluster.planMove(p0, a, b);
    await until(cluster, 'b has something', () => cluster.node(b).disk.of(p0).size > 0);
    assert.ok(cluster.node(b).hasStrays, 'what arrives counts as stray until it is owned');
    cluster.change(() => ({ moves: new Map() }));
    await cluster.settle(20_000);
    assert.equal(cluster.node(b).disk.of(p0).size, 0);
    assert.equal(cluster.node(a).disk.of(p0).size, keys.length);
  });
});

/** Owned by nobody that is left, and to be rebuilt at b: its neighbours 7 are at c, 1 at b, 2 and 6 at a. */
async function loseOwner(cluster: HandoffWorld): Promise<void> {
  const gone = nodeIdOf('gone@h9');
  await cluster.world.sleep(100);
  cluster.change(({ owners }) => ({
    owners: owners.map((owner, index) => ({ 0: gone, 1: b, 7: c })[index] ?? owner),
  }));
  await cluster.world.sleep(60);
  const places = [
    [a, 2],
    [a, 6],
    [b, 1],
    [c, 7],
  ] as const;
  for (const [at, partition] of places) {
    for (let i = 0; i < 10; i++) cluster.write(at, partition as Partition, `k${i} of ${partition}`, 'x');
  }
  await cluster.world.sleep(20);
  cluster.planMove(p0, undefined, b);
}

test('B1: a partition whose owner is gone is rebuilt from all replicas, whoever is killed meanwhile', async () => {
  for (const killed of [undefined, a, b]) {
    const cluster = new HandoffWorld({ seed: 12 });
    await cluster.run(async () => {
      await loseOwner(cluster);
      if (killed !== undefined) {
        await until(cluster, 'it has begun', () => cluster.node(b).disk.of(p0).size > 5);
        cluster.kill(killed);
        await cluster.world.sleep(100);
        cluster.restart(killed);
      }
      await cluster.settle(20_000);
    });
    assert.equal(cluster.state.owners[0], b);
    assert.equal(cluster.node(b).disk.of(p0).size, 40, `killed: ${killed}`);
    assert.ok(cluster.reports.some(({ move, what }) => what === 'verified' && move.from === undefined));
    assert.equal(cluster.node(a).disk.of(2 as Partition).size, 10, 'sources keep what they sent');
  }
});

test('B1: a source that the new owner has no room for sends when it has, without being asked again', async () => {
  const cluster = new HandoffWorld({ seed: 13, handoff: { transfersMax: 1, wantIntervalMs: 3_600_000 } });
  await cluster.run(async () => {
    await loseOwner(cluster);
    await cluster.settle(20_000);
  });
  assert.equal(cluster.node(b).disk.of(p0).size, 40);
});
