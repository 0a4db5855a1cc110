import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { PageCache, type PageSource } from './page-cache.ts';

const pageBytes = 4096;

/** A segment of which more and more is written, and which counts how often it is read. */
class Growing implements PageSource {
  readonly number: number;
  readonly bytes: Buffer;
  end = 0;
  reads = 0;

  constructor(number: number, length: number) {
    this.number = number;
    this.file.size = length;
    this.bytes = Buffer.from(Array.from({ length }, (_, at) => (at * 31 + (at >>> 8) + number * 7) & 0xff));
  }

  readonly file = {
    size: 0,
    read: (offset: number, length: number): Buffer => {
      assert.ok(offset + length <= this.file.size);
      this.reads += 1;
      // What is behind the end is not there yet.
      const seen = Buffer.from(this.bytes.subarray(offset, offset + length));
      if (offset + length > this.end) seen.fill(0, Math.max(0, this.end - offset));
      return seen;
    },
  };
}

const segmentBytes = 12 * pageBytes;

test('law: what is read is what was written, whatever is kept and whatever is still being written', () => {
  const step = fc.record({
    segment: fc.nat(2),
    grow: fc.nat(6000),
    offset: fc.nat(segmentBytes),
    length: fc.integer({ min: 1, max: 3 * pageBytes }),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 200 }), fc.nat(6), (steps, pages) => {
      const cache = new PageCache(pages * pageBytes);
      const segments = [1, 2, 70_000].map((number) => new Growing(number, segmentBytes));
      for (const { segment: index, grow, offset, length } of steps) {
        const segment = segments[index]!;
        segment.end = Math.min(segmentBytes, segment.end + grow);
        if (segment.end === 0) continue;
        const from = offset % segment.end;
        const to = Math.min(segment.end, from + length);
        const read = cache.read(segment, from, to - from);
        assert.deepEqual(read, segment.bytes.subarray(from, to));
        read.fill(0xff); // it is the caller's
      }
    }),
    { numRuns: 60 },
  );
});

test('a page that is asked for a second time is kept, and read no more', () => {
  const cache = new PageCache(8 * pageBytes);
  const segment = new Growing(1, segmentBytes);
  segment.end = segmentBytes;
  for (let i = 0; i < 10; i += 1) cache.read(segment, 100 + i, 200);
  assert.equal(segment.reads, 2);
  assert.ok(cache.bytes > 0);
});

test('pages that are asked for once push nothing out', () => {
  const cache = new PageCache(2 * pageBytes);
  const segment = new Growing(1, segmentBytes);
  segment.end = segmentBytes;
  for (let i = 0; i < 3; i += 1) cache.read(segment, 0, 100);
  for (let page = 1; page < 12; page += 1) cache.read(segment, page * pageBytes, 100);
  const before = segment.reads;
  cache.read(segment, 0, 100);
  assert.equal(segment.reads, before);
});

test('a page that the file has lost in part is read as far as it is there', () => {
  const cache = new PageCache(8 * pageBytes);
  const segment = new Growing(1, segmentBytes);
  segment.end = segmentBytes;
  segment.file.size = 2 * pageBytes + 300;
  for (let i = 0; i < 4; i += 1) {
    const from = 2 * pageBytes - 100;
    assert.deepEqual(cache.read(segment, from, 400), segment.bytes.subarray(from, from + 400));
  }
});

test('without room nothing is kept', () => {
  const cache = new PageCache(0);
  const segment = new Growing(1, segmentBytes);
  segment.end = segmentBytes;
  for (let i = 0; i < 5; i += 1) cache.read(segment, 0, 100);
  assert.equal(segment.reads, 5);
  assert.equal(cache.bytes, 0);
});
