/** Values in pieces, through both ways to a database: a node in this process, and one over real sockets. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { bothWays, embedded, fails, servedNode } from './both-ways.fixture.ts';
import { type Database, HaleError, open, type ValueSource, type ValueStream } from './index.ts';

const mebibyte = 1024 * 1024;

function patternOf(length: number): Buffer {
  const value = Buffer.alloc(length);
  for (let at = 0; at < length; at += 1) value[at] = (at * 31 + (at >> 11)) & 0xff;
  return value;
}

async function* pieces(value: Buffer, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < value.length; at += pieceBytes) yield value.subarray(at, at + pieceBytes);
}

/** As some streams do: each piece is in the memory of the one before. */
async function* inOneBuffer(value: Buffer, pieceBytes: number): AsyncGenerator<Uint8Array> {
  const memory = new Uint8Array(pieceBytes);
  for (let at = 0; at < value.length; at += pieceBytes) {
    const piece = value.subarray(at, at + pieceBytes);
    memory.set(piece);
    yield memory.subarray(0, piece.length);
  }
}

async function gathered(stream: ValueStream | undefined): Promise<Buffer> {
  const found: Uint8Array[] = [];
  for await (const piece of stream!) found.push(piece);
  return Buffer.concat(found);
}

for (const [way, make] of bothWays) {
  test(`${way}: values of any length go in and come out in pieces`, async (context) => {
    const files = (await make(context)).bytes('files');
    for (const length of [0, 1, 100_000, mebibyte, mebibyte + 1, 3 * mebibyte + 17]) {
      const value = patternOf(length);
      await files.writeStream(`f${length}`, pieces(value, 70_001));
      const stream = await files.readStream(`f${length}`);
      assert.equal(stream?.bytes, length);
      assert.ok((await gathered(stream)).equals(value), `of ${length} bytes`);
      assert.ok(Buffer.from((await files.get(`f${length}`))!).equals(value), 'whole, too');
    }
    assert.equal(await files.readStream('nothing'), undefined);
    await files.delete('f1');
    assert.equal(await files.readStream('f1'), undefined);
  });

  test(`${way}: whatever gives bytes is a source`, async (context) => {
    const files = (await make(context)).bytes('files');
    const value = patternOf(2 * mebibyte + 5);
    const sources: readonly ValueSource[] = [
      Readable.from([value.subarray(0, 10), value.subarray(10)]),
      new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(value.subarray(0, mebibyte));
          controller.enqueue(value.subarray(mebibyte));
          controller.close();
        },
      }),
      [value.subarray(0, 0), value, Buffer.alloc(0)],
      inOneBuffer(value, 99_999),
    ];
    for (const [index, source] of sources.entries()) {
      await files.writeStream('f', source, { length: value.length });
      assert.ok((await gathered(await files.readStream('f'))).equals(value), `source ${index}`);
    }
    const texts = ['text'] as unknown as ValueSource;
    await assert.rejects(files.writeStream('f', texts), fails('invalid_value'));
  });

  test(`${way}: parts of values, and what is known of them`, async (context) => {
    const files = (await make(context)).bytes('files');
    for (const length of [1000, 2 * mebibyte]) {
      const value = patternOf(length);
      const metadata = { camera: 'M3' };
      await files.writeStream('f', pieces(value, 50_000), {
        contentType: 'video/mp4',
        metadata,
        indexes: { year_int: 1927 },
        ttlSeconds: 1000,
      });
      const entry = (await files.entry('f'))!;
      for (const [from, to] of [
        [0, 10],
        [length - 7, undefined],
        [length - 7, length + 100],
        [700, 700],
        [length, undefined],
        [500, length - 100],
      ] as const) {
        const stream = (await files.readStream('f', { range: to === undefined ? { from } : { from, to } }))!;
        const { bytes, context: seen } = stream;
        assert.deepEqual([bytes, seen], [length, entry.context]);
        assert.equal(stream.contentType, 'video/mp4');
        assert.equal(stream.metadata.get('camera'), 'M3');
        assert.deepEqual(stream.indexes.get('year_int'), [1927n]);
        assert.ok(stream.expiresAt !== undefined && stream.lastModified !== undefined);
        assert.ok((await gathered(stream)).equals(value.subarray(from, to)), `${from} to ${to} of ${length}`);
      }
      const beyond = files.readStream('f', { range: { from: length + 1 } });
      await assert.rejects(beyond, fails('invalid_argument'));
    }
    for (const range of [{ from: -1 }, { from: 0.5 }, { from: 5, to: 4 }, { from: Number.NaN }]) {
      await assert.rejects(files.readStream('f', { range }), fails('invalid_argument'));
    }
  });

  test(`${way}: a source that fails, or is not as long as it says, leaves nothing behind`, async (context) => {
    const db = await make(context);
    const files = db.bytes('files');
    const before = patternOf(100);
    await files.put('f', before);
    const broken = new Error('the camera fell down');
    async function* breaking(length: number) {
      yield* pieces(patternOf(length), 100_000);
      throw broken;
    }
    for (const length of [0, 10, 5 * mebibyte]) {
      const isIt = (error: unknown): boolean =>
        fails('aborted')(error) &&
        (error as HaleError).cause === broken &&
        !(error as HaleError).unknownOutcome;
      await assert.rejects(files.writeStream('f', breaking(length)), isIt);
      await assert.rejects(files.writeStream('new', breaking(length)), isIt);
    }
    for (const [length, said] of [
      [100, 99],
      [100, 101],
      [2 * mebibyte, 2 * mebibyte + 1],
      [2 * mebibyte, 2 * mebibyte - 1],
    ] as const) {
      const write = files.writeStream('f', pieces(patternOf(length), 100_000), { length: said });
      await assert.rejects(write, fails('invalid_argument'));
    }
    assert.deepEqual(Buffer.from((await files.get('f'))!), before);
    assert.equal(await files.get('new'), undefined);
  });

  test(`${way}: a stream that is given up leaves nothing behind, and others go on`, async (context) => {
    const db = await make(context);
    const files = db.bytes('files');
    const stop = new AbortController();
    let wasClosed = false;
    async function* endless() {
      try {
        for (let count = 0; ; count += 1) {
          if (count === 40) stop.abort();
          yield patternOf(100_000);
          await pause(0);
        }
      } finally {
        wasClosed = true;
      }
    }
    await assert.rejects(files.writeStream('f', endless(), { signal: stop.signal }), fails('aborted'));
    assert.equal(await files.get('f'), undefined);
    await pause(10);
    assert.ok(wasClosed, 'the source is told');
    // A source that says nothing holds nobody up for longer than was said.
    async function* silent(): AsyncGenerator<Uint8Array> {
      yield patternOf(10);
      await new Promise(() => undefined);
    }
    const outOfTime = (error: unknown): boolean =>
      fails('timeout')(error) && !(error as HaleError).unknownOutcome;
    await assert.rejects(files.writeStream('f', silent(), { timeoutMs: 50 }), outOfTime);
    assert.equal(await files.get('f'), undefined);

    const value = patternOf(4 * mebibyte);
    await files.writeStream('g', [value]);
    for (let count = 0; count < 40; count += 1) {
      const stream = (await files.readStream('g'))!;
      if (count % 2 === 0) await stream.close();
      else for await (const _ of stream) break;
    }
    assert.ok((await gathered(await files.readStream('g'))).equals(value));
  });

  test(`${way}: conditions hold, and siblings are chosen from as the bucket says`, async (context) => {
    const db = await make(context);
    const files = db.bytes('files');
    const large = patternOf(2 * mebibyte);
    await files.writeStream('f', [large], { ifAbsent: true });
    await assert.rejects(files.writeStream('f', [large], { ifAbsent: true }), fails('exists'));
    const { context: seen } = (await files.entry('f'))!;
    await files.writeStream('f', [Buffer.from('two')], { ifUnchanged: seen });
    await assert.rejects(files.writeStream('f', [large], { ifUnchanged: seen }), fails('changed'));

    await files.setProperties({ allow_mult: true });
    await files.writeStream('s', [patternOf(10)]);
    await pause(5);
    await files.writeStream('s', [large]);
    assert.equal((await files.siblings('s'))!.siblings.length, 2);
    await assert.rejects(files.readStream('s'), fails('siblings'));
    const latest = await db.bytes('files', { merge: 'latest' }).readStream('s');
    assert.ok((await gathered(latest)).equals(large));
    const derived = db.bytes('files', { indexes: (value) => ({ n_int: value.length }) });
    await assert.rejects(derived.writeStream('f', [large]), fails('invalid_argument'));
    await assert.rejects(
      db.bytes('files', { type: 'none' }).writeStream('f', [large]),
      fails('unknown_bucket_type'),
    );
  });

  test(`${way}: a database that closes ends streams with an error`, async (context) => {
    const db = await make(context);
    const files = db.bytes('files');
    await files.writeStream('f', [patternOf(8 * mebibyte)]);
    const reading = gathered(await files.readStream('f'));
    async function* endless() {
      for (;;) {
        yield patternOf(1000);
        await pause(1);
      }
    }
    const writing = files.writeStream('g', endless());
    const ends = Promise.allSettled([reading, writing]);
    await pause(5);
    await db.close();
    for (const end of await ends) {
      if (end.status === 'fulfilled') continue;
      assert.ok(end.reason instanceof HaleError, String(end.reason));
    }
    await assert.rejects(writing, HaleError);
  });
}

