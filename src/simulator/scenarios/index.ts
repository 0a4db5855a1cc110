import { assert } from '../../stdx/index.ts';
import type { Scenario } from '../scenario.ts';
import { amnesia } from './amnesia.ts';
import { bitRot } from './bit-rot.ts';
import { clockJump } from './clock-jump.ts';
import { clusterScenarios } from './cluster-index.ts';
import { clusterLog } from './cluster-log.ts';
import { clusterLogJoins } from './cluster-log-joins.ts';
import { clusterLogRecover } from './cluster-log-recover.ts';
import { dataCentre, dataCentreMonth } from './data-centre.ts';
import { delayedPlanner } from './delayed-planner.ts';
import { diskLaws } from './disk-laws.ts';
import { failedSync, refusedBatch } from './failed-sync.ts';
import { forgottenWrites } from './forgotten-writes.ts';
import { fullDisk } from './full-disk.ts';
import { growth, growthMonth } from './growth.ts';
import { incast } from './incast.ts';
import { incastReads } from './incast-reads.ts';
import { membershipDetects } from './membership-detects.ts';
import { membershipThousand } from './membership-thousand.ts';
import { messengerLaws } from './messenger-laws.ts';
import { networkLaws } from './network-laws.ts';
import { nodeCrash } from './node-crash.ts';
import { canaryAckBeforeSync, registerJournal } from './register-journal.ts';
import { consensusScenarios } from './replicated-registers.ts';
import { sickReads } from './sick-reads.ts';
import { slowDisk } from './slow-disk.ts';
import { topologyHundred, topologyThousand } from './thousand.ts';
import { tornWrite } from './torn-write.ts';
import { walCrash } from './wal-crash.ts';

/** All that `npm run sim` knows. A scenario that is not here is not run. */
export const scenarios: readonly Scenario[] = [
  networkLaws,
  messengerLaws,
  diskLaws,
  registerJournal,
  walCrash,
  canaryAckBeforeSync,
  nodeCrash,
  tornWrite,
  failedSync,
  refusedBatch,
  fullDisk,
  bitRot,
  sickReads,
  clockJump,
  slowDisk,
  amnesia,
  forgottenWrites,
  incast,
  incastReads,
  growth,
  growthMonth,
  dataCentre,
  dataCentreMonth,
  membershipDetects,
  membershipThousand,
  topologyHundred,
  topologyThousand,
  ...consensusScenarios,
  clusterLog,
  clusterLogRecover,
  clusterLogJoins,
  delayedPlanner,
  ...clusterScenarios,
];

export function scenarioNamed(name: string): Scenario {
  const found = scenarios.find((scenario) => scenario.name === name);
  assert(found !== undefined, `there is a scenario ${name}`);
  return found;
}
