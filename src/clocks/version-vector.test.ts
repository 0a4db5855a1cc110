import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { deflateSync, crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { byteStringOf, crc32 } from '../stdx/index.ts';
import { contextEntriesMax } from './context-encoding.ts';
import { actorId, type Dot, epochOfActor, type PruneLimits, VersionVector, vnodeIdOfActor } from './index.ts';

const numRuns = Number(process.env.LAW_RUNS ?? 3000);

const vnode = (n: number) => byteStringOf(Buffer.from([n, 0xff, 0, 0x80, 1, 2, 3, n]));
const actors = [0, 1, 2, 3].flatMap((n) => [actorId(vnode(n), 0), actorId(vnode(n), 0xffff_fffe)]);
const counter = fc.oneof(
  fc.integer({ min: 1, max: 5 }),
  fc
    .maxSafeInteger()
    .map(Math.abs)
    .filter((n) => n > 0),
);
const seconds = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.maxSafeNat());
const vectors = fc
  .uniqueArray(fc.record({ actor: fc.constantFrom(...actors), counter, seconds }), {
    selector: ({ actor }) => actor,
    maxLength: 6,
  })
  .map((entries) => VersionVector.of(entries));

/** The same vector, read back: no test may depend on object identity. */
const copyOf = (vector: VersionVector) => VersionVector.decode(vector.encode())!;
const text = (vector: VersionVector) => vector.encode().toString('hex');

test('an actor is a vnode and an epoch', () => {
  fc.assert(
    fc.property(fc.nat({ max: 255 }), fc.integer({ min: 0, max: 0xffff_ffff }), (n, epoch) => {
      const actor = actorId(vnode(n), epoch);
      assert.equal(actor.length, 12);
      assert.equal(epochOfActor(actor), epoch);
      assert.equal(vnodeIdOfActor(actor), vnode(n));
    }),
    { numRuns },
  );
  assert.throws(() => actorId(vnode(1), -1));
  assert.throws(() => actorId(vnode(1), 2 ** 32));
});

test('V3: merging is commutative, associative and idempotent, to the byte', () => {
  fc.assert(
    fc.property(vectors, vectors, vectors, (a, b, c) => {
      const merge = (x: VersionVector, y: VersionVector) => VersionVector.merge(x, y);
      assert.equal(text(merge(a, b)), text(merge(b, a)));
      assert.equal(text(merge(merge(a, b), c)), text(merge(a, merge(b, c))));
      assert.equal(merge(a, copyOf(a)), a);
      assert.equal(merge(merge(a, b), b).compare(merge(a, b)), 'equal');
    }),
    { numRuns },
  );
});

test('counters, coverage and order agree with sets of dots', () => {
  const small = fc
    .uniqueArray(
      fc.record({
        actor: fc.constantFrom(...actors.slice(0, 3)),
        counter: fc.integer({ min: 1, max: 3 }),
        seconds,
      }),
      {
        selector: ({ actor }) => actor,
      },
    )
    .map((entries) => VersionVector.of(entries));
  const dots = actors.slice(0, 3).flatMap((actor) => [1, 2, 3].map((n): Dot => ({ actor, counter: n })));
  const covered = (vector: VersionVector) => new Set(dots.filter((dot) => vector.covers(dot)));
  fc.assert(
    fc.property(small, small, (a, b) => {
      const inA = covered(a);
      const inB = covered(b);
      const aHasB = [...inB].every((dot) => inA.has(dot));
      const bHasA = [...inA].every((dot) => inB.has(dot));
      const expected = aHasB ? (bHasA ? 'equal' : 'descends') : bHasA ? 'precedes' : 'concurrent';
      assert.equal(a.compare(b), expected);
      assert.equal(a.descends(b), aHasB);
      assert.equal(a.equals(b), aHasB && bHasA);
      assert.deepEqual(
        covered(VersionVector.merge(a, b)),
        new Set(dots.filter((dot) => inA.has(dot) || inB.has(dot))),
      );
      for (const { actor, counter } of a.entries) assert.equal(a.counterOf(actor), counter);
    }),
    { numRuns },
  );
});

test('a write adds its dot, once', () => {
  fc.assert(
    fc.property(vectors, fc.constantFrom(...actors), seconds, (vector, actor, at) => {
      const next = vector.counterOf(actor) + 1;
      fc.pre(next <= Number.MAX_SAFE_INTEGER);
      const after = vector.with({ actor, counter: next }, at);
      assert.equal(after.compare(vector), 'descends');
      assert.equal(after.counterOf(actor), next);
      assert.equal(after.entries.length, vector.entries.length + (next === 1 ? 1 : 0));
      assert.throws(() => after.with({ actor, counter: next }, at));
    }),
    { numRuns },
  );
});