test('remote: a node that stops in the middle is an error on both sides, and nothing is stored', async (context) => {
  const node = await servedNode(context);
  const db = await open(`hale://127.0.0.1:${node.protobufAddress!.port}`, { timeoutMs: 2000 });
  context.after(() => db.close());
  const files = db.bytes('files');
  await files.writeStream('f', [patternOf(16 * mebibyte)]);
  let count = 0;
  async function* slow() {
    for (;;) {
      yield patternOf(100_000);
      count += 1;
      await pause(1);
    }
  }
  const writing = assert.rejects(
    files.writeStream('g', slow()),
    (error) => error instanceof HaleError && !error.unknownOutcome,
  );
  const reading = assert.rejects(async () => {
    for await (const _ of (await files.readStream('f'))!) if (count > 10) await pause(20);
  }, HaleError);
  while (count <= 12) await pause(5);
  await node.stop();
  await Promise.all([writing, reading]);
});

/** A database on disk, and a node's listener. */
async function onDisk(context: TestContext): Promise<readonly (readonly [string, Database])[]> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  assert.ok(address !== null && typeof address === 'object');
  const { port } = address;
  probe.close();
  await once(probe, 'close');
  const db = await open(embedded.directory(context), {
    configuration: {
      ring_size: 8,
      'buckets.default.n_val': 1,
      'listener.protobuf.internal': { host: '127.0.0.1', port },
    },
  });
  const remote = await open(`hale://127.0.0.1:${port}`);
  context.after(async () => {
    await remote.close();
    await db.close();
  });
  return [
    ['embedded', db],
    ['remote', remote],
  ];
}

