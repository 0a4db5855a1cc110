/**
 * Promise 1, under everything that may befall nodes, links, disks and clocks.
 *
 * Ten thousand seeds are worth more than a hundred long ones, so each draws its size: most are small and short. Each also
 * draws which kinds of fault there are at all (swarm testing: Groce et al., ISSTA 2012): what always happens together
 * hides what only one of them would show.
 */
import { carryOutFaults, type FaultKind, randomFaultPlan } from '../fault-plan.ts';
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import type { World } from '../world.ts';
import { ClusterPlay, calmCluster, faultErrors } from './cluster-story.ts';

/** Each as often as it stands here. */
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
/** Of the kinds, how many a seed has. */
const kindsShare = 0.5;
const large = 0.06;

interface Size {
  readonly nodes: number;
  readonly ringSize: number;
  readonly clients: number;
  readonly keysPerBucket: number;
  readonly pauseMsMean: number;
  readonly faultsMs: number;
  readonly gapMsMean: number;
}

function sizeOf(random: Prng): Size {
  if (random.chance(large)) {
    return {
      nodes: 6 + random.below(6),
      ringSize: random.pick([32, 64, 128]),
      clients: 6,
      keysPerBucket: 16,
      pauseMsMean: 100,
      faultsMs: random.between(20_000, 60_000),
      gapMsMean: random.pick([500, 1000, 2000]),
    };
  }
  return {
    nodes: random.pick([3, 3, 4, 4, 5]),
    ringSize: random.pick([8, 16, 16, 32, 64]),
    clients: 2 + random.below(3),
    keysPerBucket: 1 + random.below(6),
    pauseMsMean: random.pick([50, 100, 200]),
    faultsMs: random.between(5000, 15_000),
    gapMsMean: random.pick([500, 1000, 2000]),
  };
}

/** At least one kind. */
function kindsOf(random: Prng): readonly FaultKind[] {
  const kept = new Set(kinds.filter(() => random.chance(kindsShare)));
  kept.add(random.pick(kinds));
  return kinds.filter((kind) => kept.has(kind));
}

/** For how fast it goes: most of an hour is like most hours, and at the defaults. */
const eleven: Size = {
  nodes: 11,
  ringSize: 64,
  clients: 4,
  keysPerBucket: 16,
  pauseMsMean: 1000,
  faultsMs: 3_600_000,
  gapMsMean: 60_000,
};

async function ackedMeansKept(world: World, fixedSize?: Size): Promise<void> {
  const random = world.random.fork('scenario');
  const { faultsMs, gapMsMean, keysPerBucket, pauseMsMean, ...size } = fixedSize ?? sizeOf(random);
  world.work.atLeast('faults', 1);
  const play = await ClusterPlay.begin(world, {
    ...calmCluster,
    ...size,
    configurations: fixedSize === undefined ? 'varied' : 'quiet',
    expectedErrors: faultErrors,
    startsMayFail: true,
    fixed: { delete_mode: random.pick(['keep', 'immediate', 3000]), tombstone_pause: 100 },
    client: { keysPerBucket, pauseMsMean },
    ackedPutsMin: 10,
  });
  play.work();
  const plan = randomFaultPlan(random, {
    nodes: play.stage.names,
    kinds: kindsOf(random),
    untilMs: faultsMs,
    faultsMin: 1,
    gapMsMean,
    durationMsMean: random.pick([500, 2500]),
  });
  await carryOutFaults(world, plan);
  await play.untilWorked();
  await play.rest();
}

export const clusterAckedMeansKept: Scenario = {
  name: 'cluster-acked-means-kept',
  describe:
    'whatever befalls a cluster, acknowledged writes stay, deleted values stay away, replicas converge',
  run: (world) => ackedMeansKept(world),
};

export const clusterAckedMeansKeptEleven: Scenario = {
  name: 'cluster-acked-means-kept-eleven',
  describe: 'as cluster-acked-means-kept, eleven nodes for an hour',
  isLong: true,
  run: (world) => ackedMeansKept(world, eleven),
};
