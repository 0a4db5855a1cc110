/**
 * `kill -9` of a process that writes through the log engine to a real disk: nothing acknowledged is lost, and what was
 * written ahead of the end is told from damage.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { nodeEnvironment, silentLog, throwUncaught } from '../../runtime/index.ts';
import { type Durability, type StorageEngine, WriteBatch } from '../storage-engine.ts';
import type { LogDamage } from './log-scan.ts';
import { openLogEngine } from './open-log-engine.ts';

const kills = 6;
const keysPerBatch = 8;
/** Of so many numbers keys are written again, so that segments are collected meanwhile. */
const kept = 200;
const childDirectory = process.env.HALE_KILL_TEST_DIRECTORY;

function open(directory: string, damages: LogDamage[] = []): Promise<StorageEngine> {
  const environment = nodeEnvironment({ dataDirectory: directory, log: silentLog, crash: throwUncaught });
  const tuning = { segmentBytesMax: 400_000, memtableEntriesMax: 300 };
  const damaged = (damage: LogDamage) => void damages.push(damage);
  return openLogEngine({ disk: environment.disk, directory: 'log', tuning, damaged }, environment);
}

function key(batch: number, i: number): Buffer {
  return Buffer.from(`${batch % kept}/${i}`);
}

function valueWith(batch: number): Buffer {
  return Buffer.from(`${batch} ${'-'.repeat(200)}`);
}

function numberAt(engine: StorageEngine, batch: number, i: number): number {
  const value = engine.get(key(batch, i));
  return value === undefined ? -1 : Number(value.toString().split(' ')[0]);
}

/** In the child: writes batch after batch behind what is there, and prints each that is acknowledged. */
async function writeForever(directory: string): Promise<void> {
  const engine = await open(directory);
  let number = -1;
  for (let batch = 0; batch < kept; batch += 1) number = Math.max(number, numberAt(engine, batch, 0));
  for (number += 1; ; number += 1) {
    const batch = new WriteBatch();
    for (let i = 0; i < keysPerBatch; i += 1) batch.put(key(number, i), valueWith(number));
    const durability: Durability = number % 5 === 0 ? 'os' : 'synced';
    await engine.write(batch, durability);
    process.stdout.write(`${number}\n`);
  }
}

/** The highest acknowledged batch. */
async function writeUntilKilled(directory: string, afterMs: number): Promise<number> {
  const env = { ...process.env, HALE_KILL_TEST_DIRECTORY: directory };
  const stdio = ['ignore', 'pipe', 'inherit'] as const;
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url)], { env, stdio: [...stdio] });
  let printed = '';
  child.stdout!.on('data', (chunk: Buffer) => {
    if (printed === '') setTimeout(() => child.kill('SIGKILL'), afterMs);
    printed += chunk.toString();
  });
  await once(child, 'close');
  const lines = printed.split('\n').slice(0, -1);
  assert.ok(lines.length > 0, 'the child acknowledged something');
  return Number(lines.at(-1));
}

/** Of each key the newest batch is there that was acknowledged, or one behind it; batches are whole. */
function check(engine: StorageEngine, acknowledged: number): void {
  for (let batch = Math.max(0, acknowledged - kept + 1); batch <= acknowledged; batch += 1) {
    const numbers = Array.from({ length: keysPerBatch }, (_, i) => numberAt(engine, batch, i));
    assert.equal(new Set(numbers).size, 1, `batch ${batch} shows in part: ${numbers.join(' ')}`);
    assert.ok(numbers[0]! >= batch, `batch ${batch} is lost`);
  }
}

if (childDirectory !== undefined) {
  await writeForever(childDirectory);
} else {
  test(`kill -9, ${kills} times: no acknowledged batch is lost, none shows in part, nothing passes for rot`, async () => {
    const parent = await mkdtemp(join(tmpdir(), 'hale-kill-'));
    try {
      let before = -1;
      for (let kill = 0; kill < kills; kill += 1) {
        const acknowledged = await writeUntilKilled(parent, 30 + kill * 60);
        assert.ok(acknowledged > before, 'it goes on from where it was');
        before = acknowledged;
        const damages: LogDamage[] = [];
        const engine = await open(parent, damages);
        check(engine, acknowledged);
        assert.deepEqual(
          damages.filter(({ kind }) => kind.startsWith('rot')),
          [],
        );
        await engine.close();
      }
    } finally {
      await rm(parent, { recursive: true });
    }
  });
}
