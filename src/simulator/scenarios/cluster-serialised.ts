/**
 * Conditional writes that one node decides for a key, while nodes die, freeze, are cut off, join and leave: of those that were to
 * replace one version one is acknowledged, whoever decided, and it is there in the end.
 */

import { checkReplacedOnce } from '../checkers/versions-replaced-once.ts';
import { refuseViolations } from '../checkers/violations.ts';
import type { Scenario } from '../scenario.ts';
import { quietClusterConfiguration } from '../workloads/cluster-configuration.ts';
import { ClusterStage } from '../workloads/cluster-stage.ts';
import { RivalClients } from '../workloads/rival-clients.ts';
import { faultErrors } from './cluster-story.ts';
import { workUnderStrikes } from './struck-cluster.ts';

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
    await stage.setProperties('rivals', { allow_mult: true, conditional: 'serialised' });
    const clients = new RivalClients(world, {
      bucket: 'rivals',
      keys: 3,
      pauseMsMean: 50,
      timeoutMs: 3000,
      expectedErrors: new Set(faultErrors),
    });
    await workUnderStrikes(stage, random, {
      clients: 6,
      client: (own, isOver) => clients.run(own, () => stage.settledMembers, isOver),
      strikes: ['death', 'cut', 'partial-cut', 'join', 'leave'],
      downMsMean: 5000,
      cutMsMean: 15_000,
      rounds: 5,
      pauseMsMean: 3000,
    });
    refuseViolations(checkReplacedOnce(clients.attempts, await clients.readAll(random, stage.members)));
  },
};
