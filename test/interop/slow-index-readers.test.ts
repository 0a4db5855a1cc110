/** An index query of 100,000 keys is pulled no faster than its client reads, over both interfaces, and then read to its end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IndexEntry, IndexQuerying, IndexResults, RingSample } from '../../src/kv/index.ts';
import { byteLiteral } from '../../src/stdx/index.ts';
import {
  decodeMessage,
  encodeFrame,
  indexQueryType,
  rpbIndexReq,
  rpbIndexResp,
} from '../../src/wire/index.ts';
import { openSocket, serveNode as serveHttp } from './http/served-node.ts';
import { FrameClient, serveNode as serveProtobuf } from './protobuf/served-node.ts';

const results = 100_000;
const batchLength = 100;
const keyLength = 200;
/** What sockets and their kernel hold, at most: of 20 MB. */
const pulledMax = 40_000;
const settledMs = 300;

/** Every query finds as many entries as `results` says, and counts how many were taken. */
class CountedQueries implements IndexQuerying {
  pulled = 0;
  closed = 0;

  query(): IndexResults {
    let at = 0;
    return {
      continuation: undefined,
      next: async () => {
        if (at === results) return undefined;
        const entries: IndexEntry[] = Array.from({ length: batchLength }, (_, i) => {
          const key = byteLiteral(`key ${at + i}`.padEnd(keyLength));
          return { term: key, key };
        });
        at += batchLength;
        this.pulled += batchLength;
        return entries;
      },
      close: async () => {
        this.closed += 1;
      },
    };
  }

  count(): Promise<number> {
    return Promise.resolve(results);
  }

  sample(): Promise<RingSample> {
    return Promise.resolve({ counted: results, share: 1 });
  }

  /** Resolves when nothing was taken for a while. */
  async settled(): Promise<number> {
    for (;;) {
      const before = this.pulled;
      await new Promise((resolve) => setTimeout(resolve, settledMs));
      if (this.pulled === before && before > 0) return before;
    }
  }
}

test('Protocol Buffers: a slow reader of an index holds nothing up but itself', async () => {
  const indexes = new CountedQueries();
  await using node = await serveProtobuf(() => ({ indexes }));
  using client = await FrameClient.connect(node.port);
  client.socket.pause();
  const fields = { range_min: byteLiteral('0'), range_max: byteLiteral('z'), stream: true };
  const bucket = byteLiteral('b');
  const index = byteLiteral('i_bin');
  client.send(
    encodeFrame(rpbIndexReq, { bucket, index, qtype: indexQueryType.range, ...fields }).toString('hex'),
  );
  const pulled = await indexes.settled();
  assert.ok(pulled < pulledMax, `${pulled} of ${results} were taken for who reads nothing`);
  client.socket.resume();
  let found = 0;
  for (let done = false; !done; ) {
    const reply = Buffer.from(await client.receive(), 'hex');
    assert.equal(reply[0], rpbIndexResp.code);
    const { keys, done: isLast } = decodeMessage(rpbIndexResp, reply.subarray(1));
    found += keys.length;
    done = isLast === true;
  }
  assert.deepEqual([found, indexes.closed], [results, 1]);
});

test('HTTP: a slow reader of an index holds nothing up but itself, and one that leaves ends its query', async () => {
  const indexes = new CountedQueries();
  await using node = await serveHttp({ indexes });
  const target = '/buckets/b/index/i_bin/0/z?stream=true';
  const request = `GET ${target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`;
  const socket = await openSocket(node);
  socket.pause();
  socket.write(request);
  const pulled = await indexes.settled();
  assert.ok(pulled < pulledMax, `${pulled} of ${results} were taken for who reads nothing`);
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  socket.resume();
  await new Promise((resolve) => socket.once('close', resolve));
  assert.equal(text.match(/"key \d+ /g)?.length, results);
  assert.equal(indexes.closed, 1);

  const leaver = await openSocket(node);
  leaver.pause();
  leaver.write(request);
  const taken = await indexes.settled();
  leaver.destroy();
  for (let tries = 0; indexes.closed < 2 && tries < 100; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.equal(indexes.closed, 2);
  assert.ok(indexes.pulled - taken < pulledMax);
});
