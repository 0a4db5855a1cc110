import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { FaultyDisk, seeded } from '../memory/faulty-disk.fixture.ts';
import { WriteBatch } from '../storage-engine.ts';
import { storageEngineConformance } from '../storage-engine-conformance.ts';
import { openLog } from './log-engine.fixture.ts';
import type { LogTuning } from './log-limits.ts';

const TUNINGS: readonly (readonly [string, Partial<LogTuning>])[] = [
  ['log', {}],
  ['log with small parts', { segmentBytesMax: 1024 * 1024, memtableEntriesMax: 5000, garbageShare: 0.3 }],
];

for (const [name, tuning] of TUNINGS) {
  storageEngineConformance(name, async () => {
    const disk = new FaultyDisk(seeded(1));
    return {
      engine: await openLog(disk, tuning),
      persistence: {
        copyDirectory: 'copy',
        reopen: () => openLog(disk, tuning),
        openCopy: () => openLog(disk, tuning, [], 'copy'),
      },
      remove: async () => {},
    };
  });
}

test('a long slice of values lets others have their turn, one of keys need not', async () => {
  const engine = await openLog(new FaultyDisk(seeded(2)), {});
  const batch = new WriteBatch();
  for (let i = 0; i < 500; i++) batch.put(Buffer.from(`key-${i}`), Buffer.from('value'));
  await engine.write(batch, 'synced');
  const turnsOf = async (keysOnly: boolean): Promise<number> => {
    let turns = 0;
    let isOver = false;
    const count = (): void => {
      turns += 1;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    const cursor = engine.scan({}, { keysOnly });
    assert.equal((await cursor.next({ entriesMax: 500, bytesMax: 1e6 })).length, 500);
    isOver = true;
    await cursor.close();
    return turns;
  };
  assert.ok((await turnsOf(false)) > 500 / 64);
  assert.ok((await turnsOf(true)) < 5);
  await engine.close();
});
