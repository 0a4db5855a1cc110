import type { Clock } from './clock.ts';
import type { Disk } from './disk.ts';
import type { Log } from './log.ts';
import type { Network } from './network.ts';
import type { Random } from './random.ts';
import type { Tasks } from './tasks.ts';
import type { Timers } from './timers.ts';

/**
 * All that the machine gives. `runtime/` implements it with Node, `simulator/` from a seed; nothing
 * else may ask which. A component takes the part it needs: `Pick<Environment, 'timers' | 'tasks'>`.
 */
export interface Environment {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly tasks: Tasks;
  readonly random: Random;
  readonly network: Network;
  readonly disk: Disk;
  readonly log: Log;
}
