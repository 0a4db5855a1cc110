/**
 * A kill leaves what the process wrote in the system's cache, where the next start reads it; a later power
 * cut leaves only what was synced. What a start has read, it must have made durable.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { quietDisk, World } from '../../simulator/index.ts';
import { openMemoryEngine, type StorageEngine, StorageError, WriteBatch } from '../index.ts';

const seeds = 40;

function open(world: World): Promise<StorageEngine> {
  const { environment } = world.node('a');
  const journal = { disk: environment.disk, directory: 'journal', compactionDeadBytesMin: 300 };
  return openMemoryEngine({ journal, log: environment.log }, environment);
}

function write(engine: StorageEngine, key: string, value: string): Promise<void> {
  const batch = new WriteBatch();
  batch.put(Buffer.from(key), Buffer.from(value));
  return engine.write(batch, 'synced');
}

function read(engine: StorageEngine, key: string): string | undefined {
  return engine.get(Buffer.from(key))?.toString();
}

test('what a failed sync left in the cache is durable once a start has read it', async () => {
  let seen = 0;
  for (let seed = 0; seed < seeds; seed++) {
    const world = new World({ seed });
    const node = world.node('a');
    await world.run(async () => {
      let engine = await open(world);
      await write(engine, 'first', '1');
      node.disk.conditions = { ...quietDisk, syncFailure: 1 };
      await assert.rejects(write(engine, 'second', '2'), StorageError);
      node.kill();
      node.disk.conditions = quietDisk;
      engine = await open(world);
      const second = read(engine, 'second');
      if (second !== undefined) seen += 1;
      await write(engine, 'third', '3');
      node.crash();
      engine = await open(world);
      assert.equal(read(engine, 'first'), '1');
      assert.equal(read(engine, 'second'), second);
      assert.equal(read(engine, 'third'), '3');
    });
  }
  assert.ok(seen > 0, 'starts have read what was not synced');
});

test('a journal that was renamed when the process was killed keeps its name', async () => {
  let compacted = 0;
  for (let seed = 0; seed < seeds; seed++) {
    const world = new World({ seed });
    const node = world.node('a');
    await world.run(async () => {
      let engine = await open(world);
      for (let i = 0; i < 8; i++) await write(engine, 'counter', `${i} ${'-'.repeat(100)}`);
      // A compaction is under way or has just been.
      await world.sleep(world.random.between(0, 3));
      node.kill();
      engine = await open(world);
      const names = await node.environment.disk.list('journal');
      if (!names.includes('journal-1')) compacted += 1;
      await write(engine, 'counter', 'last');
      node.crash();
      engine = await open(world);
      assert.equal(read(engine, 'counter'), 'last');
    });
  }
  assert.ok(compacted > 0, 'journals were rolled');
});
