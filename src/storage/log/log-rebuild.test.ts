/** An index that is built anew from the log, at a start or while the engine serves, is as good as the one that was lost. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { DiskError } from '../../environment/index.ts';
import { FaultyDisk, seeded } from '../memory/faulty-disk.fixture.ts';
import { type StorageEngine, WriteBatch } from '../storage-engine.ts';
import { environment, gauge, openLog, turn } from './log-engine.fixture.ts';
import { openLogEngine } from './open-log-engine.ts';

/** Long, so that a group of some hundred keys has several blocks in a run. */
function nameOf(group: string, i: number): Buffer {
  return Buffer.from(`${group}${'-'.repeat(60)}${i}`);
}

async function fill(
  engine: StorageEngine,
  group: string,
  from: number,
  to: number,
  valueBytes = 130,
): Promise<void> {
  for (let i = from; i < to; i++) {
    const batch = new WriteBatch();
    batch.put(nameOf(group, i), Buffer.alloc(valueBytes, 'v'));
    await engine.write(batch, 'synced');
  }
}

/** All keys that begin with `group`. */
function deleteGroup(engine: StorageEngine, group: string): Promise<void> {
  return engine.deleteRange({ from: Buffer.from(group), to: Buffer.from(`${group}~`) });
}

/** A block of each run has rotted; somebody reads it. */
async function spoilRuns(disk: FaultyDisk, engine: StorageEngine): Promise<void> {
  for (const name of await disk.list('log')) if (name.endsWith('.run')) disk.flipBit(`log/${name}`, 60);
  const told: unknown[] = [];
  const cursor = engine.scan({}, { corrupt: (_key, error) => void told.push(error) });
  while ((await cursor.next({ entriesMax: 1000, bytesMax: 1e6 })).length > 0);
  await cursor.close();
  assert.ok(told.length > 0);
}

async function rest(turns = 300): Promise<void> {
  for (let i = 0; i < turns; i++) await turn();
}

test('a deletion that was copied behind a younger one still hides after the index was built anew and then read again', async () => {
  const tuning = { segmentBytesMax: 30_000, memtableEntriesMax: 300, garbageShare: 0.5 };
  const disk = new FaultyDisk(seeded(1));
  let engine = await openLog(disk, tuning);
  await fill(engine, 'a', 0, 3);
  await fill(engine, 'z', 0, 130);
  await deleteGroup(engine, 'a');
  await fill(engine, 's', 0, 100);
  await fill(engine, 'y', 0, 30);
  await deleteGroup(engine, 'q');
  await fill(engine, 'y', 30, 100);
  // The segment with the first deletion becomes garbage.
  await fill(engine, 's', 0, 100);
  await fill(engine, 't', 0, 130);
  await rest();
  assert.ok(gauge(engine, 'log_collections') > 0, 'the first deletion was copied to the end of the log');
  await engine.close();
  await disk.remove('log/manifest');
  for (const start of ['built anew', 'read again', 'read once more']) {
    engine = await openLog(disk, tuning);
    for (const i of [0, 1, 2]) assert.equal(engine.get(nameOf('a', i))?.length, undefined, `${start}: a${i}`);
    assert.equal(engine.get(nameOf('z', 7))?.length, 130, start);
    await rest();
    await engine.close();
  }
});

test('a deleted range that a rebuild in service has met again ends: the index is not written anew for ever', async () => {
  const tuning = { segmentBytesMax: 30_000, memtableEntriesMax: 200, garbageShare: 0.5 };
  const disk = new FaultyDisk(seeded(1));
  let engine = await openLog(disk, tuning);
  await fill(engine, 'z', 0, 1000);
  await fill(engine, 'x', 0, 200);
  await deleteGroup(engine, 'x');
  await fill(engine, 't', 0, 210);
  await rest(600);
  // The deletion may have been copied: before the checkpoint as well.
  await fill(engine, 'u', 0, 210);
  await rest(600);
  await engine.close();
  engine = await openLog(disk, tuning);
  assert.equal(gauge(engine, 'log_deleted_ranges'), 0, 'no manifest tells of the range');
  await spoilRuns(disk, engine);
  await rest(600);
  assert.equal(gauge(engine, 'log_index_damaged'), 0);
  assert.equal(gauge(engine, 'log_deleted_ranges'), 1, 'the rebuild has met it');
  // What was deleted is filled again, and there is garbage to collect.
  await fill(engine, 'x', 0, 200);
  for (let round = 0; round < 4; round++) await fill(engine, 't', 0, 210);
  await rest(600);
  const written = gauge(engine, 'log_index_written_entries');
  await rest(600);
  const writtenLater = gauge(engine, 'log_index_written_entries');
  const collections = gauge(engine, 'log_collections');
  await engine.close();
  assert.equal(writtenLater, written, 'nothing is left to be merged');
  assert.ok(collections > 0, `${collections} segments were collected`);
});

/** Refuses renames, which only manifests need. */
class RefusingDisk extends FaultyDisk {
  /** Counted from 1. */
  refused: readonly number[] = [];
  renames = 0;

  override async rename(from: string, to: string): Promise<void> {
    this.renames += 1;
    if (this.refused.includes(this.renames)) throw new DiskError('io', from, 'input/output error');
    await super.rename(from, to);
  }
}

