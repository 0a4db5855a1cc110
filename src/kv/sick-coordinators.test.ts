/** Writes through a node whose disk takes nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PutResult } from './index.ts';
import { ReplicatedStores, type StoreNode } from './replicated-stores.fixture.ts';

const codeOf = (result: PutResult) => (result.kind === 'failed' ? result.error.code : result.kind);

async function actorsOf(node: StoreNode): Promise<number> {
  const read = await node.get('k');
  assert.ok(read.kind === 'found');
  return read.object.clock.entries.length;
}

test('another coordinates, so that the clock of a key does not grow with each write, until the disk takes something', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const [sick, second] = stores.placesOf('k').primaries;
    sick.refusesWrites = true;
    for (let i = 0; i < 20; i += 1) assert.equal(codeOf(await sick.put('k', `v${i}`)), 'stored');
    assert.equal(sick.counted.forwards, 19, 'the first has shown it');
    assert.equal(await actorsOf(second), 2);
    sick.refusesWrites = false;
    assert.equal(codeOf(await second.put('k', 'w')), 'stored');
    await stores.world.sleep(100);
    assert.equal(codeOf(await sick.put('k', 'x')), 'stored');
    assert.equal(sick.counted.forwards, 19, 'what others had it store has shown it');
  });
});

test('where nobody else answers it coordinates all the same', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const [sick, ...rest] = stores.placesOf('k').primaries;
    sick.refusesWrites = true;
    assert.equal(codeOf(await sick.put('k', 'v')), 'stored');
    for (const node of rest) stores.cut(sick, node, 'refused');
    assert.equal(codeOf(await sick.put('k', 'w')), 'stored', 'fallbacks take it');
    assert.notEqual(codeOf(await sick.put('k', 'x', { sloppyQuorum: false })), 'stored');
  });
});

test('where all are sick each write is tried once, and none says that it was stored', async () => {
  await ReplicatedStores.run({}, async (stores, ...nodes) => {
    for (const node of nodes) node.refusesWrites = true;
    const { primaries } = stores.placesOf('k');
    for (let round = 0; round < 3; round += 1) {
      for (const node of primaries) assert.notEqual(codeOf(await node.put('k', 'v')), 'stored');
    }
    for (const node of primaries) assert.ok(node.counted.forwards <= 3, 'whom it asks does not ask on');
  });
});
