/** What a drop leaves behind, by what its objects were like when it began. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { actorId, VersionVector } from '../../clocks/index.ts';
import { byteLiteral, byteStringOf, textOfBytes } from '../../stdx/index.ts';
import { WriteBatch } from '../../storage/index.ts';
import { encodeContent, tombstoneContent } from '../../wire/index.ts';
import { chunkType } from '../chunk-space.ts';
import { defaultBucketProperties } from '../index.ts';
import { makeObject } from '../object/index.ts';
import { addressOf, ReplicatedStores, type StoreNode } from '../replicated-stores.fixture.ts';
import { SharedRegistry } from '../shared-registry.fixture.ts';
import { ObjectKey } from '../vnode/index.ts';
import { DropMarks } from './drop-marks.ts';

/** One node, which has all replicas. */
function alone() {
  const registry = new SharedRegistry();
  return { nodes: 1, parts: () => ({ registry }) };
}

async function dropped(stores: ReplicatedStores, node: StoreNode): Promise<void> {
  await node.store.drops.dropBucket(addressOf(''));
  for (let looks = 0; node.store.drops.inProgress.length > 0; looks += 1) {
    assert.ok(looks < 60, 'the drop ends');
    await stores.world.sleep(1000);
  }
  await stores.world.sleep(5000);
}

function copiesOf(node: StoreNode, key: string): number {
  const { ring } = node.topology;
  const name = new ObjectKey(addressOf(key));
  return ring.partitions().filter((partition) => node.engine.get(name.borrow(partition)) !== undefined)
    .length;
}

test('neither what nobody knows nor what nobody can name is dropped', async () => {
  await ReplicatedStores.run(alone(), async (_, node) => {
    for (const bucketType of [byteLiteral('unknown'), chunkType]) {
      const address = { bucketType, bucket: byteLiteral('chunks') };
      await assert.rejects(node!.store.drops.dropBucket(address), {
        error: { code: 'unknown_bucket_type', bucketType: textOfBytes(bucketType) },
      });
    }
    assert.deepEqual(node!.store.drops.inProgress, []);
  });
});

test('a type is not made anew before it is gone', async () => {
  await ReplicatedStores.run(alone(), async (stores, node) => {
    const { bucketTypes, drops } = node!.store;
    const name = byteLiteral('carts');
    assert.equal(await bucketTypes.create(name, {}), undefined);
    assert.equal(await bucketTypes.activate(name), undefined);
    assert.equal(await drops.dropType(name), undefined);
    assert.deepEqual(await bucketTypes.create(name, {}), { reason: 'being_dropped' });
    // Its definition goes before the mark: whoever dies in between must not take a new one along.
    assert.equal(await bucketTypes.forget(name), undefined);
    assert.deepEqual(await bucketTypes.create(name, {}), { reason: 'being_dropped' });
    while (drops.inProgress.length > 0) await stores.world.sleep(1000);
    assert.equal(await bucketTypes.create(name, {}), undefined);
  });
});

test('a drop takes along what only one replica has, whichever it is', async () => {
  for (let seed = 1; seed <= 30; seed += 1) {
    await ReplicatedStores.run({ ...alone(), seed }, async (stores, node) => {
      await node!.put('k', 'v');
      const { partitions } = stores.placesOf('k');
      for (const [at, partition] of partitions.entries()) {
        if (at !== seed % partitions.length) await node!.forget(partition, 'k');
      }
      assert.equal(copiesOf(node!, 'k'), 1);
      await dropped(stores, node!);
      assert.equal(copiesOf(node!, 'k'), 0, `seed ${seed}`);
    });
  }
});

test('what has expired goes at once, though it would be kept for as long as clocks may differ', async () => {
  const bucketDefaults = { ...defaultBucketProperties, allow_mult: true, ttl: 1 };
  await ReplicatedStores.run({ ...alone(), settings: { bucketDefaults } }, async (stores, node) => {
    await node!.put('k', 'v');
    await stores.world.sleep(2000);
    assert.equal((await node!.get('k')).kind, 'notfound');
    assert.equal(copiesOf(node!, 'k'), 3);
    await dropped(stores, node!);
    assert.equal(copiesOf(node!, 'k'), 0);
    assert.equal(node!.store.drops.removed, 1);
  });
});

