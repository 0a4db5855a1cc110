/**
 * R98, R99: crowds that do nothing, readers that do not read, writers of one byte a second, and clients
 * that pipeline and are deaf. The others are served within a second, and memory is bounded.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { FrameConnection, getFrame, pingFrame, putFrame } from './frame-connection.ts';
import { type HaleProcess, HaleSandbox } from './hale-process.ts';
import { ObjectRequests } from './object-requests.ts';
import { SeededRun, sleep } from './seeded-run.ts';

const run = new SeededRun('connections');
const megabyte = 2 ** 20;
const idleConnectionsWanted = 10_000;
/** What a process needs besides. Node has raised its limit of open files as far as it may. */
const otherDescriptors = 500;
const idleConnections = Math.min(idleConnectionsWanted, openFilesMax() - otherDescriptors);
const connectionBytesMax = 20_000;
const connectsAtOnce = 250;
const deafConnections = run.size(10, 40);
const getsPerDeaf = 100;
const bigValueBytes = 256 * 1024;
const dripConnections = 40;
const deafHttpConnections = run.size(5, 20);
/** Of what the deaf asked for, up to 1.5 GB, the node holds so much at most. */
const deafBytesMax = 200 * megabyte;
const othersMs = run.size(3000, 60_000);
const warmUpMs = 500;
const others = 8;
/** One second is the promise, on a machine that does not much else; the short form runs on busy ones. */
const p99MsMax = run.size(5000, 1000);

test(`${idleConnections} idle connections cost little each, and do not slow others`, async (context) => {
  const sandbox = new HaleSandbox();
  context.after(() => sandbox.close());
  if (idleConnections < idleConnectionsWanted) {
    context.diagnostic(`${idleConnectionsWanted} were wanted; the limit of open files allows no more`);
  }
  const node = await sandbox.start();
  const port = node.protobufPort;
  const crowd: Socket[] = [];
  context.after(() => {
    for (const socket of crowd) socket.destroy();
  });
  await askFor(node, warmUpMs);
  const before = await settledBytes(node);
  while (crowd.length < idleConnections) {
    const length = Math.min(connectsAtOnce, idleConnections - crowd.length);
    crowd.push(...(await Promise.all(Array.from({ length }, () => openAndPing(port)))));
  }
  const after = await settledBytes(node);
  using http = new ObjectRequests(node.url);
  assert.equal(await http.metric('hale_protobuf_connections'), idleConnections);
  const each = (after - before) / idleConnections;
  const p99 = await askFor(node, run.size(1000, 10_000));
  context.diagnostic(`${(each / 1000).toFixed(1)} kB a connection; p99 of others ${p99.toFixed(0)} ms`);
  assert.ok(each < connectionBytesMax, `${each} bytes a connection`);
  assert.ok(p99 < p99MsMax, `p99 of others ${p99} ms`);
  assert.ok(
    crowd.every((socket) => !socket.destroyed),
    'all are still open',
  );
  for (const socket of crowd.splice(0)) socket.destroy();
  for (let tries = 0; (await http.metric('hale_protobuf_connections')) > 0; tries += 1) {
    assert.ok(tries < 200, 'the node forgets connections that are gone');
    await sleep(50);
  }
});

