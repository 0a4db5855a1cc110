/** Space is given back, also where the disk refuses, and what is refused is said. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { DiskError } from '../../environment/index.ts';
import { FaultyDisk, seeded } from '../memory/faulty-disk.fixture.ts';
import { type StorageEngine, StorageError, WriteBatch } from '../storage-engine.ts';
import { gauge, openLog, SMALL, turn } from './log-engine.fixture.ts';
import { RANGES_KEPT } from './log-limits.ts';

const KEYS = 200;

function nameOf(i: number): Buffer {
  return Buffer.from(`key-${String(i).padStart(3, '0')}`);
}

async function put(engine: StorageEngine, key: Buffer, value: string): Promise<void> {
  const batch = new WriteBatch();
  batch.put(key, Buffer.from(value));
  await engine.write(batch, 'synced');
}

async function fill(engine: StorageEngine, version: string): Promise<void> {
  for (let i = 0; i < KEYS; i++) await put(engine, nameOf(i), `${version}-${'v'.repeat(50)}`);
}

async function rest(turns = 600): Promise<void> {
  for (let i = 0; i < turns; i++) await turn();
}

/** Refuses what its test says. */
class RefusingDisk extends FaultyDisk {
  refusesRuns = false;
  refusedDirectorySyncs = 0;
  refusedRunRemovals = 0;
  /** What was done to names, in order. */
  readonly names: string[] = [];

  override open(path: string, options: { readonly create: boolean }) {
    const isRefused = this.refusesRuns && options.create && path.endsWith('.run');
    return isRefused ? Promise.reject(new DiskError('full', path, 'no space')) : super.open(path, options);
  }

  override async remove(path: string): Promise<void> {
    if (this.refusedRunRemovals > 0 && path.endsWith('.run')) {
      this.refusedRunRemovals -= 1;
      throw new DiskError('io', path, 'input/output error');
    }
    await super.remove(path);
    if (path.endsWith('.log')) this.names.push('removed');
  }

  override async syncDirectory(path: string): Promise<void> {
    if (this.refusedDirectorySyncs > 0 && this.names.at(-1) === 'removed') {
      this.refusedDirectorySyncs -= 1;
      this.names.push('refused');
      throw new DiskError('io', path, 'input/output error');
    }
    await super.syncDirectory(path);
    this.names.push('synced');
  }
}

test('a range that was deleted gives its space back, though nothing is written any more', async () => {
  const disk = new FaultyDisk(seeded(1));
  const engine = await openLog(disk, { ...SMALL, memtableEntriesMax: 20 });
  await fill(engine, 'a');
  await rest();
  const before = gauge(engine, 'log_bytes');
  await engine.deleteRange({ from: nameOf(20), to: nameOf(180) });
  await rest(3000);
  const after = gauge(engine, 'log_bytes');
  assert.ok(after < 0.5 * before, `${after} bytes are left of ${before}`);
  for (const i of [0, 19, 180, KEYS - 1]) assert.match(String(engine.get(nameOf(i))), /^a-/);
  for (const i of [20, 100, 179]) assert.equal(engine.get(nameOf(i)), undefined);
  await engine.close();
});

test('many ranges that are deleted while little is written have the index written anew a few times, not for ever', async () => {
  const disk = new FaultyDisk(seeded(4));
  const engine = await openLog(disk, { ...SMALL, memtableEntriesMax: 20 });
  await fill(engine, 'a');
  await rest();
  await put(engine, nameOf(0), 'of the memtable');
  const before = gauge(engine, 'log_index_written_entries');
  for (let i = 0; i < 3 * RANGES_KEPT; i++) {
    await engine.deleteRange({ from: Buffer.from(`nothing-${i}`), to: Buffer.from(`nothing-${i}+`) });
  }
  await rest(3000);
  const written = gauge(engine, 'log_index_written_entries') - before;
  assert.ok(written <= 3 * KEYS, `${written} entries were written, of ${KEYS}`);
  const kept = gauge(engine, 'log_deleted_ranges');
  assert.ok(kept <= 2 * RANGES_KEPT, `${kept} ranges are kept`);
  assert.equal(String(engine.get(nameOf(0))), 'of the memtable');
  await engine.close();
});

test('a range that is deleted where nothing is stored is not kept', async () => {
  const engine = await openLog(new FaultyDisk(seeded(5)));
  await engine.deleteRange({ from: nameOf(1), to: nameOf(2) });
  assert.equal(gauge(engine, 'log_deleted_ranges'), 0);
  await put(engine, nameOf(1), 'a');
  assert.equal(String(engine.get(nameOf(1))), 'a');
  await engine.deleteRange({ from: nameOf(1), to: nameOf(2) });
  assert.equal(engine.get(nameOf(1)), undefined);
  await engine.close();
});

test('G3: no segment is removed before the removal of the last one is on disk', async () => {
  const disk = new RefusingDisk(seeded(2));
  const engine = await openLog(disk);
  disk.refusedDirectorySyncs = 5;
  for (let round = 0; round < 6; round++) {
    await fill(engine, String(round));
    await rest(200);
  }
  assert.equal(disk.refusedDirectorySyncs, 0);
  let isSettled = true;
  let removed = 0;
  for (const deed of disk.names) {
    if (deed === 'removed') {
      assert.ok(isSettled, `${removed} were removed, and then one more`);
      removed += 1;
    }
    isSettled = deed === 'synced' || (isSettled && deed === 'refused');
  }
  assert.ok(removed > 20, `${removed} segments were removed`);
  await engine.close();
});

test('runs that were merged and could not be removed are removed later', async () => {
  const disk = new RefusingDisk(seeded(6));
  const engine = await openLog(disk);
  disk.refusedRunRemovals = 5;
  for (let round = 0; round < 3; round++) {
    await fill(engine, String(round));
    await rest();
  }
  assert.equal(disk.refusedRunRemovals, 0);
  const runs = (await disk.list('log')).filter((name) => name.endsWith('.run'));
  assert.equal(runs.length, gauge(engine, 'log_index_runs'));
  await engine.close();
});

test('while the index cannot be written out, writes fail with full and the engine says that it is failing', async () => {
  const disk = new RefusingDisk(seeded(3));
  const engine = await openLog(disk);
  disk.refusesRuns = true;
  const refusals: unknown[] = [];
  for (let i = 0; i < 60; i++) await put(engine, nameOf(i), 'a').catch((error) => refusals.push(error));
  assert.ok(refusals.length > 10, `${refusals.length} were refused`);
  for (const error of refusals) assert.ok(error instanceof StorageError && error.code === 'full');
  assert.equal(engine.health.kind, 'failing');
  assert.equal(String(engine.get(nameOf(0))), 'a');
  disk.refusesRuns = false;
  await put(engine, nameOf(1), 'b');
  await rest();
  assert.equal(engine.health.kind, 'healthy');
  assert.equal(String(engine.get(nameOf(1))), 'b');
  await engine.close();
});

test('an index that could not be written out is written out by itself when the disk takes it', async () => {
  const disk = new RefusingDisk(seeded(3));
  const engine = await openLog(disk);
  disk.refusesRuns = true;
  for (let i = 0; i < 60; i++) await put(engine, nameOf(i), 'a').catch(() => undefined);
  assert.equal(engine.health.kind, 'failing');
  disk.refusesRuns = false;
  for (let waited = 0; engine.health.kind === 'failing' && waited < 100; waited += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.equal(engine.health.kind, 'healthy', 'nobody has written since');
  await engine.close();
});
