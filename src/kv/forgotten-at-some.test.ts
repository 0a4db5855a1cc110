/** A tombstone that some replicas have forgotten and others have not when the next write comes from elsewhere. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { actorId, VersionVector } from '../clocks/index.ts';
import { byteLiteral } from '../stdx/index.ts';
import { encodeContent, stampContent, tombstoneContent } from '../wire/index.ts';
import { quorumAll } from './index.ts';
import { makeObject } from './object/index.ts';
import { addressOf, ReplicatedStores } from './replicated-stores.fixture.ts';
import { ObjectKey } from './vnode/index.ts';

const deleter = actorId(byteLiteral('deleter!'), 1);
const fallback = actorId(byteLiteral('fallback'), 1);

const tombstone = makeObject(VersionVector.empty.with({ actor: deleter, counter: 1 }, 0), [
  { dot: { actor: deleter, counter: 1 }, content: tombstoneContent(byteLiteral('t'), 10) },
]);

/** It has not seen the tombstone, and its clock was behind that of the tombstone. */
const written = makeObject(VersionVector.empty.with({ actor: fallback, counter: 1 }, 0), [
  { dot: { actor: fallback, counter: 1 }, content: contentOf('new') },
]);

function contentOf(text: string): Buffer {
  const parts = { value: Buffer.from(text), links: [], userMeta: [], indexes: [], deleted: false };
  return stampContent(encodeContent(parts), byteLiteral('v'), 5, 'kept');
}

test('replicas that differ by a tombstone under one clock are repaired by a read, to what was written', async () => {
  await ReplicatedStores.run({ settings: { deleteMode: 'immediate' } }, async (stores) => {
    const { primaries, partitions } = stores.placesOf('k');
    const copyAt = (at: number) => primaries[at]!.copy(partitions[at]!, 'k');
    for (const [at, node] of primaries.entries()) await node.repair(partitions[at]!, 'k', tombstone);
    for (const at of [0, 1]) {
      const key = new ObjectKey(addressOf('k'));
      const first = partitions[at]!;
      await primaries[at]!.ask(first, { kind: 'reap', key, tombstone, first, n: 1 });
    }
    await stores.world.sleep(100);
    assert.deepEqual(await Promise.all([0, 1].map(copyAt)), [undefined, undefined]);
    for (const [at, node] of primaries.entries()) await node.repair(partitions[at]!, 'k', written);
    const [forgotten, , kept] = await Promise.all([0, 1, 2].map(copyAt));
    assert.ok(forgotten !== undefined && kept !== undefined);
    assert.ok(forgotten.hasContextOf(kept), 'one clock');
    assert.deepEqual([forgotten.siblingCount, kept.siblingCount], [1, 2]);
    await primaries[0]!.get('k', { r: quorumAll });
    await stores.world.sleep(1000);
    for (const at of [0, 1, 2]) assert.deepEqual((await copyAt(at))?.bytes, forgotten.bytes);
    assert.deepEqual(await primaries[2]!.values('k', { r: quorumAll }), ['new']);
  });
});
