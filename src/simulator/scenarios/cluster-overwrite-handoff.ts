/**
 * Buckets without siblings while everything moves (riak_kv#1754: with `allow_mult=false` heavy handoff lost recent
 * writes). No node fails, so every read must show the last write that was acknowledged before it, or a later one.
 */
import type { Scenario } from '../scenario.ts';
import { ClusterPlay, calmCluster } from './cluster-story.ts';

export const clusterOverwriteHandoff: Scenario = {
  name: 'cluster-overwrite-handoff',
  describe: 'without siblings, under heavy handoff, reads follow acknowledged writes',
  async run(world) {
    const random = world.random.fork('scenario');
    world.work.atLeast('reads while partitions moved', 20);
    const play = await ClusterPlay.begin(world, {
      ...calmCluster,
      nodes: random.pick([2, 3, 4]),
      ringSize: random.pick([16, 32]),
      fixed: { delete_mode: 'keep', transfer_limit: 16 },
      clients: 6,
      client: {
        buckets: [{ name: 'overwrite', conflicts: 'overwrite', nVal: 3 }],
        keysPerBucket: 30,
        pauseMsMean: 5,
        blindPuts: 50,
        deletes: 0,
        entersReads: true,
      },
    });
    const { stage } = play;
    const readsAt = (): number => world.work.done('reads');
    play.work(6, () => stage.settledMembers);
    for (let round = 0; round < 4; round++) {
      const before = readsAt();
      const newcomers = Array.from({ length: 1 + random.below(2) }, () => stage.boot());
      await stage.untilServing(newcomers);
      for (const newcomer of newcomers) await stage.join(newcomer, stage.members[0]!);
      const old = stage.members.filter((member) => !newcomers.includes(member));
      // The latest to come, often: then partitions go back to who had them just before.
      const leavers = random.chance(0.7) ? old.slice(-1) : old.slice(0, random.below(2));
      await stage.change([
        ...newcomers.map(({ id }) => ({ kind: 'join' as const, node: id })),
        ...leavers.map(({ id }) => ({ kind: 'leave' as const, node: id })),
      ]);
      for (const leaver of leavers) await stage.untilGone(leaver);
      await stage.untilSettled();
      world.work.add('reads while partitions moved', readsAt() - before);
    }
    await play.rest();
  },
};
