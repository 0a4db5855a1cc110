import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { type Partition, Ring } from '../../core/ring/index.ts';
import { nodeIdOf, type Tasks } from '../../environment/index.ts';
import { SegmentSet, segmentCount } from '../../merkle/index.ts';
import { GroupCommit, openMemoryEngine, WriteBatch } from '../../storage/index.ts';
import { versionDigest } from '../object/index.ts';
import { keyOf, objectOf } from './replica-cluster.fixture.ts';
import { listingPairsMax, SegmentListings } from './segment-listing.ts';

const tasks: Tasks = { spawn: (_name, body) => void body(), endOfTurn: (run) => void setImmediate(run) };
const timers = { after: () => ({ cancel: () => {} }) };
const ring = Ring.ownedByOne(1, 8, nodeIdOf('a@host'));
/** The whole bucket has one first partition. */
const placements = { of: () => ({ nVal: 8, bucketOnly: true }), nVals: [8], revision: '' };
const partition = 5 as Partition;

test('X2: a listing has each key of the asked segments and lists once, over slices, and no other', async () => {
  const engine = await openMemoryEngine({}, { tasks, timers });
  const listings = new SegmentListings(new GroupCommit(engine, tasks), () => ring, placements);
  const batch = new WriteBatch();
  const count = 9000;
  for (let i = 0; i < count; i += 1) batch.put(keyOf(`k${i}`).copy(partition), objectOf(1, i + 1).bytes);
  await engine.write(batch, 'os');
  const seen = new Map<string, Buffer>();
  const listed = async (segments: SegmentSet) => {
    let keys = 0;
    for (const first of ring.partitions()) {
      let after: Buffer | undefined;
      do {
        const slice = await listings.slice({ partition, first, nVal: 8 }, segments, after);
        assert.ok(slice.pairs.length <= listingPairsMax);
        for (const { key, digest } of slice.pairs) {
          assert.ok(!seen.has(key.toString('latin1')), 'each once');
          seen.set(key.toString('latin1'), digest);
        }
        keys += slice.pairs.length;
        after = slice.upTo;
      } while (after !== undefined);
    }
    return keys;
  };
  const even = SegmentSet.of(Array.from({ length: segmentCount / 2 }, (_, i) => 2 * i));
  const odd = SegmentSet.of(Array.from({ length: segmentCount / 2 }, (_, i) => 2 * i + 1));
  const evenKeys = await listed(even);
  assert.ok(evenKeys > count / 3 && evenKeys < (2 * count) / 3);
  assert.equal(evenKeys + (await listed(odd)), count);
  const key = keyOf('k77');
  const encoded = Buffer.alloc(key.encodedBytes);
  key.encodeInto(encoded, 0);
  assert.deepEqual(seen.get(encoded.toString('latin1')), versionDigest(objectOf(1, 78)));
});
