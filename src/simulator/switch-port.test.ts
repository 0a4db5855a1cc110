import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { SwitchPort } from './switch-port.ts';
import { World } from './world.ts';

test('a burst passes an idle port at once, what follows leaves at its rate, and what does not fit is dropped', () => {
  const port = new SwitchPort({ bytesPerMs: 100, burstBytes: 300, limitBytes: 400 });
  const left = Array.from({ length: 8 }, () => port.admit(100, 10));
  assert.deepEqual(left, [10, 10, 10, 11, 12, 13, 14, undefined]);
  assert.equal(port.droppedPackets, 1);
  assert.equal(port.admit(100, 11), 15, 'one has left, and made room');
  assert.equal(port.admit(300, 100), 100, 'the tokens are back');
});

test('no time is long enough for more than the rate and one burst, and never more waits than the limit', () => {
  const packet = fc.record({
    afterMs: fc.integer({ min: 0, max: 5 }),
    bytes: fc.integer({ min: 1, max: 90 }),
  });
  fc.assert(
    fc.property(fc.array(packet, { maxLength: 60 }), (packets) => {
      const port = new SwitchPort({ bytesPerMs: 30, burstBytes: 100, limitBytes: 200 });
      const passed: { readonly leavesAtMs: number; readonly bytes: number }[] = [];
      let nowMs = 0;
      for (const { afterMs, bytes } of packets) {
        nowMs += afterMs;
        const waiting = passed.reduce((sum, each) => sum + (each.leavesAtMs > nowMs ? each.bytes : 0), 0);
        const leavesAtMs = port.admit(bytes, nowMs);
        assert.equal(leavesAtMs === undefined, waiting + bytes > 200);
        if (leavesAtMs === undefined) continue;
        assert.ok(leavesAtMs >= (passed.at(-1)?.leavesAtMs ?? 0) - 1e-9, 'none overtakes');
        passed.push({ leavesAtMs, bytes });
      }
      passed.forEach((first, from) => {
        let sum = 0;
        for (const { leavesAtMs, bytes } of passed.slice(from)) {
          sum += bytes;
          assert.ok(sum <= 100 + 90 + 30 * (leavesAtMs - first.leavesAtMs) + 1e-6);
        }
      });
    }),
  );
});

test('a stream through a port that drops arrives whole and in order, at the speed of the port', async () => {
  const world = new World({ seed: 5 });
  await world.run(async () => {
    const sent = Buffer.from(Array.from({ length: 700_000 }, (_, i) => (i * 31 + (i >> 8)) & 0xff));
    const received: Buffer[] = [];
    await world.node('b').environment.network.listen({ host: 'b', port: 80 }, () => ({
      data: (chunk) => {
        received.push(Buffer.from(chunk));
      },
      drain: () => undefined,
      closed: () => undefined,
    }));
    world.network.setPort('b', { bytesPerMs: 10_000, burstBytes: 3000, limitBytes: 30_000 });
    const silent = { data: () => undefined, drain: () => undefined, closed: () => undefined };
    const { network } = world.node('a').environment;
    const near = await network.connect({ host: 'b', port: 80 }, () => silent, 1000);
    const startMs = world.nowMs;
    near.write(sent);
    await world.sleep(50);
    assert.ok(Buffer.concat(received).length < 510_000, 'no faster than the port');
    while (Buffer.concat(received).length < sent.length) {
      await world.sleep(5);
      assert.ok(world.nowMs - startMs < 3000, 'the stream goes on');
    }
    assert.ok(Buffer.concat(received).equals(sent));
    assert.ok((world.network.portTo('b')?.droppedPackets ?? 0) > 5, 'the port did drop');
    assert.ok(world.work.done('fast retransmissions') > 0);
    near.destroy();
  });
});

test('the loss of a tail is noticed after 200 ms', async () => {
  const world = new World({ seed: 6 });
  await world.run(async () => {
    let arrivedMs = 0;
    await world.node('b').environment.network.listen({ host: 'b', port: 80 }, () => ({
      data: () => {
        arrivedMs = world.nowMs;
      },
      drain: () => undefined,
      closed: () => undefined,
    }));
    const silent = { data: () => undefined, drain: () => undefined, closed: () => undefined };
    const { network } = world.node('a').environment;
    const near = await network.connect({ host: 'b', port: 80 }, () => silent, 1000);
    // Room for two of three packets.
    world.network.setPort('b', { bytesPerMs: 1000, burstBytes: 0, limitBytes: 3100 });
    const startMs = world.nowMs;
    near.write(Buffer.alloc(4344));
    await world.sleep(1000);
    assert.ok(arrivedMs - startMs > 200 && arrivedMs - startMs < 215, `${arrivedMs - startMs} ms`);
    assert.equal(world.work.done('retransmission timeouts'), 1);
    near.destroy();
  });
});
