/** Peers that do not read, that talk out of turn, that leave, and that talk nonsense. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type { KeyValueStore, NameStream } from '../../../src/kv/index.ts';
import { byteLiteral } from '../../../src/stdx/index.ts';
import {
  decodeMessage,
  encodeContent,
  encodeFrame,
  rpbErrorResp,
  rpbGetReq,
  rpbListKeysReq,
  rpbListKeysResp,
  rpbPutReq,
} from '../../../src/wire/index.ts';
import { FrameClient, type ServedNode, serveNode } from './served-node.ts';

interface Pulls {
  begun: number;
  batches: number;
  closed: number;
  /** Pulls wait here if set. */
  gate: Promise<void> | undefined;
}
const pulls: Pulls = { begun: 0, batches: 0, closed: 0, gate: undefined };

/** The store's own listing, watched; a bucket named `endless` repeats it for ever. */
function watched(store: KeyValueStore): KeyValueStore {
  return {
    get: (request, done) => store.get(request, done),
    put: (request, done) => store.put(request, done),
    delete: (request, done) => store.delete(request, done),
    listBuckets: (type, options) => store.listBuckets(type, options),
    properties: (address) => store.properties(address),
    setProperties: (address, changes) => store.setProperties(address, changes),
    resetProperties: (address) => store.resetProperties(address),
    setTypeProperties: (bucketType, changes) => store.setTypeProperties(bucketType, changes),
    listKeys(address, options) {
      let inner = store.listKeys(address, options);
      const stream: NameStream = {
        async next() {
          pulls.begun += 1;
          await pulls.gate;
          pulls.batches += 1;
          const names = await inner.next();
          if (names !== undefined || address.bucket !== byteLiteral('endless')) return names;
          inner = store.listKeys(address, options);
          return await inner.next();
        },
        async close() {
          pulls.closed += 1;
          await inner.close();
        },
      };
      return stream;
    },
  };
}

let node: ServedNode;
before(async () => {
  node = await serveNode((store) => ({ store: watched(store) }));
  using client = await FrameClient.connect(node.port);
  const content = Buffer.from('0a0178', 'hex');
  const stem = 'k'.repeat(200);
  for (let i = 0; i < 600; i += 1) {
    client.send(putFrame(`${stem}${i}`, content));
  }
  for (let i = 0; i < 600; i += 1) assert.equal(await client.receive(), '0c');
});
after(async () => {
  await node[Symbol.asyncDispose]();
});

function putFrame(key: string, content: Buffer): string {
  const frame = encodeFrame(rpbPutReq, { bucket: byteLiteral('endless'), key: byteLiteral(key), content });
  return frame.toString('hex');
}
const listEndless = encodeFrame(rpbListKeysReq, { bucket: byteLiteral('endless') }).toString('hex');
const ping = '0000000101';

