/**
 * Objects that live for a limited time, while nodes die, are cut off, and have their clocks jump by less than the margin:
 * nothing is shown past its end, nothing that lives is lost, what was replaced does not come back, and in the end
 * nothing of what has expired is on any disk.
 */

import { VersionedObject } from '../../kv/index.ts';
import { expiryOfObject } from '../../kv/object/index.ts';
import { checkExpiredAtRest } from '../checkers/expiry-holds.ts';
import { storedCopies } from '../checkers/replicas-agree.ts';
import { refuseViolations } from '../checkers/violations.ts';
import type { Scenario } from '../scenario.ts';
import { quietClusterConfiguration } from '../workloads/cluster-configuration.ts';
import { ClusterStage } from '../workloads/cluster-stage.ts';
import { ExpiringClients } from '../workloads/expiring-clients.ts';
import { strikeJumpMsMax } from '../workloads/stage-strikes.ts';
import type { World } from '../world.ts';
import { faultErrors } from './cluster-story.ts';
import { workUnderStrikes } from './struck-cluster.ts';

const marginMs = 300_000;
const rounds = 4;
const shortTtlMax = 20;
const goneMsMax = 1_800_000;

export const clusterExpiry: Scenario = {
  name: 'cluster-expiry',
  describe:
    'objects that expire, with crashes, cuts, joins, leaves, clocks that jump: none shown late, lost early, or back',
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
    await stage.setProperties('expiring', { allow_mult: true });
    const clients = new ExpiringClients(world, {
      bucket: 'expiring',
      keys: 30,
      pauseMsMean: 200,
      timeoutMs: 5000,
      shortTtlMax,
      longTtl: 1_000_000,
      expectedErrors: new Set(faultErrors),
    });
    await workUnderStrikes(stage, random, {
      clients: 4,
      client: (own, isOver) => clients.run(own, () => stage.knownMembers, isOver),
      strikes: ['death', 'cut', 'clock-jump', 'join', 'leave'],
      downMsMean: 20_000,
      cutMsMean: 30_000,
      rounds,
      pauseMsMean: 5000,
    });
    // What a clock that is behind stamped last has ended by one that is further behind.
    await world.sleep(shortTtlMax * 1000 + rounds * strikeJumpMsMax);
    world.work.add('copies that went', await expiredCopies(stage));
    await stage.untilQuiet();
    const rest = await clients.readAll(random, stage.members);
    refuseViolations([...clients.violations, ...checkExpiredAtRest(rest, clients.writes)]);
    await untilGone(world, stage);
    refuseViolations(checkExpiredAtRest(await clients.readAll(random, stage.members), clients.writes));
  },
};

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
