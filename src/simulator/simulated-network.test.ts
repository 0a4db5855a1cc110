import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import type { Connection, ConnectionHandler } from '../environment/index.ts';
import { keepAliveMsMax, retransmitMsMax } from './simulated-network.ts';
import { World } from './world.ts';

class Witness implements ConnectionHandler {
  received = '';
  readonly lent: Buffer[] = [];
  drains = 0;
  closedWith: string | undefined;
  data(chunk: Buffer): void {
    this.received += chunk.toString('latin1');
    this.lent.push(chunk);
  }
  drain(): void {
    this.drains += 1;
  }
  closed(error?: Error & { code?: string }): void {
    assert.equal(this.closedWith, undefined);
    this.closedWith = error === undefined ? 'in order' : String(error.code);
  }
}

async function simulate(body: (world: World) => Promise<void>): Promise<void> {
  const world = new World({ seed: 3 });
  await world.run(() => body(world));
}

async function openPair(world: World) {
  const [asking, served] = [new Witness(), new Witness()];
  let far: Connection | undefined;
  const address = { host: 'b', port: 80 };
  await world.node('b').environment.network.listen(address, (connection) => {
    far = connection;
    return served;
  });
  const near = await world.node('a').environment.network.connect(address, () => asking, 1000);
  return { asking, served, near, far: far! };
}

test('bytes arrive in order, and a chunk is gone after the call', () =>
  simulate(async (world) => {
    const { near, served } = await openPair(world);
    for (const word of ['one ', 'two ', 'three']) near.write(Buffer.from(word));
    await world.sleep(10);
    assert.equal(served.received, 'one two three');
    assert.ok(served.lent.every((chunk) => chunk.every((byte) => byte === 0xdd)));
  }));

test('nobody listens: refused. Nobody answers: timeout. Taken: address in use', () =>
  simulate(async (world) => {
    const { network } = world.node('a').environment;
    world.node('b').begin();
    const connect = (timeoutMs: number) =>
      network.connect({ host: 'b', port: 1 }, () => new Witness(), timeoutMs);
    await assert.rejects(connect(1000), { code: 'refused' });
    world.network.cut('b', 'a');
    await assert.rejects(connect(1000), { code: 'timeout' });
    await network.listen({ host: '127.0.0.1', port: 80 }, () => new Witness());
    await assert.rejects(
      network.listen({ host: 'a', port: 80 }, () => new Witness()),
      { code: 'address-in-use' },
    );
    await assert.rejects(
      network.listen({ host: 'b', port: 80 }, () => new Witness()),
      { code: 'address-not-available' },
    );
  }));

test('a cut stalls a stream; healed in time, it goes on', () =>
  simulate(async (world) => {
    const { near, served } = await openPair(world);
    const heal = world.network.cut('a', 'b');
    near.write(Buffer.from('late'));
    await world.sleep(5000);
    assert.equal(served.received, '');
    heal();
    await world.sleep(1000);
    assert.equal(served.received, 'late');
  }));

test('a one-way cut of the acknowledgements delivers, but the queue stays', () =>
  simulate(async (world) => {
    const { near, served } = await openPair(world);
    const heal = world.network.cut('b', 'a');
    near.write(Buffer.from('there'));
    await world.sleep(5000);
    assert.equal(served.received, 'there');
    assert.equal(near.queuedBytes, 5);
    heal();
    await world.sleep(2000);
    assert.equal(near.queuedBytes, 0);
  }));

test('a cut that lasts: the sender times out, the silent side by keepalive', () =>
  simulate(async (world) => {
    const { near, asking, served } = await openPair(world);
    world.network.partition([['a'], ['b']]);
    near.write(Buffer.from('lost'));
    await world.sleep(retransmitMsMax + 1000);
    assert.equal(asking.closedWith, 'timeout');
    assert.equal(served.closedWith, undefined, 'half-open');
    await world.sleep(keepAliveMsMax);
    assert.equal(served.closedWith, 'timeout');
  }));

test('a peer that lost its power leaves the connection half-open, until it is back and denies it', () =>
  simulate(async (world) => {
    const { near, asking } = await openPair(world);
    world.node('b').crash();
    await world.sleep(1000);
    assert.equal(asking.closedWith, undefined);
    world.node('b').begin();
    near.write(Buffer.from('hello?'));
    await world.sleep(1000);
    assert.equal(asking.closedWith, 'reset');
  }));

test('a killed peer is told of at once', () =>
  simulate(async (world) => {
    const { asking } = await openPair(world);
    world.node('b').kill();
    await world.sleep(10);
    assert.notEqual(asking.closedWith, undefined);
  }));

test('the end of a peer is told to a handler that wants it, which ends when it has answered', () =>
  simulate(async (world) => {
    const asking = new Witness();
    const address = { host: 'b', port: 80 };
    const { network, timers } = world.node('b').environment;
    let tookAnswer = false;
    await network.listen(address, (connection) => ({
      data: () => undefined,
      drain: () => undefined,
      ended: () => {
        timers.after(20, () => {
          tookAnswer = connection.write(Buffer.from('late'));
          connection.end();
        });
      },
      closed: () => undefined,
    }));
    const near = await world.node('a').environment.network.connect(address, () => asking, 1000);
    near.write(Buffer.from('question'));
    near.end();
    await world.sleep(15);
    assert.equal(asking.closedWith, undefined);
    await world.sleep(200);
    assert.deepEqual([tookAnswer, asking.closedWith], [true, 'in order']);
  }));

test('end sends what is queued and closes both sides in order', () =>
  simulate(async (world) => {
    const { near, asking, served } = await openPair(world);
    const long = 'x'.repeat(1_000_000);
    near.write(Buffer.from(long));
    near.end();
    await world.sleep(100);
    assert.equal(served.received, long);
    assert.deepEqual([asking.closedWith, served.closedWith], ['in order', 'in order']);
    assert.equal(world.network.connectionCount, 0);
  }));

test('a reader that pauses makes the writer stop, then drain', () =>
  simulate(async (world) => {
    const { near, far, asking, served } = await openPair(world);
    far.pause();
    let sent = 0;
    while (near.write(Buffer.alloc(10_000, 65))) {
      sent += 10_000;
      await world.sleep(1);
      assert.ok(sent < 10_000_000, 'the queue is bounded');
    }
    sent += 10_000;
    await world.sleep(1000);
    assert.equal(served.received, '');
    assert.equal(asking.drains, 0);
    far.resume();
    await world.sleep(1000);
    assert.equal(asking.drains, 1);
    assert.equal(served.received.length, sent);
  }));

test('a slow link takes its time', () =>
  simulate(async (world) => {
    const { near, served } = await openPair(world);
    world.network.setLink('a', 'b', { floorMs: 100, jitterMs: 0, bytesPerMs: 10 });
    near.write(Buffer.alloc(10_000, 65));
    await world.sleep(500);
    assert.ok(served.received.length < 10_000);
    await world.sleep(1000);
    assert.equal(served.received.length, 10_000);
  }));
