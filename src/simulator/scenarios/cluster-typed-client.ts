/**
 * Programs work through the typed client, over the simulated network, while nodes die and links to nodes and to clients are
 * cut, slow and reset, and while nodes join and leave; now and then a program connects anew, to those that are members then. What the client says of each call is what has happened: acknowledged writes are there, those without
 * effect are not, increments count once, changes of a map happen together, and queries find what was written, once; at rest all of it.
 *
 * Planted by hand: a client that sends a write again whose reply was lost (1 of 8 seeds; a map with a visit too many).
 *
 * Jobs with JavaScript are not asked: this world has no processes to run it in (src/queries.test.ts does).
 */
import { configurationWith } from '../../config/index.ts';
import { assert, byteLiteral } from '../../stdx/index.ts';
import { refuseViolations } from '../checkers/violations.ts';
import { carryOutFaults, randomFaultPlan } from '../fault-plan.ts';
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import { quietClusterConfiguration, variedClusterConfiguration } from '../workloads/cluster-configuration.ts';
import { ClusterStage } from '../workloads/cluster-stage.ts';
import { StageStrikes } from '../workloads/stage-strikes.ts';
import { TypedClients, typedClientTypes } from '../workloads/typed-clients.ts';
import type { World } from '../world.ts';

const protobufPort = 8087;
const clients = 3;
const strikesMax = 4;

async function makeTypes(stage: ClusterStage): Promise<void> {
  for (const [text, datatype] of typedClientTypes) {
    const name = byteLiteral(text);
    const custom = new Map(datatype === undefined ? [] : [['datatype', datatype]]);
    const refusal = await stage.anyone.within(async ({ node }) => {
      const { bucketTypes } = node.database.store;
      return (await bucketTypes.create(name, { custom })) ?? (await bucketTypes.activate(name));
    });
    assert(refusal === undefined, `the type ${text} is made: ${JSON.stringify(refusal)}`);
    const isKnown = () =>
      stage.members.every(
        ({ present }) => present.node.database.store.bucketTypes.get(name)?.status === 'active',
      );
    await stage.until(`all know ${text}`, isKnown, 60_000);
  }
}

async function typedClient(world: World): Promise<void> {
  const random = world.random.fork('scenario');
  world.work.atLeast('acked calls', 100);
  world.work.atLeast('queries', 5);
  world.work.atLeast('joins', 1);
  world.work.atLeast('leaves', 1);
  const fixed = {
    ring_size: random.pick([8, 16, 32]),
    delete_mode: 'keep' as const,
    // Sets and maps grow all the time.
    'datatype.size.maximum': configurationWith({})['datatype.size.maximum'],
    'listener.protobuf.internal': { host: '0.0.0.0', port: protobufPort },
  };
  const configuration = random.chance(0.5)
    ? quietClusterConfiguration(fixed)
    : variedClusterConfiguration(world.random.fork('configuration'), fixed);
  const stage = new ClusterStage(world, { nodes: random.pick([3, 4]), configuration, startsMayFail: true });
  await stage.form();
  await makeTypes(stage);

  const names = Array.from({ length: clients }, (_, i) => `client${i + 1}@10.0.1.${i + 1}`);
  const typed = new TypedClients(world, addressOf(stage));
  let isOver = false;
  const working = names.map((name) => typed.run(name, world.random.fork(`typed ${name}`), () => isOver));
  const usual = { untilMs: 8000, faultsMin: 2, gapMsMean: 1500, durationMsMean: 1500 };
  await world.sleep(1000);
  await Promise.all([
    carryOutFaults(
      world,
      randomFaultPlan(random.fork('nodes'), {
        ...usual,
        nodes: stage.names,
        kinds: ['kill', 'crash', 'pause'],
      }),
    ),
    carryOutFaults(
      world,
      randomFaultPlan(random.fork('links'), {
        ...usual,
        nodes: [...stage.names, ...names],
        kinds: ['partition', 'one-way-cut', 'slow-link', 'reset-connections'],
      }),
    ),
  ]);
  await changeMembers(stage, random);
  await world.sleep(1000);
  isOver = true;
  await Promise.all(working);
  await stage.mend();
  await stage.untilQuiet();
  refuseViolations(await typed.violations(`reader@10.0.1.${clients + 1}`));
}

/** What programs are told of: those that were full members when last there were any that served. */
function addressOf(stage: ClusterStage): () => string {
  let known = stage.settledMembers;
  return () => {
    const { settledMembers } = stage;
    if (settledMembers.length > 0) known = settledMembers;
    return `hale://${known.map(({ process }) => `${process.host}:${protobufPort}`).join(',')}`;
  };
}

/** Programs go on meanwhile. */
async function changeMembers(stage: ClusterStage, random: Prng): Promise<void> {
  const times = { downMsMean: 3000, cutMsMean: 3000 };
  const strikes = new StageStrikes(stage, random, ['death', 'cut', 'join', 'leave'], times);
  await strikes.join();
  for (let strike = 0; strike < strikesMax; strike += 1) {
    await stage.world.sleep(random.exponential(1000));
    await strikes.strike();
  }
  if (stage.world.work.done('leaves') > 0) return;
  // One of those that programs know best.
  await strikes.leave(stage.members[0]!);
}

export const clusterTypedClient: Scenario = {
  name: 'cluster-typed-client',
  describe:
    'programs that use the typed client far from a failing, changing cluster: what it tells of each call is so',
  run: typedClient,
};
