/**
 * The queues between nodes are short, and links become slow one way: requests are refused for lack of room, and replies to what was
 * carried out find none. Clients update data types, write on conditions, and write plainly. What was refused has not happened,
 * what was acknowledged has happened once, and nobody counts twice.
 */
import { checkReplacedOnce } from '../checkers/versions-replaced-once.ts';
import { refuseViolations } from '../checkers/violations.ts';
import type { Scenario } from '../scenario.ts';
import { DatatypeClients } from '../workloads/datatype-clients.ts';
import { FullQueues } from '../workloads/full-queues.ts';
import { RivalClients } from '../workloads/rival-clients.ts';
import { ClusterPlay, calmCluster, faultErrors } from './cluster-story.ts';
import { DatatypeStory } from './datatype-story.ts';

const rounds = 12;
const timeoutMs = 2000;
const rivals = 3;

export const clusterFullQueues: Scenario = {
  name: 'cluster-full-queues',
  describe: 'queues between nodes are full: what is refused has not happened, and nothing happens twice',
  async run(world) {
    const random = world.random.fork('scenario');
    world.work.atLeast('acked updates', 30);
    world.work.atLeast('requests without room', 10);
    const play = await ClusterPlay.begin(world, {
      ...calmCluster,
      nodes: random.pick([4, 5]),
      ringSize: random.pick([8, 16]),
      configurations: 'quiet',
      expectedErrors: faultErrors,
      fixed: {
        delete_mode: 'keep',
        'cluster.queue.foreground.maximum': random.pick([500, 1000, 2000]),
      },
      clients: 6,
      client: { keysPerBucket: 6, pauseMsMean: 10, valueBytesMax: random.pick([100, 1000]), timeoutMs },
      bucketsBeside: [{ name: 'rivals', nVal: 3 }],
    });
    const { stage } = play;
    const expectedErrors = new Set(faultErrors);
    const updates = new DatatypeClients(world, {
      keysPerType: 1,
      pauseMsMean: 10,
      timeoutMs,
      deletes: false,
      expectedErrors,
    });
    const datatypes = new DatatypeStory(world, stage, updates, true);
    await datatypes.prepare();
    await stage.setProperties('rivals', { allow_mult: true, conditional: 'serialised' });
    const rivalClients = new RivalClients(world, {
      bucket: 'rivals',
      keys: 3,
      pauseMsMean: 20,
      timeoutMs,
      expectedErrors,
    });
    let isOver = false;
    play.work();
    datatypes.work(4, datatypes.reachable);
    const conditional = Array.from({ length: rivals }, (_, i) =>
      rivalClients.run(random.fork(`rival ${i}`), datatypes.reachable, () => isOver),
    );
    const queues = new FullQueues(stage, random.fork('queues'));
    for (let round = 0; round < rounds; round += 1) await queues.strike();
    for (const { present } of stage.members) {
      world.work.add('requests without room', present.node.database.replicaPeers.counts.overloads);
    }
    isOver = true;
    await Promise.all(conditional);
    await play.stopWork();
    await datatypes.rest();
    await play.rest();
    const left = await rivalClients.readAll(random, stage.members);
    refuseViolations(checkReplacedOnce(rivalClients.attempts, left));
  },
};
