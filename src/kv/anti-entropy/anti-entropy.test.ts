import assert from 'node:assert/strict';
import type { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { BackgroundWork, unknownForeground } from '../../core/background/index.ts';
import { SoloTopology } from '../../core/topology/index.ts';
import { nodeIdOf } from '../../environment/index.ts';
import { World } from '../../simulator/index.ts';
import { GroupCommit, openMemoryEngine, type StorageEngine, StorageError } from '../../storage/index.ts';
import { AntiEntropy } from './index.ts';
import { inCluster, keyOf, objectOf, quickSettings, type ReplicaCluster } from './replica-cluster.fixture.ts';
import type { ReplicaNode } from './replica-node.fixture.ts';

const names = (count: number) => Array.from({ length: count }, (_, i) => keyOf(`k${i}`));
const isConverged = (cluster: ReplicaCluster, keys = names(0)) =>
  keys.every((key) => new Set(cluster.versions(key)).size === 1);

test('replicas that miss writes get them, from whichever side has more, and then nothing is repaired any more', async () => {
  await inCluster({ nodes: 3, ringSize: 8 }, async (cluster) => {
    await cluster.built();
    const keys = names(60);
    keys.forEach((key, i) => {
      cluster.put(key, objectOf(1, i + 1));
      // Every third key has a write that two replicas missed, and some have concurrent ones.
      if (i % 3 === 0) cluster.put(key, objectOf(2, i + 1), [i % 2]);
      if (i % 6 === 0) cluster.put(key, objectOf(3, i + 1), [2]);
    });
    await cluster.until(() => isConverged(cluster, keys), 60_000);
    await cluster.world.sleep(30_000);
    const { keysRepaired } = cluster.nodes[0]!.antiEntropy.status().totals;
    const repaired = cluster.total('keysRepaired');
    assert.ok(keysRepaired > 0 && repaired >= 20 && repaired <= 60, `${repaired} repairs`);
    const listed = cluster.total('keysListed');
    await cluster.world.sleep(120_000);
    assert.equal(cluster.total('keysRepaired'), repaired, 'repairs go to 0');
    assert.equal(cluster.total('keysListed'), listed, 'nothing is listed when nothing differs');
    assert.equal(cluster.total('drifted'), 0);
  });
});

test('R58: deletes of the last entries of a tree at one side are found, with other trees after it', async () => {
  await inCluster({ nodes: 3, ringSize: 8 }, async (cluster) => {
    await cluster.built();
    const keys = names(30);
    cluster.putAll(keys, 1);
    await cluster.world.sleep(100);
    for (const key of keys) {
      const [{ partition, node }] = cluster.replicasOf(key) as [ReturnType<ReplicaCluster['replicasOf']>[0]];
      node.remove(partition, key);
    }
    await cluster.world.sleep(20);
    assert.ok(keys.every((key) => cluster.versions(key)[0] === undefined));
    await cluster.until(
      () => isConverged(cluster, keys) && cluster.versions(keys[0]!)[0] !== undefined,
      60_000,
    );
  });
});

test('R59: a delete that missed the tree is found out at the first exchange, and repairs go to 0', async () => {
  await inCluster({ nodes: 3, ringSize: 8 }, async (cluster) => {
    await cluster.built();
    const keys = names(20);
    cluster.putAll(keys, 1);
    await cluster.world.sleep(100);
    for (const key of keys) {
      for (const { partition, node } of cluster.replicasOf(key)) {
        node.isDeaf = node === cluster.nodes[1];
        node.remove(partition, key);
      }
    }
    await cluster.until(() => cluster.total('drifted') > 0, 60_000);
    await cluster.world.sleep(60_000);
    for (const { objects } of cluster.nodes[1]!.antiEntropy.status().partitions) assert.equal(objects, 0);
    const before = cluster.total('differing');
    await cluster.world.sleep(60_000);
    assert.equal(cluster.total('differing'), before, 'the trees agree');
    assert.equal(cluster.total('keysRepaired'), 0);
    assert.ok(keys.every((key) => cluster.versions(key).every((version) => version === undefined)));
  });
});

test('R60: a wiped partition, fewer copies than n, and fewer updates than n end in equal replicas without a read', async () => {
  await inCluster({ nodes: 3, ringSize: 8 }, async (cluster) => {
    await cluster.built();
    const keys = names(300);
    cluster.putAll(keys, 1);
    await cluster.world.sleep(100);
    const [wiped] = cluster.nodes;
    await wiped!.wipe(cluster.ring.partitionsOf(wiped!.id)[0]!);
    await wiped!.stop();
    wiped!.process.begin();
    // A wipe behind the trees' back: they are made anew, as the operator of a damaged database does.
    await wiped!.start(quickSettings);
    wiped!.antiEntropy.placementsChanged();
    cluster.putAll(keys.slice(0, 50), 2, [1]);
    cluster.putAll(names(350).slice(300), 3, [0]);
    await cluster.until(() => isConverged(cluster, names(350)), 120_000);
    assert.ok(names(350).every((key) => cluster.versions(key)[0] !== undefined));
  });
});

test('R61: an object that cannot be read lets the rebuild end, and is repaired', async () => {
  await inCluster({ nodes: 3, ringSize: 8 }, async (cluster) => {
    await cluster.built();
    const keys = names(50);
    cluster.putAll(keys, 1);
    await cluster.world.sleep(100);
    const node = cluster.nodes[2]!;
    const own = keys.flatMap((key) =>
      cluster
        .replicasOf(key)
        .filter((replica) => replica.node === node)
        .map((replica) => ({ ...replica, key })),
    );
    for (const { key, partition } of own.slice(0, 5))
      node.damaged.add(key.borrow(partition).toString('latin1'));
    node.antiEntropy.placementsChanged();
    await cluster.built();
    assert.ok(node.antiEntropy.status().totals.unreadable >= 5);
    await cluster.until(() => node.damaged.size === 0, 60_000);
    await cluster.built();
    await cluster.world.sleep(30_000);
    assert.ok(isConverged(cluster, keys));
    const repaired = cluster.total('keysRepaired');
    await cluster.world.sleep(60_000);
    assert.equal(cluster.total('keysRepaired'), repaired);
  });
});

test('R62: trees forget what expires, at all replicas and at one, and hold no lock meanwhile', async () => {
  await inCluster({ nodes: 3, ringSize: 8 }, async (cluster) => {
    await cluster.built();
    const keys = names(40);
    cluster.putAll(keys, 1);
    await cluster.world.sleep(20_000);
    for (const key of keys)
      for (const { partition, node } of cluster.replicasOf(key)) node.remove(partition, key);
    await cluster.world.sleep(60_000);
    for (const node of cluster.nodes) {
      assert.ok(node.antiEntropy.status().partitions.every(({ objects }) => objects === 0));
    }
    assert.equal(cluster.total('keysRepaired'), 0, 'nothing comes back');
    assert.ok(keys.every((key) => cluster.versions(key).every((version) => version === undefined)));
  });
});

test('C8: a tombstone that one side has reaped comes back as a tombstone, not as the object, and is read at all replicas', async () => {
  await inCluster({ nodes: 3, ringSize: 8 }, async (cluster) => {
    await cluster.built();
    const key = keyOf('deleted');
    cluster.put(key, objectOf(1, 1));
    cluster.put(key, objectOf(1, 2, true));
    await cluster.world.sleep(100);
    const { partition, node } = cluster.replicasOf(key)[0]!;
    node.remove(partition, key);
    await cluster.world.sleep(20);
    assert.equal(cluster.versions(key)[0], undefined);
    await cluster.until(() => isConverged(cluster, [key]), 60_000);
    assert.ok(cluster.versions(key)[0] !== undefined);
    await cluster.world.sleep(100);
    assert.deepEqual(new Set(cluster.nodes.flatMap(({ readAll }) => readAll)), new Set(['deleted']));
    // Reaped by all, as that read brings about: nothing returns.
    for (const replica of cluster.replicasOf(key)) replica.node.remove(replica.partition, key);
    await cluster.world.sleep(60_000);
    assert.ok(cluster.versions(key).every((version) => version === undefined));
  });
});

test('C8: a tombstone that all hold and nobody reads is found when trees are verified', async () => {
  const settings = { ...quickSettings, verifyIntervalMs: 60_000 };
  await inCluster(
    { nodes: 3, ringSize: 8 },
    async (cluster) => {
      await cluster.built();
      cluster.put(keyOf('forgotten'), objectOf(1, 1, true));
      cluster.put(keyOf('live'), objectOf(1, 2));
      await cluster.world.sleep(130_000);
      const [first] = cluster.replicasOf(keyOf('forgotten'));
      for (const { readAll, id } of cluster.nodes) {
        assert.deepEqual(new Set(readAll), new Set(id === first!.node.id ? ['forgotten'] : []));
      }
      assert.ok(cluster.total('verified') >= 8 && cluster.total('drifted') === 0);
    },
    settings,
  );
});

test('only primaries of partitions at rest compare: a move, an older ring and an unreachable peer wait', async () => {
  await inCluster({ nodes: 3, ringSize: 8 }, async (cluster) => {
    await cluster.built();
    const key = keyOf('k');
    const replicas = cluster.replicasOf(key);
    for (const { node, partition } of replicas) node.moving.add(partition);
    cluster.put(key, objectOf(1, 1), [0]);
    await cluster.world.sleep(60_000);
    assert.deepEqual(cluster.versions(key).slice(1), [undefined, undefined]);
    assert.ok(cluster.total('refused') > 0);
    for (const { node } of replicas) node.moving.clear();
    await cluster.until(() => isConverged(cluster, [key]), 60_000);
  });
});

test('writes in flight are no difference: nothing is listed or repaired while all replicas are written all the time', async () => {
  await inCluster({ nodes: 3, ringSize: 8 }, async (cluster) => {
    await cluster.built();
    for (let round = 0; round < 400; round += 1) {
      const fresh = Array.from({ length: 12 }, (_, i) => keyOf(`k${12 * round + i}`));
      cluster.putAll(fresh, 1, [0]);
      await cluster.world.sleep(80);
      cluster.putAll(fresh, 1, [1, 2]);
      await cluster.world.sleep(10);
    }
    assert.ok(cluster.total('differing') > 0, 'they were seen');
    assert.equal(cluster.total('verified'), 0, 'no tree is doubted for it');
    assert.equal(cluster.total('keysRepaired'), 0);
  });
});

test('at the default settings a ring of 256 is whole within minutes of a heal, and messages follow what differs', async () => {
  const settings = { ...quickSettings, intervalMs: 60_000 };
  await inCluster(
    { nodes: 3, ringSize: 256 },
    async (cluster) => {
      await cluster.built();
      const keys = names(2000);
      cluster.putAll(keys, 1);
      await cluster.world.sleep(90_000);
      const [a, b, c] = cluster.nodes;
      cluster.cut(a!, b!);
      cluster.cut(a!, c!);
      const changed = keys.slice(0, 200);
      changed.forEach((key, i) => {
        const positions = [0, 1, 2].filter((position) => cluster.replicasOf(key)[position]!.node !== a);
        cluster.put(key, objectOf(2, i + 1), positions);
      });
      await cluster.world.sleep(60_000);
      const [listedBefore, healedAt] = [cluster.total('keysListed'), cluster.world.nowMs];
      cluster.heal();
      await cluster.until(() => isConverged(cluster, keys), 180_000);
      assert.ok(cluster.world.nowMs - healedAt < 40_000, `${cluster.world.nowMs - healedAt} ms`);
      // Each changed key is listed at two sides for each of two pairs that miss it, with what shares its segment.
      const listed = cluster.total('keysListed') - listedBefore;
      assert.ok(
        listed >= 2 * 200 && listed <= 10 * 200,
        `${listed} keys listed for 200 that differ, of 2000`,
      );
    },
    settings,
  );
});

test('P1, P2: a clean stop hands the trees on, a crash does not; both ways they are what is stored', async () => {
  await inCluster({ nodes: 3, ringSize: 8 }, async (cluster) => {
    await cluster.built();
    const keys = names(100);
    cluster.putAll(keys, 1);
    await cluster.world.sleep(1000);
    const node = cluster.nodes[0]!;
    await node.stop();
    node.process.begin();
    await node.start(quickSettings);
    const status = node.antiEntropy.status();
    assert.ok(
      status.partitions.every(({ state }) => state === 'built'),
      'no fold is needed',
    );
    const stored = await storedAt(node);
    assert.ok(stored >= 100);
    assert.equal(objectsIn(node), stored);
    cluster.put(keyOf('more'), objectOf(2, 1));
    await cluster.world.sleep(1000);
    node.process.crash();
    node.handler = undefined;
    node.process.begin();
    await node.start(quickSettings);
    assert.ok(node.antiEntropy.status().partitions.every(({ state }) => state === 'building'));
    await cluster.built();
    await cluster.world.sleep(60_000);
    assert.equal(cluster.total('keysListed'), 0, 'the trees of all nodes agree');
    assert.ok((await storedAt(node)) > stored);
    assert.equal(objectsIn(node), await storedAt(node));
  });
});

test('an empty node has its trees at once, without a fold', async () => {
  await inCluster({ nodes: 3, ringSize: 8 }, async (cluster) => {
    const states = (node: ReplicaNode) => node.antiEntropy.status().partitions.map(({ state }) => state);
    assert.ok(cluster.nodes.every((node) => states(node).every((state) => state === 'built')));
    cluster.putAll(names(40), 1);
    await cluster.world.sleep(30_000);
    assert.equal(cluster.total('built'), 0);
    assert.equal(cluster.total('keysListed'), 0, 'the trees agree');
    for (const node of cluster.nodes) assert.equal(objectsIn(node), await storedAt(node));
  });
});

test('a node that holds something it cannot read is not taken for empty', async () => {
  const world = new World({ seed: 1 });
  const self = nodeIdOf('a@host');
  await world.run(async () => {
    const { environment } = world.node(self);
    const memory = await openMemoryEngine({}, environment);
    const stateWith = async (damage: readonly StorageError[]) => {
      const engine: StorageEngine = Object.assign(Object.create(memory), {
        health: { kind: 'healthy' },
        get: (key: Buffer) => memory.get(key),
        scan(...[range, options]: Parameters<StorageEngine['scan']>) {
          for (const error of damage) options?.corrupt?.(undefined, error);
          return memory.scan(range, options);
        },
      });
      const antiEntropy = await AntiEntropy.open({
        environment,
        background: new BackgroundWork(environment, unknownForeground),
        commit: new GroupCommit(engine, environment.tasks),
        topology: new SoloTopology(self, 8),
        placements: { of: () => ({ nVal: 3, bucketOnly: false }), nVals: [3], revision: '' },
        settings: quickSettings,
      });
      return new Set(antiEntropy.status().partitions.map(({ state }) => state));
    };
    assert.deepEqual(await stateWith([]), new Set(['built']));
    assert.deepEqual(await stateWith([new StorageError('corrupt', 'rotten')]), new Set(['building']));
  });
});

test('law: replicas with random differences converge while writes, crashes and cuts go on, and no tree drifts', async () => {
  const change = fc.record({
    key: fc.integer({ min: 0, max: 30 }),
    positions: fc.subarray([0, 1, 2], { minLength: 1 }),
    writer: fc.integer({ min: 1, max: 3 }),
    pauseMs: fc.constantFrom(0, 0, 1, 20, 700),
    event: fc.option(fc.constantFrom('crash', 'stop', 'cut', 'heal', 'remove'), { freq: 12 }),
    node: fc.integer({ min: 0, max: 2 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 20, maxLength: 80 }), fc.nat(), async (changes, seed) => {
      await inCluster({ nodes: 3, ringSize: 8, seed }, async (cluster) => {
        let counter = 0;
        for (const { key, positions, writer, pauseMs, event, node } of changes) {
          counter += 1;
          cluster.put(keyOf(`k${key}`), objectOf(writer, counter), positions);
          if (event !== null) await befall(cluster, event, node, key);
          if (pauseMs > 0) await cluster.world.sleep(pauseMs);
        }
        cluster.heal();
        await cluster.built();
        const keys = names(31);
        await cluster.until(() => isConverged(cluster, keys), 300_000);
        await cluster.world.sleep(30_000);
        const totals = ['keysRepaired', 'keysListed', 'drifted'] as const;
        const before = totals.map((name) => cluster.total(name));
        await cluster.world.sleep(60_000);
        assert.deepEqual(
          totals.map((name) => cluster.total(name)),
          before,
          'it comes to rest',
        );
        assert.equal(cluster.total('drifted'), 0);
      });
    }),
    { numRuns: 8 },
  );
});

function objectsIn(node: ReplicaNode): number {
  return node.antiEntropy.status().partitions.reduce((sum, { objects }) => sum + objects, 0);
}

async function storedAt(node: ReplicaNode): Promise<number> {
  let stored = 0;
  for (const { partition } of node.antiEntropy.status().partitions)
    stored += (await node.contents(partition)).size;
  return stored;
}

async function befall(cluster: ReplicaCluster, event: string, index: number, key: number): Promise<void> {
  const node = cluster.nodes[index]!;
  const { partition, node: holder } = cluster.replicasOf(keyOf(`k${key}`))[index]!;
  if (event === 'cut') cluster.cut(node, cluster.nodes[(index + 1) % 3]!);
  else if (event === 'heal') cluster.heal();
  else if (event === 'remove') holder.remove(partition, keyOf(`k${key}`));
  else {
    if (event === 'stop') await node.stop();
    else node.process.crash();
    node.handler = undefined;
    node.process.begin();
    await node.start(quickSettings);
  }
}
