import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameError, FrameReader } from './frame-reader.ts';

interface Frame {
  readonly code: number;
  readonly body: Buffer;
}

const frame: fc.Arbitrary<Frame> = fc.record({
  code: fc.integer({ min: 0, max: 255 }),
  body: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
});

function bytesOf(frames: readonly Frame[]): Buffer {
  return Buffer.concat(
    frames.flatMap(({ code, body }) => {
      const head = Buffer.alloc(5, code);
      head.writeUInt32BE(body.length + 1);
      return [head, body];
    }),
  );
}

function readAll(reader: FrameReader, into: Frame[], limit = Number.POSITIVE_INFINITY): void {
  for (let count = 0; count < limit && reader.next(); count += 1) {
    if (reader.code % 3 === 0) {
      reader.putBack();
      assert.ok(reader.next());
    }
    into.push({ code: reader.code, body: Buffer.from(reader.bytes.subarray(reader.start, reader.end)) });
  }
}

test('frames come out as they went in, however the stream is cut and whenever they are taken', () => {
  const steps = fc.array(
    fc.record({
      bytes: fc.integer({ min: 1, max: 400 }),
      take: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 0, max: 3 })),
    }),
    { minLength: 1 },
  );
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 20 }), steps, (frames, cuts) => {
      const stream = bytesOf(frames);
      const reader = new FrameReader(1000);
      const read: Frame[] = [];
      for (let at = 0, step = 0; at < stream.length; step += 1) {
        const cut = cuts[step % cuts.length]!;
        const chunk = Buffer.from(stream.subarray(at, at + cut.bytes));
        at += chunk.length;
        reader.feed(chunk);
        readAll(reader, read, cut.take);
        reader.retain();
        // The chunk belongs to somebody else from here on.
        chunk.fill(0xee);
      }
      readAll(reader, read);
      assert.deepEqual(
        read,
        frames.map(({ code, body }) => ({ code, body })),
      );
      assert.equal(reader.heldBytes, 0);
    }),
  );
});

test('a frame that lies in one chunk is exposed in place', () => {
  const chunk = bytesOf([
    { code: 9, body: Buffer.from('abc') },
    { code: 1, body: Buffer.alloc(0) },
  ]);
  const reader = new FrameReader(100);
  reader.feed(chunk);
  assert.ok(reader.next() && reader.bytes === chunk);
  assert.deepEqual([reader.start, reader.end], [5, 8]);
  assert.ok(reader.next() && reader.bytes === chunk);
  assert.deepEqual([reader.start, reader.end], [13, 13]);
});

test('a frame that was put back outlives its chunk', () => {
  const chunk = bytesOf([
    { code: 9, body: Buffer.from('abc') },
    { code: 1, body: Buffer.from('de') },
  ]);
  const reader = new FrameReader(100);
  reader.feed(chunk);
  assert.ok(reader.next());
  reader.putBack();
  reader.retain();
  chunk.fill(0xee);
  const read: Frame[] = [];
  readAll(reader, read);
  assert.deepEqual(
    read.map(({ code, body }) => [code, body.toString()]),
    [
      [9, 'abc'],
      [1, 'de'],
    ],
  );
});

test('only the frame that is cut is copied: those after it in the chunk are read in place', () => {
  const stream = bytesOf([
    { code: 9, body: Buffer.alloc(10) },
    { code: 10, body: Buffer.alloc(10) },
  ]);
  const reader = new FrameReader(100);
  reader.feed(stream.subarray(0, 7));
  assert.equal(reader.next(), false);
  const rest = stream.subarray(7);
  reader.feed(rest);
  assert.ok(reader.next() && reader.bytes !== rest);
  assert.ok(reader.next() && reader.bytes === rest);
});

test('a length of zero, or above the bound, is refused at its fourth byte', () => {
  const cases = [
    [0, 'empty'],
    [1001, 'too-long'],
    [0xffff_ffff, 'too-long'],
  ] as const;
  for (const [length, code] of cases) {
    const head = Buffer.alloc(4);
    head.writeUInt32BE(length);
    const reader = new FrameReader(1000);
    reader.feed(head.subarray(0, 3));
    assert.equal(reader.next(), false);
    reader.feed(head.subarray(3));
    assert.throws(
      () => reader.next(),
      (error) => error instanceof FrameError && error.code === code,
    );
  }
});

test('memory follows what arrived, not what a length claims', () => {
  const reader = new FrameReader(0x7fff_ffff);
  const before = process.memoryUsage().arrayBuffers;
  reader.feed(Buffer.from('7fffffff09', 'hex'));
  assert.equal(reader.next(), false);
  assert.ok(process.memoryUsage().arrayBuffers - before < 1_000_000);
  assert.equal(reader.heldBytes, 5);
});

test('a long frame that came in pieces costs its own length of memory, and is its reader’s to keep', () => {
  const body = Buffer.alloc(256 * 1024, 7);
  const frames = [11, 12].map((code) => ({ code, body }));
  const stream = bytesOf([...frames, { code: 13, body: Buffer.alloc(0) }]);
  const reader = new FrameReader(5_000_000);
  const kept: Buffer[] = [];
  for (let at = 0; at < stream.length; at += 65_536) {
    const chunk = Buffer.from(stream.subarray(at, at + 65_536));
    reader.feed(chunk);
    while (reader.next()) {
      assert.equal(reader.isLasting, reader.code !== 13);
      if (!reader.isLasting) continue;
      assert.equal(reader.bytes.length, 5 + body.length);
      kept.push(reader.bytes.subarray(reader.start, reader.end));
    }
    reader.retain();
    chunk.fill(0xee);
  }
  assert.equal(kept.length, 2);
  assert.ok(kept.every((bytes) => bytes.equals(body)));
});

test('a frame that others follow in the same memory is not to be kept', () => {
  const body = Buffer.alloc(20_000, 7);
  const stream = bytesOf([
    { code: 11, body },
    { code: 12, body },
  ]);
  const reader = new FrameReader(5_000_000);
  reader.feed(stream);
  assert.ok(reader.next() && !reader.isLasting, 'it lies in its chunk');
  reader.putBack();
  reader.retain();
  assert.ok(reader.next() && !reader.isLasting);
  assert.ok(reader.next() && reader.isLasting);
});

test('a large frame that trickles in is copied a bounded number of times', () => {
  const body = Buffer.alloc(4_000_000, 7);
  const stream = bytesOf([{ code: 11, body }]);
  const reader = new FrameReader(5_000_000);
  for (let at = 0; at < stream.length; at += 1000) {
    reader.feed(stream.subarray(at, at + 1000));
    assert.equal(reader.next(), at + 1000 >= stream.length);
  }
  assert.ok(reader.bytes.subarray(reader.start, reader.end).equals(body));
});
