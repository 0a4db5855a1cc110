/**
 * Jobs over a bucket at rest while nodes die, are cut off, join and leave: the result has every value once, or the
 * job says why there is none. The phases are the built-in ones: JavaScript runs in processes of their own, of which
 * this world has none (test/interop/map-reduce and test/e2e/hostile-input attack those).
 *
 * Planted by hand: a job that takes a listing that failed for one that ended.
 */
import { assert } from '../../stdx/index.ts';
import { carryOutFaults, randomFaultPlan } from '../fault-plan.ts';
import type { Scenario } from '../scenario.ts';
import { nothingSeen } from '../workloads/cluster-clients.ts';
import { type JobKind, runJobAt } from '../workloads/cluster-jobs.ts';
import type { ClusterMember } from '../workloads/cluster-member.ts';
import { ClusterPlay, calmCluster, faultErrors } from './cluster-story.ts';

const bucket = 'worked';
const keys = 60;
const jobMsMax = 5000;
const kinds: readonly JobKind[] = ['values of a bucket', 'values by index', 'count of a bucket'];

async function jobsUnderFaults(play: ClusterPlay): Promise<void> {
  const { world, stage, clients, random } = play;
  const wanted = clients.keys.flatMap((key) => key.reads.at(-1)?.ids ?? []).sort((a, b) => a - b);
  assert(wanted.length === keys, `at rest each key has one value, not ${wanted.length}`);
  const ask = async (member: ClusterMember, kind: JobKind, mustEnd: boolean): Promise<void> => {
    const result = await runJobAt(member, bucket, kind, jobMsMax);
    if (result === undefined) return;
    if ('problem' in result) {
      const { problem } = result;
      const isExplained =
        problem.kind === 'timeout' ||
        problem.kind === 'overload' ||
        (problem.kind === 'store' && faultErrors.includes(problem.error.code));
      if (mustEnd || !isExplained) throw new Error(`no fault explains ${JSON.stringify(problem)}`);
      world.work.add('failed jobs');
      return;
    }
    world.work.add('jobs');
    world.record(member.name, 'job', `${kind}: ${result.count}`);
    const isWhole =
      result.count === keys && (kind === 'count of a bucket' || result.ids.join() === wanted.join());
    if (!isWhole) {
      const missing = wanted.filter((id) => !result.ids.includes(id));
      throw new Error(
        `${kind} at ${member.name}: ${result.count} instead of ${keys}, without ${missing.join()}`,
      );
    }
  };
  let isOver = false;
  const workers = Array.from({ length: 3 }, async (_, i) => {
    const own = random.fork(`jobs ${i}`);
    while (!isOver) {
      await world.sleep(own.exponential(150));
      const members = stage.settledOrDownMembers;
      if (members.length > 0) await ask(own.pick(members), own.pick(kinds), false);
    }
  });
  const plan = randomFaultPlan(random, {
    nodes: stage.names,
    kinds: ['kill', 'crash', 'pause', 'partition', 'slow-link', 'reset-connections'],
    untilMs: 6000,
    faultsMin: 2,
    gapMsMean: 1000,
    durationMsMean: 1500,
  });
  await carryOutFaults(world, plan);
  const newcomer = stage.boot();
  await stage.untilServing([newcomer]);
  await stage.join(newcomer, stage.anyone);
  await stage.change([{ kind: 'join', node: newcomer.id }]);
  await play.stage.mend();
  await stage.untilSettled();
  const leaver = stage.members[random.below(stage.members.length - 1)]!;
  await stage.change([{ kind: 'leave', node: leaver.id }]);
  await stage.untilGone(leaver);
  isOver = true;
  await Promise.all(workers);
  await play.rest();
  for (const member of stage.members) for (const kind of kinds) await ask(member, kind, true);
}

export const clusterMapReduce: Scenario = {
  name: 'cluster-map-reduce',
  describe: 'a job over a bucket has every value once, whatever befalls the cluster, or it fails',
  async run(world) {
    const random = world.random.fork('scenario');
    world.work.atLeast('jobs', 20);
    const play = await ClusterPlay.begin(world, {
      ...calmCluster,
      nodes: random.pick([3, 4, 5]),
      ringSize: random.pick([8, 16, 32]),
      expectedErrors: faultErrors,
      startsMayFail: true,
      fixed: { delete_mode: 'keep', transfer_limit: random.pick([2, 16]) },
      client: {
        buckets: [{ name: bucket, conflicts: 'siblings', nVal: 3 }],
        keysPerBucket: keys,
        valueBytesMax: 20,
        isIndexed: true,
      },
    });
    for (const key of play.clients.keys) {
      await play.clients.put(random.pick(play.stage.members), key, random, nothingSeen);
    }
    await play.rest();
    await jobsUnderFaults(play);
  },
};
