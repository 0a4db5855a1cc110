import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Clock, Instant, Timers, WallMicros } from '../../environment/index.ts';
import { Deadline, Deadlines, deadlineTickMs } from './deadlines.ts';

/** A hand-wound clock: one timer at most, as `Deadlines` promises. */
class HandClock implements Clock, Timers {
  #now = 0;
  #wake: { at: number; run: () => void } | undefined;
  wakes = 0;

  now(): Instant {
    return this.#now as Instant;
  }
  wallMicros(): WallMicros {
    return 0 as WallMicros;
  }
  after(delayMs: number, run: () => void) {
    assert.equal(this.#wake, undefined, 'one timer at a time');
    this.#wake = { at: this.#now + delayMs, run };
    return { cancel: () => (this.#wake = undefined) };
  }
  advance(to: number): void {
    while (this.#wake !== undefined && this.#wake.at <= to) {
      this.#now = this.#wake.at;
      const { run } = this.#wake;
      this.#wake = undefined;
      this.wakes += 1;
      run();
    }
    this.#now = to;
  }
  get idle(): boolean {
    return this.#wake === undefined;
  }
}

class Recorded extends Deadline {
  firedAt: number | undefined;
  readonly #clock: HandClock;
  readonly #also: (() => void) | undefined;
  constructor(clock: HandClock, also?: () => void) {
    super();
    this.#clock = clock;
    this.#also = also;
  }
  override expired(): void {
    assert.equal(this.firedAt, undefined, 'fires once');
    this.firedAt = this.#clock.now();
    this.#also?.();
  }
}

test('law: each deadline that is not cleared fires once, not early, late by at most two ticks', () => {
  const event = fc.record({
    atMs: fc.nat(20_000),
    delayMs: fc.nat(12_000),
    clearAfterMs: fc.option(fc.nat(12_000)),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const clock = new HandClock();
      const deadlines = new Deadlines(clock, clock);
      const steps: { at: number; run: () => void }[] = [];
      const checks: (() => void)[] = [];
      for (const { atMs, delayMs, clearAfterMs } of events) {
        const deadline = new Recorded(clock);
        steps.push({ at: atMs, run: () => deadlines.set(deadline, delayMs) });
        const clearAt = clearAfterMs === null ? undefined : atMs + clearAfterMs;
        if (clearAt !== undefined) steps.push({ at: clearAt, run: () => deadlines.clear(deadline) });
        checks.push(() => {
          const latest = atMs + delayMs + 3 * deadlineTickMs;
          if (clearAt !== undefined && clearAt <= atMs + delayMs) assert.equal(deadline.firedAt, undefined);
          if (clearAt === undefined || clearAt > latest) assert.notEqual(deadline.firedAt, undefined);
          if (deadline.firedAt === undefined) return;
          assert.ok(deadline.firedAt >= atMs + delayMs);
          assert.ok(deadline.firedAt <= latest);
        });
      }
      steps.sort((a, b) => a.at - b.at);
      for (const step of steps) {
        clock.advance(step.at);
        step.run();
      }
      clock.advance(100_000);
      for (const check of checks) check();
      assert.equal(deadlines.pending, 0);
      assert.ok(clock.idle, 'no timer without deadlines');
    }),
  );
});

test('an expiry that clears its neighbours does not lose the rest of the slot', () => {
  const clock = new HandClock();
  const deadlines = new Deadlines(clock, clock);
  const cleared = new Recorded(clock);
  const first = new Recorded(clock);
  const clearing = new Recorded(clock, () => deadlines.clear(cleared));
  for (const deadline of [first, cleared, clearing]) deadlines.set(deadline, 50);
  clock.advance(200);
  assert.equal(cleared.firedAt, undefined);
  assert.notEqual(first.firedAt, undefined);
});

test('long deadlines do not wake a node that has nothing to do', () => {
  const clock = new HandClock();
  const deadlines = new Deadlines(clock, clock);
  const last = new Recorded(clock);
  deadlines.set(last, 60_000);
  for (let at = 0; at < 1000; at += 10) {
    clock.advance(at);
    const answered = new Recorded(clock);
    deadlines.set(answered, 5000);
    deadlines.clear(answered);
  }
  clock.advance(70_000);
  assert.notEqual(last.firedAt, undefined);
  assert.ok(clock.wakes < 20, `${clock.wakes} wakes`);
});

test('after close nothing is pending, whatever is cleared or set then', () => {
  const clock = new HandClock();
  const deadlines = new Deadlines(clock, clock);
  const dropped = [new Recorded(clock), new Recorded(clock), new Recorded(clock)];
  for (const deadline of dropped) deadlines.set(deadline, 50);
  deadlines.close();
  for (const deadline of dropped) deadlines.clear(deadline);
  deadlines.set(new Recorded(clock), 50);
  assert.equal(deadlines.pending, 0);
  assert.ok(clock.idle);
  clock.advance(1000);
  assert.ok(dropped.every((deadline) => deadline.firedAt === undefined));
});
