/**
 * Secondary index entries in headers: `X-Riak-Index-NAME_bin: a, b` and `…_int: 1`. Several values of one
 * index come as several headers or separated by a comma and a white space; a comma alone does not separate.
 */
import { canonicalIndexEntry, type IndexProblem } from '../../kv/index.ts';
import { byteLiteral, unreachable } from '../../stdx/index.ts';
import type { Pair } from '../../wire/index.ts';

export const indexHeaderPrefix = 'x-riak-index-';

export class IndexError extends Error {
  override readonly name = 'IndexError';
}

/** Adds the entries of one header, `name` without the prefix. Throws `IndexError`, whose message is the body of the 400. */
export function parseIndexHeader(name: string, value: string, entries: Pair[]): void {
  for (const term of splitTerms(value)) {
    const entry = canonicalIndexEntry(byteLiteral(name), byteLiteral(term));
    if ('reason' in entry) throw new IndexError(indexProblemText(entry));
    entries.push(entry);
  }
}

export function indexProblemText(problem: IndexProblem): string {
  switch (problem.reason) {
    case 'unknown_type':
      return `Unknown field type for field: '${problem.field}'.\n`;
    case 'not_integer':
      return `Could not parse field '${problem.field}', value '${problem.term}'.\n`;
    case 'too_long':
      return `Field '${problem.field}' or its value is longer than ${problem.bytesMax} bytes.\n`;
    case 'too_many':
      return `The object has more than ${problem.entriesMax} index entries.\n`;
    default:
      return unreachable(problem);
  }
}

/** Calls `emit` once per index with its values joined by `, `, in the order of first appearance. */
export function mergeIndexes(indexes: readonly Pair[], emit: (field: string, values: string) => void): void {
  if (indexes.length === 1) {
    emit(indexes[0]!.key, indexes[0]!.value);
    return;
  }
  const merged = new Map<string, string>();
  for (const { key, value } of indexes) {
    const before = merged.get(key);
    merged.set(key, before === undefined ? value : `${before}, ${value}`);
  }
  merged.forEach((values, field) => {
    emit(field, values);
  });
}

function splitTerms(value: string): readonly string[] {
  const terms: string[] = [];
  let start = 0;
  for (let at = value.indexOf(','); at >= 0; at = value.indexOf(',', at + 1)) {
    const next = value[at + 1];
    if (next !== ' ' && next !== '\t') continue;
    terms.push(value.slice(start, at));
    start = at + 2;
  }
  terms.push(value.slice(start));
  return terms;
}
