/**
 * Operators remove and force-replace the receivers and senders of moves, in every stage, while disks are slow to drop what has
 * moved, other nodes die for a while, and clients write to keys with one, two and three replicas. What only a disk had that is gone
 * may be lost; all else stays, nothing deleted returns, and replicas agree.
 */
import type { Scenario } from '../scenario.ts';
import { quietDisk } from '../simulated-disk.ts';
import { usualClients } from '../workloads/cluster-clients.ts';
import { DeathsInMoves } from '../workloads/deaths-in-moves.ts';
import { Operators } from '../workloads/operators.ts';
import { type DropPace, SlowDrops } from '../workloads/slow-drops.ts';
import { ClusterPlay, calmCluster, faultErrors } from './cluster-story.ts';

const buckets = [1, 2, 3].map((nVal) => ({ ...usualClients.buckets[0]!, name: `copies-${nVal}`, nVal }));
const deathsMax = 2;

export const clusterOperators: Scenario = {
  name: 'cluster-operators',
  describe:
    'nodes are removed and replaced by force in the middle of moves: only what their disks alone had is lost',
  async run(world) {
    const random = world.random.fork('scenario');
    world.work.atLeast('nodes lost for good', 1);
    world.work.atLeast('acked puts', 50);
    const pace: DropPace = { msMean: 0 };
    const play = await ClusterPlay.begin(world, {
      ...calmCluster,
      nodes: random.pick([4, 5]),
      ringSize: random.pick([8, 16, 32]),
      expectedErrors: faultErrors,
      fixed: { delete_mode: random.pick(['keep', 3000]), transfer_limit: random.pick([2, 16]) },
      clients: 4,
      client: { buckets, keysPerBucket: 10, pauseMsMean: random.pick([20, 50]) },
      ackedPutsMin: 50,
      wrapEngine: (engine, name, environment) =>
        new SlowDrops(engine, pace, world.random.fork(`drops of ${name}`), environment),
    });
    const { stage } = play;
    const operators = new Operators(stage, play.clients, random.fork('operators'));
    const changes = 1 + random.below(2);
    for (let change = 0; change < changes || world.work.done('nodes lost for good') === 0; change += 1) {
      play.work(undefined, () => stage.settledOrDownMembers);
      pace.msMean = random.pick([0, 200, 2000, 2000, 10_000]);
      for (const { process } of stage.members) {
        process.disk.conditions = { ...quietDisk, syncMs: random.pick([quietDisk.syncMs, 3, 20]) };
      }
      const deaths = new DeathsInMoves(stage, random.fork(`deaths ${change}`), random.below(1 + deathsMax));
      const killing = deaths.run();
      await operators.change(1 + random.below(2));
      deaths.stop();
      await killing;
      pace.msMean = 0;
      await play.untilWorked();
      await play.rest();
    }
  },
};
