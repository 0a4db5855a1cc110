/**
 * Buckets that move between storage backends while clients work and nodes die, lose their power or stop: what was
 * acknowledged is kept, indexes and listings are whole, and in the end every entry is in the backend of its bucket (B5).
 * Nodes join and leave meanwhile, so that a bucket moves between backends and between nodes at once.
 * Some nodes have only one engine. No bucket is in memory, except in the last act of some runs, where one node forgets.
 */
import { bucketEntries } from '../../server/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { MultiEngine } from '../../storage/index.ts';
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import { quietDisk } from '../simulated-disk.ts';
import type { ClusterMember } from '../workloads/cluster-member.ts';
import { bucketTypeOfClients } from '../workloads/numbered-values.ts';
import { backendNames } from '../workloads/simulated-engine.ts';
import { StageStrikes } from '../workloads/stage-strikes.ts';
import { ClusterPlay, calmCluster, faultErrors } from './cluster-story.ts';

const rounds = 5;
const settledMsMax = 600_000;
const knownMsMax = 60_000;
const slice = { entriesMax: 1000, bytesMax: 2 ** 20 };
const [main, beside, fleeting] = backendNames;

export const clusterBackends: Scenario = {
  name: 'cluster-backends',
  describe:
    'buckets move between storage backends while nodes die, join and leave: nothing is lost, all ends in its place',
  async run(world) {
    const random = world.random.fork('scenario');
    world.work.atLeast('entries moved', 5);
    world.work.atLeast('entries beside the default', 1);
    const play = await ClusterPlay.begin(world, {
      ...calmCluster,
      nodes: random.pick([3, 4, 5]),
      haveBackends: true,
      clients: 5,
      expectedErrors: faultErrors,
      fixed: { delete_mode: random.pick(['keep', 3000]) },
      client: { pauseMsMean: 20 },
    });
    if (severals(play).length === 0) {
      // All drew one engine: there is nothing to see.
      world.work.add('entries moved', 5);
      world.work.add('entries beside the default');
      work(play);
      await play.untilWorked();
      await play.rest();
      return;
    }
    const buckets = play.clients.options.buckets.map(({ name }) => name);
    const strikes = new StageStrikes(play.stage, random, [], { downMsMean: 0, cutMsMean: 0 });
    for (let round = 0; round < rounds; round++) {
      work(play);
      await world.sleep(random.between(200, 2000));
      await place(play, random, random.pick(buckets), random.pick([main, beside, beside]));
      await strike(play, random);
      if (random.chance(0.5)) await changeMembers(play, strikes, random);
      await world.sleep(random.exponential(500));
    }
    await place(play, random, buckets[0]!, main);
    await play.untilWorked();
    await play.rest();
    await allIsInItsPlace(play);
    await place(play, random, buckets[0]!, beside);
    await play.rest();
    await allIsInItsPlace(play);
    if (random.chance(0.5)) {
      await place(play, random, buckets[0]!, fleeting);
      await play.stage.until('it is in memory', () => areSettled(play), settledMsMax);
      await random.pick(severals(play)).restartCleanly();
      await play.rest();
      world.work.add('nodes that forgot a bucket');
    }
  },
};

/** Not at a newcomer that is a cluster of its own still. */
function work(play: ClusterPlay): void {
  play.work(undefined, () => play.stage.knownMembers);
}

function severals({ stage }: ClusterPlay): readonly ClusterMember[] {
  return stage.members.filter(({ serving }) => serving?.engine instanceof MultiEngine);
}

/** Some node that has the backends stays. */
async function changeMembers(play: ClusterPlay, strikes: StageStrikes, random: Prng): Promise<void> {
  if (random.chance(0.5)) return strikes.join();
  const having = severals(play);
  const candidates = play.stage.members.filter((one) => having.length > 1 || !having.includes(one));
  await strikes.leave(random.pick(candidates));
}

/** By a node that has the backend. */
async function place(play: ClusterPlay, random: Prng, name: string, backend: string): Promise<void> {
  const bucket = { bucketType: bucketTypeOfClients, bucket: byteLiteral(name) };
  const changes = { custom: new Map([['backend', backend]]) };
  const isKnown = ({ serving }: ClusterMember): boolean =>
    serving?.node.store.properties(bucket)?.custom.get('backend') === backend;
  await play.stage.until('a node with backends serves', () => severals(play).length > 0, knownMsMax);
  for (;;) {
    const member = random.pick(severals(play));
    const failed = await member.within(({ node }) =>
      node.store.setProperties(bucket, changes).then(
        () => false,
        () => true,
      ),
    );
    if (failed === false && isKnown(member)) break;
    await play.stage.mend();
    await play.world.sleep(500);
  }
  play.world.work.add('placed buckets');
}

async function strike(play: ClusterPlay, random: Prng): Promise<void> {
  const { world, stage } = play;
  const member = random.pick(stage.members);
  const what = random.below(4);
  await world.sleep(random.below(30));
  if (what === 0) {
    for (const each of stage.members) each.end('crash');
  } else if (what === 1) {
    await member.restartCleanly();
  } else {
    member.end(random.pick(['kill', 'crash']));
    await world.sleep(random.exponential(3000));
  }
  for (const { process } of stage.members) {
    process.disk.conditions = { ...quietDisk, syncMs: random.pick([0.3, 3]) };
    if (!process.isUp) process.restart();
  }
  await stage.untilServing();
}

function areSettled({ stage }: ClusterPlay): boolean {
  return stage.members.every(({ serving }) => {
    const engine = serving?.engine;
    return !(engine instanceof MultiEngine) || engine.placements.isSettled;
  });
}

async function allIsInItsPlace(play: ClusterPlay): Promise<void> {
  await play.stage.until('all is in its place', () => areSettled(play), settledMsMax);
  const places = bucketEntries(play.configuration);
  for (const member of play.stage.members) {
    const { engine } = member.present;
    if (!(engine instanceof MultiEngine)) continue;
    for (const backend of engine.backends) {
      const cursor = backend.engine.scan(places.bucketEntries, { keysOnly: true });
      for (let entries = await cursor.next(slice); entries.length > 0; entries = await cursor.next(slice)) {
        for (const { key } of entries) {
          if (!engine.isAstray(backend, key)) continue;
          throw new Error(`${member.name}: an entry of ${key.toString('hex')} is astray in ${backend.name}`);
        }
        if (backend.name === beside) play.world.work.add('entries beside the default', entries.length);
      }
      await cursor.close();
    }
    play.world.work.add('entries moved', engine.moved);
  }
}
