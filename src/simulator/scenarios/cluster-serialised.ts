/**
 * Conditional writes that one node decides for a key, while nodes die, freeze, are cut off, join and leave: of those that were to
 * replace one version one is acknowledged, whoever decided, and it is there in the end.
 */
import { byteLiteral } from '../../stdx/index.ts';
import { checkReplacedOnce } from '../checkers/versions-replaced-once.ts';
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import { quietClusterConfiguration } from '../workloads/cluster-configuration.ts';
import type { ClusterMember } from '../workloads/cluster-member.ts';
import { ClusterStage } from '../workloads/cluster-stage.ts';
import { RivalClients } from '../workloads/rival-clients.ts';
import type { World } from '../world.ts';
import { faultErrors } from './cluster-story.ts';

const clientsMax = 6;
const roundsMax = 5;
const violationsShownMax = 5;

export const clusterSerialised: Scenario = {
  name: 'cluster-serialised',
  describe: 'conditional writes, serialised, with crashes, cuts, joins and leaves: one replaces each version',
  async run(world) {
    const random = world.random.fork('scenario');
    world.work.atLeast('acked puts', 50);
    world.work.atLeast('refused puts', 10);
    const stage = new ClusterStage(world, {
      nodes: random.pick([3, 4, 5]),
      configuration: quietClusterConfiguration({
        ring_size: random.pick([8, 16]),
        'anti_entropy.interval': 5000,
      }),
      startsMayFail: false,
    });
    await stage.form();
    await setProperties(stage);
    const clients = new RivalClients(world, {
      bucket: 'rivals',
      keys: 3,
      pauseMsMean: 50,
      timeoutMs: 3000,
      expectedErrors: new Set(faultErrors),
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
      await world.sleep(1000 + random.exponential(2000));
      await strike(world, random, stage);
    }
    isOver = true;
    await Promise.all(working);
    for (const { process } of stage.members) {
      process.resume();
      if (!process.isUp) process.restart();
    }
    await stage.untilServing();
    await stage.untilQuiet();
    const violations = checkReplacedOnce(clients.attempts, await clients.readAll(random, stage.members));
    if (violations.length === 0) return;
    const shown = violations.slice(0, violationsShownMax).join(' · ');
    throw new Error(`${violations.length} violations: ${shown}`);
  },
};

async function setProperties(stage: ClusterStage): Promise<void> {
  const bucket = { bucketType: byteLiteral('default'), bucket: byteLiteral('rivals') };
  await stage.anyone.within(({ node }) =>
    node.store.setProperties(bucket, { allow_mult: true, conditional: 'serialised' }),
  );
  const isKnown = ({ present }: ClusterMember): boolean =>
    present.node.store.properties(bucket)?.conditional === 'serialised';
  await stage.until('properties are known', () => stage.members.every(isKnown), 60_000);
}

async function strike(world: World, random: Prng, stage: ClusterStage): Promise<void> {
  const member = random.pick(stage.members);
  switch (random.below(4)) {
    case 0:
      member.end(random.pick(['kill', 'crash']));
      await world.sleep(random.exponential(5000));
      if (!member.process.isUp) member.process.restart();
      await stage.untilServing();
      return;
    case 1: {
      const others = stage.members.filter((other) => other !== member);
      // From some of the others only, often: then nodes differ about who is there.
      const side = random.chance(0.5) ? others : others.slice(0, 1 + random.below(others.length));
      const heal = world.network.partition([[member.process.host], side.map(({ process }) => process.host)]);
      await world.sleep(random.exponential(15_000));
      heal();
      return;
    }
    case 2: {
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
