/** A disk that refuses to be read while the engine is opened: the start fails, and nothing is taken for damaged. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { DiskError, type DiskFile } from '../../environment/index.ts';
import { FaultyDisk, seeded } from '../memory/faulty-disk.fixture.ts';
import { type StorageEngine, StorageError, WriteBatch } from '../storage-engine.ts';
import { openLog } from './log-engine.fixture.ts';
import type { LogDamage } from './log-scan.ts';

const KEYS = 40;

class RefusingDisk extends FaultyDisk {
  /** Reads until one is refused. */
  readsLeft = Number.POSITIVE_INFINITY;

  override async open(path: string, options: { readonly create: boolean }): Promise<DiskFile> {
    const file = await super.open(path, options);
    const read = file.read.bind(file);
    file.read = (offset, length) => {
      this.readsLeft -= 1;
      if (this.readsLeft === 0) throw new DiskError('io', path, 'input/output error');
      return read(offset, length);
    };
    return file;
  }
}

function nameOf(i: number): Buffer {
  return Buffer.from(`key-${i}`);
}

async function fill(engine: StorageEngine): Promise<void> {
  for (let i = 0; i < KEYS; i++) {
    const batch = new WriteBatch();
    batch.put(nameOf(i), Buffer.from(`value-${i}`));
    await engine.write(batch, 'synced');
  }
}

test('whichever read is refused at opening, the start fails or misses nothing, and so does the next one', async () => {
  for (const tuning of [{ segmentBytesMax: 500 }, { segmentBytesMax: 100_000 }]) {
    let refused = 0;
    for (let reads = 1; ; reads++) {
      const disk = new RefusingDisk(seeded(1));
      // Not closed: as a kill leaves it.
      await fill(await openLog(disk, tuning));
      const damages: LogDamage[] = [];
      disk.readsLeft = reads;
      const engine = await openLog(disk, tuning, damages).catch((error: unknown) => {
        assert.ok(error instanceof StorageError && error.code === 'io', String(error));
        refused += 1;
        return undefined;
      });
      const isThrough = disk.readsLeft > 0;
      disk.readsLeft = Number.POSITIVE_INFINITY;
      const whole = engine ?? (await openLog(disk, tuning, damages));
      for (let i = 0; i < KEYS; i++) {
        assert.equal(whole.get(nameOf(i))?.toString(), `value-${i}`, `read ${reads} was refused: key ${i}`);
      }
      assert.deepEqual(damages, []);
      await whole.close();
      if (isThrough) break;
    }
    assert.ok(refused > 10, `${refused} starts were refused`);
  }
});
