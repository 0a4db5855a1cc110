/**
 * Secondary index entries in headers: `X-Riak-Index-NAME_bin: a, b` and `…_int: 1`. Several values of one
 * index come as several headers or separated by a comma and a white space; a comma alone does not separate.
 */
import { type ByteString, byteLiteral } from '../../stdx/index.ts';
import type { Pair } from '../../wire/index.ts';

export const indexHeaderPrefix = 'x-riak-index-';

export class IndexError extends Error {
  override readonly name = 'IndexError';
}

/** Adds the entries of one header, `name` without the prefix. Throws `IndexError`, whose message is the body of the 400. */
export function parseIndexHeader(name: string, value: string, entries: Pair[]): void {
  const field = name.toLowerCase();
  const integer = field.endsWith('_int');
  if ((!integer && !field.endsWith('_bin')) || field.startsWith('$')) {
    throw new IndexError(`Unknown field type for field: '${field}'.\n`);
  }
  for (const term of splitTerms(value)) {
    const stored = integer ? canonicalInteger(term) : term;
    if (stored === undefined) {
      throw new IndexError(`Could not parse field '${field}', value '${term}'.\n`);
    }
    entries.push({ key: byteLiteral(field), value: stored as ByteString });
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

/** `+07` is 7: one integer has one form in the index. Undefined if it is none. */
function canonicalInteger(text: string): string | undefined {
  const trimmed = text.trim();
  const signed = trimmed.startsWith('-') || trimmed.startsWith('+');
  let at = signed ? 1 : 0;
  if (at === trimmed.length) return undefined;
  for (let digit = at; digit < trimmed.length; digit += 1) {
    const code = trimmed.charCodeAt(digit);
    if (code < 0x30 || code > 0x39) return undefined;
  }
  while (at < trimmed.length - 1 && trimmed[at] === '0') at += 1;
  const digits = trimmed.slice(at);
  return trimmed.startsWith('-') && digits !== '0' ? `-${digits}` : digits;
}
