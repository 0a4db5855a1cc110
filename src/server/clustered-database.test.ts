import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configurationWith } from '../config/index.ts';
import { silentLargeValueObserver, silentObserver } from '../kv/index.ts';
import { World } from '../simulator/index.ts';
import { GroupCommit, openMemoryEngine, type StorageEngine, StorageError } from '../storage/index.ts';
import { ClusteredDatabase } from './clustered-database.ts';

const name = 'a@10.0.0.1';

/** The engine, of which the scan of that number fails. */
function failingAt(memory: StorageEngine, number: number): StorageEngine {
  let scans = 0;
  return Object.assign(Object.create(memory) as StorageEngine, {
    health: { kind: 'healthy' },
    get: memory.get.bind(memory),
    write: memory.write.bind(memory),
    scan: (...args: Parameters<StorageEngine['scan']>) => {
      scans += 1;
      if (scans === number) throw new StorageError('io', 'sick');
      return memory.scan(...args);
    },
  });
}

test('a database that cannot be opened leaves nothing running, and can be opened in the same process', async () => {
  const world = new World({ seed: 1 });
  await world.run(async () => {
    const { environment } = world.node(name);
    const configuration = configurationWith({
      nodename: name,
      ring_size: 8,
      'cluster.secret': 'of the simulation',
      'listener.cluster.internal': { host: '10.0.0.1', port: 7300 },
    });
    const memory = await openMemoryEngine({}, environment);
    let failures = 0;
    for (let number = 1; ; number++) {
      const commit = new GroupCommit(failingAt(memory, number), environment.tasks);
      const parts = {
        configuration,
        environment,
        commit,
        observer: { ...silentObserver, ...silentLargeValueObserver },
      };
      const opened = await ClusteredDatabase.open(parts).catch((error: unknown) => error);
      if (opened instanceof ClusteredDatabase) {
        await opened.close();
        break;
      }
      assert.ok(opened instanceof StorageError, String(opened));
      failures += 1;
      // Whoever waited for a moment is through; then nothing happens any more.
      await world.sleep(30_000);
      const before = world.eventsRun;
      await world.sleep(3_600_000);
      assert.ok(world.eventsRun - before <= 1, `${world.eventsRun - before} events after failure ${number}`);
    }
    assert.ok(failures >= 2, `${failures} places to fail`);
  });
});
