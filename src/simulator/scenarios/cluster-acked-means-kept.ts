/** Promise 1, under everything that may befall nodes, links, disks and clocks. */
import { carryOutFaults, type FaultKind, randomFaultPlan } from '../fault-plan.ts';
import type { Scenario } from '../scenario.ts';
import { ClusterPlay, calmCluster, faultErrors } from './cluster-story.ts';

const kinds: readonly FaultKind[] = [
  'crash',
  'crash',
  'kill',
  'kill',
  'pause',
  'partition',
  'one-way-cut',
  'slow-link',
  'reset-connections',
  'disk-full',
  'failing-sync',
  'slow-disk',
  'clock-jump',
  'clock-drift',
];

export const clusterAckedMeansKept: Scenario = {
  name: 'cluster-acked-means-kept',
  describe:
    'whatever befalls a cluster, acknowledged writes stay, deleted values stay away, replicas converge',
  async run(world) {
    const random = world.random.fork('scenario');
    world.work.atLeast('faults', 3);
    const play = await ClusterPlay.begin(world, {
      ...calmCluster,
      nodes: random.pick([3, 4, 5, 6]),
      ringSize: random.pick([8, 16, 32]),
      expectedErrors: faultErrors,
      startsMayFail: true,
      fixed: { delete_mode: random.pick(['keep', 'immediate', 3000]), tombstone_pause: 100 },
    });
    play.work();
    const plan = randomFaultPlan(random, {
      nodes: play.stage.names,
      kinds,
      untilMs: 20_000,
      gapMsMean: 2000,
      durationMsMean: 2500,
    });
    await carryOutFaults(world, plan);
    await play.rest();
  },
};
