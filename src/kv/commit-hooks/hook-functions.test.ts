/** What a function of a stranger may answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '../../environment/index.ts';
import type { Sandbox, SandboxOutcome } from '../../sandbox/index.ts';
import { defaultHookSettings, HookFunctions } from './index.ts';

function functionsThatAnswer(outcome: SandboxOutcome): HookFunctions {
  const sandbox: Sandbox = {
    engine: 'told',
    counts: { calls: 0, failures: 0, exceeded: 0, running: 0, waiting: 0 },
    run: () => Promise.resolve(outcome),
    close: () => Promise.resolve(),
  };
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const clock = { now: () => 0 as Instant, wallMicros: () => 0 as never };
  return new HookFunctions({
    environment: { clock, log },
    sandbox,
    settings: defaultHookSettings,
    get: () => assert.fail('a built-in function is not read'),
  });
}

const hook = { name: 'Hale.requireJson' };

test('an answer that is no JSON, or nested too deep, is a rejection and no accident', async () => {
  const deep = `${'['.repeat(100)}${']'.repeat(100)}`;
  for (const result of ['no JSON', '{"values":', '', deep]) {
    const functions = functionsThatAnswer({ kind: 'returned', results: [result], ranMs: 1 });
    await assert.rejects(functions.call(hook, '{}'), { name: 'Rejection', message: 'precommit_fail' });
  }
});

test('an answer that is JSON is given back as it is; none is null', async () => {
  const given = functionsThatAnswer({ kind: 'returned', results: ['{"a":1}'], ranMs: 1 });
  assert.equal(await given.call(hook, '{}'), '{"a":1}');
  const nothing = functionsThatAnswer({ kind: 'returned', results: [], ranMs: 1 });
  assert.equal(await nothing.call(hook, '{}'), 'null');
});
