/**
 * Single replicas forget (R01, R02, R03, R55). Each partition stands for a node of its own: its objects are
 * wiped, or put back to an older copy, alone or with the vnode's identity; or the identity is cut short.
 * One partition at a time, healed before the next: of every object two replicas are whole.
 */
import { Buffer } from 'node:buffer';
import type { Partition } from '../../core/ring/index.ts';
import { identityKey, partitionRange } from '../../kv/vnode/index.ts';
import { assert } from '../../stdx/index.ts';
import { type Entry, type StorageEngine, WriteBatch } from '../../storage/index.ts';
import type { Scenario } from '../scenario.ts';
import { calmStory, type Stage, tellStory, threeCopies } from './database-story.ts';

const rounds = 6;
const slice = { entriesMax: 10_000, bytesMax: 2 ** 26 };
type Loss = 'wipe' | 'wipe and kill' | 'older data' | 'cut identity' | 'wipe and new identity';
const losses: readonly Loss[] = ['wipe', 'wipe and kill', 'cut identity', 'wipe and new identity'];

export const amnesia: Scenario = {
  name: 'amnesia',
  describe: 'what one replica forgets the others keep, and no dot is issued twice',
  async run(world) {
    world.work.atLeast('losses', rounds);
    world.work.atLeast('repairs', 1);
    // A replica that comes back from before a delete brings its value back, once the tombstone is forgotten:
    // that is the price of forgetting, and why older copies come only where tombstones are kept.
    const keepsTombstones = world.random.fork('tombstones').chance(0.5);
    const possible: readonly Loss[] = keepsTombstones ? [...losses, 'older data'] : losses;
    const copies = new Map<Partition, readonly Entry[]>();
    await tellStory(world, {
      ...calmStory,
      buckets: threeCopies,
      rounds,
      operations: 25,
      needsQuorums: true,
      replicasForget: true,
      tombstones: keepsTombstones ? 'keep' : 'any',
      // What only the wiped replica had of an unfinished write may have been seen.
      rules: { clockJumps: false, seenMeansKept: false },
      strike: async (stage) => {
        const { node, random } = stage;
        await world.sleep(random.between(5, 40));
        const bucket = random.pick(threeCopies).name;
        const partition = random.pick(
          stage.replicasOf(`${bucket}/key${random.below(calmStory.keysPerBucket)}`),
        );
        const loss = random.pick(possible);
        await copyPartitions(stage, copies);
        const lost = await node.within(({ engine }) => lose(engine, partition, loss, copies));
        assert(lost === true, 'the loss happened');
        world.work.add('losses');
        world.record(node.process.name, loss, `partition ${partition}`);
        // A copy from another time is put in place while the process is down: it starts without a clean stop.
        if (loss !== 'wipe') node.restartAfter(random.pick(['kill', 'crash']));
      },
    });
  },
};

/** Remembers what partitions hold now, if nothing is remembered of them yet. */
async function copyPartitions({ node }: Stage, copies: Map<Partition, readonly Entry[]>): Promise<void> {
  await node.within(async ({ engine }) => {
    for (const partition of node.topology.ring.partitions()) {
      if (copies.has(partition)) continue;
      const cursor = engine.scan(partitionRange(partition));
      const entries = await cursor.next(slice);
      await cursor.close();
      if (entries.length > 0) copies.set(partition, entries);
    }
  });
}

/** The beginning of an identity that a clean stop hands on. */
const cutRecord = Buffer.from([2, 1, 2, 3, 4]);

async function lose(
  engine: StorageEngine,
  partition: Partition,
  loss: Loss,
  copies: ReadonlyMap<Partition, readonly Entry[]>,
): Promise<true> {
  const batch = new WriteBatch();
  if (loss !== 'cut identity') await engine.deleteRange(partitionRange(partition));
  if (loss === 'older data') {
    for (const { key, value } of copies.get(partition) ?? []) batch.put(key, value);
  }
  if (loss === 'cut identity') batch.put(identityKey(partition), cutRecord);
  if (loss === 'wipe and new identity') batch.delete(identityKey(partition));
  if (batch.length > 0) await engine.write(batch, 'synced');
  return true;
}