test('64 MiB take little memory both ways, whoever is slow', async (context) => {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  const held = (): number => {
    // What the first one has found is given back by the second one.
    collect();
    collect();
    return process.memoryUsage().arrayBuffers;
  };
  const length = 64 * mebibyte;
  const pieceBytes = 256 * 1024;
  for (const [way, db] of await onDisk(context)) {
    const files = db.bytes('files');
    const before = held();
    let most = 0;
    const sums = [createHash('sha256'), createHash('sha256')] as const;
    async function* source() {
      for (let at = 0; at < length; at += pieceBytes) {
        const piece = patternOf(pieceBytes);
        piece.writeUInt32BE(at, 0);
        sums[0].update(piece);
        if (at % (4 * mebibyte) === 0) most = Math.max(most, held() - before);
        yield piece;
      }
    }
    await files.writeStream(way, source());
    let count = 0;
    for await (const piece of (await files.readStream(way))!) {
      const isPausing =
        Math.floor(count / (8 * mebibyte)) !== Math.floor((count + piece.length) / (8 * mebibyte));
      sums[1].update(piece);
      count += piece.length;
      if (!isPausing) continue;
      // Whoever sends has time enough to send far too much.
      await pause(100);
      most = Math.max(most, held() - before);
    }
    assert.equal(count, length);
    assert.equal(sums[0].digest('hex'), sums[1].digest('hex'));
    assert.ok(most < 40 * mebibyte, `${way}: ${Math.round(most / mebibyte)} MiB were held`);
    context.diagnostic(`${way}: at most ${Math.round(most / mebibyte)} MiB were held`);
  }
});
