/** A MapReduce job as the rest of the code sees it, whichever of the two forms it came in. */
import type { ByteString } from '../../../stdx/index.ts';
import type { Term } from '../../../wire/index.ts';
import type { BucketAddress, ObjectAddress } from '../../key-value-store.ts';
import type { KeyItem } from './item.ts';
import type { KeyFilter } from './key-filter.ts';

export interface MapReduceJob {
  readonly inputs: JobInputs;
  readonly phases: readonly PhaseSpec[];
  /** Milliseconds; absent: as configured. */
  readonly timeoutMs: number | undefined;
}

export type JobInputs =
  | { readonly kind: 'keys'; readonly keys: readonly KeyItem[] }
  | { readonly kind: 'bucket'; readonly bucket: BucketAddress; readonly filters: readonly KeyFilter[] }
  | IndexInputs;

/** Keys whose index entry is equal to `start`, or, with `end`, from the one to the other, both included. */
export interface IndexInputs {
  readonly kind: 'index';
  readonly bucket: BucketAddress;
  readonly index: ByteString;
  readonly start: ByteString;
  readonly end?: ByteString;
}

export type PhaseSpec = FunctionPhase | LinkPhase;

export interface FunctionPhase {
  readonly kind: 'map' | 'reduce';
  readonly function: PhaseFunction;
  /** What the function is given besides. */
  readonly arg: Term | undefined;
  readonly isKept: boolean;
}

export interface LinkPhase {
  readonly kind: 'link';
  /** Absent: any. */
  readonly bucket: ByteString | undefined;
  readonly tag: ByteString | undefined;
  readonly isKept: boolean;
}

export type PhaseFunction =
  | { readonly language: 'erlang'; readonly module: string; readonly name: string }
  | { readonly language: 'javascript'; readonly source: string }
  | { readonly language: 'javascript'; readonly name: string }
  | { readonly language: 'javascript'; readonly stored: ObjectAddress };

export const phasesMax = 32;

/** Which part of a job cannot be understood. `json`, `object`, `missing`: it as a whole. `value`: it is JSON, but too much. */
export type JobPart = 'json' | 'value' | 'object' | 'missing' | 'term' | 'inputs' | 'query' | 'timeout';

/** A job that cannot be understood, and so was not begun. */
export class JobRefusal extends Error {
  override readonly name = 'JobRefusal';
  readonly part: JobPart;
  /** For people; the first is the sentence that programs look for. */
  readonly lines: readonly string[];
  /** Of a job that is a term: what was found instead, as Erlang prints it. */
  readonly found: string | undefined;

  constructor(part: JobPart, lines: string | readonly string[], found?: string) {
    const all = typeof lines === 'string' ? [lines] : lines;
    super(all.join('\n'));
    this.part = part;
    this.lines = all;
    this.found = found;
  }
}
