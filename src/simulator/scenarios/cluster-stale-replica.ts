/**
 * A node that was away for twenty days comes back with what was deleted and rewritten meanwhile. Neither its own copies nor
 * those that it keeps for another bring anything back: tombstones waited for it (C8). Where reaping does not ask whether all
 * are there, the hints of the one who is away bring the deleted back, in most seeds.
 */
import { reapedMsMin } from '../../kv/vnode/index.ts';
import type { Scenario } from '../scenario.ts';
import { nothingSeen } from '../workloads/cluster-clients.ts';
import { ClusterPlay, calmCluster, faultErrors } from './cluster-story.ts';

const awayMs = 20 * 86_400_000;
/** Enough to be taken for dead, or for alive. */
const briefMs = 15_000;

export const clusterStaleReplica: Scenario = {
  name: 'cluster-stale-replica',
  describe: 'a replica away for twenty days, with deletes and rewrites meanwhile, resurrects nothing',
  async run(world) {
    const random = world.random.fork('scenario');
    world.work.atLeast('acked deletes', 8);
    const play = await ClusterPlay.begin(world, {
      ...calmCluster,
      nodes: random.pick([5, 6]),
      ringSize: 32,
      expectedErrors: faultErrors,
      fixed: { delete_mode: random.pick(['immediate', 3000]), tombstone_pause: 100 },
      client: { keysPerBucket: 20 },
      ackedPutsMin: 40,
    });
    const { stage, clients } = play;
    for (const key of clients.keys) await clients.put(random.pick(stage.members), key, random, nothingSeen);
    await play.rest();
    const away = random.pick(stage.members);
    const others = stage.members.filter((member) => member !== away);
    // One is down for a moment, in which the others, and who is away later, stand in for it.
    const briefly = random.pick(others);
    briefly.end('kill');
    await world.sleep(briefMs);
    const up = stage.members.filter((member) => member !== briefly);
    for (const key of clients.keys) {
      const seen = await clients.read(random.pick(up), key);
      if (seen !== undefined) await clients.put(random.pick(up), key, random, seen);
    }
    away.end(random.pick(['kill', 'crash']));
    briefly.process.restart();
    await stage.untilServing(others);
    await world.sleep(briefMs);
    for (const key of clients.keys) {
      const seen = await clients.read(random.pick(others), key);
      if (seen?.context === undefined || random.chance(0.2)) continue;
      await clients.delete(random.pick(others), key, seen);
      // Some are born again, knowing of nothing.
      if (random.chance(0.3)) await clients.put(random.pick(others), key, random, nothingSeen);
    }
    // Reads that would forget the tombstones, if they might.
    for (let i = 0; i < 3; i++) {
      await world.sleep(10_000);
      for (const key of clients.keys) await clients.read(random.pick(others), key);
    }
    // The others sleep as well: what counts is what each of them knows when it wakes.
    await Promise.all(others.map((member) => member.restartCleanly(awayMs)));
    await stage.untilServing(others);
    for (const key of clients.keys) await clients.read(random.pick(others), key);
    // What was reaped before is remembered for a while after a start, and would hide that it should not have been.
    await world.sleep(reapedMsMin + 30_000);
    away.process.restart();
    world.work.add('returns');
    await stage.untilServing();
    play.work(3);
    await world.sleep(random.exponential(2000));
    await play.rest();
  },
};
