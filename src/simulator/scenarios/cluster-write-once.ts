/**
 * Objects that are written once, by several clients at a time, while nodes die, are cut off, join and leave: in the end every
 * key has one value on all its replicas, the earliest that was acknowledged or one that may have come before it.
 */
import { byteLiteral } from '../../stdx/index.ts';
import { storedCopies } from '../checkers/replicas-agree.ts';
import { checkWrittenOnce, type OnceRead } from '../checkers/written-once.ts';
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import { quietClusterConfiguration } from '../workloads/cluster-configuration.ts';
import type { ClusterMember } from '../workloads/cluster-member.ts';
import { ClusterStage } from '../workloads/cluster-stage.ts';
import { OnceClients } from '../workloads/once-clients.ts';
import type { World } from '../world.ts';
import { faultErrors } from './cluster-story.ts';

const bucketType = byteLiteral('once');
const clientsMax = 6;
const roundsMax = 5;
const jumpMsMax = 60_000;
const violationsShownMax = 5;

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
    let isOver = false;
    const working = Array.from({ length: clientsMax }, (_, i) =>
      clients.run(
        world.random.fork(`client ${i}`),
        () => stage.settledMembers,
        () => isOver,
      ),
    );
    for (let round = 0; round < roundsMax; round += 1) {
      await world.sleep(random.exponential(3000));
      await strike(world, random, stage);
    }
    isOver = true;
    await Promise.all(working);
    for (const { process } of stage.members) if (!process.isUp) process.restart();
    await stage.untilServing();
    await stage.untilQuiet();
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

async function strike(world: World, random: Prng, stage: ClusterStage): Promise<void> {
  const member = random.pick(stage.members);
  switch (random.below(5)) {
    case 0:
      member.end(random.pick(['kill', 'crash']));
      await world.sleep(random.exponential(10_000));
      if (!member.process.isUp) member.process.restart();
      await stage.untilServing();
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
    case 2:
      member.process.jumpClock(random.between(-jumpMsMax, jumpMsMax));
      world.work.add('jumps of a clock');
      return;
    case 3: {
      const newcomer = stage.boot();
      await stage.untilServing();
      await stage.join(newcomer, member);
      await stage.change([{ kind: 'join', node: newcomer.id }]);
      await stage.untilSettled();
      world.work.add('joins');
      return;
    }
    default:
      if (stage.members.length <= 3) return;
      await stage.change([{ kind: 'leave', node: member.id }]);
      await stage.untilGone(member);
      await stage.untilSettled();
      world.work.add('leaves');
  }
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
  if (violations.length === 0) return;
  throw new Error(`${violations.length} violations: ${violations.slice(0, violationsShownMax).join(' · ')}`);
}
