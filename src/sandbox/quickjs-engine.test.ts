/** Functions that turn on what they run in. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QuickJsEngine, type SandboxOutcome } from './index.ts';

const limits = { runMsMax: 1000, memoryBytesMax: 16 * 2 ** 20, outputMax: 1000 };
const clock = { elapsedMs: () => 0 };
const engine = await QuickJsEngine.load(limits.memoryBytesMax);

function run(source: string): SandboxOutcome {
  return engine.run({ driver: 'hook', source, input: '{"n":1}', limits }, clock);
}

test('a function breaks nothing of the answer, whatever it changes', () => {
  const changes = [
    `Array.prototype.join = () => 'no JSON';`,
    `JSON.stringify = () => 'no JSON'; JSON.parse = () => 5;`,
    `Reflect.apply = () => 'no JSON'; String.prototype.slice = () => 'no JSON';`,
    `globalThis.Array = undefined; globalThis.JSON = undefined;`,
  ];
  for (const change of changes) {
    const outcome = run(`(o) => { ${change} return o; }`);
    assert.deepEqual(outcome, { kind: 'returned', results: ['{"n":1}'], ranMs: 0 }, change);
  }
});

test('what is thrown is told, whatever the function changes, or that it broke its surroundings', () => {
  const told = run(`() => { String.prototype.slice = () => 'x'.repeat(1e6); throw new Error('no'); }`);
  assert.ok(told.kind === 'threw' && told.error.message === 'no', JSON.stringify(told));
  for (const made of [`() => 'x'`, `() => undefined`, `() => null`, `() => ({ at: 'nowhere' })`]) {
    const outcome = run(`() => { Object.prototype.toJSON = ${made}; throw new Error('no'); }`);
    assert.ok(outcome.kind === 'threw', JSON.stringify(outcome));
    assert.equal(outcome.error.message, 'the function broke what it runs in');
  }
  assert.equal(engine.isSpoiled, false);
});

test('what is longer than it may be is no answer, however it was made', () => {
  const long = run(`() => 'x'.repeat(2000)`);
  assert.deepEqual(long, { kind: 'exceeded', limit: 'output', ranMs: 0 });
  const unmeasured = run(`() => {
    Object.defineProperty(Array.prototype, 0, { get: () => 'x'.repeat(2000), set() { this.length = 1; } });
    return 1;
  }`);
  assert.ok(unmeasured.kind !== 'returned' || unmeasured.results.join('').length <= limits.outputMax);
});
