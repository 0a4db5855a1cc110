/**
 * Values far larger than a node may hold, through a started node: its memory stays what it was, a plain Riak client reads
 * what fits into its protocol, and `kill -9` in the middle of an upload leaves what was there before.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { ErrorReply, FrameConnection } from './frame-connection.ts';
import { type HaleProcess, HaleSandbox } from './hale-process.ts';
import { ObjectRequests } from './object-requests.ts';
import { sleep } from './seeded-run.ts';

const mebibyte = 2 ** 20;
const largeBytes = 480 * mebibyte;
/** A node at rest has about 80 MiB; with transfers of any length 200 to 330, as the collector lags. */
const ownBytesMax = 400 * mebibyte;
const pieceBytes = 64 * 1024;

let sandbox: HaleSandbox;
let node: HaleProcess;

before(async () => {
  sandbox = new HaleSandbox();
  node = await sandbox.start();
});

after(() => sandbox.close());

/** So many bytes that depend on the place they are at. */
function* piecesOf(bytes: number, seed: number): Generator<Buffer> {
  for (let at = 0; at < bytes; at += pieceBytes) {
    const piece = Buffer.alloc(Math.min(pieceBytes, bytes - at), seed + (at / pieceBytes) * 7);
    if (piece.length >= 4) piece.writeUInt32BE(at / pieceBytes, 0);
    yield piece;
  }
}

function hashOf(pieces: Iterable<Buffer>): string {
  const hash = createHash('sha256');
  for (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}

function upload(
  key: string,
  bytes: number,
  seed: number,
  length: number | undefined = bytes,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = {
      'content-type': 'application/octet-stream',
      ...(length === undefined ? {} : { 'content-length': length }),
    };
    const outgoing = request(`${node.url}/buckets/b/keys/${key}`, { method: 'PUT', headers }, (incoming) => {
      incoming.resume().on('end', () => resolve(incoming.statusCode!));
    });
    outgoing.on('error', reject);
    Readable.from(piecesOf(bytes, seed)).pipe(outgoing);
  });
}

async function download(key: string): Promise<{ readonly bytes: number; readonly hash: string }> {
  const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
    request(`${node.url}/buckets/b/keys/${key}`, resolve).on('error', reject).end();
  });
  assert.equal(incoming.statusCode, 200);
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const piece of incoming as AsyncIterable<Buffer>) {
    hash.update(piece);
    bytes += piece.length;
  }
  assert.equal(Number(incoming.headers['content-length']), bytes);
  return { bytes, hash: hash.digest('hex') };
}

/** Memory that is the process's alone. What it has mapped of LevelDB's files is the system's to take back. */
function ownBytes(): number {
  const status = readFileSync(`/proc/${node.pid}/status`, 'latin1');
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
}

/** The most memory that the node had while `work` went on. */
async function peakOf(work: Promise<unknown>): Promise<number> {
  let peak = 0;
  let isOver = false;
  const ended = work.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    peak = Math.max(peak, ownBytes());
    await Promise.race([sleep(50), ended]);
  }
  await ended;
  return peak;
}

test('480 MiB go in and out, and the memory of the node does not grow with them', async () => {
  const put = upload('large', largeBytes, 1).then((status) => assert.equal(status, 204));
  const peakIn = await peakOf(put);
  assert.ok(peakIn < ownBytesMax, `${Math.round(peakIn / mebibyte)} MiB while it came in`);
  const got = download('large');
  const peakOut = await peakOf(got);
  assert.deepEqual(await got, { bytes: largeBytes, hash: hashOf(piecesOf(largeBytes, 1)) });
  assert.ok(peakOut < ownBytesMax, `${Math.round(peakOut / mebibyte)} MiB while it went out`);
});

test('a plain Riak client reads a large value that fits its protocol, and is told of one that does not', async () => {
  assert.equal(await upload('medium', 5 * mebibyte, 2, undefined), 204);
  using connection = await FrameConnection.connect(node.protobufPort);
  const { values } = await connection.get('b', 'medium');
  assert.equal(values.length, 1);
  assert.equal(hashOf(values), hashOf(piecesOf(5 * mebibyte, 2)));
  await assert.rejects(connection.get('b', 'large'), (error) => {
    assert.ok(error instanceof ErrorReply);
    assert.match(error.message, /^\{too_large,503316480,\d+\}: .*HTTP/);
    return true;
  });
  assert.equal((await connection.get('b', 'medium')).values.length, 1, 'the connection goes on');
});

test('a part is had without the rest; more than the largest value is refused at its head', async () => {
  using http = new ObjectRequests(node.url);
  const part = await http.send('GET', '/buckets/b/keys/large', undefined, { range: 'bytes=65536-65547' });
  assert.equal(part.status, 206);
  assert.equal(part.headers['content-range'], `bytes 65536-65547/${largeBytes}`);
  assert.deepEqual(part.body, [...piecesOf(2 * pieceBytes, 1)][1]!.subarray(0, 12));
  const tooLarge = { 'content-length': String(6 * 2 ** 30), expect: '100-continue' };
  assert.equal(
    (await http.send('PUT', '/buckets/b/keys/huge', undefined, { ...tooLarge, 'content-type': 'a/b' }))
      .status,
    413,
  );
});

test('kill -9 in the middle of an upload: what was acknowledged is whole, what was not is not there', async () => {
  assert.equal(await upload('kept', 5 * mebibyte, 3), 204);
  const broken = upload('kept', largeBytes, 4).catch(() => 'lost');
  using http = new ObjectRequests(node.url);
  while ((await http.metric('hale_large_uploads')) === 0) await sleep(5);
  await sleep(300);
  await node.kill();
  assert.equal(await broken, 'lost');
  node = await sandbox.start();
  assert.deepEqual(await download('kept'), { bytes: 5 * mebibyte, hash: hashOf(piecesOf(5 * mebibyte, 3)) });
  assert.equal((await download('large')).hash, hashOf(piecesOf(largeBytes, 1)));
});
