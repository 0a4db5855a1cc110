/** What a start forgets of itself when its engine has met damage, on a real disk. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { type BackendKind, configurationWith } from '../config/index.ts';
import { doubtfulRanges } from '../kv/index.ts';
import { nodeEnvironment, silentLog } from '../runtime/index.ts';
import type { StorageEngine } from '../storage/index.ts';
import { startNode } from './index.ts';
import { openEngine } from './open-engine.ts';

const ringSize = 8;

/** How many records each of the doubtful ranges has. */
async function doubtful(engine: StorageEngine): Promise<number[]> {
  const counts: number[] = [];
  for (const range of doubtfulRanges) {
    const cursor = engine.scan(range, { keysOnly: true });
    counts.push((await cursor.next({ entriesMax: 100, bytesMax: 10_000 })).length);
    await cursor.close();
  }
  return counts;
}

const spoiled: readonly [BackendKind, (directory: string) => void][] = [
  ['leveldb', (directory) => writeFileSync(path.join(directory, 'storage-repair'), '')],
  [
    'log',
    (directory) => {
      const [segment] = readdirSync(path.join(directory, 'log')).filter((name) => name.endsWith('.log'));
      const file = path.join(directory, 'log', segment!);
      const bytes = readFileSync(file);
      // The head of a frame that is not the last.
      bytes.fill(0xff, 1024, 1034);
      writeFileSync(file, bytes);
    },
  ],
];

for (const [kind, spoil] of spoiled) {
  test(`${kind}: after damage no identity, no saved hash tree and no check of indexes is believed`, async (context) => {
    const directory = mkdtempSync(path.join(tmpdir(), 'hale-open-'));
    const environment = nodeEnvironment({
      dataDirectory: directory,
      log: silentLog,
      crash: (activity, error) => assert.fail(`${activity}: ${String(error)}`),
    });
    context.after(async () => {
      await environment.close();
      rmSync(directory, { recursive: true });
    });
    const configuration = configurationWith({
      'listener.http.internal': 'off',
      'listener.protobuf.internal': 'off',
      'listener.cluster.internal': 'off',
      ring_size: ringSize,
      storage_backend: kind,
    });
    const node = await startNode(configuration, {
      environment,
      version: '0.0.0',
      dataDirectory: directory,
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    await node.stop();
    const open = () => openEngine(configuration, directory, environment);
    const sound = await open();
    assert.deepEqual(await doubtful(sound), [ringSize, 1, 1], 'what a clean stop left');
    await sound.close();
    spoil(directory);
    const damaged = await open();
    assert.deepEqual(await doubtful(damaged), [0, 0, 0]);
    await damaged.close();
  });
}
