/**
 * Map and link phases: each input names an object, which is read and given to a function. Objects are read by the
 * node that runs the job, a bounded number at a time, wherever they are.
 */
import { DecodeError, type Link, type Term, Tuple, textOfTerm } from '../../../wire/index.ts';
import type { MapFunction, MapSubject } from './erlang-map.ts';
import {
  type Item,
  ItemError,
  jsonOf,
  jsonOfMissing,
  jsonOfTerm,
  type KeyItem,
  keyOf,
  sizeOf,
  termOf,
} from './item.ts';
import type { LinkPhase } from './job.ts';
import { jsonOfObject } from './object-json.ts';
import { type Phase, type PhaseTools, phaseFailed } from './phase.ts';
import { type ReadSubject, readObject } from './read-object.ts';

/** Objects in one call of a function, if they are not large. */
const callLength = 64;
/** Calls that a job prepares or waits for at a time; so many objects times `callLength` it may hold. */
const lanesMax = 4;

abstract class ReadingPhase implements Phase {
  protected readonly index: number;
  protected readonly tools: PhaseTools;

  constructor(index: number, tools: PhaseTools) {
    this.index = index;
    this.tools = tools;
  }

  async push(items: readonly Item[]): Promise<readonly Item[]> {
    const outputs: (readonly Item[])[] = [];
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next * callLength < items.length) {
        const turn = next;
        next += 1;
        const slice = items.slice(turn * callLength, (turn + 1) * callLength);
        outputs[turn] = await this.#applied(slice);
      }
    };
    const lanes = Math.min(lanesMax, Math.ceil(items.length / callLength));
    await Promise.all(Array.from({ length: lanes }, lane));
    return outputs.flat();
  }

  finish(): Promise<readonly Item[]> {
    return Promise.resolve([]);
  }

  protected abstract apply(subjects: readonly MapSubject[]): Promise<readonly Item[]>;

  async #applied(items: readonly Item[]): Promise<readonly Item[]> {
    const { budget } = this.tools;
    let heldBytes = 0;
    const subjects = await Promise.all(
      items.map(async (input): Promise<MapSubject> => {
        const item = this.#keyOf(input);
        const read: ReadSubject = await readObject(this.tools, item.address);
        const bytes = read.object?.sizeBytes ?? 0;
        budget.hold(bytes);
        heldBytes += bytes;
        return { item, ...read };
      }),
    );
    const results = await this.apply(subjects);
    budget.release(heldBytes);
    await budget.pause();
    return results;
  }

  #keyOf(input: Item): KeyItem {
    const key = keyOfInput(input);
    if (key !== undefined) return key;
    const shown = jsonOf(input);
    throw phaseFailed(this.index, {
      error: 'bad_input: not a bucket and a key',
      input: shown,
      type: 'error',
    });
  }
}

function keyOfInput(input: Item): KeyItem | undefined {
  try {
    return keyOf(input);
  } catch (error) {
    if (error instanceof ItemError) return undefined;
    throw error;
  }
}

/** A function of `riak_kv_mapreduce`. */
export class BuiltInMap extends ReadingPhase {
  readonly #function: MapFunction;
  readonly #arg: Term | undefined;

  constructor(index: number, tools: PhaseTools, map: MapFunction, arg: Term | undefined) {
    super(index, tools);
    this.#function = map;
    this.#arg = arg;
  }

  protected override async apply(subjects: readonly MapSubject[]): Promise<readonly Item[]> {
    return subjects.flatMap((subject) => this.#mapped(subject));
  }

  #mapped(subject: MapSubject): readonly Item[] {
    try {
      return this.#function(subject, this.#arg);
    } catch (error) {
      if (!(error instanceof ItemError || error instanceof DecodeError)) throw error;
      const reason = error instanceof DecodeError ? error.reason : error.message;
      throw phaseFailed(this.index, { error: reason, input: inputText(subject), type: 'error' });
    }
  }
}

/** As Riak prints what a map function was given. */
function inputText({ item, object }: MapSubject): string {
  const plain = termOf({ ...item, keyData: undefined });
  const isTyped = plain instanceof Tuple && plain.elements[0] instanceof Tuple;
  const name = isTyped ? (plain.elements[0] as Term) : plain;
  const value = object === undefined ? '{error,notfound}' : '{ok,object}';
  const data = item.keyData === undefined ? 'undefined' : textOfTerm(item.keyData);
  return `{${value},${textOfTerm(name)},${data}}`;
}

export class ScriptMap extends ReadingPhase {
  readonly #source: string;
  readonly #arg: string;

  constructor(index: number, tools: PhaseTools, source: string, arg: Term | undefined) {
    super(index, tools);
    this.#source = source;
    this.#arg = arg === undefined ? 'null' : jsonOfTerm(arg);
  }

  protected override apply(subjects: readonly MapSubject[]): Promise<readonly Item[]> {
    const inputs = subjects.map(scriptInput);
    return this.tools.scripts.run({
      phase: this.index,
      driver: 'map',
      source: this.#source,
      input: `{"arg":${this.#arg},"inputs":[${inputs.join(',')}]}`,
      shownInput: (at) => inputs[at] ?? '',
    });
  }
}

function scriptInput({ item, object }: MapSubject): string {
  const data = item.keyData === undefined ? 'null' : jsonOfTerm(item.keyData);
  const value = object === undefined ? jsonOfMissing(item) : jsonOfObject(item.address, object);
  return `[${value},${data}]`;
}

/** Follows links: its results are keys, with the tag as their data. */
export class LinkMap extends ReadingPhase {
  readonly #spec: LinkPhase;

  constructor(index: number, tools: PhaseTools, spec: LinkPhase) {
    super(index, tools);
    this.#spec = spec;
  }

  protected override async apply(subjects: readonly MapSubject[]): Promise<readonly Item[]> {
    const found: Item[] = [];
    for (const { object } of subjects) {
      for (const { links } of object?.contents() ?? []) {
        for (const link of links) if (this.#follows(link)) found.push(itemOfLink(link));
      }
    }
    this.tools.budget.hold(found.reduce((sum, item) => sum + sizeOf(item), 0));
    return found;
  }

  #follows({ bucket, tag }: Link): boolean {
    const { bucket: wantedBucket, tag: wantedTag } = this.#spec;
    return (wantedBucket ?? bucket) === bucket && (wantedTag ?? tag) === tag;
  }
}

function itemOfLink({ bucket, key, tag }: Link): Item {
  const bucketType = 'default' as KeyItem['address']['bucketType'];
  return { kind: 'key', address: { bucketType, bucket, key }, keyData: tag, isFound: true };
}