test('a manifest that cannot be written after a rebuild costs another attempt: what was built serves meanwhile', async () => {
  const tuning = { segmentBytesMax: 30_000, memtableEntriesMax: 100, garbageShare: 0.5 };
  const check = (engine: StorageEngine, told: string): void => {
    for (let i = 0; i < 330; i++) assert.equal(engine.get(nameOf('k', i))?.length, 130, `${told}: k${i}`);
  };
  // Each attempt writes two manifests: after the memtable was written out, and after the rebuild.
  for (const refused of [[2], [2, 4]]) {
    const disk = new RefusingDisk(seeded(1));
    const engine = await openLog(disk, tuning);
    await fill(engine, 'k', 0, 330);
    await rest();
    disk.refused = refused.map((number) => disk.renames + number);
    const last = disk.refused.at(-1)!;
    await spoilRuns(disk, engine);
    while (disk.renames <= last) {
      await turn();
      if (disk.renames >= disk.refused[0]!) check(engine, `${refused.length} were refused`);
    }
    await rest();
    assert.equal(gauge(engine, 'log_index_damaged'), 0);
    check(engine, 'all were written');
    await engine.close();
    const runs = (await disk.list('log')).filter((name) => name.endsWith('.run'));
    const again = await openLog(disk, tuning);
    check(again, 'after a start');
    assert.equal(runs.length, gauge(again, 'log_index_runs'), 'the manifest names all that are there');
    await again.close();
  }
});

test('a deletion that has rotted in the log and is still known in service hides after a rebuild, and after the next start', async () => {
  const tuning = { segmentBytesMax: 30_000, memtableEntriesMax: 300, garbageShare: 0.5 };
  const disk = new FaultyDisk(seeded(2));
  let engine = await openLog(disk, tuning);
  await fill(engine, 'z', 0, 280);
  // What the range hides is too little to have the index written anew.
  await fill(engine, 'zz', 0, 1, 200_000);
  await fill(engine, 'a', 0, 3);
  // So long a log of few keys is written out by the engine, and kept in memory by a rebuild.
  for (let round = 0; round < 450; round++) await fill(engine, 'y', 0, 1);
  await rest();
  await deleteGroup(engine, 'a');
  await fill(engine, 'x', 0, 5);
  // Behind a younger one, to which the runs of the rebuild are purged.
  await deleteGroup(engine, 'q');
  await fill(engine, 't', 0, 5);
  assert.equal(gauge(engine, 'log_deleted_ranges'), 2);
  for (const name of (await disk.list('log')).filter((each) => each.endsWith('.log'))) {
    const at = disk.bytesOf(`log/${name}`).indexOf('a~');
    if (at >= 0) disk.flipBit(`log/${name}`, at);
  }
  await spoilRuns(disk, engine);
  await rest();
  for (const start of ['in service', 'at the next start']) {
    assert.equal(gauge(engine, 'log_index_damaged'), 0);
    for (const i of [0, 1, 2]) assert.equal(engine.get(nameOf('a', i))?.length, undefined, `${start}: a${i}`);
    assert.equal(engine.get(nameOf('z', 7))?.length, 130, start);
    await engine.close();
    engine = await openLog(disk, tuning);
  }
  await engine.close();
});

test('a rebuild in service that meets rot which hides keys says so, and nothing older shows where that is asked for', async () => {
  const disk = new FaultyDisk(seeded(3));
  const emptiedByDamage = [{ from: Buffer.from('id'), to: Buffer.from('id~') }];
  const tuning = { segmentBytesMax: 1_000_000, memtableEntriesMax: 100 };
  const open = () => openLogEngine({ disk, directory: 'log', tuning, emptiedByDamage }, environment);
  let engine = await open();
  let doubts = 0;
  engine.onDoubt?.(() => {
    doubts += 1;
    assert.equal(engine.get(nameOf('k', 1))?.length, 10, 'what is older shows from now on');
  });
  await fill(engine, 'id', 0, 3);
  await fill(engine, 'k', 0, 100, 10);
  await fill(engine, 'id', 1, 2, 140);
  await fill(engine, 'k', 1, 2, 20);
  await fill(engine, 'z', 0, 210);
  await rest();
  const [path] = (await disk.list('log'))
    .filter((name) => name.endsWith('.log'))
    .map((name) => `log/${name}`);
  // The heads of the records with the newest values of two keys.
  for (const key of [nameOf('id', 1), nameOf('k', 1)]) {
    disk.flipBit(path!, disk.bytesOf(path!).lastIndexOf(key) - 4);
  }
  assert.equal(doubts, 0);
  await spoilRuns(disk, engine);
  await rest(600);
  assert.equal(gauge(engine, 'log_index_damaged'), 0);
  assert.equal(doubts, 1);
  for (const start of ['in service', 'at the next start']) {
    for (const i of [0, 1, 2]) assert.equal(engine.get(nameOf('id', i)), undefined, `${start}: id ${i}`);
    assert.equal(engine.get(nameOf('z', 7))?.length, 130, start);
    await engine.close();
    engine = await open();
  }
  await engine.close();
});

test('where the index has rotted among what a start needs, it is built anew before anything is read', async () => {
  const tuning = { segmentBytesMax: 30_000, memtableEntriesMax: 300, garbageShare: 0.5 };
  const disk = new FaultyDisk(seeded(1));
  const first = await openLog(disk, tuning);
  await fill(first, 'a', 0, 400);
  await rest();
  await first.close();
  for (const name of await disk.list('log')) if (name.endsWith('.run')) disk.flipBit(`log/${name}`, 60);
  const open = (neededAtStart?: { from: Buffer; to: Buffer }) =>
    openLogEngine({ disk, directory: 'log', tuning, neededAtStart }, environment);
  const other = await open();
  assert.throws(() => other.get(nameOf('a', 0)), { code: 'corrupt' }, 'a test of nothing, otherwise');
  await other.close();
  const engine = await open({ from: nameOf('a', 0), to: nameOf('a', 1) });
  for (let i = 0; i < 400; i += 1) assert.equal(engine.get(nameOf('a', i))?.length, 130, `a${i}`);
  await engine.close();
});
