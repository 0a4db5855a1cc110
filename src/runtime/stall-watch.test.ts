/** Peers that take nothing, and peers that take little, over real sockets. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { Connection } from '../environment/index.ts';
import { MachineNetwork } from './network.ts';
import { MachineTasks } from './tasks.ts';

/** More than kernels keep for a connection. */
const bytes = 48 * 1024 * 1024;

/** A connection whose peer, a bare socket, reads only what the test reads. */
async function openPair(context: TestContext) {
  const crash = (activity: string, error: unknown): never => {
    throw new Error(`crash in ${activity}`, { cause: error });
  };
  const network = new MachineNetwork({ tasks: new MachineTasks(crash), crash });
  context.after(() => network.close());
  const state = { isClosed: false };
  let accepted: (connection: Connection) => void = () => {};
  const connection = new Promise<Connection>((resolve) => {
    accepted = resolve;
  });
  const listener = await network.listen({ host: '127.0.0.1', port: 0 }, (opened) => {
    accepted(opened);
    return {
      data() {},
      drain() {},
      ended() {},
      closed: () => {
        state.isClosed = true;
      },
    };
  });
  const peer: Socket = connect(listener.address.port, '127.0.0.1');
  peer.on('error', () => {});
  context.after(() => peer.destroy());
  await once(peer, 'connect');
  return { connection: await connection, peer, state };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Lets `seconds` pass on the mocked clock, with time for real sockets between. */
async function pass(context: TestContext, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second += 1) {
    context.mock.timers.tick(1000);
    for (let turns = 0; turns < 20; turns += 1) await turn();
  }
}

test('a peer that takes nothing is cut off at the limit, and not before', async (context) => {
  const { connection, state } = await openPair(context);
  context.mock.timers.enable({ apis: ['setTimeout'] });
  connection.cutOffAfter!(20_000);
  await pass(context, 30);
  assert.deepEqual([state.isClosed, connection.stalledMs], [false, 0], 'nothing is queued');
  connection.write(Buffer.alloc(bytes));
  for (let turns = 0; turns < 500; turns += 1) await turn();
  await pass(context, 15);
  assert.ok(!state.isClosed);
  assert.ok(connection.stalledMs! >= 10_000, `${connection.stalledMs} ms`);
  await pass(context, 10);
  assert.ok(state.isClosed);
});

test('a peer that takes nothing does not keep a connection that has ended', async (context) => {
  const { connection, state } = await openPair(context);
  context.mock.timers.enable({ apis: ['setTimeout'] });
  connection.write(Buffer.alloc(bytes));
  connection.end();
  await pass(context, 50);
  assert.ok(!state.isClosed, 'it may be slow');
  await pass(context, 20);
  assert.ok(state.isClosed);
});

test('a slow peer gets all of one long write, however long that takes', async (context) => {
  const { connection, peer } = await openPair(context);
  const stalledMs = 1000;
  connection.cutOffAfter!(stalledMs);
  const startedAt = performance.now();
  let taken = 0;
  peer.on('data', (chunk: Buffer) => {
    taken += chunk.length;
    peer.pause();
    setTimeout(() => peer.resume(), 2);
  });
  connection.write(Buffer.alloc(bytes));
  connection.end();
  await once(peer, 'end');
  assert.equal(taken, bytes);
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs > 1.5 * stalledMs, `too quick to tell: ${tookMs} ms`);
});
