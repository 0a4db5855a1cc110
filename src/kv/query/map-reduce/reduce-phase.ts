/** Reduce phases: all inputs meet at the node that runs the job. */
import type { Term } from '../../../wire/index.ts';
import type { Reduction } from './erlang-reduce.ts';
import { type Item, ItemError, jsonOf, jsonOfTerm, sizeOfAll } from './item.ts';
import type { JobBudget } from './job-budget.ts';
import { type Phase, type PhaseTools, phaseFailed } from './phase.ts';

/** So many values may be parsed without a pause. */
const pushLength = 256;

/** A function of `riak_kv_mapreduce`. */
export class BuiltInReduce implements Phase {
  readonly pushLength = pushLength;
  readonly #index: number;
  readonly #budget: JobBudget;
  readonly #reduction: Reduction;

  constructor(index: number, budget: JobBudget, reduction: Reduction) {
    this.#index = index;
    this.#budget = budget;
    this.#reduction = reduction;
  }

  async push(items: readonly Item[]): Promise<readonly Item[]> {
    try {
      return this.#held(this.#reduction.push(items));
    } catch (error) {
      if (!(error instanceof ItemError)) throw error;
      const input = items[0] === undefined ? '' : jsonOf(items[0]);
      throw phaseFailed(this.#index, { error: error.message, input, type: 'error' });
    }
  }

  async finish(): Promise<readonly Item[]> {
    return this.#held(await this.#reduction.finish());
  }

  #held(made: readonly Item[]): readonly Item[] {
    this.#budget.hold(sizeOfAll(made));
    return made;
  }
}

export interface Batching {
  /** Inputs that the function is given at a time, besides what it made before. */
  readonly length: number;
  /** It is called once, with everything. */
  readonly onlyOnce: boolean;
}

export const batchLengthDefault = 20;
const batchLengthMax = 1_000_000;
/** Characters of inputs that are gathered before the sandbox is called, which takes many batches at once. */
const gatheredMax = 1024 * 1024;
const gatheredCountMax = 4096;

/** Of the phase's argument, where Riak's clients put it. */
function batchingOf(arg: Term | undefined): Batching {
  const members = arg instanceof Map ? (arg as ReadonlyMap<string, Term>) : new Map<string, Term>();
  const length = members.get('reduce_phase_batch_size');
  const isLength = typeof length === 'number' && Number.isInteger(length) && length >= 1;
  return {
    length: isLength ? Math.min(length, batchLengthMax) : batchLengthDefault,
    onlyOnce: members.get('reduce_phase_only_1') === true,
  };
}

/** What an input takes besides its text, roughly. */
const itemBytes = 64;

/** `f(Made ++ Batch, Arg)` for each batch, where Made is what the call before returned. */
export class ScriptReduce implements Phase {
  readonly pushLength = pushLength;
  readonly #index: number;
  readonly #tools: PhaseTools;
  readonly #source: string;
  readonly #arg: string;
  readonly #batching: Batching;
  #made: readonly Item[] = [];
  #gathered: string[] = [];
  #gatheredLength = 0;
  #hasRun = false;

  constructor(index: number, tools: PhaseTools, source: string, arg: Term | undefined) {
    this.#index = index;
    this.#tools = tools;
    this.#source = source;
    this.#arg = arg === undefined ? 'null' : jsonOfTerm(arg);
    this.#batching = batchingOf(arg);
  }

  async push(items: readonly Item[]): Promise<readonly Item[]> {
    for (const item of items) {
      const text = jsonOf(item);
      this.#tools.budget.hold(text.length + itemBytes);
      this.#gathered.push(text);
      this.#gatheredLength += text.length;
    }
    const isMuch = this.#gatheredLength >= gatheredMax || this.#gathered.length >= gatheredCountMax;
    if (!this.#batching.onlyOnce && isMuch && this.#gathered.length >= this.#batching.length) {
      await this.#run(this.#gathered.length - (this.#gathered.length % this.#batching.length));
    }
    return [];
  }

  /** Also over no inputs at all the function is called once. */
  async finish(): Promise<readonly Item[]> {
    if (!this.#hasRun || this.#gathered.length > 0) await this.#run(this.#gathered.length);
    return this.#made;
  }

  async #run(count: number): Promise<void> {
    this.#hasRun = true;
    const inputs = this.#gathered.splice(0, count);
    const length = inputs.reduce((sum, text) => sum + text.length, 0);
    this.#gatheredLength -= length;
    const batch = this.#batching.onlyOnce ? Math.max(1, count) : this.#batching.length;
    const made = this.#made.map(jsonOf);
    const results = await this.#tools.scripts.run({
      phase: this.#index,
      driver: 'reduce',
      source: this.#source,
      inputLength: this.#arg.length + lengthOfAll(made) + lengthOfAll(inputs),
      input: () =>
        `{"arg":${this.#arg},"batch":${batch},"made":[${made.join(',')}],"inputs":[${inputs.join(',')}]}`,
      shownInput: (at) => (at < 0 ? '' : `[${inputs.slice(at, at + batch).join(',')}]`),
    });
    const { budget } = this.#tools;
    budget.release(length + inputs.length * itemBytes);
    budget.release(sizeOfAll(this.#made));
    this.#made = results;
  }
}

/** Joined by commas. */
function lengthOfAll(texts: readonly string[]): number {
  return texts.reduce((sum, { length }) => sum + length + 1, 0);
}
