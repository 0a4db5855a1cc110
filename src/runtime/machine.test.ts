/** The small parts of the machine: clock, timers, tasks, random, logs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MachineClock } from './clock.ts';
import { HumanLogStream } from './human-log-stream.ts';
import { silentLog } from './log.ts';
import { nodeEnvironment } from './node-environment.ts';
import { MachineRandom } from './random.ts';
import { MachineTasks } from './tasks.ts';
import { MachineTimers } from './timers.ts';

const noCrash = (activity: string, error: unknown): never => {
  throw new Error(`crash in ${activity}`, { cause: error });
};

test('wall stamps of one node differ, also when the clock steps back a little', () => {
  let wallMillis = 1000;
  const clock = new MachineClock(() => wallMillis);
  const stamps = [clock.wallMicros(), clock.wallMicros()];
  wallMillis = 999;
  stamps.push(clock.wallMicros());
  wallMillis = 1001;
  stamps.push(clock.wallMicros());
  assert.deepEqual(stamps, [1_000_000, 1_000_001, 1_000_002, 1_001_000]);
});

test('a wall clock that was set back for good is followed', () => {
  let wallMillis = 10_000_000;
  const clock = new MachineClock(() => wallMillis);
  clock.wallMicros();
  wallMillis = 5_000_000;
  assert.equal(clock.wallMicros(), 5_000_000_000);
});

test('a timer is never early, and does not fire once cancelled', async () => {
  const timers = new MachineTimers(noCrash);
  const cancelled = timers.after(1, () => assert.fail('cancelled'));
  cancelled.cancel();
  cancelled.cancel();
  const early = await Promise.all(
    Array.from({ length: 50 }, (_, i) => {
      const start = performance.now();
      const delayMs = 1 + i / 10;
      return new Promise<boolean>((resolve) => {
        timers.after(delayMs, () => resolve(performance.now() - start < delayMs));
      });
    }),
  );
  assert.deepEqual(early, Array(50).fill(false));
});

test('a timer of two months does not fire at once', async () => {
  const timer = new MachineTimers(noCrash).after(60 * 86_400_000, () => assert.fail('fired'));
  await new Promise((resolve) => setTimeout(resolve, 10));
  timer.cancel();
});

test('the end of a turn comes once, after its input, with what it puts off itself', async () => {
  const tasks = new MachineTasks(noCrash);
  const order: string[] = [];
  tasks.endOfTurn(() => {
    order.push('storage');
    tasks.endOfTurn(() => order.push('network'));
  });
  tasks.endOfTurn(() => order.push('storage 2'));
  setImmediate(() => order.push('next'));
  process.nextTick(() => order.push('input'));
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(order, ['input', 'storage', 'storage 2', 'network', 'next']);
});

test('a callback that renews itself does not hold the loop', async () => {
  const tasks = new MachineTasks(noCrash);
  let isStopped = false;
  const renew = (): void => {
    if (!isStopped) tasks.endOfTurn(renew);
  };
  renew();
  await new Promise((resolve) => setTimeout(resolve, 2));
  isStopped = true;
});

test('a task, a timer and an end of turn that fail crash the node, once, by the first failure', async () => {
  const crashes: string[] = [];
  const logged: string[] = [];
  const environment = nodeEnvironment({
    log: { ...silentLog, error: (_message, fields) => logged.push(String(fields?.activity)) },
    crash: (activity) => crashes.push(activity),
  });
  environment.tasks.spawn('repair', async () => {
    throw new Error('bug');
  });
  environment.tasks.endOfTurn(() => {
    throw new Error('bug');
  });
  environment.timers.after(10, () => {
    throw new Error('bug');
  });
  await new Promise((resolve) => setTimeout(resolve, 40));
  await environment.close();
  assert.deepEqual(crashes, ['repair']);
  assert.deepEqual(logged, ['repair', 'end of turn', 'timer']);
});

test('random numbers fill their range, and bytes are not handed out twice', () => {
  const random = new MachineRandom();
  const fractions = Array.from({ length: 10_000 }, () => random.fraction());
  const words = Array.from({ length: 10_000 }, () => random.u32());
  assert.ok(fractions.every((fraction) => fraction >= 0 && fraction < 1));
  assert.ok(fractions.some((fraction) => fraction < 0.01) && fractions.some((fraction) => fraction > 0.99));
  assert.ok(words.some((word) => word >= 2 ** 31) && words.every(Number.isInteger));
  const seen = new Set(Array.from({ length: 2_000 }, () => random.bytes(16).toString('hex')));
  assert.equal(seen.size, 2_000);
  assert.equal(random.bytes(10_000).length, 10_000);
});

test('a log line for people', () => {
  const lines: string[] = [];
  const stream = new HumanLogStream((line) => lines.push(line), false);
  const base = { time: '2026-01-02T03:04:05.678Z', level: 'warn', message: 'disk is slow' };
  stream.write(JSON.stringify({ ...base, ms: 412, file: 'a b', key: '\u001b[2J' }));
  stream.write(JSON.stringify(base));
  assert.deepEqual(lines, [
    '03:04:05.678 warn  disk is slow  ms=412 file="a b" key=\ufffd[2J\n',
    '03:04:05.678 warn  disk is slow\n',
  ]);
});
