import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BackgroundWork, unknownForeground } from '../../core/background/index.ts';
import { type Partition, Ring } from '../../core/ring/index.ts';
import { nodeIdOf } from '../../environment/index.ts';
import { World } from '../../simulator/index.ts';
import { GroupCommit, openMemoryEngine, type StorageEngine, StorageError } from '../../storage/index.ts';
import { objectsRange } from '../vnode/index.ts';
import { TreeKeeper } from './tree-keeper.ts';
import { TreeUpkeep } from './tree-upkeep.ts';

test('a partition that cannot be read keeps no other from getting its trees, and from being checked', async () => {
  const world = new World({ seed: 1 });
  const self = nodeIdOf('a@host');
  await world.run(async () => {
    const { environment } = world.node(self);
    const memory = await openMemoryEngine({}, environment);
    const sick = objectsRange(0 as Partition).from;
    const engine = Object.assign(Object.create(memory) as StorageEngine, {
      health: { kind: 'healthy' },
      write: memory.write.bind(memory),
      scan: (...args: Parameters<StorageEngine['scan']>) => {
        if (args[0].from?.equals(sick!)) throw new StorageError('io', 'sick');
        return memory.scan(...args);
      },
    });
    const ring = Ring.ownedByOne(1, 8, self);
    const placements = { of: () => ({ nVal: 3, bucketOnly: false }), nVals: [3], revision: '' };
    const keeper = new TreeKeeper(
      () => ring,
      placements,
      () => {},
    );
    for (const partition of ring.partitions()) keeper.keep(partition);
    const upkeep = new TreeUpkeep({
      environment,
      background: new BackgroundWork(environment, unknownForeground),
      commit: new GroupCommit(engine, environment.tasks),
      keeper,
      settings: { rebuildPerSecondMax: 1000, verifyIntervalMs: 5000 },
      lingering: () => {},
      ready: () => {},
    });
    upkeep.start();
    await world.sleep(20_000);
    await upkeep.close();
    // Each of the others is checked in its turn as well, every five seconds.
    assert.ok(upkeep.totals.verified >= 7 * 2, `${upkeep.totals.verified} checks`);
    assert.deepEqual(
      ring.partitions().filter((partition) => !keeper.isBuilt(partition)),
      [0],
    );
  });
});
