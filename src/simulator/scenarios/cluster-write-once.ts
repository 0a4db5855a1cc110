/**
 * Objects that are written once, by several clients at a time, while nodes die, are cut off, join and leave: in the end every
 * key has one value on all its replicas, the earliest that was acknowledged or one that may have come before it.
 */
import { byteLiteral } from '../../stdx/index.ts';
import { storedCopies } from '../checkers/replicas-agree.ts';
import { refuseViolations } from '../checkers/violations.ts';
import { checkWrittenOnce, type OnceRead } from '../checkers/written-once.ts';
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import { quietClusterConfiguration } from '../workloads/cluster-configuration.ts';
import type { ClusterMember } from '../workloads/cluster-member.ts';
import { ClusterStage } from '../workloads/cluster-stage.ts';
import { OnceClients } from '../workloads/once-clients.ts';
import type { World } from '../world.ts';
import { faultErrors } from './cluster-story.ts';
import { workUnderStrikes } from './struck-cluster.ts';

const bucketType = byteLiteral('once');

export const clusterWriteOnce: Scenario = {
  name: 'cluster-write-once',
  describe: 'objects that are written once, with crashes, cuts, joins and leaves: each key keeps one value',
  async run(world) {
    const random = world.random.fork('scenario');
    world.work.atLeast('acked puts', 100);
    world.work.atLeast('keys with two acked puts', 5);
    world.work.atLeast('copies compared', 100);
    const stage = new ClusterStage(world, {
      nodes: random.pick([3, 4, 5]),
      configuration: quietClusterConfiguration({
        ring_size: random.pick([8, 16]),
        'anti_entropy.interval': 5000,
        delete_mode: random.pick(['keep', 'immediate', 3000]),
      }),
      startsMayFail: false,
    });
    await stage.form();
    await makeType(stage);
    const clients = new OnceClients(world, {
      bucketType,
      rewrites: 400,
      deletes: 50,
      pauseMsMean: 100,
      timeoutMs: 5000,
      expectedErrors: new Set([...faultErrors, 'unknown_bucket_type']),
    });
    await workUnderStrikes(stage, random, {
      clients: 6,
      client: (own, isOver) => clients.run(own, () => stage.settledMembers, isOver),
      strikes: ['death', 'cut', 'clock-jump', 'join', 'leave'],
      downMsMean: 10_000,
      cutMsMean: 20_000,
      rounds: 5,
      pauseMsMean: 3000,
    });
    judge(world, clients, await readAll(world, random, stage, clients));
  },
};

async function makeType(stage: ClusterStage): Promise<void> {
  await stage.anyone.within(async ({ node }) => {
    await node.database.store.bucketTypes.create(bucketType, { write_once: true });
    await node.database.store.bucketTypes.activate(bucketType);
  });
  const isKnown = ({ present }: ClusterMember): boolean =>
    present.node.store.properties({ bucketType, bucket: byteLiteral('once') })?.write_once === true;
  await stage.until('the type is known', () => stage.members.every(isKnown), 60_000);
}

async function readAll(
  world: World,
  random: Prng,
  stage: ClusterStage,
  clients: OnceClients,
): Promise<readonly OnceRead[]> {
  const shown = new Map<string, OnceRead['shown']>();
  for (const key of clients.keys) shown.set(key, await clients.read(random, stage.members, key));
  // What reads have repaired.
  await stage.untilQuiet();
  const copies = new Map<string, string[]>();
  for (const member of stage.members) {
    const stored = await member.within(({ engine, node }) =>
      storedCopies(engine, node.database.cluster.topology.ring.partitions()),
    );
    if (typeof stored === 'string') throw new Error('in peace every node answers');
    for (const [name, found] of stored) {
      const key = name.slice(name.indexOf('/') + 1);
      copies.set(key, [...(copies.get(key) ?? []), ...found.map(({ bytes }) => bytes.toString('hex'))]);
    }
  }
  world.work.add('copies compared', [...copies.values()].flat().length);
  return clients.keys.map((key) => ({ key, shown: shown.get(key), copies: copies.get(key) ?? [] }));
}

function judge(world: World, { writes, deletes }: OnceClients, reads: readonly OnceRead[]): void {
  for (const { key } of reads) {
    const acked = writes.filter((write) => write.key === key && write.outcome === 'acked');
    if (acked.length > 1) world.work.add('keys with two acked puts');
  }
  const violations = checkWrittenOnce(reads, writes, deletes);
  refuseViolations(violations);
}
