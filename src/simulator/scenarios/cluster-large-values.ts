/**
 * Values that are kept in chunks, while nodes die in the middle of uploads, are cut off, and one more joins: what is read
 * is whole, what was acknowledged is not lost, and in the end no disk holds a chunk of anything else.
 */
import { manifestsOf, VersionedObject } from '../../kv/index.ts';
import { checkLargeAtRest } from '../checkers/large-values-whole.ts';
import { type StoredCopy, storedCopies } from '../checkers/replicas-agree.ts';
import { refuseViolations } from '../checkers/violations.ts';
import type { Scenario } from '../scenario.ts';
import { quietClusterConfiguration } from '../workloads/cluster-configuration.ts';
import { ClusterStage } from '../workloads/cluster-stage.ts';
import { LargeValueClients } from '../workloads/large-value-clients.ts';
import type { World } from '../world.ts';
import { faultErrors } from './cluster-story.ts';
import { workUnderStrikes } from './struck-cluster.ts';

const uploadMsMax = 20_000;
const goneMsMax = 3_600_000;
const bucket = 'large';

export const clusterLargeValues: Scenario = {
  name: 'cluster-large-values',
  describe: 'values in chunks, with nodes that die in the middle: none torn, none lost, no chunk left over',
  async run(world) {
    const random = world.random.fork('scenario');
    world.work.atLeast('acked puts', 20);
    world.work.atLeast('reads of whole values', 20);
    world.work.atLeast('uploads left over', 1);
    const configuration = quietClusterConfiguration({
      ring_size: 8,
      'large_values.threshold': 500,
      'large_values.chunk': random.pick([100, 333]),
      'large_values.upload_timeout': uploadMsMax,
      'large_values.sweep_interval': random.pick([2000, 10_000]),
      'large_values.linger': random.pick([1000, 10_000]),
      'large_values.removal_limit': random.pick([20, 1000]),
      'anti_entropy.interval': 5000,
      delete_mode: random.pick(['immediate', 3000]),
    });
    const stage = new ClusterStage(world, {
      nodes: random.pick([3, 4]),
      configuration,
      startsMayFail: false,
    });
    await stage.form();
    await stage.setProperties(bucket, { allow_mult: true });
    const clients = new LargeValueClients(world, {
      bucket,
      keys: 6,
      pauseMsMean: 300,
      timeoutMs: 5000,
      bytesMin: 501,
      bytesMax: 4000,
      expectedErrors: new Set([...faultErrors, 'chunk_missing']),
    });
    await workUnderStrikes(stage, random, {
      clients: 3,
      client: (own, isOver) => clients.run(own, () => stage.knownMembers, isOver),
      strikes: ['death', 'cut', 'join', 'leave'],
      downMsMean: 10_000,
      cutMsMean: 20_000,
      rounds: 4,
      pauseMsMean: 5000,
    });
    refuseViolations([
      ...clients.violations,
      ...checkLargeAtRest(await clients.readEvery(random, stage.members), clients.writes),
    ]);
    const { left } = await leftOver(stage);
    world.work.add('uploads left over', left);
    await untilOnlyNeeded(world, stage);
    refuseViolations([
      ...clients.violations,
      ...checkLargeAtRest(await clients.readEvery(random, stage.members), clients.writes),
    ]);
  },
};

/** Until what is kept beside the objects is the chunks that these refer to. */
async function untilOnlyNeeded(world: World, stage: ClusterStage): Promise<void> {
  const end = world.nowMs + goneMsMax;
  for (;;) {
    const { left, missing } = await leftOver(stage);
    if (missing > 0) throw new Error(`L3 ${missing} uploads that are referred to are not there`);
    if (left === 0) return;
    if (world.nowMs > end) throw new Error(`L3 ${left} uploads that nothing refers to are on disks for ever`);
    await world.sleep(10_000);
  }
}

/** Uploads of which some disk holds a record or a chunk, without a reason; and those that are wanted and not there. */
async function leftOver(stage: ClusterStage): Promise<{ readonly left: number; readonly missing: number }> {
  const held = new Set<string>();
  const wanted = new Set<string>();
  for (const member of stage.members) {
    const copies = await member.within(({ engine, node }) =>
      storedCopies(engine, node.database.cluster.topology.ring.partitions()),
    );
    if (typeof copies === 'string') continue;
    for (const [name, stored] of copies) {
      const objects = stored.map(({ bytes }: StoredCopy) => VersionedObject.decode(bytes));
      if (objects.every((object) => object.isTombstone)) continue;
      if (name.startsWith(`${bucket}/`)) {
        for (const object of objects) for (const { upload } of manifestsOf(object)) wanted.add(upload);
      } else {
        const [, upload = ''] = /^(?:uploads|chunks)\/([^.]*)/.exec(name) ?? [];
        held.add(upload);
      }
    }
  }
  return {
    left: [...held].filter((upload) => !wanted.has(upload)).length,
    missing: [...wanted].filter((upload) => !held.has(upload)).length,
  };
}
