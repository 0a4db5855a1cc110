/** A segment that has lost its end, as a file system's check may leave it: what was there is corrupt, never missing. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { FaultyDisk, seeded } from '../memory/faulty-disk.fixture.ts';
import { type StorageEngine, StorageError, WriteBatch } from '../storage-engine.ts';
import { gauge, openLog, SMALL, turn } from './log-engine.fixture.ts';
import { FRAME_MAGIC } from './log-record.ts';
import type { LogDamage } from './log-scan.ts';

const KEYS = 200;

function nameOf(i: number): Buffer {
  return Buffer.from(`key-${String(i).padStart(3, '0')}`);
}

async function put(engine: StorageEngine, i: number, version: string): Promise<void> {
  const batch = new WriteBatch();
  batch.put(nameOf(i), Buffer.from(`${version}-${'v'.repeat(50)}`));
  await engine.write(batch, 'synced');
}

async function fill(engine: StorageEngine): Promise<void> {
  for (let i = 0; i < KEYS; i++) await put(engine, i, 'a');
}

async function rest(turns = 600): Promise<void> {
  for (let i = 0; i < turns; i++) await turn();
}

async function segmentPaths(disk: FaultyDisk): Promise<readonly string[]> {
  const names = await disk.list('log');
  return names.filter((name) => name.endsWith('.log')).map((name) => `log/${name}`);
}

async function cut(disk: FaultyDisk, path: string, length: number): Promise<void> {
  const file = await disk.open(path, { create: false });
  await file.truncate(length);
  await file.sync();
  await file.close();
}

/** Which keys are corrupt; all others read as version a, or another that is told of. */
function corruptKeys(engine: StorageEngine, versions = /^a-/): readonly number[] {
  const corrupt: number[] = [];
  for (let i = 0; i < KEYS; i++) {
    try {
      assert.match(String(engine.get(nameOf(i))), versions);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      assert.equal(error.code, 'corrupt');
      corrupt.push(i);
    }
  }
  return corrupt;
}

/** Of the second segment, between two frames: nothing that is left looks damaged. */
async function cutSealed(disk: FaultyDisk, share: number): Promise<string> {
  const path = (await segmentPaths(disk))[1]!;
  const bytes = disk.bytesOf(path);
  await cut(disk, path, bytes.indexOf(FRAME_MAGIC, share * bytes.length));
  return path;
}

test('what a segment has lost at its end is corrupt, never missing, and told where keys were in it', async () => {
  const disk = new FaultyDisk(seeded(4));
  const tuning = { ...SMALL, memtableEntriesMax: 20, garbageShare: 1 };
  let engine = await openLog(disk, tuning);
  await fill(engine);
  await rest();
  await engine.close();
  const path = await cutSealed(disk, 0.5);
  engine = await openLog(disk, tuning);
  const corrupt = corruptKeys(engine);
  assert.ok(corrupt.length > 5, `${corrupt.length} were in what is lost`);
  assert.ok(corrupt.length < KEYS / 2);
  await engine.close();
  await disk.remove('log/manifest');
  const damages: LogDamage[] = [];
  engine = await openLog(disk, tuning, damages);
  assert.ok(
    damages.some(({ kind, file }) => kind === 'rot that hides keys' && file === path),
    JSON.stringify(damages),
  );
  await engine.close();
});

test('a collection of what is left of it copies the rest as lost', async () => {
  const disk = new FaultyDisk(seeded(5));
  let engine = await openLog(disk, { ...SMALL, garbageShare: 1 });
  await fill(engine);
  await rest();
  await engine.close();
  const path = await cutSealed(disk, 0.7);
  engine = await openLog(disk);
  const corrupt = corruptKeys(engine);
  assert.ok(corrupt.length > 5, `${corrupt.length} were in what is lost`);
  for (let i = 0; i < KEYS; i++) if (!corrupt.includes(i)) await put(engine, i, 'b');
  await rest();
  assert.ok(!(await segmentPaths(disk)).includes(path), 'it was collected');
  assert.deepEqual(corruptKeys(engine, /^b-/), corrupt);
  await engine.close();
  await disk.remove('log/manifest');
  engine = await openLog(disk);
  assert.deepEqual(corruptKeys(engine, /^b-/), corrupt, 'from the log alone');
  await engine.close();
});

test('a log that ends before the checkpoint is opened, and it is told once', async () => {
  const tuning = { ...SMALL, segmentBytesMax: 100_000, memtableEntriesMax: 30 };
  // In the midst of a page; and so that nothing of the segment counts.
  for (const length of [10_000, 500]) {
    const disk = new FaultyDisk(seeded(6));
    let engine = await openLog(disk, tuning);
    await fill(engine);
    await rest();
    assert.ok(gauge(engine, 'log_memtable_entries') < KEYS / 2);
    await engine.close();
    const [path] = await segmentPaths(disk);
    await cut(disk, path!, length);
    const damages: LogDamage[] = [];
    engine = await openLog(disk, tuning, damages);
    assert.deepEqual(
      damages.map(({ file, kind }) => ({ file, kind })),
      [{ file: path, kind: 'rot that hides keys' }],
    );
    assert.ok(damages[0]!.from <= length && damages[0]!.to > length);
    const corrupt = corruptKeys(engine, /^a-|^undefined$/);
    assert.ok(corrupt.length > 30, `${corrupt.length} were in what is lost`);
    // Pages are kept when they are asked for again: not beyond what is there.
    for (let i = 0; i < 3; i++) assert.deepEqual(corruptKeys(engine, /^a-|^undefined$/), corrupt);
    await put(engine, 0, 'b');
    await engine.close();
    damages.length = 0;
    engine = await openLog(disk, tuning, damages);
    assert.deepEqual(damages, [], 'it was told');
    assert.match(String(engine.get(nameOf(0))), /^b-/);
    assert.deepEqual(
      corruptKeys(engine, /^[ab]-|^undefined$/),
      corrupt.filter((i) => i !== 0),
    );
    await engine.close();
  }
});
