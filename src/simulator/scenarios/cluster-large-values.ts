/**
 * Values that are kept in chunks, while nodes die in the middle of uploads, are cut off, and one more joins: what is read
 * is whole, what was acknowledged is not lost, and in the end no disk holds a chunk of anything else.
 */
import { manifestsOf, VersionedObject } from '../../kv/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { checkLargeAtRest } from '../checkers/large-values-whole.ts';
import { type StoredCopy, storedCopies } from '../checkers/replicas-agree.ts';
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import { quietClusterConfiguration } from '../workloads/cluster-configuration.ts';
import type { ClusterMember } from '../workloads/cluster-member.ts';
import { ClusterStage } from '../workloads/cluster-stage.ts';
import { LargeValueClients } from '../workloads/large-value-clients.ts';
import type { World } from '../world.ts';
import { faultErrors } from './cluster-story.ts';

const roundsMax = 4;
const violationsShownMax = 5;
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
    const address = { bucketType: byteLiteral('default'), bucket: byteLiteral(bucket) };
    await stage.anyone.within(({ node }) => node.store.setProperties(address, { allow_mult: true }));
    const isKnown = ({ present }: ClusterMember) =>
      present.node.store.properties(address)?.allow_mult === true;
    await stage.until('properties are known', () => stage.members.every(isKnown), 60_000);

    const clients = new LargeValueClients(world, {
      bucket,
      keys: 6,
      pauseMsMean: 300,
      timeoutMs: 5000,
      bytesMin: 501,
      bytesMax: 4000,
      expectedErrors: new Set([...faultErrors, 'chunk_missing']),
    });
    let isOver = false;
    const working = Array.from({ length: 3 }, (_, i) =>
      clients.run(
        world.random.fork(`client ${i}`),
        () => stage.members,
        () => isOver,
      ),
    );
    for (let round = 0; round < roundsMax; round += 1) {
      await world.sleep(random.exponential(5000));
      await strike(world, random, stage);
    }
    isOver = true;
    await Promise.all(working);
    for (const { process } of stage.members) if (!process.isUp) process.restart();
    await stage.untilServing();
    await stage.untilQuiet();
    refuse([
      ...clients.violations,
      ...checkLargeAtRest(await clients.readEvery(random, stage.members), clients.writes),
    ]);
    const { left } = await leftOver(stage);
    world.work.add('uploads left over', left);
    await untilOnlyNeeded(world, stage);
    refuse([
      ...clients.violations,
      ...checkLargeAtRest(await clients.readEvery(random, stage.members), clients.writes),
    ]);
  },
};

async function strike(world: World, random: Prng, stage: ClusterStage): Promise<void> {
  const member = random.pick(stage.members);
  switch (random.below(stage.members.length < 5 ? 3 : 2)) {
    case 0:
      member.end(random.pick(['kill', 'crash']));
      await world.sleep(random.exponential(10_000));
      if (!member.process.isUp) member.process.restart();
      return;
    case 1: {
      const others = stage.members.filter((other) => other !== member);
      const heal = world.network.partition([
        [member.process.host],
        others.map(({ process }) => process.host),
      ]);
      await world.sleep(random.exponential(20_000));
      heal();
      return;
    }
    default: {
      await stage.untilServing();
      const seed = stage.anyone;
      const joiner = stage.boot();
      await stage.untilServing([joiner]);
      await stage.join(joiner, seed);
      await stage.change([{ kind: 'join', node: joiner.id }]);
      world.work.add('joins');
    }
  }
}

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

function refuse(violations: readonly string[]): void {
  if (violations.length === 0) return;
  throw new Error(`${violations.length} violations: ${violations.slice(0, violationsShownMax).join(' · ')}`);
}
