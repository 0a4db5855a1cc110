/**
 * A member leaves under load while nodes die in every stage of the moves (Basho's 1263: vnodes that served requests while
 * their data was being dropped brought a cluster of six nodes and 1,024 partitions down).
 */
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import { usualClients } from '../workloads/cluster-clients.ts';
import { DeathsInMoves } from '../workloads/deaths-in-moves.ts';
import type { World } from '../world.ts';
import { ClusterPlay, type ClusterStory, calmCluster, faultErrors } from './cluster-story.ts';

const nodes = 6;
/** One in so many seeds has the ring of the original, and some of the others a ring between. */
const wholeRingEvery = 40;
/** Of a key with one replica nobody else has what a move loses. */
const buckets = [...usualClients.buckets, { name: 'lone', conflicts: 'siblings', nVal: 1 } as const];
const usualRings = [64, 64, 64, 64, 64, 64, 128, 128, 256];

interface LeaveRace {
  readonly ringSize: number;
  readonly deathsMax: number;
}

async function leaveRace(world: World, random: Prng, race: LeaveRace): Promise<void> {
  world.work.atLeast('deaths in a move', 1);
  const story: ClusterStory = {
    ...calmCluster,
    nodes,
    ringSize: race.ringSize,
    isFormed: race.ringSize > 256,
    expectedErrors: faultErrors,
    // Few at once: else small rings have moved before anybody dies.
    fixed: {
      delete_mode: random.pick(['keep', 3000]),
      transfer_limit: race.ringSize > 256 ? 16 : random.pick([1, 2, 16]),
    },
    clients: 4,
    client: { buckets, keysPerBucket: 4 + random.below(16), listings: 3, pauseMsMean: random.pick([20, 50]) },
    ackedPutsMin: 5,
  };
  const play = await ClusterPlay.begin(world, story);
  const { stage } = play;
  play.work();
  await world.sleep(random.between(100, 1000));
  const leaver = random.pick(stage.members);
  const deaths = new DeathsInMoves(stage, random.fork('deaths'), race.deathsMax);
  await stage.change([{ kind: 'leave', node: leaver.id }]);
  const killing = deaths.run();
  await stage.untilGone(leaver);
  deaths.stop();
  await killing;
  await play.rest();
}

export const clusterLeaveRace: Scenario = {
  name: 'cluster-leave-race',
  describe: 'a member leaves under load, and nodes die in every stage: nothing is lost, nobody crashes',
  run(world) {
    const random = world.random.fork('scenario');
    const ringSize = random.below(wholeRingEvery) === 0 ? 1024 : random.pick(usualRings);
    return leaveRace(world, random, { ringSize, deathsMax: 1 + random.below(5) });
  },
};

export const clusterLeaveRaceLong: Scenario = {
  name: 'cluster-leave-race-long',
  describe: 'as cluster-leave-race, with 1,024 partitions and more deaths',
  isLong: true,
  run: (world) => leaveRace(world, world.random.fork('scenario'), { ringSize: 1024, deathsMax: 12 }),
};
