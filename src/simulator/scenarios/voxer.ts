/**
 * A messenger on the database, as Voxer was on Riak: messages, and inboxes on pages of JSON that many senders update while
 * nodes die, are cut off, join and leave. What was delivered is there and in order, and no object grows without bound.
 */
import { VersionedObject } from '../../kv/index.ts';
import { checkInbox, siblingsMax } from '../checkers/inbox-complete.ts';
import { storedCopies } from '../checkers/replicas-agree.ts';
import { refuseViolations } from '../checkers/violations.ts';
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import { quietClusterConfiguration } from '../workloads/cluster-configuration.ts';
import { ClusterStage } from '../workloads/cluster-stage.ts';
import { burstMax, InboxClients, userName } from '../workloads/inbox-clients.ts';
import { inboxBuckets } from '../workloads/inbox-timeline.ts';
import { faultErrors } from './cluster-story.ts';
import { workUnderStrikes } from './struck-cluster.ts';

const users = 8;
const senders = 8;
const pageMax = 20;
/** A cut has two. */
const sides = 2;

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
    for (const bucket of inboxBuckets) await stage.setProperties(bucket, { allow_mult: true });
    const clients = new InboxClients(world, {
      users,
      recipientsMax: 4,
      pageMax,
      pauseMsMean: 250,
      timeoutMs: 5000,
      expectedErrors: new Set(faultErrors),
    });
    await workUnderStrikes(stage, random, {
      clients: senders,
      client: (own, isOver) => clients.run(own, () => stage.knownMembers, isOver),
      strikes: ['death', 'cut', 'join', 'leave'],
      downMsMean: 10_000,
      cutMsMean: 10_000,
      rounds: 4,
      pauseMsMean: 4000,
    });
    await judge(random, stage, clients);
    world.work.add('siblings at most', clients.siblingsSeen);
  },
};

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
  refuseViolations(violations);
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
