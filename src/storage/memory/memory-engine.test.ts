import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import type { Environment } from '../../environment/index.ts';
import { type StorageEngine, StorageError, WriteBatch } from '../storage-engine.ts';
import { storageEngineConformance } from '../storage-engine-conformance.ts';
import { FaultyDisk, seeded } from './faulty-disk.fixture.ts';
import type { JournalDamage } from './journal-replay.ts';
import { openMemoryEngine } from './open-memory-engine.ts';

const environment: Pick<Environment, 'timers' | 'tasks'> = {
  timers: {
    after: (_delayMs, wake) => {
      const soon = setImmediate(wake);
      return { cancel: () => clearImmediate(soon) };
    },
  },
  tasks: {
    spawn: (_name, body) => void body(),
    endOfTurn: (run) => void setImmediate(run),
  },
};

function open(
  disk: FaultyDisk,
  damages: JournalDamage[] = [],
  directory = 'journal',
  compactionDeadBytesMin = 3000,
): Promise<StorageEngine> {
  const damaged = (damage: JournalDamage) => void damages.push(damage);
  return openMemoryEngine({ journal: { disk, directory, damaged, compactionDeadBytesMin } }, environment);
}

storageEngineConformance('memory', async () => ({
  engine: await openMemoryEngine({}, environment),
  remove: async () => {},
}));

storageEngineConformance('memory with a journal', async () => {
  const disk = new FaultyDisk(seeded(1));
  return {
    engine: await open(disk, [], 'journal', 1024 * 1024),
    persistence: {
      copyDirectory: 'copy',
      reopen: () => open(disk),
      openCopy: () => open(disk, [], 'copy'),
    },
    remove: async () => {},
  };
});

const SHARED_KEYS = 5;
/** Big enough that what is overwritten outweighs what lives, so that compactions happen. */
const SHARED_VALUE_BYTES = 1000;

interface Written {
  readonly id: number;
  readonly width: number;
  readonly shared: string;
  acknowledged: boolean;
}

/** Batch `id`: `width` keys of its own, and one that later batches overwrite. */
function batchOf(written: Written): WriteBatch {
  const batch = new WriteBatch();
  for (let i = 0; i < written.width; i++)
    batch.put(own(written.id, i), Buffer.alloc(20 + i * 30, written.id & 0xff));
  batch.put(Buffer.from(written.shared), Buffer.from(String(written.id).padEnd(SHARED_VALUE_BYTES)));
  return batch;
}

function own(id: number, i: number): Buffer {
  return Buffer.from(`own-${id}-${i}`);
}

function check(engine: StorageEngine, history: readonly Written[], seed: number): void {
  const newest = new Map<string, number>();
  for (const written of history) {
    let present = 0;
    for (let i = 0; i < written.width; i++) {
      const value = engine.get(own(written.id, i));
      if (value === undefined) continue;
      assert.ok(value.equals(Buffer.alloc(20 + i * 30, written.id & 0xff)), `seed ${seed}: a wrong value`);
      present += 1;
    }
    assert.ok(present === 0 || present === written.width, `seed ${seed}: batch ${written.id} shows in part`);
    if (!written.acknowledged) continue;
    assert.equal(present, written.width, `seed ${seed}: acknowledged batch ${written.id} is lost`);
    newest.set(written.shared, written.id);
  }
  for (const [shared, id] of newest) {
    const found = Number(engine.get(Buffer.from(shared)));
    assert.ok(found >= id, `seed ${seed}: ${shared} went back from ${id} to ${found}`);
  }
}

/** Writes until the disk stops or `count` batches are through. */
async function writeSome(
  engine: StorageEngine,
  disk: FaultyDisk,
  history: Written[],
  count: number,
  fraction: () => number,
): Promise<void> {
  for (let n = 0; n < count && !disk.isDead; n++) {
    const written: Written = {
      id: history.length,
      width: 1 + Math.floor(fraction() * 4),
      shared: `shared-${Math.floor(fraction() * SHARED_KEYS)}`,
      acknowledged: false,
    };
    history.push(written);
    const synced = fraction() < 0.7;
    const writing = engine.write(batchOf(written), synced ? 'synced' : 'os').then(
      () => {
        written.acknowledged = synced && !disk.isDead;
      },
      (error: unknown) => assert.ok(error instanceof StorageError, String(error)),
    );
    if (fraction() < 0.7) await writing;
    if (engine.health.kind === 'failing' && fraction() < 0.8)
      await new Promise((resolve) => setImmediate(resolve));
  }
}

test('3,000 crashes: no acknowledged batch is lost, none shows in part', async () => {
  let acknowledged = 0;
  let failed = 0;
  for (let seed = 1; seed <= 1000; seed++) {
    const fraction = seeded(seed);
    const history: Written[] = [];
    let disk = new FaultyDisk(fraction);
    for (let life = 0; life < 3; life++) {
      const engine = await open(disk);
      check(engine, history, seed);
      disk.callsLeft = Math.floor(fraction() * 90);
      if (seed % 3 === 0) disk.failures = 0.05;
      await Promise.race([writeSome(engine, disk, history, 40, fraction), disk.stopped]);
      disk.isDead = true;
      if (engine.health.kind === 'failing') failed += 1;
      disk = disk.crash();
    }
    const engine = await open(disk);
    check(engine, history, seed);
    acknowledged += history.filter((written) => written.acknowledged).length;
    await engine.close();
  }
  assert.ok(acknowledged > 10_000, `${acknowledged} batches were acknowledged`);
  assert.ok(failed > 20, `${failed} lives ended while failing`);
});

