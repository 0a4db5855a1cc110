/**
 * Mutated frames and requests against a started node, from several connections: it answers others within
 * a second throughout, its memory returns, it neither crashes nor logs an error.
 */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { bytesOfText } from '../../src/stdx/index.ts';
import {
  encodeFrame,
  rpbDelReq,
  rpbGetBucketReq,
  rpbGetReq,
  rpbGetServerInfoReq,
  rpbListBucketsReq,
  rpbListKeysReq,
  rpbPutReq,
  rpbSetBucketReq,
} from '../../src/wire/index.ts';
import { getFrame, pingFrame, putFrame } from './frame-connection.ts';
import { type HaleProcess, HaleSandbox } from './hale-process.ts';
import { SeededRun } from './seeded-run.ts';
import { SteadyClient } from './steady-client.ts';

const run = new SeededRun('fuzz');
const megabyte = 2 ** 20;
const frames = run.size(20_000, 1_000_000);
const requests = run.size(2000, 100_000);
const framesPerConnection = 50;
const connections = 8;
/** An attack in one test, so that a long run shows that it lives. */
const partsMax = 20;
/** What the heap, the engine's tables and its cache may grow by, however long the run. */
const residentGrowthBytesMax = 128 * megabyte;
const pingMsMax = 1000;
const answerMsMax = 10_000;
/** What got no answer for so long may have no end: a length that is too great. */
const unfinishedMs = 30;

const names = { bucket: bytesOfText('bucket'), key: bytesOfText('key') };
const frameSeeds: readonly Buffer[] = [
  pingFrame,
  getFrame('bucket', 'key'),
  putFrame('bucket', 'key', Buffer.from('a value')),
  putFrame('bucket', 'key', Buffer.from('a value'), Buffer.from('not a context')),
  encodeFrame(rpbGetReq, { ...names, r: 2, pr: 1, timeout: 1000, if_modified: Buffer.from('x'), n_val: 3 }),
  encodeFrame(rpbPutReq, {
    ...names,
    content: Buffer.from(
      '0a0568656c6c6f120a746578742f706c61696e320b0a016212016b1a0374616740004a060a0161120162520c0a05665f696e74120331323358005a00',
      'hex',
    ),
    w: 3,
    return_body: true,
    sync_on_write: bytesOfText('all'),
  }),
  encodeFrame(rpbDelReq, { ...names, rw: 2, vclock: Buffer.from('g2wAAAABaAJtAAAACA', 'latin1') }),
  encodeFrame(rpbGetBucketReq, { bucket: bytesOfText('bucket') }),
  encodeFrame(rpbSetBucketReq, { bucket: bytesOfText('props'), props: { n_val: 3, allow_mult: true } }),
  encodeFrame(rpbGetServerInfoReq, {}),
];

/** What is sent behind a listing that streams closes the connection, so these are rare. */
const listingSeeds: readonly Buffer[] = [
  encodeFrame(rpbListKeysReq, { bucket: bytesOfText('bucket'), timeout: 1000 }),
  encodeFrame(rpbListBucketsReq, { timeout: 1000, stream: true }),
];

const requestSeeds: readonly string[] = [
  'GET /buckets/b/keys/k?r=1&vtag=x HTTP/1.1\r\nHost: h\r\nAccept: multipart/mixed, */*;q=0.5\r\nIf-None-Match: "a"\r\n\r\n',
  'PUT /types/default/buckets/b/keys/k?w=all&returnbody=true HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain; charset=utf-8\r\nX-Riak-Vclock: a85hYGBgzGDK\r\nX-Riak-Meta-A: b\r\nX-Riak-Index-f_int: 1, 2\r\nLink: </buckets/b/keys/k>; riaktag="t"\r\nContent-Length: 5\r\n\r\nhello',
  'POST /riak/b HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n',
  'PUT /buckets/p/props HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 31\r\n\r\n{"props":{"n_val":3,"my":"own"}}',
  'DELETE /buckets/b/keys/k?rw=quorum HTTP/1.1\r\nHost: h\r\nX-Riak-Vclock: AAAA\r\n\r\n',
  'GET /buckets/b/keys?keys=stream&timeout=5 HTTP/1.1\r\nHost: h\r\n\r\nGET /riak?buckets=true HTTP/1.1\r\nHost: h\r\n\r\n',
  'GET /stats HTTP/1.1\r\nHost: h\r\nAccept: text/plain;q=x, */*;q=0\r\n\r\n',
  'GET /admin/v1/metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
];
const requestPieces = ['\r\n', '%', '"', ',', ';', ':', '/', ' ', '\0', '0', '\xff', '__proto__', 'a', '-1'];

interface Attack {
  readonly name: string;
  readonly count: number;
  /** How many of `count` go over one connection. */
  readonly batch: number;
  /** The least bytes of answer to one of them on average: that they were answered at all. */
  readonly answerBytesMin: number;
  /** How many answers these bytes are, as far as they are whole. */
  answersIn(bytes: Buffer): number;
  port(node: HaleProcess): number;
  bytes(): Buffer;
}

