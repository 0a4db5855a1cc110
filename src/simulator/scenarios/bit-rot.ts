/**
 * Bytes rot under one of three replicas at a time. Either engine holds all replicas in the same
 * files; what rots here is always the value of one copy, found in the file by its key and bytes.
 */
import { Buffer } from 'node:buffer';
import { type Disk, DiskError, type DiskFile, type Environment } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import { StorageError } from '../../storage/index.ts';
import { type StoredCopy, storedCopies } from '../checkers/replicas-agree.ts';
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import { engineDirectory } from '../workloads/simulated-engine.ts';
import { calmStory, type Stage, tellStory, threeCopies } from './database-story.ts';

const rotsPerRound = 8;

export const bitRot: Scenario = {
  name: 'bit-rot',
  describe: 'rotten values are never served, are reported, and are healed from the other replicas',
  async run(world) {
    world.work.atLeast('rotten values', 5);
    world.work.atLeast('unreadable copies', 5);
    await tellStory(world, {
      ...calmStory,
      buckets: threeCopies,
      needsQuorums: true,
      cachesReads: false,
      strike: async (stage) => {
        for (let rot = 0; rot < rotsPerRound; rot++) {
          await world.sleep(stage.random.exponential(10));
          await rotOneCopy(stage);
        }
        // The record of an acknowledged write tells the next start that all before it was on disk: else
        // rot at the end of a journal looks like a torn write.
        while (!(await acknowledged(stage))) await world.sleep(5);
        if (stage.random.chance(0.5)) stage.node.restartAfter('kill');
      },
    });
  },
};

async function acknowledged({ world, clients, random }: Stage): Promise<boolean> {
  const before = world.work.done('acked puts');
  const bucket = threeCopies[0];
  assert(bucket !== undefined, 'there is a bucket');
  const key = clients.keyOf(bucket, 0);
  const seen = await clients.read(key);
  if (seen !== undefined) await clients.put(key, random, seen, 'none');
  return world.work.done('acked puts') > before;
}

async function rotOneCopy({ world, node, random }: Stage): Promise<void> {
  const rotten = await node.within(async ({ engine, environment }) => {
    const copies = await storedCopies(engine, node.topology.ring.partitions());
    const whole = [...copies.values()].filter(areWhole);
    if (whole.length === 0) return false;
    const copy = random.pick(random.pick(whole));
    return flipBit(environment, copy, random);
  });
  // One copy at a time: while one is not healed yet, the scan fails.
  if (rotten instanceof StorageError) world.work.add('rots put off');
  if (rotten === true) world.work.add('rotten values');
}

function areWhole(copies: readonly StoredCopy[]): boolean {
  return copies.length === 3 && copies.every(({ bytes }) => copies[0]?.bytes.equals(bytes));
}

/** False if no file has the copy any more. */
async function flipBit({ disk }: Environment, copy: StoredCopy, random: Prng): Promise<boolean> {
  const names = (await disk.list(engineDirectory)).filter((name) => !name.endsWith('.new'));
  for (const name of names) {
    const file = await openIfThere(disk, `${engineDirectory}/${name}`);
    if (file === undefined) continue;
    const journal = file.read(0, file.size);
    const at = journal.lastIndexOf(Buffer.concat([copy.storageKey, copy.bytes]));
    if (at >= 0) {
      const offset = at + copy.storageKey.length + random.below(copy.bytes.length);
      const byte = (journal[offset] ?? 0) ^ (1 << random.below(8));
      await file.write(offset, Buffer.from([byte]));
      await file.sync();
    }
    await file.close();
    if (at >= 0) return true;
  }
  return false;
}

/** A file that was compacted or collected since it was listed is gone. */
async function openIfThere(disk: Disk, path: string): Promise<DiskFile | undefined> {
  try {
    return await disk.open(path, { create: false });
  } catch (error) {
    if (error instanceof DiskError && error.code === 'missing') return undefined;
    throw error;
  }
}
