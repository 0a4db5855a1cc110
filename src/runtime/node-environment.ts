/** The machine as an `Environment`: what a node gets when it runs for real. */
import type { Environment, Log } from '../environment/index.ts';
import { MachineClock } from './clock.ts';
import type { CrashHandler } from './crash.ts';
import { MachineDisk } from './disk.ts';
import { MemoryDisk } from './memory-disk.ts';
import { MachineNetwork, type NetworkOptions } from './network.ts';
import { MachineRandom } from './random.ts';
import { MachineTasks } from './tasks.ts';
import { MachineTimers } from './timers.ts';

export interface NodeEnvironmentOptions {
  /** Root of `disk`. Without it the disk is in memory. */
  readonly dataDirectory?: string;
  readonly log: Log;
  /**
   * Called, after the log, when an exception reached the top of a task, a timer, a connection or
   * the end of a turn: a bug. The node must not go on.
   */
  readonly crash: CrashHandler;
  readonly network?: NetworkOptions;
}

export interface NodeEnvironment extends Environment, AsyncDisposable {
  /** Stops listening and drops all connections. Timers and files belong to those who made them. */
  close(): Promise<void>;
}

export function nodeEnvironment(options: NodeEnvironmentOptions): NodeEnvironment {
  const { log } = options;
  let hasCrashed = false;
  const crash: CrashHandler = (activity, error) => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    log.error('crash', { activity, error: text });
    // The first failure is the cause; the handler may itself cut off what then fails.
    if (hasCrashed) return;
    hasCrashed = true;
    options.crash(activity, error);
  };
  const tasks = new MachineTasks(crash);
  const network = new MachineNetwork({ tasks, crash }, options.network);
  const close = (): Promise<void> => network.close();
  return {
    clock: new MachineClock(),
    timers: new MachineTimers(crash),
    tasks,
    random: new MachineRandom(),
    network,
    disk: options.dataDirectory === undefined ? new MemoryDisk() : new MachineDisk(options.dataDirectory),
    log,
    close,
    [Symbol.asyncDispose]: close,
  };
}
