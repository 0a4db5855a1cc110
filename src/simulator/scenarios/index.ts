import { assert } from '../../stdx/index.ts';
import type { Scenario } from '../scenario.ts';
import { diskLaws } from './disk-laws.ts';
import { networkLaws } from './network-laws.ts';
import { nodeCrash } from './node-crash.ts';
import { canaryAckBeforeSync, registerJournal } from './register-journal.ts';

/** All that `npm run sim` knows. A scenario that is not here is not run. */
export const scenarios: readonly Scenario[] = [
  networkLaws,
  diskLaws,
  registerJournal,
  canaryAckBeforeSync,
  nodeCrash,
];

export function scenarioNamed(name: string): Scenario {
  const found = scenarios.find((scenario) => scenario.name === name);
  assert(found !== undefined, `there is a scenario ${name}`);
  return found;
}