test('the highest epoch of a vnode is found among its actors', () => {
  const clock = VersionVector.of(
    [3, 256, 1].map((epoch) => ({ actor: actorId(vnode(7), epoch), counter: 1, seconds: 0 })),
  ).with({ actor: actorId(vnode(9), 70_000), counter: 1 }, 0);
  assert.equal(clock.highestEpochOf(vnode(7)), 256);
  assert.equal(clock.highestEpochOf(vnode(9)), 70_000);
  assert.equal(clock.highestEpochOf(vnode(8)), undefined);
});

test('a context reads back as the vector it was, and equal vectors have equal bytes', () => {
  fc.assert(
    fc.property(vectors, (vector) => {
      const bytes = vector.encode();
      const back = VersionVector.decode(bytes);
      assert.deepEqual(back?.entries, vector.entries);
      assert.ok(
        VersionVector.of([...vector.entries].reverse())
          .encode()
          .equals(bytes),
      );
    }),
    { numRuns },
  );
  assert.ok(VersionVector.decode(new Uint8Array(0))?.isEmpty);
  assert.ok(VersionVector.decode(VersionVector.empty.encode())?.isEmpty);
});

test('the checksum is CRC-32 as zlib has it', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      assert.equal(crc32(bytes, 0, bytes.length), zlibCrc32(bytes));
    }),
    { numRuns: 500 },
  );
});

test('R16 garbage-context: what this database did not encode is refused', () => {
  const someContext = VersionVector.of([{ actor: actors[1], counter: 300, seconds: 1_700_000_000 }]).encode();
  for (let cut = 1; cut < someContext.length; cut += 1) {
    assert.equal(VersionVector.decode(someContext.subarray(0, cut)), undefined, `cut to ${cut}`);
  }
  assert.equal(VersionVector.decode(Buffer.concat([someContext, Buffer.from([0])])), undefined);
  assert.equal(VersionVector.decode(deflateSync(Buffer.from('g2wAAAABaAJtAAAACCMJ/', 'utf8'))), undefined);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (bytes) => {
      assert.equal(VersionVector.decode(bytes), undefined);
    }),
    { numRuns },
  );
});

test('R16: a context with any bits flipped is refused', () => {
  fc.assert(
    fc.property(vectors, fc.nat(), fc.integer({ min: 1, max: 255 }), (vector, at, flip) => {
      const bytes = vector.encode();
      bytes[at % bytes.length] ^= flip;
      assert.equal(VersionVector.decode(bytes), undefined);
    }),
    { numRuns },
  );
});

/** A context with any body under a right checksum: what a forger can send. */
function sealed(body: readonly number[]): Buffer {
  const bytes = Buffer.from([...body, 0, 0, 0, 0]);
  bytes.writeUInt32BE(zlibCrc32(bytes.subarray(0, body.length)), body.length);
  return bytes;
}

test('a forged context is refused unless it is the one encoding of a vector', () => {
  const a = [...Buffer.from(actors[0], 'latin1')];
  const b = [...Buffer.from(actors[2], 'latin1')];
  assert.ok(VersionVector.decode(sealed([1, 2, ...a, 1, 0, ...b, 1, 0])), 'the well-formed one is accepted');
  const forged: Record<string, number[]> = {
    'another format': [2, 1, ...a, 1, 0],
    'actors out of order': [1, 2, ...b, 1, 0, ...a, 1, 0],
    'an actor twice': [1, 2, ...a, 1, 0, ...a, 2, 0],
    'a counter of 0': [1, 1, ...a, 0, 0],
    'a counter in a longer varint than it needs': [1, 1, ...a, 0x81, 0, 0],
    'a counter beyond 2^53 - 1': [1, 1, ...a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0],
    'more entries than announced': [1, 1, ...a, 1, 0, ...b, 1, 0],
    'fewer entries than announced': [1, 2, ...a, 1, 0],
    'a huge count': [1, 0xff, 0xff, 0xff, 0xff, 0x7f, ...a, 1, 0],
  };
  for (const [what, body] of Object.entries(forged)) {
    assert.equal(VersionVector.decode(sealed(body)), undefined, what);
  }
});

