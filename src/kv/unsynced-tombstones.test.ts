/** Buckets whose writes are left to the operating system: what a power cut takes must not bring back what was deleted (C8). */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { type Durability, WriteBatch } from '../storage/index.ts';
import { encodeContent } from '../wire/index.ts';
import { defaultBucketProperties, quorumAll } from './index.ts';
import { ReplicatedStores, type StoreNode, type StoresOptions } from './replicated-stores.fixture.ts';
import { reapedMsMin } from './vnode/index.ts';

const marginMs = 1000;

function options(durability: Durability, settings: StoresOptions['settings'] = {}): StoresOptions {
  const bucketDefaults = { ...defaultBucketProperties, allow_mult: true, durability };
  const pace = { expiryMarginMs: marginMs, expirySweepIntervalMs: 1000, expirySweepPerSecondMax: 1000 };
  return { settings: { bucketDefaults, ...pace, ...settings } };
}

/** Remembers what a power cut gives back: the value before the first write of a key that no write of its own has synced. */
class PageCache {
  readonly #node: StoreNode;
  readonly #onDisk = new Map<string, Buffer | undefined>();

  constructor(node: StoreNode) {
    this.#node = node;
    const { engine } = node;
    const write = engine.write.bind(engine);
    engine.write = (batch, durability) => {
      for (const key of batch.keys) {
        const name = key.toString('latin1');
        if (durability === 'synced') this.#onDisk.delete(name);
        else if (!this.#onDisk.has(name)) this.#onDisk.set(name, engine.get(key));
      }
      return write(batch, durability);
    };
  }

  async cutPower(): Promise<void> {
    const batch = new WriteBatch();
    for (const [name, value] of this.#onDisk) {
      const key = Buffer.from(name, 'latin1');
      if (value === undefined) batch.delete(key);
      else batch.put(key, value);
    }
    await this.#node.store.close();
    await this.#node.engine.write(batch, 'synced');
    await this.#node.open();
  }
}

const endings = {
  deleted: (node: StoreNode) => node.delete('k'),
  // What expires has replaced what does not.
  expired: async (node: StoreNode) => {
    const read = await node.get('k');
    assert.ok(read.kind === 'found');
    const parts = { value: Buffer.from('brief'), links: [], userMeta: [], indexes: [], deleted: false };
    const content = encodeContent({ ...parts, ttlSeconds: 1 });
    return node.put('k', '', { content, context: read.object.context });
  },
};

for (const [ending, end] of Object.entries(endings)) {
  test(`what was ${ending} and forgotten by all stays away, though the power of one replica fails`, async () => {
    for (const at of [0, 1, 2]) {
      await ReplicatedStores.run(options('os'), async (stores) => {
        const { primaries, partitions } = stores.placesOf('k');
        const caches = primaries.map((node) => new PageCache(node));
        await primaries[0]!.put('k', 'v', { w: quorumAll, syncOnWrite: 'all' });
        assert.notEqual((await end(primaries[0]!)).kind, 'failed');
        await stores.world.sleep(10_000);
        for (const [i, node] of primaries.entries()) {
          assert.equal(await node.copy(partitions[i]!, 'k'), undefined, 'forgotten');
        }
        await stores.world.sleep(reapedMsMin);
        await caches[at]!.cutPower();
        for (let read = 0; read < 2; read += 1) {
          assert.deepEqual(await primaries[0]!.values('k', { r: quorumAll }), [], `replica ${at}`);
          await stores.world.sleep(1000);
        }
      });
    }
  });
}

test('a tombstone that one replica cannot sync is forgotten by nobody', async () => {
  await ReplicatedStores.run(options('os'), async (stores) => {
    const { primaries, partitions } = stores.placesOf('k');
    await primaries[0]!.put('k', 'v', { w: quorumAll });
    assert.equal((await primaries[0]!.delete('k', { w: quorumAll })).kind, 'deleted');
    primaries[2]!.refusesWrites = true;
    await stores.world.sleep(1000);
    for (const [i, node] of primaries.entries()) {
      assert.equal((await node.copy(partitions[i]!, 'k'))?.isTombstone, true);
    }
    primaries[2]!.refusesWrites = false;
    // Until then it counts as asked for.
    await stores.world.sleep(4000);
    await primaries[0]!.get('k', { r: quorumAll });
    await stores.world.sleep(1000);
    for (const [i, node] of primaries.entries())
      assert.equal(await node.copy(partitions[i]!, 'k'), undefined);
  });
});

test('where writes are synced, or tombstones are kept, none is stored a second time', async () => {
  const kept = { deleteMode: 'keep' } as const;
  for (const given of [options('synced'), options('os', kept), options('synced', kept)]) {
    await ReplicatedStores.run(given, async (stores) => {
      const { primaries } = stores.placesOf('k');
      await primaries[0]!.put('k', 'v', { w: quorumAll });
      await primaries[0]!.delete('k', { w: quorumAll });
      await stores.world.sleep(1000);
      await primaries[0]!.get('k', { r: quorumAll });
      await stores.world.sleep(1000);
      const repairs = stores.sentOf('put').filter(({ route }) => route.traffic === 'repair');
      assert.equal(repairs.length, 0);
    });
  }
});

test('however often a tombstone that waits to be forgotten is read, it is synced once', async () => {
  await ReplicatedStores.run(options('os', { deleteMode: 10_000 }), async (stores) => {
    const { primaries } = stores.placesOf('k');
    await primaries[0]!.put('k', 'v', { w: quorumAll });
    await primaries[0]!.delete('k', { w: quorumAll });
    for (let read = 0; read < 20; read += 1) {
      await primaries[0]!.get('k', { r: quorumAll });
      await stores.world.sleep(100);
    }
    const synced = stores.sentOf('put').filter(({ route }) => route.traffic === 'repair');
    assert.equal(synced.length, 2, 'once at each of the other nodes');
  });
});
