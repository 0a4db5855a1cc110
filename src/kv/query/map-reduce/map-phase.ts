/**
 * Map and link phases: each input names an object, which is read and given to a function. Objects are read by the
 * node that runs the job, a bounded number at a time, wherever they are.
 */
import {
  type Content,
  contentEntriesMax,
  DecodeError,
  hasBoundedMetadata,
  type Link,
  type Term,
  Tuple,
  textOfTerm,
} from '../../../wire/index.ts';
import type { VersionedObject } from '../../object/index.ts';
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
  sizeOfAll,
  termOf,
} from './item.ts';
import type { LinkPhase } from './job.ts';
import type { JobFailure } from './job-failure.ts';
import { inputMax, inputTooLong } from './job-scripts.ts';
import { escapeLengthMax, jsonLengthMaxOf, jsonOfObject } from './object-json.ts';
import { type Phase, type PhaseTools, phaseFailed } from './phase.ts';
import { type ReadSubject, readObject } from './read-object.ts';

/** Objects in one call of a function, if they are not large. */
const callLength = 64;
/** Characters in one call of a function, of all but the last object. */
const callTextLength = 1024 * 1024;
/** Calls that a job prepares or waits for at a time; so many objects times `callLength` it may hold. */
const lanesMax = 4;

const pushLengthMax = lanesMax * callLength;
/** What a job may hold is enough for so many times the objects of a push: they, what is made of them, and the phases behind. */
const pushesHeld = 4;

abstract class ReadingPhase implements Phase {
  protected readonly index: number;
  protected readonly tools: PhaseTools;
  /** How large objects were of late. Before any has been seen one is read alone; then 2, 4, … if they are small. */
  #expectedBytes: number;

  constructor(index: number, tools: PhaseTools) {
    this.index = index;
    this.tools = tools;
    this.#expectedBytes = this.#pushBytesMax;
  }

  get #pushBytesMax(): number {
    return this.tools.budget.limits.heldBytesMax / pushesHeld;
  }

  get pushLength(): number {
    const length = Math.floor(this.#pushBytesMax / this.#expectedBytes);
    return Math.min(Math.max(1, length), pushLengthMax);
  }

  async push(items: readonly Item[]): Promise<readonly Item[]> {
    const outputs: (readonly Item[])[] = [];
    this.#expectedBytes = Math.max(1, this.#expectedBytes / 2);
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

  /** What it returns is in the budget. */
  protected abstract apply(subjects: readonly MapSubject[]): Promise<readonly Item[]>;

  async #applied(items: readonly Item[]): Promise<readonly Item[]> {
    const { budget } = this.tools;
    let heldBytes = 0;
    const subjects = await Promise.all(
      items.map(async (input): Promise<MapSubject> => {
        const item = this.#keyOf(input);
        const read: ReadSubject = await readObject(this.tools, item.address);
        if (read.object !== undefined && !isBounded(read.object)) throw this.#unbounded(item);
        const bytes = read.object?.sizeBytes ?? 0;
        this.#expectedBytes = Math.max(this.#expectedBytes, bytes);
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

  #unbounded(item: KeyItem): JobFailure {
    const error = 'the object has more links or user metadata than may be';
    return phaseFailed(this.index, { error, input: jsonOf(item), type: 'limit' });
  }

  protected held(made: readonly Item[]): readonly Item[] {
    this.tools.budget.hold(sizeOfAll(made));
    return made;
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

/** They are, unless they were stored before links and user metadata were bounded. */
function isBounded(object: VersionedObject): boolean {
  // So short, it has not that many.
  if (object.sizeBytes <= contentEntriesMax) return true;
  return object.siblings.every(({ content }) => hasBoundedMetadata(content));
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
    return subjects.flatMap((subject) => this.held(this.#mapped(subject)));
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

  /** A text may be many times as long as its object: it is in the budget before it is made. */
  protected override async apply(subjects: readonly MapSubject[]): Promise<readonly Item[]> {
    const { budget } = this.tools;
    const results: (readonly Item[])[] = [];
    let inputs: string[] = [];
    let length = 0;
    for (const [i, subject] of subjects.entries()) {
      const contents = subject.object?.contents() ?? [];
      const lengthMax = scriptInputLengthMax(subject, contents);
      if (lengthMax > inputMax) throw inputTooLong(this.index);
      budget.hold(lengthMax);
      const input = scriptInput(subject, contents);
      inputs.push(input);
      length += lengthMax;
      if (length < callTextLength && i < subjects.length - 1) continue;
      results.push(await this.#called(inputs, length));
      budget.release(length);
      inputs = [];
      length = 0;
    }
    return results.flat();
  }

  #called(inputs: readonly string[], length: number): Promise<readonly Item[]> {
    return this.tools.scripts.run({
      phase: this.index,
      driver: 'map',
      source: this.#source,
      inputLength: this.#arg.length + length + inputs.length,
      input: () => `{"arg":${this.#arg},"inputs":[${inputs.join(',')}]}`,
      shownInput: (at) => inputs[at] ?? '',
    });
  }
}

function scriptInput({ item, object }: MapSubject, contents: readonly Content[]): string {
  const data = item.keyData === undefined ? 'null' : jsonOfTerm(item.keyData);
  const value = object === undefined ? jsonOfMissing(item) : jsonOfObject(item.address, object, contents);
  return `[${value},${data}]`;
}

function scriptInputLengthMax({ item, object }: MapSubject, contents: readonly Content[]): number {
  return escapeLengthMax * sizeOf(item) + (object === undefined ? 0 : jsonLengthMaxOf(object, contents));
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
    return this.held(found);
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
