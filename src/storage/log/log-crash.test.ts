/** The log engine on a disk that tears, forgets and refuses, against a model of what may be seen. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FaultyDisk, seeded } from '../memory/faulty-disk.fixture.ts';
import { type StorageEngine, StorageError } from '../storage-engine.ts';
import { gauge, KeyModel, openLog, SMALL, turn } from './log-engine.fixture.ts';

const SEEDS = 40;
const LIVES = 3;

interface Done {
  collections: number;
  merges: number;
  acknowledged: number;
  refused: number;
}

function isStorageError(error: unknown): error is StorageError {
  return error instanceof StorageError;
}

/** Writes until the disk stops or `count` writes were begun. */
async function writeSome(
  engine: StorageEngine,
  disk: FaultyDisk,
  model: KeyModel,
  count: number,
  fraction: () => number,
  done: Done,
  told: string,
): Promise<void> {
  for (let n = 0; n < count && !disk.isDead; n++) {
    const { promise, acknowledge, keeps } = begin(engine, model, fraction);
    const writing = promise.then(
      () => {
        if (keeps && !disk.isDead) {
          acknowledge();
          done.acknowledged += 1;
        }
      },
      (error: unknown) => {
        assert.ok(isStorageError(error), String(error));
        // The end of a life refuses what is queued.
        if (error.code !== 'closed') done.refused += 1;
      },
    );
    if (fraction() < 0.7) await writing;
    if (disk.isDead) return;
    if (fraction() < 0.1) model.checkReads(engine, told);
    if (fraction() < 0.3) await turn();
  }
}

function begin(engine: StorageEngine, model: KeyModel, fraction: () => number) {
  if (fraction() < 0.06) {
    const { from, to, acknowledge } = model.range();
    return { promise: engine.deleteRange({ from, to }), acknowledge, keeps: true };
  }
  const { batch, acknowledge } = model.batch();
  const keeps = fraction() < 0.7;
  return { promise: engine.write(batch, keeps ? 'synced' : 'os'), acknowledge, keeps };
}

test(`${SEEDS * LIVES} crashes: what was acknowledged is there, nothing shows in part, nothing comes back`, async () => {
  const done: Done = { collections: 0, merges: 0, acknowledged: 0, refused: 0 };
  for (let seed = 1; seed <= SEEDS; seed++) {
    const fraction = seeded(seed);
    const model = new KeyModel(fraction);
    let disk = new FaultyDisk(fraction);
    for (let life = 0; life < LIVES; life++) {
      const told = `seed ${seed}, life ${life}`;
      disk.callsLeft = fraction() < 0.2 ? Math.floor(fraction() * 25) : Number.POSITIVE_INFINITY;
      const engine = await Promise.race([openLog(disk), disk.stopped]);
      if (engine !== undefined) {
        await Promise.race([model.check(engine, told), disk.stopped]);
        disk.callsLeft = Math.floor(fraction() * fraction() * 600);
        if (seed % 3 === 0) disk.failures = 0.03;
        await Promise.race([writeSome(engine, disk, model, 120, fraction, done, told), disk.stopped]);
        done.collections += gauge(engine, 'log_collections');
        done.merges += gauge(engine, 'log_index_written_entries') > 100 ? 1 : 0;
      }
      disk.isDead = true;
      disk = disk.crash();
    }
    const engine = await openLog(disk);
    await model.check(engine, `seed ${seed}, at last`);
    await engine.close();
  }
  assert.ok(done.acknowledged > 1000, `${done.acknowledged} writes were acknowledged`);
  assert.ok(done.refused > 60, `${done.refused} writes were refused`);
  assert.ok(done.collections > 150, `${done.collections} segments were collected`);
  assert.ok(done.merges > 40, `${done.merges} lives merged runs`);
});

test('closing and opening again and again keeps everything, and garbage does not pile up', async () => {
  const fraction = seeded(5);
  const model = new KeyModel(fraction);
  const disk = new FaultyDisk(fraction);
  const done: Done = { collections: 0, merges: 0, acknowledged: 0, refused: 0 };
  for (let life = 0; life < 20; life++) {
    const engine = await openLog(disk);
    await model.check(engine, `life ${life}`);
    await writeSome(engine, disk, model, 60, fraction, done, `life ${life}`);
    for (let i = 0; i < 50; i++) await turn();
    const dead = gauge(engine, 'log_dead_bytes');
    assert.ok(dead < 0.4 * gauge(engine, 'log_bytes') + 6000, `${dead} dead bytes`);
    assert.ok(gauge(engine, 'log_index_runs') < 12, `${gauge(engine, 'log_index_runs')} runs`);
    await engine.close();
  }
  assert.equal(done.refused, 0);
});

test('tombstones go away in the end, and so do deleted ranges', async () => {
  const disk = new FaultyDisk(seeded(6));
  const engine = await openLog(disk, { ...SMALL, segmentBytesMax: 2000 });
  const model = new KeyModel(seeded(7));
  const fraction = seeded(8);
  const done: Done = { collections: 0, merges: 0, acknowledged: 0, refused: 0 };
  await writeSome(engine, disk, model, 300, fraction, done, 'before');
  for (let i = 0; i < 400; i++) {
    await engine.deleteRange({});
    const { batch } = model.batch();
    await engine.write(batch, 'os');
  }
  await engine.deleteRange({});
  for (let i = 0; i < 300; i++) await turn();
  assert.ok(gauge(engine, 'log_bytes') < 30_000, `${gauge(engine, 'log_bytes')} bytes of nothing`);
  assert.ok((await engine.sizeEstimate({})) < 1000, 'what is left are tombstones');
  assert.deepEqual(await engine.scan({}).next({ entriesMax: 1, bytesMax: 1 }), []);
  await engine.close();
});
