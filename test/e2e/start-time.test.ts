/**
 * How long it takes from the start of the process to the first durable write: on an empty directory, and
 * after `kill -9` with many keys. Printed; only a generous bound fails.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import * as nodeModule from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import { FrameConnection } from './frame-connection.ts';
import { HaleSandbox } from './hale-process.ts';
import { SeededRun } from './seeded-run.ts';

const run = new SeededRun('start-time');
const keys = run.size(10_000, 100_000);
const valueBytes = 100;
const pipelineDepth = 64;
const connections = 4;
const progressEvery = 10_000;
/** On a machine that does much else; alone it is under one second. */
const emptyMsMax = 10_000;
const fullMsMax = 20_000;

test(`start to first durable write: empty, and with ${keys} keys after kill -9`, async (context) => {
  const sandbox = new HaleSandbox();
  context.after(() => sandbox.close());
  const empty = await startAndWrite(sandbox);
  context.diagnostic(`empty: ${empty.elapsedMs.toFixed(0)} ms`);
  assert.ok(empty.elapsedMs < emptyMsMax, `${empty.elapsedMs} ms`);
  const { node } = empty;
  for (let from = 0; from < keys; from += progressEvery) {
    await context.test(`preload from ${from}`, () => preload(node.protobufPort, from));
  }
  await node.kill();
  const full = await startAndWrite(sandbox);
  context.diagnostic(`${keys} keys, after kill -9: ${full.elapsedMs.toFixed(0)} ms`);
  assert.ok(full.elapsedMs < fullMsMax, `${full.elapsedMs} ms`);
  using connection = await FrameConnection.connect(full.node.protobufPort);
  for (let sample = 0; sample < 100; sample += 1) {
    const key = `k${run.below(keys)}`;
    assert.equal((await connection.get('many', key)).values.length, 1, key);
  }
});

async function startAndWrite(sandbox: HaleSandbox) {
  const started = performance.now();
  const node = await sandbox.start();
  using connection = await FrameConnection.connect(node.protobufPort);
  await connection.put('first', 'key', Buffer.from('value'));
  return { node, elapsedMs: performance.now() - started };
}

async function preload(port: number, from: number): Promise<void> {
  let next = from;
  const end = Math.min(from + progressEvery, keys);
  const value = Buffer.alloc(valueBytes, 'x');
  const client = async (): Promise<void> => {
    using connection = await FrameConnection.connect(port);
    const worker = async (): Promise<void> => {
      while (next < end) {
        const key = `k${next}`;
        next += 1;
        await connection.put('many', key, value);
      }
    };
    await Promise.all(Array.from({ length: pipelineDepth }, worker));
  };
  await Promise.all(Array.from({ length: connections }, client));
}

test('compiled code is kept for the next start where Node can, unless it is switched off', async (context) => {
  const sandbox = new HaleSandbox();
  context.after(() => sandbox.close());
  const kept = path.join(sandbox.directory, 'data', 'compiled');
  const startAndStop = async (...args: readonly string[]): Promise<void> => {
    const node = await sandbox.start('--data', path.dirname(kept), ...args);
    node.signal('SIGTERM');
    assert.equal((await node.finished()).code, 0);
  };
  await startAndStop('-o', 'compile_cache=off');
  assert.equal(existsSync(kept), false);
  await startAndStop();
  const isKept = 'enableCompileCache' in nodeModule;
  assert.equal(existsSync(kept), isKept);
  if (!isKept) return;
  const files = (): readonly string[] =>
    readdirSync(kept, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name));
  const written = files();
  assert.ok(written.length > 0);
  // Damaged, it is compiled anew.
  for (const file of written) writeFileSync(file, 'damaged');
  await startAndStop();
  assert.deepEqual(files(), written);
  assert.ok(written.every((file) => statSync(file).size > 'damaged'.length));
});
