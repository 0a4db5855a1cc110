/** Terms as Erlang prints them: texts that programs look for hold them. */
import { type ByteString, bytesOfText } from '../stdx/index.ts';
import { erlangBinary } from './erlang-text.ts';
import { Atom, type Term, Tuple } from './external-term.ts';

/** Of what is shown of a term: people read it, and strangers may have sent millions. */
const textLengthMax = 1024;

/** On one line; the beginning of it, if it is long. */
export function textOfTerm(term: Term): string {
  return longTextOf(term).slice(0, textLengthMax);
}

/** Elements that would begin behind what is shown are left out. */
function longTextOf(term: Term): string {
  if (typeof term === 'string') return erlangBinary(term.slice(0, textLengthMax) as ByteString);
  if (term instanceof Atom) return textOfAtom(term.name);
  if (term === null || typeof term !== 'object') return String(term);
  if (term instanceof Tuple) return `{${joined(term.elements)}}`;
  if (!(term instanceof Map)) return `[${joined(term as readonly Term[])}]`;
  const members = [...(term as ReadonlyMap<ByteString, Term>)].slice(0, textLengthMax);
  return `{struct,[${joined(members.map((member) => new Tuple(member)))}]}`;
}

function joined(elements: readonly Term[]): string {
  const texts: string[] = [];
  let length = 0;
  for (const element of elements) {
    if (length > textLengthMax) break;
    const text = longTextOf(element);
    texts.push(text);
    length += text.length + 1;
  }
  return texts.join(',');
}

/** A list of characters. */
export function textOfString(text: string): string {
  const escaped = bytesOfText(text).replaceAll(/["\\]/g, '\\$&').replaceAll('\n', '\\n');
  return `"${escaped}"`;
}

function textOfAtom(name: string): string {
  return /^[a-z][\w@]*$/.test(name) ? name : `'${name.replaceAll(/['\\]/g, '\\$&')}'`;
}
