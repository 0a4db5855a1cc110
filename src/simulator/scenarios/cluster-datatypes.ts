/**
 * Counters, sets, maps, grow-only sets and sketches are updated through any node, while nodes die, are cut off and
 * stall, and then join and leave. After the heal all replicas are equal, and every value is what its clients were told:
 * DT1–DT7 of `checkers/datatypes-hold.ts`.
 *
 * Bugs that were planted by hand, and how many seeds found them: an update that is forwarded to a second coordinator when
 * the first is silent (6); contexts of clients ignored (1); a replica that takes a delta's version without what the delta
 * adds, or joins it to another version than it was made from (1, by differing copies); siblings of which only the last
 * is shown (1). Deletes are of some sets only: how a delete and a concurrent update meet is judged by DT4 alone.
 */
import { carryOutFaults, randomFaultPlan } from '../fault-plan.ts';
import type { Scenario } from '../scenario.ts';
import { changePlaces } from '../workloads/change-places.ts';
import { quietClusterConfiguration, variedClusterConfiguration } from '../workloads/cluster-configuration.ts';
import { ClusterStage } from '../workloads/cluster-stage.ts';
import { DatatypeClients } from '../workloads/datatype-clients.ts';
import type { World } from '../world.ts';
import { faultErrors } from './cluster-story.ts';
import { DatatypeStory } from './datatype-story.ts';

async function datatypes(world: World): Promise<void> {
  const random = world.random.fork('scenario');
  world.work.atLeast('acked updates', 50);
  world.work.atLeast('acked removals', 5);
  world.work.atLeast('values judged', 20);
  world.work.atLeast('copies compared', 10);
  const deleteMode = random.pick(['keep', 'immediate', 3000] as const);
  const fixed = {
    ring_size: random.pick([8, 16, 32]),
    delete_mode: deleteMode,
    tombstone_pause: 100,
    'datatype.size.maximum': 5 * 2 ** 20,
    'datatype.cache.maximum': random.pick([0, 100_000, 32 * 2 ** 20]),
  };
  const configuration = random.chance(0.5)
    ? quietClusterConfiguration(fixed)
    : variedClusterConfiguration(world.random.fork('configuration'), fixed);
  const nodes = random.pick([3, 4, 5]);
  const stage = new ClusterStage(world, { nodes, configuration, startsMayFail: true });
  await stage.form();
  const clients = new DatatypeClients(world, {
    keysPerType: random.pick([1, 2]),
    pauseMsMean: random.pick([50, 100]),
    timeoutMs: 5000,
    deletes: random.chance(0.3),
    expectedErrors: new Set(faultErrors),
  });
  const story = new DatatypeStory(world, stage, clients, deleteMode === 'keep');
  await story.prepare();

  story.work(4, story.reachable);
  const plan = randomFaultPlan(random, {
    nodes: stage.names,
    kinds: [
      'kill',
      'crash',
      'pause',
      'partition',
      'one-way-cut',
      'slow-link',
      'reset-connections',
      'failing-sync',
    ],
    untilMs: 8000,
    faultsMin: 3,
    gapMsMean: 1000,
    durationMsMean: 1500,
  });
  await carryOutFaults(world, plan);
  await story.rest();

  story.work(3, story.reachable);
  await changePlaces(stage, random);
  await story.rest();
}

export const clusterDatatypes: Scenario = {
  name: 'cluster-datatypes',
  describe: 'data types under faults: replicas converge, no acknowledged update is lost, none counts twice',
  run: datatypes,
};
