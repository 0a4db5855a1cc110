/**
 * Objects that live for a limited time, while nodes die, are cut off, and have their clocks jump by less than the margin:
 * nothing is shown past its end, nothing that lives is lost, what was replaced does not come back, and in the end
 * nothing of what has expired is on any disk.
 */

import { VersionedObject } from '../../kv/index.ts';
import { expiryOfObject } from '../../kv/object/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { checkExpiredAtRest } from '../checkers/expiry-holds.ts';
import { storedCopies } from '../checkers/replicas-agree.ts';
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import { quietClusterConfiguration } from '../workloads/cluster-configuration.ts';
import type { ClusterMember } from '../workloads/cluster-member.ts';
import { ClusterStage } from '../workloads/cluster-stage.ts';
import { ExpiringClients } from '../workloads/expiring-clients.ts';
import type { World } from '../world.ts';
import { faultErrors } from './cluster-story.ts';

const marginMs = 300_000;
/** Two clocks differ by less than the margin, whichever jump. */
const jumpMsMax = 60_000;
const roundsMax = 4;
const shortTtlMax = 20;
const violationsShownMax = 5;
const goneMsMax = 1_800_000;

export const clusterExpiry: Scenario = {
  name: 'cluster-expiry',
  describe:
    'objects that expire, with crashes, cuts and clocks that jump: none is shown late, lost early, or back',
  async run(world) {
    const random = world.random.fork('scenario');
    world.work.atLeast('acked puts', 50);
    world.work.atLeast('reads of what ended', 10);
    world.work.atLeast('copies that went', 1);
    const configuration = quietClusterConfiguration({
      ring_size: 8,
      'expiry.margin': marginMs,
      'expiry.sweep.interval': random.pick([1000, 10_000]),
      'expiry.sweep.limit': random.pick([2, 1000]),
      'anti_entropy.interval': 5000,
      delete_mode: random.pick(['keep', 'immediate', 3000]),
    });
    const stage = new ClusterStage(world, {
      nodes: random.pick([3, 4, 5]),
      configuration,
      startsMayFail: false,
    });
    await stage.form();
    const bucket = { bucketType: byteLiteral('default'), bucket: byteLiteral('expiring') };
    await stage.anyone.within(({ node }) => node.store.setProperties(bucket, { allow_mult: true }));
    const isKnown = ({ present }: ClusterMember) =>
      present.node.store.properties(bucket)?.allow_mult === true;
    await stage.until('properties are known', () => stage.members.every(isKnown), 60_000);

    const clients = new ExpiringClients(world, {
      bucket: 'expiring',
      keys: 30,
      pauseMsMean: 200,
      timeoutMs: 5000,
      shortTtlMax,
      longTtl: 1_000_000,
      expectedErrors: new Set(faultErrors),
    });
    let isOver = false;
    const working = Array.from({ length: 4 }, (_, i) =>
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
    // What a clock that is behind stamped last has ended by one that is further behind.
    await world.sleep(shortTtlMax * 1000 + roundsMax * jumpMsMax);
    world.work.add('copies that went', await expiredCopies(stage));
    await stage.untilQuiet();
    const rest = await clients.readAll(random, stage.members);
    refuse([...clients.violations, ...checkExpiredAtRest(rest, clients.writes)]);
    await untilGone(world, stage);
    refuse(checkExpiredAtRest(await clients.readAll(random, stage.members), clients.writes));
  },
};

async function strike(world: World, random: Prng, stage: ClusterStage): Promise<void> {
  const member = random.pick(stage.members);
  switch (random.below(3)) {
    case 0:
      member.end(random.pick(['kill', 'crash']));
      await world.sleep(random.exponential(20_000));
      if (!member.process.isUp) member.process.restart();
      return;
    case 1: {
      const others = stage.members.filter((other) => other !== member);
      const heal = world.network.partition([
        [member.process.host],
        others.map(({ process }) => process.host),
      ]);
      await world.sleep(random.exponential(30_000));
      heal();
      return;
    }
    default:
      member.process.jumpClock(random.between(-jumpMsMax, jumpMsMax));
      world.work.add('jumps of a clock');
  }
}

async function untilGone(world: World, stage: ClusterStage): Promise<void> {
  const end = world.nowMs + goneMsMax;
  for (;;) {
    const left = await expiredCopies(stage);
    if (left === 0) return;
    if (world.nowMs > end) throw new Error(`${left} copies of what has expired are on disks for ever`);
    await world.sleep(10_000);
  }
}

async function expiredCopies(stage: ClusterStage): Promise<number> {
  let expired = 0;
  for (const member of stage.members) {
    const found = await member.within(async ({ engine, node, environment }) => {
      const copies = await storedCopies(engine, node.database.cluster.topology.ring.partitions());
      const now = environment.clock.wallMicros();
      const ends = [...copies.values()]
        .flat()
        .map(({ bytes }) => expiryOfObject(VersionedObject.decode(bytes)));
      return ends.filter((end) => end !== undefined && end <= now).length;
    });
    if (typeof found === 'number') expired += found;
  }
  return expired;
}

function refuse(violations: readonly string[]): void {
  if (violations.length === 0) return;
  throw new Error(`${violations.length} violations: ${violations.slice(0, violationsShownMax).join(' · ')}`);
}