test('Z4: where its node joins another cluster, a drop ends in the middle', async () => {
  const names = Array.from({ length: 100 }, (_, i) => `k${i}`);
  const registry = new SharedRegistry();
  await ReplicatedStores.run({ nodes: 1, parts: () => ({ registry }) }, async (stores, node) => {
    const { drops } = node!.store;
    for (const name of names) await node!.put(name, 'v');
    await drops.dropBucket(addressOf(''));
    for (let waited = 0; drops.removed === 0; waited += 1) {
      assert.ok(waited < 100_000, 'nothing is dropped');
      await stores.world.sleep(0.1);
    }
    registry.joinAnother();
    // Those whose tombstones are being written.
    await stores.world.sleep(100);
    const left: string[] = [];
    for (const name of names) if ((await node!.get(name)).kind === 'found') left.push(name);
    assert.ok(left.length > 0, 'the rest is no longer its own');
    await stores.world.sleep(30_000);
    for (const name of left) assert.deepEqual(await node!.values(name), ['v']);
  });
});

test('Z4: a mark that was set anew is another one, and the drop begins anew with it', async () => {
  const registry = new SharedRegistry();
  await ReplicatedStores.run({ nodes: 1, parts: () => ({ registry }) }, async (_, node) => {
    const { drops } = node!.store;
    await drops.dropBucket(addressOf(''));
    const marks = new DropMarks(registry, 1000);
    const [first] = marks.list();
    assert.ok(marks.holds(first!));
    await marks.clear(first!);
    assert.ok(!marks.holds(first!));
    await drops.dropBucket(addressOf(''));
    assert.ok(!marks.holds(first!));
    await marks.clear(first!);
    assert.equal(marks.list().length, 1, 'and goes only by its own name');
  });
});

// Tombstones are kept: else a read of all replicas that shows nothing lets the object be forgotten.
test('what lives under a later tombstone goes, also where a bucket shows the last alone', async () => {
  for (const allow_mult of [false, true]) {
    const bucketDefaults = { ...defaultBucketProperties, allow_mult };
    await ReplicatedStores.run(
      { ...alone(), settings: { bucketDefaults, deleteMode: 'keep' } },
      async (stores, node) => {
        const { partitions } = stores.placesOf('k');
        const siblings = [
          { dot: dotOf(1), content: encodeContent({ ...plain, lastModifiedMicros: 1 }) },
          { dot: dotOf(2), content: tombstoneContent(byteLiteral('t'), 2) },
        ];
        const clock = siblings.reduce((seen, { dot }) => seen.with(dot, 0), VersionVector.empty);
        for (const partition of partitions) await node!.repair(partition, 'k', makeObject(clock, siblings));
        assert.equal((await node!.values('k')).includes('v'), allow_mult);
        await dropped(stores, node!);
        for (const partition of partitions) assert.ok((await node!.copy(partition, 'k'))?.isTombstone);
      },
    );
  }
});

const plain = { value: Buffer.from('v'), links: [], userMeta: [], indexes: [], deleted: false };
const dotOf = (n: number) => ({ actor: actorId(byteStringOf(Buffer.alloc(8, n)), 1), counter: 1 });

test('a copy that cannot be decoded goes like the rest, whether other replicas have the key or not', async () => {
  for (const at of [0, 1, 2]) {
    for (const others of ['have it', 'have nothing']) {
      await ReplicatedStores.run(alone(), async (stores, node) => {
        await node!.put('k', 'v');
        const { partitions } = stores.placesOf('k');
        if (others === 'have nothing') for (const partition of partitions) await node!.forget(partition, 'k');
        const batch = new WriteBatch();
        batch.put(new ObjectKey(addressOf('k')).copy(partitions[at]!), Buffer.from('rot'));
        await node!.engine.write(batch, 'synced');
        await dropped(stores, node!);
        assert.equal(copiesOf(node!, 'k'), 0, `replica ${at}, others ${others}`);
      });
    }
  }
});
