/**
 * A sandbox without processes: functions are those of a table, by the text that stands for their source. A call takes some
 * time, and may end as calls of the real one do: lost with what ran it, at a limit, out of time, or refused.
 */
import type { Timers } from '../../environment/index.ts';
import type {
  OpenSandbox,
  Sandbox,
  SandboxCall,
  SandboxCounts,
  SandboxOutcome,
} from '../../sandbox/index.ts';
import type { Prng } from '../prng.ts';

/** Gets the parsed input; what it returns is made into JSON. What it throws the caller hears of. */
export type ScriptedFunction = (input: unknown) => unknown;

export interface ScriptedSandboxOptions {
  /** By source. */
  readonly functions: ReadonlyMap<string, ScriptedFunction>;
  readonly callMsMean: number;
  /** That a call ends badly, 0 to 1. A crash takes all calls that run with it. */
  readonly faultChance: number;
}

/** What becomes of a call that does not end well. `crash` and `lost after`: when the function has run. */
const faults = ['crash', 'lost', 'lost after', 'time', 'memory', 'expired', 'overload'] as const;

export function openScriptedSandbox(
  options: ScriptedSandboxOptions,
  random: Prng,
  timers: Timers,
): OpenSandbox {
  let opened = 0;
  return () => {
    opened += 1;
    return new ScriptedSandbox(options, random.fork(`sandbox ${opened}`), timers);
  };
}

class ScriptedSandbox implements Sandbox {
  readonly engine = 'scripted';
  readonly #options: ScriptedSandboxOptions;
  readonly #random: Prng;
  readonly #timers: Timers;
  readonly #running = new Set<(outcome: SandboxOutcome) => void>();
  #calls = 0;
  #failures = 0;
  #exceeded = 0;

  constructor(options: ScriptedSandboxOptions, random: Prng, timers: Timers) {
    this.#options = options;
    this.#random = random;
    this.#timers = timers;
  }

  get counts(): SandboxCounts {
    const running = this.#running.size;
    return { calls: this.#calls, failures: this.#failures, exceeded: this.#exceeded, running, waiting: 0 };
  }

  run(call: SandboxCall): Promise<SandboxOutcome> {
    const { callMsMean, faultChance } = this.#options;
    const fault = this.#random.chance(faultChance) ? this.#random.pick(faults) : undefined;
    this.#calls += 1;
    if (fault === 'overload') return Promise.resolve({ kind: 'overload' });
    return new Promise((resolve) => {
      const end = (outcome: SandboxOutcome): void => {
        if (!this.#running.delete(end)) return;
        if (outcome.kind !== 'returned') this.#failures += 1;
        resolve(outcome);
      };
      this.#running.add(end);
      const ranMs = this.#random.exponential(callMsMean);
      const lasts = fault === 'time' || fault === 'expired' ? call.waitMsMax : ranMs;
      this.#timers.after(lasts, () => {
        if (this.#running.has(end)) this.#ended(call, fault, lasts, end);
      });
    });
  }

  close(): Promise<void> {
    this.#crash('the sandbox was closed');
    return Promise.resolve();
  }

  #ended(
    call: SandboxCall,
    fault: (typeof faults)[number] | undefined,
    ranMs: number,
    end: (outcome: SandboxOutcome) => void,
  ): void {
    switch (fault) {
      case 'time':
      case 'memory':
        this.#exceeded += 1;
        end({ kind: 'exceeded', limit: fault, ranMs });
        return;
      case 'expired':
        end({ kind: 'expired' });
        return;
      case 'lost':
        end({ kind: 'lost', reason: 'the process ended' });
        return;
      case 'crash':
        this.#crash('the process ended');
        return;
      case 'lost after':
        this.#outcomeOf(call, ranMs);
        end({ kind: 'lost', reason: 'the process ended' });
        return;
      default:
        end(this.#outcomeOf(call, ranMs));
    }
  }

  #crash(reason: string): void {
    for (const end of [...this.#running]) end({ kind: 'lost', reason });
  }

  #outcomeOf({ source, input, limits }: SandboxCall, ranMs: number): SandboxOutcome {
    const called = this.#options.functions.get(source);
    try {
      if (called === undefined) throw new SyntaxError(`no function: ${source}`);
      const result = JSON.stringify(called(JSON.parse(input)));
      return result.length > limits.outputMax
        ? { kind: 'exceeded', limit: 'output', ranMs }
        : { kind: 'returned', results: [result], ranMs };
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const { name, message } = error;
      return { kind: 'threw', error: { name, message, stack: '', at: -1 }, ranMs };
    }
  }
}
