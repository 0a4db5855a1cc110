/** The node's sandboxes: what hooks need does not wait behind jobs. */
import type { Configuration } from '../config/index.ts';
import type { OpenSandbox, Sandbox, SandboxCounts } from '../sandbox/index.ts';

export interface ScriptingFacts {
  /** `off`, or what runs JavaScript of users. */
  readonly engine: string;
  readonly jobs: SandboxCounts;
  readonly hooks: SandboxCounts;
  /** MapReduce jobs in progress, with JavaScript or without. */
  readonly jobsRunning: number;
}

export class Scripting {
  /** Undefined: JavaScript of users is not run here. */
  readonly jobs: Sandbox | undefined;
  readonly hooks: Sandbox | undefined;

  constructor(configuration: Configuration, open: OpenSandbox | undefined) {
    const engine = configuration['javascript.engine'];
    if (engine === 'off' || open === undefined) return;
    const settings = {
      engine,
      memoryBytesMax: configuration['javascript.maximum_heap_size'],
      waitingMax: configuration['javascript.queue.maximum'],
    };
    this.jobs = open({ ...settings, processesMax: configuration['javascript.map_pool_size'] });
    this.hooks = open({ ...settings, processesMax: configuration['javascript.hook_pool_size'] });
  }

  facts(jobsRunning: number): ScriptingFacts {
    return {
      engine: this.jobs?.engine ?? 'off',
      jobs: this.jobs?.counts ?? none,
      hooks: this.hooks?.counts ?? none,
      jobsRunning,
    };
  }

  async close(): Promise<void> {
    await Promise.all([this.jobs?.close(), this.hooks?.close()]);
  }
}

const none: SandboxCounts = { calls: 0, failures: 0, exceeded: 0, running: 0, waiting: 0 };
