/**
 * A messenger on the database, as Voxer was on Riak: messages, and inboxes on pages of JSON that many senders update while
 * nodes die, are cut off, join and leave. What was delivered is there and in order, and no object grows without bound.
 */
import { VersionedObject } from '../../kv/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { checkInbox, siblingsMax } from '../checkers/inbox-complete.ts';
import { storedCopies } from '../checkers/replicas-agree.ts';
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import { quietClusterConfiguration } from '../workloads/cluster-configuration.ts';
import type { ClusterMember } from '../workloads/cluster-member.ts';
import { ClusterStage } from '../workloads/cluster-stage.ts';
import { burstMax, InboxClients, userName } from '../workloads/inbox-clients.ts';
import { inboxBuckets } from '../workloads/inbox-timeline.ts';
import type { World } from '../world.ts';
import { faultErrors } from './cluster-story.ts';

const users = 8;
const senders = 8;
const pageMax = 20;
/** A cut has two. */
const sides = 2;
const roundsMax = 4;
const nodesMax = 5;
const violationsShownMax = 5;

export const voxer: Scenario = {
  name: 'voxer',
  describe: 'inboxes on JSON pages that many update, while nodes come and go: complete, in order, bounded',
  async run(world) {
    const random = world.random.fork('scenario');
    world.work.atLeast('deliveries', 200);
    world.work.atLeast('timelines read', 10);
    world.work.atLeast('siblings at most', 3);
    const configuration = quietClusterConfiguration({ ring_size: 8, 'anti_entropy.interval': 5000 });
    const stage = new ClusterStage(world, {
      nodes: random.pick([3, 4]),
      configuration,
      startsMayFail: false,
    });
    await stage.form();
    await keepSiblings(stage);
    const clients = new InboxClients(world, {
      users,
      recipientsMax: 4,
      pageMax,
      pauseMsMean: 250,
      timeoutMs: 5000,
      expectedErrors: new Set(faultErrors),
    });
    let isOver = false;
    const working = Array.from({ length: senders }, (_, i) =>
      clients.run(
        world.random.fork(`sender ${i}`),
        () => stage.members,
        () => isOver,
      ),
    );
    for (let round = 0; round < roundsMax; round += 1) {
      await world.sleep(random.exponential(4000));
      await strike(world, random, stage);
    }
    isOver = true;
    await Promise.all(working);
    for (const { process } of stage.members) if (!process.isUp) process.restart();
    await stage.untilServing();
    await stage.untilQuiet();
    await judge(random, stage, clients);
    world.work.add('siblings at most', clients.siblingsSeen);
  },
};

async function keepSiblings(stage: ClusterStage): Promise<void> {
  for (const bucket of inboxBuckets) {
    const address = { bucketType: byteLiteral('default'), bucket: byteLiteral(bucket) };
    await stage.anyone.within(({ node }) => node.store.setProperties(address, { allow_mult: true }));
    const isKnown = ({ present }: ClusterMember) =>
      present.node.store.properties(address)?.allow_mult === true;
    await stage.until('properties are known', () => stage.members.every(isKnown), 60_000);
  }
}

async function strike(world: World, random: Prng, stage: ClusterStage): Promise<void> {
  const member = random.pick(stage.members);
  switch (random.below(4)) {
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
      await world.sleep(random.exponential(10_000));
      heal();
      return;
    }
    case 2: {
      if (stage.members.length >= nodesMax) return;
      await stage.untilServing();
      const seed = stage.anyone;
      const joiner = stage.boot();
      await stage.untilServing([joiner]);
      await stage.join(joiner, seed);
      await stage.change([{ kind: 'join', node: joiner.id }]);
      world.work.add('joins');
      return;
    }
    default: {
      if (stage.members.length <= 3) return;
      await stage.untilServing();
      await stage.untilSettled();
      await stage.change([{ kind: 'leave', node: member.id }]);
      await stage.untilGone(member);
      world.work.add('leaves');
    }
  }
}

async function judge(random: Prng, stage: ClusterStage, clients: InboxClients): Promise<void> {
  const store = clients.storeOf(random, () => stage.members);
  const violations = [...clients.violations];
  for (let number = 0; number < users; number += 1) {
    const user = userName(number);
    const timeline = await clients.timelineOf(store, user);
    violations.push(
      ...checkInbox(user, timeline, clients.deliveries, { pageMax, senders: senders * burstMax, sides }),
    );
    await clients.checkMessages(store, timeline.names);
  }
  violations.push(...clients.violations, ...(await grownObjects(stage)));
  if (violations.length === 0) return;
  throw new Error(`${violations.length} violations: ${violations.slice(0, violationsShownMax).join(' · ')}`);
}

/** V4, of what disks hold. */
async function grownObjects(stage: ClusterStage): Promise<readonly string[]> {
  const violations: string[] = [];
  for (const member of stage.members) {
    const copies = await member.within(({ engine, node }) =>
      storedCopies(engine, node.database.cluster.topology.ring.partitions()),
    );
    if (typeof copies === 'string') continue;
    for (const [name, stored] of copies) {
      for (const { bytes } of stored) {
        const { siblingCount } = VersionedObject.decode(bytes);
        if (siblingCount > siblingsMax)
          violations.push(`V4 ${member.name} has ${siblingCount} siblings of ${name}`);
      }
    }
  }
  return violations;
}
