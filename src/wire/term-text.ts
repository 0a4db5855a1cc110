/** Terms as Erlang prints them: texts that programs look for hold them. */
import { type ByteString, bytesOfText } from '../stdx/index.ts';
import { erlangBinary } from './erlang-text.ts';
import { Atom, type Term, Tuple } from './external-term.ts';

/** On one line. */
export function textOfTerm(term: Term): string {
  if (typeof term === 'string') return erlangBinary(term);
  if (term instanceof Atom) return textOfAtom(term.name);
  if (term === null || typeof term !== 'object') return String(term);
  if (term instanceof Tuple) return `{${term.elements.map(textOfTerm).join(',')}}`;
  if (!(term instanceof Map)) return `[${(term as readonly Term[]).map(textOfTerm).join(',')}]`;
  const members = [...(term as ReadonlyMap<ByteString, Term>)];
  const pairs = members.map(([name, value]) => `{${erlangBinary(name)},${textOfTerm(value)}}`);
  return `{struct,[${pairs.join(',')}]}`;
}

/** A list of characters. */
export function textOfString(text: string): string {
  const escaped = bytesOfText(text).replaceAll(/["\\]/g, '\\$&').replaceAll('\n', '\\n');
  return `"${escaped}"`;
}

function textOfAtom(name: string): string {
  return /^[a-z][\w@]*$/.test(name) ? name : `'${name.replaceAll(/['\\]/g, '\\$&')}'`;
}