test('a context with too many entries is refused', () => {
  const entries = Array.from({ length: contextEntriesMax + 1 }, (_, i) => ({
    actor: actorId(vnode(1), i),
    counter: 1,
    seconds: 0,
  }));
  assert.equal(VersionVector.decode(VersionVector.of(entries).encode()), undefined);
  assert.equal(
    VersionVector.decode(VersionVector.of(entries.slice(1)).encode())?.entries.length,
    contextEntriesMax,
  );
});

const limits: PruneLimits = { smallVclock: 2, bigVclock: 4, youngVclock: 20, oldVclock: 1000 };
const clockOfAges = (ages: readonly number[], now: number) =>
  VersionVector.of(ages.map((age, i) => ({ actor: actorId(vnode(i), 0), counter: 1, seconds: now - age })));
const agesAfter = (ages: readonly number[]) =>
  clockOfAges(ages, 5000)
    .prune(limits, 5000)
    .entries.map((entry) => 5000 - entry.seconds)
    .sort((a, b) => a - b);

test('pruning: a small clock keeps even old entries', () =>
  assert.deepEqual(agesAfter([2000, 3000]), [2000, 3000]));
test('pruning: a big clock loses its oldest entries until it is not big', () =>
  assert.deepEqual(agesAfter([100, 200, 300, 400, 500, 600]), [100, 200, 300, 400]));
test('pruning: a clock between small and big loses old entries only', () =>
  assert.deepEqual(agesAfter([100, 1001, 1000, 1002]), [100, 1000]));
test('pruning: an entry is old when older than old_vclock, not at it', () =>
  assert.deepEqual(agesAfter([1000, 1000, 1000]), [1000, 1000, 1000]));
test('pruning: young entries are never dropped', () =>
  assert.deepEqual(agesAfter([1, 2, 3, 4, 19, 19, 20]), [1, 2, 3, 4, 19, 19]));
test('pruning: old entries go until the clock is small', () =>
  assert.deepEqual(agesAfter([2001, 2002, 2003, 2004, 2005]), [2001, 2002]));

test('pruning: entries that are to be kept stay, however old, and others go in their place', () => {
  const clock = clockOfAges([600, 500, 400, 300, 200, 100], 5000);
  const keeping = (...kept: readonly number[]) =>
    clock
      .prune(limits, 5000, new Set(kept.map((i) => actorId(vnode(i), 0))))
      .entries.map((entry) => 5000 - entry.seconds);
  assert.deepEqual(keeping(0, 2), [600, 400, 200, 100]);
  assert.deepEqual(keeping(0, 1, 2, 3, 4), [600, 500, 400, 300, 200]);
  assert.deepEqual(keeping(), [400, 300, 200, 100]);
});

test('V2: of a node whose clock is behind, the latest write is not the first that pruning forgets', () => {
  const now = 10_000;
  const seen = clockOfAges([100, 200, 300, 400], now);
  const late = actorId(vnode(9), 0);
  const written = seen.with({ actor: late, counter: 1 }, now - 3600);
  const next = written.with({ actor: actorId(vnode(10), 0), counter: 1 }, now).prune(limits, now);
  assert.equal(next.entries.length, limits.bigVclock);
  assert.ok(next.covers({ actor: late, counter: 1 }));
  const entry = written.entries[written.positionOf(late)]!;
  assert.equal(entry.seconds, now - 100);
  const ahead = clockOfAges([-1_000_000], now).with({ actor: late, counter: 1 }, now);
  assert.equal(ahead.entries[ahead.positionOf(late)]!.seconds, now + 86_400);
});

test('pruning depends on the entries and the time alone, and only drops', () => {
  fc.assert(
    fc.property(
      vectors,
      fc.nat({ max: 10 }),
      fc.nat({ max: 10 }),
      fc.nat({ max: 2000 }),
      (vector, small, big, now) => {
        const some = { smallVclock: small, bigVclock: big, youngVclock: 1, oldVclock: 2 };
        const once = vector.prune(some, now);
        assert.equal(text(copyOf(vector).prune(some, now)), text(once));
        assert.equal(once.prune(some, now), once, 'once is enough');
        for (const entry of once.entries) assert.ok(vector.entries.includes(entry));
        const kept = new Set(once.entries);
        const newestDropped = Math.max(
          -1,
          ...vector.entries.filter((e) => !kept.has(e)).map((e) => e.seconds),
        );
        for (const { seconds: at } of once.entries) assert.ok(at >= newestDropped, 'the oldest go first');
      },
    ),
    { numRuns },
  );
});
