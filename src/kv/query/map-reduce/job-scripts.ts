/** The JavaScript of one job: calls of the sandbox, within what the job may take. */
import type { Sandbox, SandboxDriver, SandboxOutcome } from '../../../sandbox/index.ts';
import { type Item, jsonItem, sizeOfAll } from './item.ts';
import type { JobBudget } from './job-budget.ts';
import { JobFailure } from './job-failure.ts';
import { phaseFailed } from './phase.ts';

export interface ScriptLimits {
  /** Bytes that one call may take in memory. */
  readonly memoryBytesMax: number;
}

/** Characters of the input of one call; V8 makes no string of twice as many. */
export const inputMax = 2 ** 28;
/** Characters of the results of one call. */
export const outputMax = 16 * 1024 * 1024;

export interface ScriptRequest {
  readonly phase: number;
  readonly driver: SandboxDriver;
  readonly source: string;
  /** Characters of what `input` makes, but for a few. */
  readonly inputLength: number;
  /** JSON for the driver; asked for once it is known to be not too long. */
  readonly input: () => string;
  /** The input that was worked on, to be shown; -1: none. */
  readonly shownInput: (at: number) => string;
}

export class JobScripts {
  readonly #sandbox: Sandbox | undefined;
  readonly #budget: JobBudget;
  readonly #limits: ScriptLimits;

  constructor(sandbox: Sandbox | undefined, budget: JobBudget, limits: ScriptLimits) {
    this.#sandbox = sandbox;
    this.#budget = budget;
    this.#limits = limits;
  }

  get isAvailable(): boolean {
    return this.#sandbox !== undefined;
  }

  /** Its results are entered into the budget. Rejects with `JobFailure`. */
  async run(request: ScriptRequest): Promise<readonly Item[]> {
    const sandbox = this.#sandbox;
    if (sandbox === undefined) throw failed(request, 'JavaScript is not available on this node');
    const budget = this.#budget;
    const timeLeft = budget.timeLeft();
    const { scriptMsLeft } = budget;
    if (scriptMsLeft <= 0) throw this.#outOfTime(request);
    const runMsMax = Math.min(scriptMsLeft, timeLeft);
    const limits = { runMsMax, memoryBytesMax: this.#limits.memoryBytesMax, outputMax };
    const { driver, source, inputLength } = request;
    if (inputLength > inputMax) throw inputTooLong(request.phase);
    budget.hold(inputLength);
    const outcome = await sandbox.run({
      driver,
      source,
      input: request.input(),
      limits,
      waitMsMax: timeLeft,
      signal: budget.signal,
    });
    budget.release(inputLength);
    budget.timeLeft();
    if ('ranMs' in outcome) budget.scriptRan(outcome.ranMs);
    const isOutOfTime = outcome.kind === 'exceeded' && outcome.limit === 'time';
    if (isOutOfTime && timeLeft <= scriptMsLeft) throw new JobFailure({ kind: 'timeout' });
    const results = this.#results(request, outcome);
    budget.hold(sizeOfAll(results));
    return results;
  }

  #results(request: ScriptRequest, outcome: SandboxOutcome): readonly Item[] {
    switch (outcome.kind) {
      case 'returned':
        return outcome.results.map(jsonItem);
      case 'threw': {
        const { name, message, stack, at } = outcome.error;
        const input = request.shownInput(at);
        throw phaseFailed(request.phase, { error: `${name}: ${message}`, input, type: 'exception', stack });
      }
      case 'exceeded':
        if (outcome.limit === 'time') throw this.#outOfTime(request);
        if (outcome.limit === 'output') throw failed(request, `results longer than ${outputMax} characters`);
        throw failed(request, `out of memory: more than ${this.#limits.memoryBytesMax} bytes`);
      case 'expired':
        throw new JobFailure({ kind: 'timeout' });
      case 'overload':
        throw new JobFailure({ kind: 'overload' });
      case 'lost':
        throw failed(request, `the functions could not be run: ${outcome.reason}`);
    }
  }

  #outOfTime(request: ScriptRequest): JobFailure {
    return failed(request, `the functions of the job ran longer than ${this.#budget.limits.scriptMsMax} ms`);
  }
}

function failed({ phase, shownInput }: ScriptRequest, error: string): JobFailure {
  return phaseFailed(phase, { error, input: shownInput(-1), type: 'limit' });
}

export function inputTooLong(phase: number): JobFailure {
  const error = `the input of one call of the function is longer than ${inputMax} characters`;
  return phaseFailed(phase, { error, input: '', type: 'limit' });
}