async function until(fact: () => boolean, what: string): Promise<void> {
  for (let i = 0; !fact(); i += 1) {
    assert.ok(i < 500, `in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Resolves when a count has not changed for a while; the count. */
async function settled(count: () => number): Promise<number> {
  for (let last = -1, same = 0; ; ) {
    const now = count();
    same = now === last ? same + 1 : 0;
    if (same >= 30) return now;
    last = now;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('a listing is pulled no faster than the peer reads, and released when it leaves', async () => {
  using client = await FrameClient.connect(node.port);
  using other = await FrameClient.connect(node.port);
  client.socket.pause();
  client.send(listEndless);
  const stalledAt = await settled(() => pulls.batches);
  // The kernel's buffers take some megabytes at most; a batch is 100 kB.
  assert.ok(stalledAt > 0 && stalledAt < 1000, `${stalledAt} batches`);
  assert.equal(await other.ask(ping), '02');
  client.socket.resume();
  await until(() => pulls.batches > stalledAt + 20, 'the listing goes on');
  const closed = pulls.closed;
  client.socket.destroy();
  await until(() => pulls.closed > closed, 'the cursors are released');
  const stoppedAt = await settled(() => pulls.batches);
  assert.equal(await settled(() => pulls.batches), stoppedAt);
});

test('a request during a listing is an error, and the connection is closed', async () => {
  using client = await FrameClient.connect(node.port);
  const closed = pulls.closed;
  client.send(listEndless);
  const first = Buffer.from(await client.receive(), 'hex');
  assert.equal(first[0], rpbListKeysResp.code);
  client.send(ping);
  let last = '';
  for (let reply = await client.receive(); reply !== 'closed'; reply = await client.receive()) last = reply;
  const { errmsg } = decodeMessage(rpbErrorResp, Buffer.from(last, 'hex'), 1);
  assert.equal(errmsg, 'Cannot send another request while one is in progress');
  await until(() => pulls.closed > closed, 'the cursors are released');
});

test('requests that came with the listing are answered after it', async () => {
  using client = await FrameClient.connect(node.port);
  const listing = encodeFrame(rpbListKeysReq, { bucket: byteLiteral('none') }).toString('hex');
  client.send(listing + ping);
  assert.equal(await client.receive(), '121001');
  assert.equal(await client.receive(), '02');
});

test('a peer that asks and never reads is not read any more, and others are served', async () => {
  using greedy = await FrameClient.connect(node.port);
  using other = await FrameClient.connect(node.port);
  const big = encodeContent({
    value: Buffer.alloc(200_000),
    links: [],
    userMeta: [],
    indexes: [],
    deleted: false,
  });
  assert.equal(await greedy.ask(putFrame('big', big)), '0c');
  greedy.socket.pause();
  const get = encodeFrame(rpbGetReq, { bucket: byteLiteral('endless'), key: byteLiteral('big') });
  // An unknown field makes the request large enough to fill the kernel's buffers soon.
  const padded = Buffer.concat([get, Buffer.from('7ae807', 'hex'), Buffer.alloc(1000)]);
  padded.writeUInt32BE(padded.length - 4);
  const batch = Buffer.concat(Array.from({ length: 100 }, () => padded));
  const before = process.memoryUsage().arrayBuffers;
  let sent = 0;
  let isStuck = false;
  for (; sent < 100_000 && !isStuck; sent += 100) {
    isStuck = !greedy.socket.write(batch) && (await isStillFull(greedy));
    assert.equal(await other.ask(ping), '02');
  }
  assert.ok(isStuck, 'the peer had to stop sending');
  assert.ok(process.memoryUsage().arrayBuffers - before < 100_000_000);
});

async function isStillFull(client: FrameClient): Promise<boolean> {
  const left = await settled(() => client.socket.writableLength);
  return left > 0;
}

test('drain: what is asked is answered, then connections end', async () => {
  await using draining = await serveNode((store) => ({ store: watched(store) }));
  using idle = await FrameClient.connect(draining.port);
  using busy = await FrameClient.connect(draining.port);
  assert.equal(await idle.ask(ping), '02');
  let open = (): void => {};
  pulls.gate = new Promise((resolve) => {
    open = resolve;
  });
  const begun = pulls.begun;
  busy.send(encodeFrame(rpbListKeysReq, { bucket: byteLiteral('none') }).toString('hex'));
  await until(() => pulls.begun > begun, 'the listing is in progress');
  draining.service.drain();
  assert.equal(await idle.receive(), 'closed');
  await until(() => draining.service.connections === 1, 'the idle one is gone');
  pulls.gate = undefined;
  open();
  assert.equal(await busy.receive(), '121001');
  assert.equal(await busy.receive(), 'closed');
  await until(() => draining.service.connections === 0, 'all are gone');
});

test('nonsense gets an error or a closed connection; the node answers all the while', async () => {
  const valid = Buffer.from(putFrame('fuzz', Buffer.from('0a0178', 'hex')) + ping, 'hex');
  const mutated = fc
    .array(fc.record({ at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }) }), {
      minLength: 1,
      maxLength: 3,
    })
    .map((changes) => {
      const bytes = Buffer.from(valid);
      for (const { at, byte } of changes) bytes[at % bytes.length] = byte;
      return bytes;
    });
  const random = fc.uint8Array({ minLength: 1, maxLength: 64 }).map((bytes) => Buffer.from(bytes));
  let errors = 0;
  const runs = Number(process.env.FUZZ_RUNS ?? 300);
  await fc.assert(
    fc.asyncProperty(fc.oneof(mutated, random), async (bytes) => {
      using client = await FrameClient.connect(node.port);
      client.send(bytes.toString('hex'));
      client.socket.end();
      for (let reply = await client.receive(); reply !== 'closed'; reply = await client.receive()) {
        if (reply.startsWith('00')) errors += 1;
      }
    }),
    { numRuns: runs },
  );
  assert.ok(errors > runs / 10, `${errors} errors`);
  using client = await FrameClient.connect(node.port);
  assert.equal(await client.ask(ping), '02');
});
