import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '../environment/index.ts';
import { Deadline } from './deadline.ts';
import { HaleError } from './hale-error.ts';

class Time {
  readonly timers = {
    after: (delayMs: number, wake: () => void) => {
      const timer = { at: this.#now + delayMs, wake };
      this.#waiting.add(timer);
      return { cancel: () => void this.#waiting.delete(timer) };
    },
  };
  readonly clock = { now: () => this.#now as Instant };
  #now = 1000;
  readonly #waiting = new Set<{ readonly at: number; readonly wake: () => void }>();

  pass(ms: number): void {
    this.#now += ms;
    for (const timer of this.#waiting) {
      if (timer.at > this.#now) continue;
      this.#waiting.delete(timer);
      timer.wake();
    }
  }

  get timersLeft(): number {
    return this.#waiting.size;
  }
}

/** Counts its listeners. */
function countedSignal(): { controller: AbortController; listeners: () => number } {
  const controller = new AbortController();
  const { signal } = controller;
  const known = new Set<unknown>();
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    known.add(args[1]);
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    known.delete(args[1]);
    remove(...args);
  };
  return { controller, listeners: () => known.size };
}

test('a watch ends once, and leaves neither timer nor listener, however it ends', () => {
  for (const end of ['stop', 'time', 'signal'] as const) {
    const time = new Time();
    const { controller, listeners } = countedSignal();
    const reasons: string[] = [];
    const deadline = new Deadline(time, { signal: controller.signal }, 100);
    const stop = deadline.watch((reason) => reasons.push(reason.code));
    assert.deepEqual([time.timersLeft, listeners()], [1, 1]);
    if (end === 'stop') stop();
    if (end === 'time') time.pass(100);
    if (end === 'signal') controller.abort();
    controller.abort();
    time.pass(1000);
    assert.deepEqual(reasons, { stop: [], time: ['timeout'], signal: ['aborted'] }[end]);
    assert.deepEqual([time.timersLeft, listeners()], [0, 0]);
  }
});

test('a watch that begins after the signal fired ends as aborted, at once', () => {
  const time = new Time();
  const reasons: HaleError[] = [];
  const deadline = new Deadline(time, { signal: AbortSignal.abort('enough') }, 100);
  deadline.watch((reason) => reasons.push(reason));
  time.pass(0);
  assert.deepEqual([reasons[0]?.code, reasons[0]?.cause, time.timersLeft], ['aborted', 'enough', 0]);
});

test('a pause ends by itself or by the deadline, and leaves no timer', async () => {
  const time = new Time();
  const deadline = new Deadline(time, {}, 100);
  const short = deadline.pause(10);
  time.pass(10);
  await short;
  assert.equal(time.timersLeft, 0);
  const long = assert.rejects(deadline.pause(1000), (error) => error instanceof HaleError);
  time.pass(90);
  await long;
  assert.equal(time.timersLeft, 0);
});
