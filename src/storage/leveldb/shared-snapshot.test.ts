import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { nodeEnvironment, silentLog } from '../../runtime/index.ts';
import { WriteBatch } from '../storage-engine.ts';
import { openLevelDatabase } from './level-database.ts';
import { openLevelEngine } from './level-engine.ts';

test('cursors share a snapshot until something is committed, and the last of them closes it', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'hale-snapshots-'));
  const crash = (activity: string, error: unknown): never => assert.fail(`${activity}: ${String(error)}`);
  const environment = nodeEnvironment({ log: silentLog, crash });
  let taken = 0;
  let closed = 0;
  const engine = await openLevelEngine(
    {
      directory,
      open: async (...where) => {
        const database = await openLevelDatabase(...where);
        const snapshot = () => {
          const native = database.snapshot();
          const close = native.close.bind(native);
          native.close = () => {
            closed += 1;
            return close();
          };
          taken += 1;
          return native;
        };
        return { ...database, snapshot };
      },
    },
    environment,
  );
  taken = closed = 0;
  try {
    const before = [engine.scan({}), engine.scan({})];
    assert.equal(taken, 1);
    const batch = new WriteBatch();
    batch.put(Buffer.from('k'), Buffer.from('v'));
    await engine.write(batch, 'os');
    const after = engine.scan({});
    assert.equal(taken, 2);
    const all = { entriesMax: 10, bytesMax: 1000 };
    assert.equal((await before[1]!.next(all)).length, 0);
    assert.equal((await after.next(all)).length, 1);
    await before[0]!.close();
    assert.equal(closed, 0, 'another cursor still reads from it');
    assert.equal((await before[1]!.next(all)).length, 0);
    await before[1]!.close();
    assert.equal(closed, 1);
    await after.close();
    assert.equal(closed, 2);
    // One that nobody holds any more is not handed out again.
    await engine.scan({}).close();
    assert.deepEqual([taken, closed], [3, 3]);
  } finally {
    await engine.close();
    await environment.close();
    await rm(directory, { recursive: true });
  }
});