async function put(engine: StorageEngine, name: string, value: string): Promise<void> {
  const batch = new WriteBatch();
  batch.put(Buffer.from(name), Buffer.from(value));
  await engine.write(batch, 'synced');
}

function isStorageError(code: StorageError['code']) {
  return (error: unknown) => error instanceof StorageError && error.code === code;
}

async function settled(engine: StorageEngine): Promise<void> {
  while (engine.health.kind === 'failing') await new Promise((resolve) => setImmediate(resolve));
}

test('a full disk: writes fail with full, reads go on, and it recovers when space returns', async () => {
  const disk = new FaultyDisk(seeded(7));
  const engine = await open(disk);
  await put(engine, 'a', '1');
  disk.full = true;
  await assert.rejects(put(engine, 'b', '2'), isStorageError('full'));
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
  await assert.rejects(put(engine, 'c', '3'), isStorageError('full'));
  assert.equal(String(engine.get(Buffer.from('a'))), '1');
  disk.full = false;
  await settled(engine);
  await put(engine, 'd', '4');
  await engine.close();
  const again = await open(disk.crash());
  assert.equal(String(again.get(Buffer.from('a'))), '1');
  assert.equal(again.get(Buffer.from('c')), undefined);
  assert.equal(String(again.get(Buffer.from('d'))), '4');
});

test('a rotten value is corrupt on get, in a scan, after reopening and after compaction, never missing', async () => {
  const disk = new FaultyDisk(seeded(8));
  let engine = await open(disk);
  for (const name of ['a', 'b', 'c']) await put(engine, name, `value-of-${name}`);
  disk.flipBit('journal/journal-1', disk.bytesOf('journal/journal-1').indexOf('value-of-b') + 3);
  const checkB = async () => {
    assert.throws(() => engine.get(Buffer.from('b')), isStorageError('corrupt'));
    const damaged: string[] = [];
    const cursor = engine.scan({}, { corrupt: (key) => void damaged.push(String(key)) });
    const found = await cursor.next({ entriesMax: 10, bytesMax: 1000 });
    await cursor.close();
    assert.deepEqual(
      found.map((entry) => String(entry.value)),
      ['value-of-a', 'value-of-c'],
    );
    assert.deepEqual(damaged, ['b']);
  };
  await checkB();
  await engine.close();
  const damages: JournalDamage[] = [];
  engine = await open(disk, damages);
  assert.deepEqual(
    damages.map((damage) => damage.kind),
    ['rot'],
  );
  assert.ok(damages[0]!.from > 0 && damages[0]!.to > damages[0]!.from);
  await checkB();
  await engine.close();
  engine = await open(disk);
  await checkB();
  await put(engine, 'b', 'new');
  assert.equal(String(engine.get(Buffer.from('b'))), 'new');
  await engine.close();
});

test('a rotten record head is reported as the exact byte range, and all other batches are kept', async () => {
  const disk = new FaultyDisk(seeded(9));
  const engine = await open(disk);
  const ends: number[] = [];
  for (const name of ['a', 'b', 'c', 'd']) {
    ends.push(disk.bytesOf('journal/journal-1').length);
    await put(engine, name, `value-of-${name}`);
  }
  await engine.close();
  disk.flipBit('journal/journal-1', ends[1]! + 9);
  const damages: JournalDamage[] = [];
  const again = await open(disk, damages);
  assert.deepEqual(damages, [{ file: 'journal/journal-1', from: ends[1], to: ends[2], kind: 'rot' }]);
  for (const name of ['a', 'c', 'd']) assert.equal(String(again.get(Buffer.from(name))), `value-of-${name}`);
  await again.close();
});

test('the journal is compacted, also while writes go on, and cursors of before still read', async () => {
  const disk = new FaultyDisk(seeded(10));
  const engine = await open(disk, [], 'journal', 50_000);
  await put(engine, 'kept', 'since before');
  const cursor = engine.scan({});
  for (let i = 0; i < 3000; i++) await put(engine, `k${i % 10}`, 'x'.repeat(100));
  assert.ok(disk.bytesOf((await disk.list('journal')).map((name) => `journal/${name}`)[0]!).length < 200_000);
  assert.deepEqual(
    (await cursor.next({ entriesMax: 10, bytesMax: 1000 })).map((entry) => String(entry.value)),
    ['since before'],
  );
  await cursor.close();
  await engine.close();
  const again = await open(disk);
  assert.equal(again.get(Buffer.from('k9'))?.length, 100);
  assert.equal(String(again.get(Buffer.from('kept'))), 'since before');
  await again.close();
});
