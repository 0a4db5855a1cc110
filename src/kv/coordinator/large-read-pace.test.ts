import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deadlines, deadlineTickMs } from '../../core/vnode/index.ts';
import type { Clock, Instant, Timers, WallMicros } from '../../environment/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { silentObserver } from '../kv-observer.ts';
import { arrivalsPerStep, heldMsMax, LargeReadPace, type LargeReadTurn, stallMs } from './large-read-pace.ts';

const kiB = 1024;
const large = { bucketType: byteLiteral('default'), bucket: byteLiteral('films') };
const small = { bucketType: byteLiteral('default'), bucket: byteLiteral('titles') };

test('nothing is paced as long as large values come in time', () => {
  const { pace, counts } = setUp();
  for (let read = 0; read < 100; read += 1) pace.arrived(large, 256 * kiB, 5);
  pace.arrived(small, 100, stallMs * 2);
  assert.equal(pace.turnFor(large, { start() {} }), undefined);
  assert.deepEqual(counts, { stalls: 0, held: 0 });
});

test('where large values are always slow, slow ones are no stall', () => {
  const { pace, counts } = setUp();
  for (let read = 0; read < 100; read += 1) pace.arrived(large, 256 * kiB, stallMs + (read % 10) * 20);
  assert.equal(counts.stalls, 0);
});

test('after a stall one large value at a time is asked for', () => {
  const { pace, begin, started, counts } = setUp();
  stall(pace);
  const turns = [begin('a'), begin('b'), begin('c')];
  assert.deepEqual(started, ['a']);
  pace.end(turns[0]!);
  assert.deepEqual(started, ['a', 'b']);
  pace.end(turns[0]!);
  assert.deepEqual(started, ['a', 'b'], 'a turn ends once');
  pace.end(turns[1]!);
  assert.deepEqual(started, ['a', 'b', 'c']);
  assert.deepEqual(counts, { stalls: 1, held: 2 });
});

test('reads of buckets whose values are small, or of which nothing is known, are not held', () => {
  const { pace, begin } = setUp();
  stall(pace);
  begin('a');
  pace.arrived(small, 100, 1);
  assert.equal(pace.turnFor(small, { start() {} }), undefined);
  assert.equal(pace.turnFor({ ...small, bucket: byteLiteral('unknown') }, { start() {} }), undefined);
});

test('a read is held for a moment at most', () => {
  const { pace, begin, started, clock } = setUp();
  stall(pace);
  begin('a');
  begin('b');
  clock.advance(heldMsMax - 1);
  assert.deepEqual(started, ['a']);
  clock.advance(heldMsMax + 2 * deadlineTickMs);
  assert.deepEqual(started, ['a', 'b']);
});

test('a read that is given up while it is held never starts, and keeps no other from its turn', () => {
  const { pace, begin, started, clock } = setUp();
  stall(pace);
  const a = begin('a');
  pace.end(begin('b'));
  begin('c');
  pace.end(a);
  clock.advance(10 * heldMsMax);
  assert.deepEqual(started, ['a', 'c']);
});

test('thousands of reads that are refused as soon as they start are all started', () => {
  const { pace, begin } = setUp();
  stall(pace);
  const first = begin('a');
  let refused = 0;
  for (let read = 0; read < 20_000; read += 1) {
    const turn: LargeReadTurn = pace.turnFor(large, {
      start() {
        refused += 1;
        pace.end(turn);
      },
    })!;
    pace.begin(turn);
  }
  pace.end(first);
  assert.equal(refused, 20_000);
});

test('while all come in time more are asked for at once, in the end as many as there are', () => {
  const { pace, begin, started } = setUp();
  stall(pace);
  for (let read = 0; read < 7 * arrivalsPerStep; read += 1) pace.arrived(large, 256 * kiB, 5);
  for (const name of ['a', 'b', 'c']) begin(name);
  assert.deepEqual(started, ['a', 'b'], '512 KiB');
  for (let read = 0; read < 100 * arrivalsPerStep; read += 1) pace.arrived(large, 256 * kiB, 5);
  assert.deepEqual(started, ['a', 'b', 'c']);
  assert.equal(pace.turnFor(large, { start() {} }), undefined);
});

test('values of many sizes leave nothing behind that would hold a read', () => {
  const { pace, begin, started } = setUp();
  stall(pace);
  for (let read = 0; read < 50; read += 1) {
    pace.arrived(large, 100_001 + read * 7919, 5);
    const turn = begin(`${read}`);
    assert.equal(started.length, read + 1);
    pace.end(turn);
  }
});

function setUp() {
  const clock = new HandClock();
  const counts = { stalls: 0, held: 0 };
  const pace = new LargeReadPace(new Deadlines(clock, clock), {
    ...silentObserver,
    largeReadStalled: () => (counts.stalls += 1),
    readHeld: () => (counts.held += 1),
  });
  const started: string[] = [];
  const begin = (name: string): LargeReadTurn => {
    const turn = pace.turnFor(large, { start: () => started.push(name) });
    assert.ok(turn);
    pace.begin(turn);
    return turn;
  };
  return { pace, begin, started, counts, clock };
}

/** And tells the pace how long values of the bucket are. */
function stall(pace: LargeReadPace): void {
  pace.arrived(large, 256 * kiB, 5);
  pace.arrived(large, 256 * kiB, stallMs);
  pace.arrived(large, 256 * kiB, 5);
}

/** One timer at a time, as `Deadlines` promises. */
class HandClock implements Clock, Timers {
  #now = 0;
  #wake: { readonly at: number; readonly run: () => void } | undefined;

  now(): Instant {
    return this.#now as Instant;
  }

  wallMicros(): WallMicros {
    return 0 as WallMicros;
  }

  after(delayMs: number, run: () => void) {
    this.#wake = { at: this.#now + delayMs, run };
    return { cancel: () => (this.#wake = undefined) };
  }

  advance(to: number): void {
    while (this.#wake !== undefined && this.#wake.at <= to) {
      const { at, run } = this.#wake;
      this.#now = at;
      this.#wake = undefined;
      run();
    }
    this.#now = to;
  }
}
