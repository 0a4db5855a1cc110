import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cachedDataVersionTag } from 'node:v8';
import { isBusy, staySmallUntilBusy } from './small-until-busy.ts';
import { V8Flags } from './v8-flags.ts';

const deadlineMs = 20_000;

test('busy is who takes a twenty-fifth of a core after the first second of processor time', () => {
  assert.deepEqual(
    [isBusy(1, 999), isBusy(0.03, 60_000), isBusy(0.04, 1000), isBusy(1.8, 60_000)],
    [false, false, true, true],
  );
});

test('V8 is told to stay small, and to do as usual once the process is busy', async () => {
  const usual = cachedDataVersionTag();
  staySmallUntilBusy(new V8Flags());
  assert.notEqual(cachedDataVersionTag(), usual, 'what is compiled under other flags has another tag');
  const givenUpAt = performance.now() + deadlineMs;
  while (cachedDataVersionTag() !== usual) {
    assert.ok(performance.now() < givenUpAt, 'a process that did nothing but compute was not taken for busy');
    for (const until = performance.now() + 100; performance.now() < until; );
    await new Promise((resolve) => setImmediate(resolve));
  }
});
