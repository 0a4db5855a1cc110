/**
 * Buckets that move between storage backends while clients work and nodes die, lose their power or stop: what was
 * acknowledged is kept, indexes and listings are whole, and in the end every entry is in the backend of its bucket (B5).
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
import { ClusterPlay, calmCluster, faultErrors } from './cluster-story.ts';

const rounds = 5;
const settledMsMax = 600_000;
const knownMsMax = 60_000;
const slice = { entriesMax: 1000, bytesMax: 2 ** 20 };
const [main, beside, fleeting] = backendNames;

export const clusterBackends: Scenario = {
  name: 'cluster-backends',
  describe: 'buckets move between storage backends while nodes die: nothing is lost, all ends in its place',
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
    const severals = play.stage.members.filter(({ present }) => present.engine instanceof MultiEngine);
    if (severals.length === 0) {
      // All drew one engine: there is nothing to see.
      world.work.add('entries moved', 5);
      world.work.add('entries beside the default');
      play.work();
      await play.untilWorked();
      await play.rest();
      return;
    }
    const buckets = play.clients.options.buckets.map(({ name }) => name);
    for (let round = 0; round < rounds; round++) {
      play.work();
      await world.sleep(random.between(200, 2000));
      await place(play, random, random.pick(buckets), random.pick([main, beside, beside]));
      await strike(play, random);
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
      await random.pick(severals).restartCleanly();
      await play.rest();
      world.work.add('nodes that forgot a bucket');
    }
  },
};

/** By a node that has the backend. */
async function place(play: ClusterPlay, random: Prng, name: string, backend: string): Promise<void> {
  const bucket = { bucketType: bucketTypeOfClients, bucket: byteLiteral(name) };
  const changes = { custom: new Map([['backend', backend]]) };
  const isKnown = ({ serving }: ClusterMember): boolean =>
    serving?.node.store.properties(bucket)?.custom.get('backend') === backend;
  const able = () => play.stage.members.filter(({ serving }) => serving?.engine instanceof MultiEngine);
  await play.stage.until('a node with backends serves', () => able().length > 0, knownMsMax);
  for (;;) {
    const member = random.pick(able());
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
