/** `kill -9` of a process that writes through the LevelDB engine: nothing acknowledged is lost. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Durability, type StorageEngine, WriteBatch } from '../storage-engine.ts';
import { openLevelEngine } from './level-engine.ts';

const KILLS = 6;
const KEYS_PER_BATCH = 8;
const CHILD_DIRECTORY = 'HALE_KILL_TEST_DIRECTORY';

const environment = {
  timers: { after: () => ({ cancel: () => {} }) },
  tasks: {
    spawn: () => assert.fail('no recovery is expected'),
    endOfTurn: (run: () => void) => void setImmediate(run),
  },
};

function key(batch: number, i: number): Buffer {
  return Buffer.from(`${String(batch).padStart(8, '0')}/${i}`);
}

/** In the child: writes batch after batch from the first free number on, and prints each that is acknowledged. */
async function writeForever(directory: string): Promise<void> {
  const engine = await openLevelEngine({ directory }, environment);
  let number = 0;
  while (engine.get(key(number, 0)) !== undefined) number += 1;
  for (; ; number++) {
    const batch = new WriteBatch();
    for (let i = 0; i < KEYS_PER_BATCH; i++) batch.put(key(number, i), Buffer.alloc(200, number & 0xff));
    const durability: Durability = number % 2 === 0 ? 'synced' : 'os';
    await engine.write(batch, durability);
    process.stdout.write(`${number}\n`);
  }
}

/** The highest acknowledged batch. */
async function writeUntilKilled(directory: string, afterMs: number): Promise<number> {
  const env = { ...process.env, [CHILD_DIRECTORY]: directory };
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url)], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  child.stdout.on('data', (chunk: Buffer) => {
    if (printed === '') setTimeout(() => child.kill('SIGKILL'), afterMs);
    printed += chunk.toString();
  });
  await once(child, 'close');
  const lines = printed.split('\n').slice(0, -1);
  assert.ok(lines.length > 0, 'the child acknowledged something');
  return Number(lines.at(-1));
}

function check(engine: StorageEngine, acknowledged: number): void {
  for (let number = 0; ; number++) {
    const values = Array.from({ length: KEYS_PER_BATCH }, (_, i) => engine.get(key(number, i)));
    const present = values.filter((value) => value?.equals(Buffer.alloc(200, number & 0xff))).length;
    assert.ok(present === 0 || present === KEYS_PER_BATCH, `batch ${number} shows in part`);
    if (number <= acknowledged) assert.equal(present, KEYS_PER_BATCH, `batch ${number} is lost`);
    else if (present === 0) return;
  }
}

const childDirectory = process.env[CHILD_DIRECTORY];
if (childDirectory !== undefined) {
  await writeForever(childDirectory);
} else {
  test(`kill -9, ${KILLS} times: no acknowledged batch is lost, none shows in part`, async () => {
    const parent = await mkdtemp(join(tmpdir(), 'hale-kill-'));
    try {
      const directory = join(parent, 'data');
      for (let kill = 0; kill < KILLS; kill++) {
        const acknowledged = await writeUntilKilled(directory, 15 + kill * 25);
        const engine = await openLevelEngine({ directory }, environment);
        check(engine, acknowledged);
        await engine.close();
      }
    } finally {
      await rm(parent, { recursive: true });
    }
  });
}
