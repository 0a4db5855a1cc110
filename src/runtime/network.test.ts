import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { connect as connectRaw } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { Connection, ConnectionHandler, NetworkError } from '../environment/index.ts';
import { MachineNetwork, type NetworkOptions } from './network.ts';
import { networkErrorOf } from './network-failure.ts';
import { queueHighBytes } from './socket-connection.ts';
import { MachineTasks } from './tasks.ts';

const anyPort = { host: '127.0.0.1', port: 0 };
const readings: readonly NetworkOptions['reading'][] = ['reused-buffer', 'streams'];

/** Gathers what a connection reports, and lets a test wait for a state of it. */
class Witness implements ConnectionHandler {
  received = Buffer.alloc(0);
  drains = 0;
  closedWith: { readonly error: Error | undefined } | undefined;
  #waiting: (() => void)[] = [];

  data(chunk: Buffer): void {
    this.received = Buffer.concat([this.received, chunk]);
    this.#changed();
  }
  drain(): void {
    this.drains += 1;
    this.#changed();
  }
  closed(error?: Error): void {
    assert.equal(this.closedWith, undefined, 'closed is reported once');
    this.closedWith = { error };
    this.#changed();
  }
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
  #changed(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

function openNetwork(context: TestContext, reading: NetworkOptions['reading']): MachineNetwork {
  const crash = (activity: string, error: unknown): never => {
    throw new Error(`crash in ${activity}`, { cause: error });
  };
  const network = new MachineNetwork({ tasks: new MachineTasks(crash), crash }, { reading });
  context.after(() => network.close());
  return network;
}

async function openPair(network: MachineNetwork) {
  const served = new Witness();
  const asking = new Witness();
  let accepted: Connection | undefined;
  const listener = await network.listen(anyPort, (connection) => {
    accepted = connection;
    connection.write(Buffer.from('!'));
    return served;
  });
  const connection = await network.connect(listener.address, () => asking, 1000);
  await asking.until(() => asking.received.length === 1);
  asking.received = Buffer.alloc(0);
  return { listener, served, accepted: accepted!, asking, connection };
}

for (const reading of readings) {
  describe(`network reading by ${reading}`, () => {
    test('carries bytes both ways, in order', async (context) => {
      const pair = await openPair(openNetwork(context, reading));
      const parts = Array.from({ length: 500 }, (_, i) => Buffer.alloc(i, i));
      for (const part of parts) {
        pair.connection.write(part);
        pair.accepted.write(part);
      }
      const sent = Buffer.concat(parts);
      await pair.served.until(() => pair.served.received.length === sent.length);
      await pair.asking.until(() => pair.asking.received.length === sent.length);
      assert.ok(pair.served.received.equals(sent));
      assert.ok(pair.asking.received.equals(sent));
      assert.equal(pair.accepted.remote.host, '127.0.0.1');
      assert.equal(pair.connection.remote.port, pair.listener.address.port);
    });

    test('end sends what is queued and closes both sides in order', async (context) => {
      const pair = await openPair(openNetwork(context, reading));
      const large = Buffer.alloc(3_000_000, 7);
      pair.accepted.write(large);
      pair.accepted.end();
      assert.equal(pair.accepted.write(large), false);
      await pair.asking.until(() => pair.asking.closedWith !== undefined);
      await pair.served.until(() => pair.served.closedWith !== undefined);
      assert.ok(pair.asking.received.equals(large));
      assert.equal(pair.asking.closedWith?.error, undefined);
      assert.equal(pair.served.closedWith?.error, undefined);
    });

    test('a full queue refuses, then drains; a paused reader is the cause', async (context) => {
      const pair = await openPair(openNetwork(context, reading));
      pair.connection.pause();
      const chunk = Buffer.alloc(64 * 1024, 1);
      let sent = 0;
      // Kernel buffers take some megabytes before the queue can grow.
      for (let i = 0; i < 1000 && pair.accepted.queuedBytes < 4 * queueHighBytes; i++) {
        pair.accepted.write(chunk);
        sent += chunk.length;
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.ok(pair.accepted.queuedBytes >= 4 * queueHighBytes);
      assert.equal(pair.accepted.write(chunk), false);
      sent += chunk.length;
      const before = pair.asking.received.length;
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.equal(pair.asking.received.length, before, 'a paused connection reports no data');
      pair.connection.resume();
      await pair.served.until(() => pair.served.drains > 0);
      await pair.asking.until(() => pair.asking.received.length === sent);
      assert.equal(pair.accepted.write(chunk), true);
    });

    test('destroy drops the queue and reports an orderly close to its own side', async (context) => {
      const pair = await openPair(openNetwork(context, reading));
      pair.accepted.write(Buffer.from('never sent'));
      pair.accepted.destroy();
      await pair.served.until(() => pair.served.closedWith !== undefined);
      await pair.asking.until(() => pair.asking.closedWith !== undefined);
      assert.equal(pair.served.closedWith?.error, undefined);
      assert.equal(pair.asking.received.length, 0);
    });

    test('a reset by the peer is an error', async (context) => {
      const network = openNetwork(context, reading);
      const served = new Witness();
      const listener = await network.listen(anyPort, () => served);
      const raw = connectRaw(listener.address.port, '127.0.0.1');
      raw.write('x');
      await served.until(() => served.received.length === 1);
      raw.resetAndDestroy();
      await served.until(() => served.closedWith !== undefined);
      assert.equal((served.closedWith!.error as NetworkError).code, 'reset');
    });

    test('a peer that sends its end still gets what was queued', async (context) => {
      const network = openNetwork(context, reading);
      const reply = Buffer.alloc(2_000_000, 5);
      const listener = await network.listen(anyPort, (connection) => ({
        data: () => connection.write(reply),
        drain: () => undefined,
        closed: () => undefined,
      }));
      const raw = connectRaw({ port: listener.address.port, host: '127.0.0.1', allowHalfOpen: true });
      raw.end('question');
      let got = 0;
      for await (const chunk of raw) got += (chunk as Buffer).length;
      assert.equal(got, reply.length);
    });

    test('a peer that sends its end gets what a handler that wants it answers later', async (context) => {
      const network = openNetwork(context, reading);
      let ends = 0;
      const listener = await network.listen(anyPort, (connection) => ({
        data: () => undefined,
        drain: () => undefined,
        ended: () => {
          ends += 1;
          setTimeout(() => {
            connection.write(Buffer.from('late'));
            connection.end();
          }, 20);
        },
        closed: () => undefined,
      }));
      const raw = connectRaw({ port: listener.address.port, host: '127.0.0.1', allowHalfOpen: true });
      raw.end('question');
      let got = '';
      for await (const chunk of raw) got += String(chunk);
      assert.deepEqual([got, ends], ['late', 1]);
    });

    test('a listener that closed accepts no more and leaves its connections alone', async (context) => {
      const network = openNetwork(context, reading);
      const pair = await openPair(network);
      await pair.listener.close();
      const refused = network.connect(pair.listener.address, () => new Witness(), 1000);
      await assert.rejects(refused, { name: 'NetworkError', code: 'refused' });
      pair.connection.write(Buffer.from('still here'));
      await pair.served.until(() => pair.served.received.length === 10);
    });

    test('idle connections cost at most 20 KB each', async (context) => {
      const count = 400;
      const network = openNetwork(context, reading);
      const quiet = { data: () => undefined, drain: () => undefined, closed: () => undefined };
      let accepted = 0;
      let all: () => void = () => undefined;
      const allAccepted = new Promise<void>((resolve) => {
        all = resolve;
      });
      const listener = await network.listen(anyPort, () => {
        accepted += 1;
        if (accepted === count) all();
        return quiet;
      });
      const before = process.memoryUsage();
      await Promise.all(
        Array.from({ length: count }, () => network.connect(listener.address, () => quiet, 5000)),
      );
      await allAccepted;
      const after = process.memoryUsage();
      const grown = after.heapUsed - before.heapUsed + after.external - before.external;
      // Both ends are in this process, and garbage not yet collected counts too.
      assert.ok(grown / (2 * count) < 20_000, `${Math.round(grown / (2 * count))} bytes an end`);
    });
  });
}

test('a port in use and a foreign address have their codes', async (context) => {
  const network = openNetwork(context, 'reused-buffer');
  const { address } = await network.listen(anyPort, () => new Witness());
  await assert.rejects(
    network.listen(address, () => new Witness()),
    { name: 'NetworkError', code: 'address-in-use' },
  );
  await assert.rejects(
    network.listen({ host: '192.0.2.1', port: 0 }, () => new Witness()),
    { name: 'NetworkError', code: 'address-not-available' },
  );
});

test('a peer that does not answer is a timeout', async (context) => {
  // A listener whose thread sleeps: once its short backlog is full, the kernel drops what knocks.
  const script = `
    const { parentPort } = require('node:worker_threads');
    const server = require('node:net').createServer().listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
      parentPort.postMessage(server.address().port);
      setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0), 1);
    });`;
  const sleeper = new Worker(script, { eval: true });
  context.after(() => sleeper.terminate());
  const [port] = await once(sleeper, 'message');
  await new Promise((resolve) => setTimeout(resolve, 20));
  const network = openNetwork(context, 'reused-buffer');
  const knocks = Array.from({ length: 6 }, () =>
    network.connect({ host: '127.0.0.1', port }, () => new Witness(), 100),
  );
  const outcomes = await Promise.allSettled(knocks);
  const failures = outcomes
    .filter((outcome) => outcome.status === 'rejected')
    .map(({ reason }) => reason.code);
  assert.ok(failures.length > 0);
  assert.deepEqual(new Set(failures), new Set(['timeout']));
  const abandoned = network.connect({ host: '127.0.0.1', port }, () => new Witness(), 60_000);
  const rejected = assert.rejects(abandoned, { name: 'NetworkError', message: 'the network was closed' });
  await network.close();
  await rejected;
});

test('IPv6 works', async (context) => {
  const network = openNetwork(context, 'reused-buffer');
  const served = new Witness();
  const listener = await network.listen({ host: '::1', port: 0 }, () => served);
  const connection = await network.connect(listener.address, () => new Witness(), 1000);
  connection.write(Buffer.from('six'));
  await served.until(() => served.received.length === 3);
});

test('an unknown system error is other, and keeps its text', () => {
  const error = networkErrorOf(Object.assign(new Error('read EPROTO'), { code: 'EPROTO' }));
  assert.equal(error.code, 'other');
  assert.equal(error.message, 'read EPROTO');
});