test('slow writers, readers that do not read and deaf pipelining clients harm nobody', async (context) => {
  const sandbox = new HaleSandbox();
  context.after(() => sandbox.close());
  const node = await sandbox.start();
  const httpPort = Number(new URL(node.url).port);
  {
    using connection = await FrameConnection.connect(node.protobufPort);
    await connection.put('big', 'value', run.bytes(bigValueBytes));
  }
  await askFor(node, warmUpMs);
  const before = node.residentBytes;
  const bad: Socket[] = [];
  const gets = Buffer.concat(Array.from({ length: getsPerDeaf }, () => getFrame('big', 'value')));
  const request = 'GET /buckets/big/keys/value HTTP/1.1\r\nHost: h\r\n\r\n';
  for (let i = 0; i < deafConnections; i += 1) bad.push(await openDeaf(node.protobufPort, gets));
  for (let i = 0; i < deafHttpConnections; i += 1) {
    bad.push(await openDeaf(httpPort, Buffer.from(request.repeat(getsPerDeaf))));
  }
  const drips = [putFrame('drip', 'key', run.bytes(500)), Buffer.from(request)];
  for (let i = 0; i < dripConnections; i += 1) {
    bad.push(await openDeaf(i % 2 === 0 ? node.protobufPort : httpPort, Buffer.alloc(0)));
  }
  const drippers = bad.slice(-dripConnections);
  let dripped = 0;
  const dripping = setInterval(() => {
    drippers.forEach((socket, i) => {
      socket.write(drips[i % 2]!.subarray(dripped, dripped + 1));
    });
    dripped += 1;
  }, 1000);
  context.after(() => {
    clearInterval(dripping);
    for (const socket of bad) socket.destroy();
  });
  const p99 = await askFor(node, othersMs);
  const held = node.residentBytes - before;
  context.diagnostic(`p99 of others ${p99.toFixed(0)} ms; ${(held / megabyte).toFixed(0)} MB more`);
  assert.ok(p99 < p99MsMax, `p99 of others ${p99} ms`);
  assert.ok(held < deafBytesMax, `${held} bytes for the deaf`);
  assert.ok(dripped > 1, 'the slow writers wrote');
  assert.deepEqual(node.loggedErrors, []);
});

/** Others read and write, over both protocols; the 99th percentile of their times, in milliseconds. */
async function askFor(node: HaleProcess, durationMs: number): Promise<number> {
  const times: number[] = [];
  const end = performance.now() + durationMs;
  const timed = async (ask: () => Promise<unknown>): Promise<void> => {
    const started = performance.now();
    await ask();
    times.push(performance.now() - started);
  };
  const overProtobuf = async (client: number): Promise<void> => {
    using connection = await FrameConnection.connect(node.protobufPort);
    while (performance.now() < end) {
      await timed(() => connection.put('others', `k${client}`, Buffer.from('value')));
      await timed(() => connection.get('others', `k${client}`));
    }
  };
  const overHttp = async (client: number): Promise<void> => {
    using http = new ObjectRequests(node.url);
    while (performance.now() < end) {
      await timed(async () => {
        assert.equal((await http.put('others', `h${client}`, Buffer.from('value'))).status, 204);
      });
    }
  };
  await Promise.all(
    Array.from({ length: others }, (_, client) => (client % 2 === 0 ? overProtobuf : overHttp)(client)),
  );
  times.sort((a, b) => a - b);
  assert.ok(times.length >= others, `only ${times.length} requests of others were answered`);
  return times[Math.floor(times.length * 0.99)]!;
}

function openAndPing(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('error', reject);
    socket.once('connect', () => socket.write(pingFrame));
    socket.once('data', () => resolve(socket));
    socket.once('close', () => reject(new Error('the node closed the connection')));
  });
}

/** Sends, and never reads. */
function openDeaf(port: number, bytes: Buffer): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.pause();
      socket.on('error', () => undefined);
      socket.write(bytes);
      resolve(socket);
    });
  });
}

/** The connections' other ends are this process's, and its limit is that of the node, its child. */
function openFilesMax(): number {
  const limits = readFileSync('/proc/self/limits', 'latin1');
  return Number(/^Max open files +(\d+)/m.exec(limits)![1]);
}

/** Resident memory when it has stopped to grow. */
async function settledBytes(node: HaleProcess): Promise<number> {
  let last = node.residentBytes;
  for (let tries = 0; tries < 20; tries += 1) {
    await sleep(100);
    const now = node.residentBytes;
    if (Math.abs(now - last) < megabyte) return now;
    last = now;
  }
  return last;
}
