import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import type { TrafficClass } from '../../core/index.ts';
import { nodeIdOf } from '../../environment/index.ts';
import { MessengerNode, type NumberedMessage, queueBytesMax } from '../workloads/messenger-node.ts';
import { World } from '../world.ts';

const classes: readonly TrafficClass[] = ['control', 'foreground', 'repair', 'handoff'];
const a = 'a@a';
const b = 'b@b';

interface Talker extends MessengerNode {
  readonly heard: NumberedMessage[];
}

async function boot(world: World, name: string): Promise<Talker> {
  const heard: NumberedMessage[] = [];
  const received = (message: NumberedMessage): void => void heard.push({ ...message, body: Buffer.alloc(0) });
  const options = { name, life: 1, members: [a, b], received };
  const node = new MessengerNode(world.node(name).environment, options);
  await node.listen();
  return Object.assign(node, { heard });
}

async function story(seed: number, tell: (world: World, near: Talker, far: Talker) => Promise<void>) {
  const world = new World({ seed });
  await world.run(async () => {
    await tell(world, await boot(world, a), await boot(world, b));
  });
}

function numbersOf(node: Talker, traffic: TrafficClass): readonly number[] {
  return node.heard.filter((message) => message.traffic === traffic).map(({ number }) => number);
}

test('T4: both ends dial at once, and one connection comes of it, by which everything arrives', async () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    await story(seed, async (world, near, far) => {
      const jittery = { floorMs: 0.1, jitterMs: 5, bytesPerMs: 10_000 };
      world.network.setLink('a', 'b', jittery);
      world.network.setLink('b', 'a', jittery);
      const rounds = 5;
      for (let round = 1; round <= rounds; round += 1) {
        for (const traffic of classes) {
          near.sendNumbered(b, traffic, 10);
          far.sendNumbered(a, traffic, 10);
        }
        await world.sleep(1000);
        assert.equal(near.heard.length, round * classes.length, `seed ${seed}: all arrived at a`);
        assert.equal(far.heard.length, round * classes.length, `seed ${seed}: all arrived at b`);
        assert.equal(near.connections, round * classes.length, `seed ${seed}: one connection a class`);
        assert.equal(far.connections, round * classes.length, `seed ${seed}: one connection a class`);
        assert.equal(near.disconnects.length, (round - 1) * classes.length);
        world.network.resetConnections('a', 'b');
        await world.sleep(1000);
      }
    });
  }
});

test('what is sent between two attempts is sent when the peer is back', async () => {
  await story(1, async (world, near) => {
    world.node(b).kill();
    near.sendNumbered(b, 'control', 10);
    await world.sleep(100);
    assert.deepEqual(near.disconnects, ['b@b control'], 'a peer that is not reached is told');
    near.messenger.setReachability(() => false);
    for (let i = 0; i < 50 && near.disconnects.length < 6; i += 1) {
      near.sendNumbered(b, 'control', 10);
      await world.sleep(100);
    }
    near.sendNumbered(b, 'control', 10);
    const back = await boot(world, b);
    await world.sleep(600);
    assert.equal(back.heard.length, 1);
  });
});

test('liveness heard of the peer: the attempt that waits is made at once', async () => {
  await story(1, async (world, near) => {
    world.node(b).kill();
    near.messenger.setReachability(() => false);
    for (let i = 0; i < 40; i += 1) {
      near.sendNumbered(b, 'control', 10);
      await world.sleep(50);
    }
    // Into the beginning of a pause of 250 to 500 ms.
    const told = near.disconnects.length;
    while (near.disconnects.length === told) {
      near.sendNumbered(b, 'control', 10);
      await world.sleep(5);
    }
    const back = await boot(world, b);
    near.sendNumbered(b, 'control', 10);
    near.messenger.peerUp(nodeIdOf(b));
    await world.sleep(20);
    assert.equal(back.heard.length, 1);
  });
});

test('a peer that falls silent is given up long before its kernel says so', async () => {
  await story(1, async (world, near, far) => {
    near.sendNumbered(b, 'control', 10);
    far.sendNumbered(a, 'foreground', 10);
    await world.sleep(20_000);
    assert.deepEqual([near.disconnects, far.disconnects], [[], []], 'quiet is not silent');
    world.node(b).crash();
    await world.sleep(6000);
    assert.deepEqual(new Set(near.disconnects), new Set(['b@b control', 'b@b foreground']));
  });
});

test('R09: requests that waited for a node which did not run are never looked at', async () => {
  await story(1, async (world, near, far) => {
    near.sendNumbered(b, 'control', 10);
    near.sendNumbered(b, 'foreground', 10);
    await world.sleep(100);
    world.node(b).pause();
    await world.sleep(1000);
    near.sendNumbered(b, 'foreground', 10);
    await world.sleep(2000);
    assert.equal(far.heard.length, 2);
    world.node(b).resume();
    await world.sleep(1000);
    assert.equal(far.heard.length, 2, 'what came in its sleep is not looked at');
    assert.deepEqual(
      new Set([...near.disconnects, ...far.disconnects]),
      new Set(['b@b foreground', 'a@a foreground']),
    );
    near.sendNumbered(b, 'foreground', 10);
    await world.sleep(1000);
    assert.equal(far.heard.length, 3);
  });
});

test('a peer that sleeps for two seconds keeps its control connections', async () => {
  await story(1, async (world, near, far) => {
    near.sendNumbered(b, 'control', 10);
    await world.sleep(100);
    world.node(b).pause();
    await world.sleep(2000);
    world.node(b).resume();
    await world.sleep(5000);
    assert.deepEqual([near.disconnects, far.disconnects], [[], []]);
  });
});

test('T5, C11: a peer that takes nothing fills its queue and no more, and other classes go on', async () => {
  await story(1, async (world, near, far) => {
    for (const traffic of classes) near.sendNumbered(b, traffic, 10);
    await world.sleep(100);
    world.network.setLink('a', 'b', { floorMs: 0.1, jitterMs: 0.1, bytesPerMs: 60 });
    let sent = 1;
    while (near.sendNumbered(b, 'handoff', 10_000)) sent += 1;
    const queued = near.messenger.queuedBytes(nodeIdOf(b), 'handoff');
    assert.ok(queued <= queueBytesMax && queued > queueBytesMax - 11_000, `${queued} bytes wait`);
    assert.equal(near.messenger.queuedBytes(nodeIdOf(b), 'control'), 0);
    let writable = 0;
    near.messenger.whenWritable(nodeIdOf(b), 'handoff', () => {
      writable += 1;
    });
    await world.sleep(100);
    assert.equal(writable, 0);
    assert.ok(near.sendNumbered(b, 'control', 10));
    await world.sleep(20);
    assert.deepEqual(numbersOf(far, 'control'), [0, 1], 'C10: control does not wait behind handoff');
    await world.sleep(30_000);
    assert.equal(writable, 1);
    assert.deepEqual(
      numbersOf(far, 'handoff'),
      Array.from({ length: sent }, (_, i) => i),
      'all that was taken arrives',
    );
    const waits = far.heard.filter(({ traffic }) => traffic === 'handoff').map(({ waitedMs }) => waitedMs);
    assert.ok(waits.at(-1)! > 3000, `the last says that it waited: ${waits.at(-1)} ms`);
    assert.equal(near.messenger.queuedBytes(nodeIdOf(b), 'handoff'), 0);
  });
});
