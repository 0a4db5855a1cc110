/** A stored value with all that is known of it, and what of that a writer may give. */
import { bytesOfText, textOfBytes } from '../stdx/index.ts';
import type { Content, Pair } from '../wire/index.ts';
import type { Context } from './context.ts';
import { HaleError } from './hale-error.ts';

export type IndexTerm = string | number | bigint;

/** Text-valued labels. A plain object or a `Map`; names are free. */
export type MetadataInput = ReadonlyMap<string, string> | Readonly<Record<string, string>>;

/**
 * Secondary index entries: names end in `_bin` (terms are text) or `_int` (terms are integers); one
 * term or several each.
 */
export type IndexInput =
  | ReadonlyMap<string, IndexTerm | readonly IndexTerm[]>
  | Readonly<Record<string, IndexTerm | readonly IndexTerm[]>>;

/** One of the versions of an object that are concurrent. */
export interface Sibling<T> {
  readonly value: T;
  readonly contentType: string | undefined;
  /** When its write was coordinated, by that node's clock. */
  readonly lastModified: Date | undefined;
  /** When it will be gone. Undefined: it does not expire. */
  readonly expiresAt: Date | undefined;
  readonly metadata: ReadonlyMap<string, string>;
  readonly indexes: ReadonlyMap<string, readonly (string | bigint)[]>;
}

export interface Entry<T> extends Sibling<T> {
  readonly key: string;
  /** For `put` with `ifUnchanged` or `context`, and `delete` with `context`. */
  readonly context: Context;
}

/** All that is stored under a key, unresolved. */
export interface SiblingEntry<T> {
  readonly key: string;
  /** Empty when the object was deleted. Concurrent deletes are left out. */
  readonly siblings: readonly Sibling<T>[];
  readonly context: Context;
}

export function siblingOf<T>(content: Content, value: T): Sibling<T> {
  const { contentType, lastModifiedMicros, expiresAtMicros } = content;
  return {
    value,
    contentType: contentType === undefined ? undefined : textOfBytes(contentType),
    lastModified: lastModifiedMicros === undefined ? undefined : new Date(lastModifiedMicros / 1000),
    expiresAt: expiresAtMicros === undefined ? undefined : new Date(expiresAtMicros / 1000),
    metadata: new Map(content.userMeta.map((pair) => [textOfBytes(pair.key), textOfBytes(pair.value)])),
    indexes: indexesOf(content.indexes),
  };
}

export function metadataPairs(input: MetadataInput): Pair[] {
  return [...entriesOf(input)].map(([name, value]) => {
    if (name.length === 0) throw new HaleError('invalid_argument', 'a metadata name is empty');
    return { key: bytesOfText(name), value: bytesOfText(value) };
  });
}

export function indexPairs(input: IndexInput): Pair[] {
  const pairs: Pair[] = [];
  for (const [name, terms] of entriesOf(input)) {
    for (const term of isTerm(terms) ? [terms] : terms) {
      pairs.push({ key: bytesOfText(name.toLowerCase()), value: bytesOfText(termText(name, term)) });
    }
  }
  return pairs;
}

function isTerm(terms: IndexTerm | readonly IndexTerm[]): terms is IndexTerm {
  return typeof terms !== 'object';
}

/** Throws `invalid_argument`. */
export function termText(name: string, term: IndexTerm): string {
  const kind = name.toLowerCase();
  if (kind.endsWith('_bin')) {
    if (typeof term === 'string') return term;
    throw new HaleError('invalid_argument', `index ${name} takes text, not ${String(term)}`);
  }
  if (!kind.endsWith('_int')) {
    throw new HaleError('invalid_argument', `the name of index ${name} ends neither in _bin nor in _int`);
  }
  const isInteger = typeof term === 'number' ? Number.isSafeInteger(term) : /^-?\d+$/.test(String(term));
  if (!isInteger)
    throw new HaleError('invalid_argument', `index ${name} takes integers, not ${String(term)}`);
  return String(term);
}

function indexesOf(pairs: readonly Pair[]): Map<string, readonly (string | bigint)[]> {
  const indexes = new Map<string, (string | bigint)[]>();
  for (const pair of pairs) {
    const name = textOfBytes(pair.key);
    const text = textOfBytes(pair.value);
    const term = name.endsWith('_int') && /^-?\d+$/.test(text) ? BigInt(text) : text;
    const terms = indexes.get(name);
    if (terms === undefined) indexes.set(name, [term]);
    else terms.push(term);
  }
  return indexes;
}

function entriesOf<T>(input: ReadonlyMap<string, T> | Readonly<Record<string, T>>): Iterable<[string, T]> {
  return input instanceof Map ? input.entries() : Object.entries(input as Record<string, T>);
}
