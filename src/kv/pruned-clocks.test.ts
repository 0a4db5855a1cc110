/** Clocks that have become long, at all replicas of a key: what is pruned stays pruned, and all prune the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ByteString, byteLiteral } from '../stdx/index.ts';
import { DatatypeStore, type DatatypeUpdateOutcome, defaultBucketProperties, quorumAll } from './index.ts';
import {
  addressOf,
  ReplicatedStores,
  type StoreNode,
  type StoresOptions,
} from './replicated-stores.fixture.ts';

const clockEntriesMax = 10;
const bucketDefaults = {
  ...defaultBucketProperties,
  allow_mult: true,
  small_vclock: clockEntriesMax,
  big_vclock: clockEntriesMax,
};
const options: StoresOptions = { settings: { bucketDefaults, deleteMode: 'immediate' } };

interface Places {
  readonly primaries: readonly StoreNode[];
  /** Entries of the clock at each of the replicas, which hold the same bytes. */
  readonly entries: () => Promise<number>;
  /** Simulated milliseconds. */
  readonly wait: (milliseconds: number) => Promise<void>;
  /** Replicas that reads have repaired. */
  readonly repairs: () => number;
}

function run(
  given: StoresOptions,
  body: (places: Places, stores: ReplicatedStores) => Promise<void>,
): Promise<void> {
  return ReplicatedStores.run(given, async (stores, ...nodes) => {
    const { primaries, partitions } = stores.placesOf('k');
    const entries = async () => {
      const copies = await Promise.all(primaries.map((node, i) => node.copy(partitions[i], 'k')));
      for (const copy of copies) assert.deepEqual(copy?.bytes, copies[0]?.bytes, 'all hold the same');
      return copies[0]?.clock.entries.length ?? 0;
    };
    const wait = (milliseconds: number) =>
      new Promise<void>((resolve) => void stores.world.after(milliseconds, resolve));
    const repairs = () => nodes.reduce((sum, { counted }) => sum + counted.repairs, 0);
    await body({ primaries, entries, wait, repairs }, stores);
  });
}

/** Each puts an insertion after a reap, and so an actor, into the clock. */
async function putAndDelete(
  { primaries, entries, wait }: Places,
  cycles: number,
  write: (node: StoreNode) => Promise<{ readonly kind: string }>,
) {
  let longest = 0;
  for (let cycle = 0; cycle < cycles; cycle += 1) {
    const node = primaries[cycle % primaries.length];
    assert.notEqual((await write(node)).kind, 'failed');
    await wait(2500);
    longest = Math.max(longest, await entries());
    assert.equal((await node.delete('k', { w: quorumAll })).kind, 'deleted');
    await wait(2500);
    assert.equal(await entries(), 0, 'it is forgotten');
  }
  return longest;
}

test('a key that is put, deleted and forgotten again and again has no longer clock than the limits say, anywhere', async () => {
  await run(options, async (places) => {
    const longest = await putAndDelete(places, 300, (node) => node.put('k', 'v', { w: quorumAll }));
    assert.equal(longest, clockEntriesMax);
    for (const { store } of places.primaries) {
      assert.ok(
        store.reapedVersions.byteLength < 1000,
        `${store.reapedVersions.byteLength} bytes are remembered`,
      );
    }
  });
});

test('a write of a key with a long clock leaves all replicas with the same, and nothing to repair', async () => {
  await run(options, async (places) => {
    const { primaries, entries, wait, repairs } = places;
    await putAndDelete(places, 15, (node) => node.put('k', 'v', { w: quorumAll }));
    const before = repairs();
    for (let write = 0; write < 20; write += 1) {
      const node = primaries[write % 2];
      const read = await node.get('k', { r: quorumAll });
      const context = read.kind === 'found' ? read.object.context : undefined;
      assert.equal((await node.put('k', `v${write}`, { w: quorumAll, context })).kind, 'stored');
      await wait(30_000);
      assert.equal(await entries(), clockEntriesMax);
    }
    assert.equal(repairs(), before);
  });
});

test('a data type, too, has no longer clock than the limits say, and deltas stay of use', async () => {
  const custom = new Map([['datatype', 'set']]);
  const ofSets = {
    ...options,
    settings: { ...options.settings, bucketDefaults: { ...bucketDefaults, custom } },
  };
  await run(ofSets, async (places, stores) => {
    const elements = Array.from({ length: 200 }, (_, i) => byteLiteral(`element ${i}`));
    const add = (node: StoreNode, added: readonly ByteString[]) => {
      const operation = { kind: 'set', steps: [{ kind: 'add', elements: added }] } as const;
      const datatypes = new DatatypeStore(node.store, node.environment, 1e6);
      return new Promise<DatatypeUpdateOutcome>((done) =>
        datatypes.update({ ...addressOf('k'), operation, w: quorumAll }, done),
      );
    };
    const { primaries, entries, wait } = places;
    assert.equal(await putAndDelete(places, 30, (node) => add(node, elements)), clockEntriesMax);
    await add(primaries[0], elements);
    for (let round = 0; round < 9; round += 1) {
      assert.equal((await add(primaries[round % 3], [byteLiteral(`more ${round}`)])).kind, 'updated');
      await wait(30_000);
      assert.equal(await entries(), clockEntriesMax);
    }
    // Its next update is by another actor, and prunes.
    const unlucky = primaries[1];
    unlucky.refusesWrites = true;
    await unlucky.put('other', 'v');
    unlucky.refusesWrites = false;
    await add(primaries[0], [byteLiteral('one')]);
    await add(unlucky, [byteLiteral('one more')]);
    await wait(30_000);
    assert.equal(await entries(), clockEntriesMax);
    const deltas = stores.sentOf('delta').map(({ reply }) => reply);
    assert.deepEqual(new Set(deltas), new Set(['stored']));
    assert.ok(deltas.length >= 8, `${deltas.length} deltas`);
  });
});

test('who has read a sibling that is older than all that a clock keeps supersedes and deletes it, through any node', async () => {
  const limits = { small_vclock: 2, big_vclock: 2 };
  const tight = {
    ...options,
    settings: { ...options.settings, bucketDefaults: { ...bucketDefaults, ...limits } },
  };
  await run(tight, async ({ primaries: [a, b, c], wait }) => {
    const writers = [a, b, c, a, b, c];
    for (const [i, node] of writers.entries()) {
      await node.put('k', `blind ${i}`, { w: quorumAll });
      await wait(30_000);
    }
    assert.equal((await a.values('k', { r: quorumAll })).length, 6);
    for (const [i, node] of [b, c, a].entries()) {
      const read = await node.get('k', { r: quorumAll });
      assert.equal(read.kind, 'found');
      await node.put('k', `resolved ${i}`, {
        w: quorumAll,
        context: read.kind === 'found' ? read.object.context : undefined,
      });
      await wait(30_000);
      assert.deepEqual(await c.values('k', { r: quorumAll }), [`resolved ${i}`]);
    }
    assert.equal((await c.delete('k', { w: quorumAll })).kind, 'deleted');
    await wait(30_000);
    assert.deepEqual(await a.values('k', { r: quorumAll }), []);
  });
});
