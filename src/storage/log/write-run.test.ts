import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { DiskError } from '../../environment/index.ts';
import { byteStringOf } from '../../stdx/index.ts';
import { FaultyDisk } from '../memory/faulty-disk.fixture.ts';
import { BlockCache } from './block-cache.ts';
import { hashOfKey } from './bloom-filter.ts';
import { MemtableSource } from './entry-source.ts';
import { Memtable } from './memtable.ts';
import { LOG_START } from './position.ts';
import { writeRun } from './write-run.ts';

const ENTRIES = 300;

function nameOf(i: number): Buffer {
  return Buffer.from(`key-${i}`);
}

function write(disk: FaultyDisk, entries: number) {
  const memtable = new Memtable();
  for (let i = 0; i < entries; i++) {
    memtable.set(byteStringOf(nameOf(i)), { kind: 'put', segment: 1, offset: i, length: 1 });
  }
  return writeRun([new MemtableSource(memtable.snapshot().walk())], {
    disk,
    directory: 'log',
    number: 1,
    entriesMax: entries,
    isOldest: true,
    ranges: [],
    purgedTo: LOG_START,
    cache: new BlockCache(0),
    pause: async () => undefined,
  });
}

test('whichever call of the disk fails, a run that is not finished leaves no file, on the disk or open', async () => {
  for (const entries of [ENTRIES, 0]) {
    let failed = 0;
    for (let failing = 1; ; failing++) {
      let calls = 0;
      const disk = new FaultyDisk(() => (++calls === failing ? 0 : 1));
      disk.failures = 0.5;
      const told = `${entries} entries, call ${failing}`;
      try {
        const { run } = await write(disk, entries);
        for (let i = 0; i < entries; i++) {
          assert.equal(run?.find(nameOf(i), hashOfKey(nameOf(i)))?.offset, i);
        }
        assert.equal(disk.openFiles, entries === 0 ? 0 : 1);
        break;
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        failed += 1;
        assert.equal(disk.openFiles, 0, told);
        assert.deepEqual(await disk.list('log'), [], told);
      }
    }
    // Opened, written, synced, its name synced, opened again; or opened and removed.
    assert.equal(failed, entries === 0 ? 2 : 5);
  }
});
