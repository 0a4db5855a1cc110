/** R98, R99: clients that pipeline, dawdle or do not read harm nobody else, and end. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { HttpExchange } from '../../../src/environment/index.ts';
import { NodeHttpServer, silentLog } from '../../../src/runtime/index.ts';
import { exchangeBytes, openSocket, sendTo, serveNode } from './served-node.ts';

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.resume();
    socket.once('close', () => resolve());
  });
}

test('R99: pipelined requests are handed over one by one, each after the response before it', async () => {
  const exchanges: HttpExchange[] = [];
  const listener = await new NodeHttpServer(silentLog).listen({ host: '127.0.0.1', port: 0 }, (exchange) => {
    exchanges.push(exchange);
  });
  const node = { port: listener.address.port } as Parameters<typeof openSocket>[0];
  const socket = await openSocket(node);
  let received = '';
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
  });
  socket.write(Array.from({ length: 200 }, (_, i) => get(`/${i}`)).join(''));
  for (let i = 0; i < 200; i += 1) {
    while (exchanges.length === i) await sleep(1);
    assert.equal(exchanges.length, i + 1, 'no request before its turn');
    assert.equal(exchanges[i]!.target, `/${i}`);
    exchanges[i]!.respond(200, [], Buffer.from(`<${i}>`));
  }
  while (!received.includes('<199>')) await sleep(1);
  assert.deepEqual(received.match(/<\d+>/g)?.length, 200);
  socket.destroy();
  await listener.close();
});

test('R99: clients that pipeline and never read are answered no further than they take', async () => {
  await using node = await serveNode({}, { stalledWriteMs: 1000 });
  const send = sendTo(node);
  const value = 'x'.repeat(256 * 1024);
  await send('PUT', '/buckets/b/keys/big', { 'Content-Type': 'text/plain' }, value);
  const before = process.memoryUsage().arrayBuffers;
  const deaf: Socket[] = [];
  for (let i = 0; i < 20; i += 1) {
    const socket = await openSocket(node);
    socket.pause();
    socket.write(get('/buckets/b/keys/big').repeat(100));
    deaf.push(socket);
  }
  await sleep(200);
  const startedAt = performance.now();
  assert.equal((await send('GET', '/ping')).status, 200);
  assert.ok(performance.now() - startedAt < 1000, 'others are served');
  const held = process.memoryUsage().arrayBuffers - before;
  assert.ok(held < 20 * 100 * value.length * 0.2, `${held} bytes held for the deaf`);
  for (let tries = 0; node.connections() > 0 && tries < 100; tries += 1) await sleep(50);
  assert.equal(node.connections(), 0, 'those that take nothing are cut off');
  for (const socket of deaf) socket.destroy();
});

test('a reader as slow as it likes is served while it takes anything', async () => {
  await using node = await serveNode({}, { stalledWriteMs: 300 });
  const value = 'x'.repeat(900_000);
  await sendTo(node)('PUT', '/buckets/b/keys/big', { 'Content-Type': 'text/plain' }, value);
  const socket = await openSocket(node);
  let received = 0;
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length;
    socket.pause();
    setTimeout(() => socket.resume(), 20);
  });
  socket.write(get('/buckets/b/keys/big'));
  for (let tries = 0; received < value.length && tries < 200; tries += 1) await sleep(20);
  assert.ok(received > value.length, `${received} bytes`);
  socket.destroy();
});

test('a request that drips in is served if it ends in time, and refused if not', async () => {
  await using node = await serveNode({}, { headersTimeoutMs: 300, requestTimeoutMs: 800 });
  const quick = await openSocket(node);
  const answered = new Promise<string>((resolve) => {
    quick.once('data', (chunk: Buffer) => resolve(chunk.toString('latin1')));
  });
  for (const byte of get('/ping')) {
    quick.write(byte);
    await sleep(2);
  }
  assert.match(await answered, /^HTTP\/1\.1 200 /);
  quick.destroy();
  const started = performance.now();
  assert.match(await exchangeBytes(node, 'GET /ping HTTP/1.1\r\nHost', 5000), /^HTTP\/1\.1 408 /);
  const body =
    'PUT /buckets/b/keys/k HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nx';
  assert.match(await exchangeBytes(node, body, 5000), /^HTTP\/1\.1 408 /);
  assert.ok(performance.now() - started < 4000);
  assert.equal((await sendTo(node)('GET', '/buckets/b/keys/k')).status, 404);
});

test('idle connections end, and unfinished bodies have one budget', async () => {
  await using node = await serveNode({}, { idleTimeoutMs: 100, bodiesBytesMax: 100_000 });
  const idle = await openSocket(node);
  idle.write(get('/ping'));
  await closed(idle);
  const head =
    'PUT /buckets/b/keys/k HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 90000\r\n\r\n';
  const hoarder = await openSocket(node);
  hoarder.write(head + 'x'.repeat(80_000));
  await sleep(50);
  assert.match(await exchangeBytes(node, head + 'x'.repeat(90_000)), /^HTTP\/1\.1 503 /);
  hoarder.destroy();
  await sleep(50);
  assert.match(
    await exchangeBytes(node, head + 'x'.repeat(90_000)),
    /^HTTP\/1\.1 204 /,
    'the budget came back',
  );
});

test('closing answers what is in progress and then lets connections go', async () => {
  const exchanges: HttpExchange[] = [];
  const listener = await new NodeHttpServer(silentLog).listen({ host: '127.0.0.1', port: 0 }, (exchange) => {
    exchanges.push(exchange);
  });
  const node = { port: listener.address.port } as Parameters<typeof openSocket>[0];
  const [idle, busy] = [await openSocket(node), await openSocket(node)];
  let received = '';
  busy.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
  });
  busy.write(get('/x'));
  while (exchanges.length === 0) await sleep(1);
  const gone = closed(idle);
  const done = listener.close();
  await gone;
  exchanges[0]!.respond(200, [], Buffer.from('last'));
  await done;
  assert.match(received, /last$/);
  await assert.rejects(
    new NodeHttpServer(silentLog).listen({ host: '192.0.2.1', port: 0 }, () => undefined),
    { name: 'NetworkError', code: 'address-not-available' },
  );
});

test('a peer that leaves in the middle is noticed, and nothing breaks', async () => {
  const exchanges: HttpExchange[] = [];
  const listener = await new NodeHttpServer(silentLog).listen({ host: '127.0.0.1', port: 0 }, (exchange) => {
    exchanges.push(exchange);
  });
  const node = { port: listener.address.port } as Parameters<typeof openSocket>[0];
  const socket = await openSocket(node);
  socket.write('PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc');
  while (exchanges.length === 0) await sleep(1);
  const [exchange] = exchanges;
  const body = new Promise((resolve) => exchange!.readBody(100, resolve));
  const { signal } = exchange!;
  socket.destroy();
  assert.deepEqual(await body, { kind: 'aborted' });
  await sleep(10);
  assert.ok(signal.aborted);
  exchange!.respond(200, [], Buffer.from('to nobody'));
  exchange!.start(200, []);
  exchange!.write(Buffer.from('x'));
  await exchange!.drained();
  exchange!.end();
  await listener.close();
});

test('a body can be read as it arrives; leaving in the middle is an error for its reader', async () => {
  const bodies: Promise<string>[] = [];
  const listener = await new NodeHttpServer(silentLog).listen({ host: '127.0.0.1', port: 0 }, (exchange) => {
    const read = async () => {
      let text = '';
      for await (const chunk of exchange.bodyChunks()) text += chunk.toString('latin1');
      exchange.respond(200, [], Buffer.from(text));
      return text;
    };
    bodies.push(read());
  });
  const node = { port: listener.address.port } as Parameters<typeof openSocket>[0];
  const head = 'PUT /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n';
  assert.match(
    await exchangeBytes(node, `${head}hello`),
    /^HTTP\/1\.1 100 (.*\r\n)+HTTP\/1\.1 200 (.*\r\n)+hello$/,
  );
  const socket = await openSocket(node);
  socket.write(`${head}hel`);
  while (bodies.length < 2) await sleep(1);
  const broken = assert.rejects(bodies[1]!);
  await sleep(20);
  socket.destroy();
  await broken;
  assert.equal(await bodies[0], 'hello');
  await listener.close();
});
