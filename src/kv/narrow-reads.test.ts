/** Reads that ask no more replicas than they need, until something is amiss (R11). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type KeyValueSettings, quorumAll, quorumCount, quorumOne } from './index.ts';
import { ReplicatedStores, type StoreNode, valuesOf } from './replicated-stores.fixture.ts';

const narrow: Partial<KeyValueSettings> = { readEveryoneInterval: 1_000_000 };

function asked(stores: ReplicatedStores): readonly string[] {
  return stores
    .sentOf('get')
    .map(({ to }) => to)
    .sort();
}

test('R11: a read asks as many as its quorum needs, two at least; all, where the quorum needs all', async () => {
  await ReplicatedStores.run({ settings: narrow }, async (stores) => {
    const { primaries, others } = stores.placesOf('k');
    await primaries[0].put('k', 'v', { w: quorumAll });
    const requests = async (node: StoreNode, options: Parameters<StoreNode['get']>[1]): Promise<number> => {
      stores.sent.length = 0;
      assert.deepEqual(await node.values('k', options), ['v']);
      await stores.world.sleep(50);
      return asked(stores).length;
    };
    assert.equal(await requests(primaries[1], {}), 1);
    assert.equal(await requests(primaries[1], { r: quorumOne }), 1);
    assert.equal(await requests(primaries[1], { r: quorumAll }), 2);
    assert.equal(await requests(primaries[1], { pr: quorumAll }), 2);
    assert.equal(await requests(primaries[1], { nodeConfirms: quorumCount(3) }), 2);
    assert.equal(await requests(others[0], {}), 2);
    assert.deepEqual(new Set(stores.sent.map(({ reply }) => reply)), new Set(['digest', 'object']));
    stores.declareDown(primaries[2]);
    assert.equal(await requests(primaries[0], {}), 2, 'a fallback is in the list');
  });
});

test('R11: of a node that holds several replicas one is read, until something is amiss', async () => {
  await ReplicatedStores.run({ nodes: 2, settings: narrow }, async (stores, ...nodes) => {
    const { primaries, partitions } = stores.placesOf('k');
    await nodes[0]!.put('k', 'v', { w: quorumAll });
    const old = await nodes[0]!.copy(partitions[primaries.indexOf(nodes[0]!)]!, 'k');
    for (const reader of nodes) {
      stores.sent.length = 0;
      assert.deepEqual(await reader.values('k'), ['v']);
      assert.equal(asked(stores).length, 1);
      assert.deepEqual(await reader.values('k', { r: quorumAll }), ['v']);
      assert.deepEqual(await reader.values('k', { pr: quorumAll }), ['v']);
    }
    // The first that each is asked for: then all are heard, and repaired.
    const [reader, peer] = nodes;
    const places = primaries.map((node, i) => ({ node, partition: partitions[i]! }));
    for (const spoiled of nodes) {
      const repairs = reader!.counted.repairs;
      const own = places.filter(({ node }) => node === spoiled);
      for (const { node, partition } of own) await node.forget(partition, 'k');
      stores.sent.length = 0;
      assert.deepEqual(await reader!.values('k'), ['v']);
      await stores.world.sleep(50);
      assert.equal(asked(stores).length, places.filter(({ node }) => node === peer).length);
      assert.equal(reader!.counted.repairs - repairs, own.length);
      for (const { node, partition } of own)
        assert.deepEqual((await node.copy(partition, 'k'))?.bytes, old?.bytes);
    }
    // If the peer is silent, both of one's own are the quorum in the end.
    stores.cut(reader!, peer!);
    const [twice] = nodes.filter((node) => places.filter((place) => place.node === node).length === 2);
    assert.deepEqual(await twice!.values('k', { timeoutMs: 500 }), ['v']);
  });
});

test('every so many-th read asks everybody, and repairs who missed the write', async () => {
  await ReplicatedStores.run({ settings: { readEveryoneInterval: 4 } }, async (stores) => {
    const { primaries, partitions } = stores.placesOf('k');
    const [reader] = primaries;
    await reader.put('k', 'v', { w: quorumAll });
    // Who misses it is never among the first that are asked.
    for (let i = 0; i < 40; i += 1) await reader.get('k');
    stores.sent.length = 0;
    await reader.get('k');
    const first = asked(stores)[0];
    const missing = primaries.findIndex(({ id }) => id !== reader.id && id !== first);
    await primaries[missing]!.forget(partitions[missing]!, 'k');
    stores.sent.length = 0;
    for (let i = 0; i < 8; i += 1) assert.deepEqual(await reader.values('k'), ['v']);
    assert.equal(asked(stores).length, 8 + 2);
    await stores.world.sleep(50);
    assert.equal(reader.counted.repairs, 1);
    assert.ok((await primaries[missing]!.copy(partitions[missing]!, 'k')) !== undefined);
  });
});

test('R11: who lacks the key, or has another version of it, makes the read ask everybody, and all are repaired', async () => {
  await ReplicatedStores.run({ settings: narrow }, async (stores) => {
    const { primaries, partitions } = stores.placesOf('k');
    await primaries[0].put('k', 'old', { w: quorumAll });
    const old = await primaries[0].copy(partitions[0], 'k');
    const read = await primaries[0].get('k');
    assert.ok(old !== undefined && read.kind === 'found');
    await primaries[0].put('k', 'new', { w: quorumAll, context: read.object.context });
    let widened = 0;
    for (const isMissing of [false, true]) {
      for (const reader of primaries) {
        for (const [at, behind] of primaries.entries()) {
          await behind.forget(partitions[at]!, 'k');
          if (!isMissing) await behind.repair(partitions[at]!, 'k', old);
          stores.sent.length = 0;
          for (let i = 0; i < 3; i += 1) assert.deepEqual(await reader.values('k'), ['new']);
          await stores.world.sleep(50);
          if (asked(stores).length > 3) {
            widened += 1;
            const copy = await behind.copy(partitions[at]!, 'k');
            assert.deepEqual(copy && valuesOf(copy), ['new']);
          }
          await reader.values('k', { r: quorumAll });
          await stores.world.sleep(50);
        }
      }
    }
    // Of three replicas two are read: the reader's own, and one of the others.
    assert.ok(widened >= 12 && widened < 18, `${widened}`);
  });
});

test('R11: a miss is never the word of the first that were asked', async () => {
  let found = 0;
  for (let seed = 1; seed <= 40; seed += 1) {
    await ReplicatedStores.run({ seed, nodes: 4, settings: narrow }, async (stores) => {
      const { primaries, others, partitions } = stores.placesOf('k');
      await primaries[0].put('k', 'v', { w: quorumAll });
      for (const [i, node] of primaries.entries()) {
        if (stores.world.random.fraction() < 0.6) await node.forget(partitions[i]!, 'k');
      }
      for (const reader of [...primaries, ...others]) {
        stores.sent.length = 0;
        const r = stores.world.random.fraction() < 0.5 ? quorumOne : quorumCount(2);
        const values = await reader.values('k', { r });
        await stores.world.sleep(50);
        const remote = primaries.filter((node) => node !== reader).map(({ id }) => id);
        if (values.length > 0) found += 1;
        else assert.deepEqual([...new Set(asked(stores))], remote.sort(), `seed ${seed}`);
      }
    });
  }
  assert.ok(found > 40, `${found}`);
});

test('who is silent costs a hedge once; then everybody else is asked at first, until it answers', async () => {
  await ReplicatedStores.run({ settings: { ...narrow, hedgeDelayMsMax: 50 } }, async (stores) => {
    const { primaries } = stores.placesOf('k');
    const [reader, ...peers] = primaries;
    await reader!.put('k', 'v', { w: quorumAll });
    for (let i = 0; i < 20; i += 1) await reader!.get('k');
    stores.sent.length = 0;
    await reader!.get('k');
    const silent = peers.find(({ id }) => id === asked(stores)[0])!;
    stores.link(reader!, silent).state = 'silent';
    const took = async (): Promise<number> => {
      const startedAt = stores.world.nowMs;
      assert.deepEqual(await reader!.values('k'), ['v']);
      return stores.world.nowMs - startedAt;
    };
    const hedged = await took();
    assert.ok(hedged > 5 && hedged < 90, `${hedged} ms`);
    for (let i = 0; i < 20; i += 1) {
      const ms = await took();
      assert.ok(ms < 5, `${ms} ms`);
    }
    // The other one alone was asked; if it is gone too, nobody waits for the one that owes an answer.
    const other = peers.find((node) => node !== silent)!;
    stores.link(reader!, other).state = 'refused';
    stores.link(reader!, silent).state = 'open';
    const gone = await took();
    assert.ok(gone < 10, `${gone} ms`);
  });
});

test('a deleted key is read from everybody, and forgotten', async () => {
  await ReplicatedStores.run({ settings: narrow }, async (stores) => {
    const { primaries } = stores.placesOf('k');
    await primaries[0].put('k', 'v', { w: quorumAll });
    assert.deepEqual(await primaries[0].delete('k'), { kind: 'deleted' });
    await stores.world.sleep(500);
    stores.sent.length = 0;
    assert.deepEqual(await primaries[0].values('k'), []);
    assert.equal(asked(stores).length, 2);
    assert.equal(primaries.reduce((sum, { counted }) => sum + counted.reaped, 0) > 0, true);
  });
});