const attacks: readonly Attack[] = [
  {
    name: 'Protocol Buffers frames',
    count: frames,
    batch: framesPerConnection,
    answerBytesMin: 10,
    answersIn: framesIn,
    port: (node) => node.protobufPort,
    bytes: () => Buffer.concat(Array.from({ length: framesPerConnection }, mutatedFrame)),
  },
  {
    name: 'HTTP requests',
    count: requests,
    batch: 1,
    answerBytesMin: 50,
    answersIn: () => 1,
    port: (node) => Number(new URL(node.url).port),
    bytes: mutatedRequest,
  },
];

for (const attack of attacks) {
  test(`${attack.count} mutated ${attack.name}: the node answers throughout, and its memory returns`, async (context) => {
    const sandbox = new HaleSandbox();
    context.after(() => sandbox.close());
    const node = await sandbox.start('-o', 'leveldb.cache_size=1MB', '-o', 'http.headers_timeout=1s');
    const batches = attack.count / attack.batch;
    await send(node, attack, Math.ceil(batches / 10));
    const before = node.residentBytes;
    await using steady = await SteadyClient.start(node.protobufPort);
    let answered = 0;
    const parts = run.isLong ? partsMax : 1;
    for (let part = 1; part <= parts; part += 1) {
      await context.test(`part ${part} of ${parts}`, async () => {
        answered += await send(node, attack, Math.ceil(batches / parts));
      });
    }
    const { slowestMs, pings } = await steady.stop();
    const growth = node.residentBytes - before;
    context.diagnostic(
      `${answered} bytes of answers; ${pings} pings, the slowest ${slowestMs.toFixed(0)} ms; ` +
        `resident ${(before / megabyte).toFixed(0)} MB, afterwards ${(growth / megabyte).toFixed(0)} MB more`,
    );
    assert.ok(answered > attack.count * attack.answerBytesMin, `only ${answered} bytes of answers`);
    assert.ok(slowestMs < pingMsMax, `a ping took ${slowestMs} ms`);
    assert.ok(growth < residentGrowthBytesMax, `${growth} bytes more`);
    assert.deepEqual(node.loggedErrors, []);
  });
}

/** Bytes of answers. */
async function send(node: HaleProcess, attack: Attack, batches: number): Promise<number> {
  let left = batches;
  let answered = 0;
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const answerBytes = await exchange(attack.port(node), attack);
      answered += answerBytes;
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
  return answered;
}

/** Sends one connection's share and reads until all is answered, nothing comes, or the node closes. */
function exchange(port: number, attack: Attack): Promise<number> {
  return new Promise((resolve, reject) => {
    const bytes = attack.bytes();
    let answer = Buffer.alloc(0);
    let isOpen = false;
    const socket = connect({ port, host: '127.0.0.1' });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`not over after ${answerMsMax} ms: ${bytes.toString('hex')}`));
    }, answerMsMax);
    socket.on('connect', () => {
      isOpen = true;
      socket.write(bytes);
      socket.setTimeout(unfinishedMs, () => socket.end());
    });
    socket.on('data', (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk]);
      if (attack.answersIn(answer) >= attack.batch) socket.end();
    });
    // A reset is a way to close; a refused connection is a dead node.
    socket.on('error', (error) => {
      if (!isOpen) reject(error);
    });
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(answer.length);
    });
  });
}

function framesIn(bytes: Buffer): number {
  let count = 0;
  for (let at = 0; at + 4 <= bytes.length; count += 1) {
    at += 4 + bytes.readUInt32BE(at);
    if (at > bytes.length) break;
  }
  return count;
}

/** Most keep a true length, so that those behind them are read too. */
function mutatedFrame(): Buffer {
  let body = Buffer.from(run.pick(run.chance(2) ? listingSeeds : frameSeeds).subarray(4));
  const edits = 1 + run.below(4);
  for (let edit = 0; edit < edits; edit += 1) {
    const at = run.below(body.length + 1);
    const removed = run.chance(30) ? Math.min(run.below(8), body.length - 1) : 0;
    const inserted = run.chance(30) ? run.bytes(run.below(8)) : Buffer.alloc(0);
    if (at < body.length) body[at] = run.chance(50) ? run.below(256) : body[at]! ^ (1 << run.below(8));
    body = Buffer.concat([body.subarray(0, at), inserted, body.subarray(at + removed)]);
  }
  const head = Buffer.alloc(4);
  head.writeUInt32BE(run.chance(2) ? run.below(2 ** 32) : body.length);
  return Buffer.concat([head, body]);
}

function mutatedRequest(): Buffer {
  let text = run.pick(requestSeeds);
  const edits = 1 + run.below(4);
  for (let edit = 0; edit < edits; edit += 1) {
    const at = run.below(text.length + 1);
    const removed = run.below(12);
    const inserted = run.chance(70) ? run.pick(requestPieces) : '';
    text = `${text.slice(0, at)}${inserted}${text.slice(at + removed)}`;
  }
  return Buffer.from(text, 'latin1');
}
