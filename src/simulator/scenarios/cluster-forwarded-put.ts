/**
 * Writes that a moving partition's owner coordinates, and forwards to the new one (riak_kv#1046: the new owner coordinated
 * it again, under a second dot, and one client's writes became siblings of themselves). Nothing fails here but that
 * partitions move; so every write has one dot, and who writes over what it read never meets a sibling.
 */
import { Buffer } from 'node:buffer';
import { VersionedObject } from '../../kv/index.ts';
import type { KeyHistory } from '../checkers/key-history.ts';
import { storedCopies } from '../checkers/replicas-agree.ts';
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import { ClusterPlay, calmCluster } from './cluster-story.ts';

export const clusterForwardedPut: Scenario = {
  name: 'cluster-forwarded-put',
  describe: 'while partitions move, each write is coordinated once: one dot, no sibling of itself',
  async run(world) {
    const random = world.random.fork('scenario');
    world.work.atLeast('puts while partitions moved', 20);
    const play = await ClusterPlay.begin(world, {
      ...calmCluster,
      nodes: 3,
      ringSize: 16,
      configurations: 'quiet',
      fixed: { delete_mode: 'keep' },
      client: { buckets: [{ name: 'siblings', conflicts: 'siblings', nVal: 3 }], keysPerBucket: 6 },
    });
    let isOver = false;
    const writers = play.clients.keys.map((key, i) =>
      writeAlone(play, key, random.fork(`writer ${i}`), () => isOver),
    );
    for (let round = 0; round < 2; round++) {
      const [first] = play.stage.members;
      const joiner = play.stage.boot();
      await play.stage.untilServing([joiner]);
      await play.stage.join(joiner, first!);
      await play.stage.change([{ kind: 'join', node: joiner.id }]);
      await play.stage.untilSettled();
      const leaver = random.pick(play.stage.members);
      await play.stage.change([{ kind: 'leave', node: leaver.id }]);
      await play.stage.untilGone(leaver);
    }
    isOver = true;
    await Promise.all(writers);
    await play.rest();
    await checkDots(play);
  },
};

/** One client alone writes the key, always over what it has just read. */
async function writeAlone(
  { world, stage, clients }: ClusterPlay,
  key: KeyHistory,
  random: Prng,
  isOver: () => boolean,
): Promise<void> {
  while (!isOver()) {
    await world.sleep(random.exponential(30));
    const nodes = stage.settledMembers;
    const seen = await clients.read(random.pick(nodes), key, true);
    if (seen === undefined) continue;
    const shown = key.reads.at(-1)!.ids;
    if (shown.length > 1) throw new Error(`${key.key}: one writer's writes ${shown.join()} are siblings`);
    await clients.put(random.pick(nodes), key, random, seen);
    if (stage.state(nodes[0]).moves.size > 0) world.work.add('puts while partitions moved');
  }
}

/** As many dots as writes: the clock counts them. */
async function checkDots({ world, stage, clients }: ClusterPlay): Promise<void> {
  const copies = new Map<string, Buffer>();
  for (const member of stage.members) {
    const stored = await member.within(({ engine, node }) =>
      storedCopies(engine, node.database.cluster.topology.ring.partitions()),
    );
    if (typeof stored === 'string') throw new Error('in peace every node answers');
    for (const [name, [copy]] of stored) copies.set(name, copy!.bytes);
  }
  for (const key of clients.keys) {
    const bytes = copies.get(`${key.bucket}/${key.key}`);
    if (bytes === undefined) throw new Error(`${key.key} is stored`);
    const { entries } = VersionedObject.decode(Buffer.from(bytes)).clock;
    const dots = entries.reduce((sum, { counter }) => sum + counter, 0);
    const writes = [...key.writes.values()].filter(({ outcome }) => outcome !== 'refused').length;
    if (dots !== writes) throw new Error(`${key.key}: ${writes} writes have ${dots} dots`);
    world.work.add('dots counted', dots);
  }
}
