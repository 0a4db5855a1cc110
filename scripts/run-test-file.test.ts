import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { runTestFile, type TestFileResult } from './run-test-file.ts';

/** Long enough for a process to start on a busy machine. */
const silenceMs = 4_000;

async function runSample(...lines: readonly string[]): Promise<TestFileResult> {
  const folder = mkdtempSync(path.join(tmpdir(), 'hale-test-file-'));
  try {
    const file = path.join(folder, 'sample.test.mjs');
    writeFileSync(file, [`import { describe, test } from 'node:test';`, ...lines].join('\n'));
    return await runTestFile(file, folder, silenceMs);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const failuresOf = ({ failures }: TestFileResult): readonly string[] =>
  failures.map(({ name, reason }) => `${name}: ${reason.split('\n')[0]}`);

test('passes are counted, suites are not', async () => {
  const result = await runSample(
    `test('a', () => {});`,
    `describe('s', () => { test('b', () => {}); test('c', async () => {}); });`,
  );
  assert.deepEqual([result.passed, failuresOf(result)], [3, []]);
});

test('a failure has the name of the innermost test and its reason, and what was printed is kept', async () => {
  const result = await runSample(
    `test('a', () => {});`,
    `describe('s', () => { test('b', () => { console.log('seed 7'); throw new Error('broken'); }); });`,
  );
  assert.deepEqual([result.passed, failuresOf(result)], [1, ['b: Error: broken']]);
  assert.match(result.output, /seed 7/);
});

test('what a test has measured is kept, and not what the runner counts', async () => {
  const { notes } = await runSample(
    `test('a', (context) => { context.diagnostic('171 partitions moved'); });`,
    `test('b', async (context) => { await context.test('c', (inner) => inner.diagnostic('tests of 3 ms')); });`,
  );
  assert.deepEqual(notes, ['171 partitions moved', 'tests of 3 ms']);
});

test('a skipped test fails: it proves nothing', async () => {
  const result = await runSample(`test('a', () => {});`, `test.skip('b', () => {});`);
  assert.deepEqual(failuresOf(result), ['b: skipped: a test that does not run proves nothing']);
});

test('a test that hangs is killed and named; one that leaves a timer behind too', async () => {
  const [hung, leaked] = await Promise.all([
    runSample(`test('a', () => {});`, `test('waits', () => new Promise((r) => setTimeout(r, 1e6)));`),
    runSample(`test('a', () => { setInterval(() => {}, 1000); });`),
  ]);
  assert.deepEqual(failuresOf(hung), ['waits: hung: killed after 4 s']);
  assert.equal(leaked.failures.length, 1);
  assert.match(failuresOf(leaked)[0]!, /its tests ended, its process did not/);
});

test('a file without a test, one that exits early and one that does not load fail', async () => {
  const results = await Promise.all([
    runSample(''),
    runSample(`test('a', async () => { process.exit(3); });`),
    runSample(`import './missing.mjs';`),
  ]);
  assert.deepEqual(
    results.map(({ failures }) => failures.length > 0),
    [true, true, true],
  );
});
