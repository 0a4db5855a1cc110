import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Disk, DiskFile } from '../../environment/index.ts';
import { runScenario } from '../run-scenario.ts';
import { type DiskSabotage, runWalCrash, walCrash } from './wal-crash.ts';

/** With about 45 deaths in each run, of which three quarters are power cuts. */
const seeds = 25;

test('1,000 crash points: nothing durable is lost, reordered or invented', async () => {
  const totals = { deaths: 0, tornTails: 0, damagedRecords: 0 };
  for (let seed = 1; seed <= seeds; seed++) {
    const { failure, work } = await runScenario(walCrash, seed);
    assert.equal(failure, undefined, `seed ${seed}: ${failure?.message}`);
    totals.deaths += counted(work, 'power cuts') + counted(work, 'kills');
    totals.tornTails += counted(work, 'torn tails');
    totals.damagedRecords += counted(work, 'damaged records');
  }
  const { deaths, tornTails, damagedRecords } = totals;
  assert.ok(deaths >= 1000 && tornTails >= 50 && damagedRecords >= 50, JSON.stringify(totals));
});

function counted(work: string, kind: string): number {
  return Number(new RegExp(`(\\d+) ${kind}`).exec(work)?.[1] ?? 0);
}

const withinSeeds = 20;

/** Runs with a planted fault until it is found. */
async function found(sabotage: DiskSabotage): Promise<string> {
  const scenario = {
    ...walCrash,
    run: (world: Parameters<typeof runWalCrash>[0]) => runWalCrash(world, sabotage),
  };
  for (let seed = 1; seed <= withinSeeds; seed++) {
    const { failure } = await runScenario(scenario, seed);
    if (failure !== undefined && !failure.message.includes('too little work')) return failure.message;
  }
  return 'not found';
}

/** The disk with another `sync` of its files. */
function syncing(sync: (file: DiskFile) => Promise<void>): DiskSabotage {
  return (disk) => ({
    ...bound(disk),
    open: async (path, options) => {
      const file = await disk.open(path, options);
      return {
        path,
        get size() {
          return file.size;
        },
        read: (offset, length) => file.read(offset, length),
        write: (offset, bytes) => file.write(offset, bytes),
        writeSynced: async (offset, bytes) => {
          await file.write(offset, bytes);
          await sync(file);
        },
        sync: () => sync(file),
        truncate: (length) => file.truncate(length),
        close: () => file.close(),
      };
    },
  });
}

function bound(disk: Disk): Disk {
  return {
    open: (path, options) => disk.open(path, options),
    list: (directory) => disk.list(directory),
    makeDirectory: (path) => disk.makeDirectory(path),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    syncDirectory: (path) => disk.syncDirectory(path),
    freeBytes: () => disk.freeBytes(),
  };
}

const lost = /W1, W2: the log holds/;

test('a sync that is skipped is found', async () => {
  assert.match(await found(syncing(() => Promise.resolve())), lost);
});

test('a failed sync that is tried again is found', async () => {
  const retried = syncing((file) => file.sync().catch(() => file.sync()));
  assert.match(await found(retried), lost);
});

test('a directory that is not synced is found', async () => {
  assert.match(await found((disk) => ({ ...bound(disk), syncDirectory: () => Promise.resolve() })), lost);
});

test('a disk that is only wrapped is fine', async () => {
  assert.equal(await found(syncing((file) => file.sync())), 'not found');
});
