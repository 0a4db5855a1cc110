import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { cachedDataVersionTag } from 'node:v8';
import { SmallUntilBusy } from './small-until-busy.ts';

const deadlineMs = 20_000;
/** Code that is compiled under other flags has another tag. */
const usual = cachedDataVersionTag();

/** A node that has begun; how much processor time the test's process has taken, its time, and what looks at both. */
function begun(context: TestContext) {
  const machine = { processorMs: 0, at: 0 };
  context.mock.timers.enable({ apis: ['setInterval'] });
  context.mock.method(process, 'cpuUsage', () => ({ user: machine.processorMs * 1000, system: 0 }));
  context.mock.method(performance, 'now', () => machine.at);
  const small = new SmallUntilBusy();
  small.begin();
  return {
    small,
    /** Takes `share` of a core for `ms`; whether it is small then. */
    run: (share: number, ms: number) => {
      for (let passed = 0; passed < ms; passed += 50) {
        machine.at += 50;
        machine.processorMs += share * 50;
        context.mock.timers.tick(50);
      }
      return cachedDataVersionTag() !== usual;
    },
  };
}

test('an idle node stays small, and one that is busy for a moment does not', (context) => {
  const { small, run } = begun(context);
  assert.equal(run(0.9, 700), true, 'a start is no work');
  small.started();
  assert.equal(run(0.9, 100), true, 'nor is what is left of it');
  assert.equal(run(0.04, 60_000), true);
  assert.equal(run(0.7, 500), false);
  assert.equal(run(0, 60_000), false);
});

test('moments of work far apart do not add up', (context) => {
  const { small, run } = begun(context);
  small.started();
  for (let moment = 0; moment < 100; moment++) {
    assert.equal(run(0.6, 250), true);
    assert.equal(run(0.02, 5000), true);
  }
});

test('a node with little to do for long is busy as well', (context) => {
  const { small, run } = begun(context);
  small.started();
  assert.equal(run(0.12, 2_000), true);
  assert.equal(run(0.12, 250), false);
});

test('a start that takes long is not interpreted to its end', (context) => {
  const { run } = begun(context);
  assert.equal(run(1, 750), true);
  assert.equal(run(1, 250), false);
});

test('what has to be done while it is small is done once, before V8 is told otherwise', (context) => {
  const { small, run } = begun(context);
  const tags: number[] = [];
  small.before(() => tags.push(cachedDataVersionTag()));
  small.started();
  run(1, 1000);
  assert.equal(tags.length, 1);
  assert.notEqual(tags[0], usual);
  small.before(() => tags.push(0));
  run(1, 1000);
  assert.equal(tags.length, 1);
});

test('a process that does nothing but compute is busy by the real clocks', async () => {
  const small = new SmallUntilBusy();
  small.begin();
  small.started();
  assert.notEqual(cachedDataVersionTag(), usual);
  const givenUpAt = performance.now() + deadlineMs;
  while (cachedDataVersionTag() !== usual) {
    assert.ok(performance.now() < givenUpAt, 'it was not taken for busy');
    for (const until = performance.now() + 50; performance.now() < until; );
    await new Promise((resolve) => setImmediate(resolve));
  }
});
