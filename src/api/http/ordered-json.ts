/**
 * JSON (RFC 8259) as operations need it: members in their order and as often as they stand there, and numbers as they
 * are written. `JSON.parse` keeps the last of two members of one name, sorts names that look like numbers, and rounds
 * integers beyond 53 bits.
 */
import type { Buffer } from 'node:buffer';
import { isUtf8 } from 'node:buffer';

export type JsonNode =
  | { readonly kind: 'literal'; readonly value: boolean | null }
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'array'; readonly items: readonly JsonNode[] }
  | { readonly kind: 'object'; readonly members: readonly JsonMember[] };

export interface JsonMember {
  readonly name: string;
  readonly value: JsonNode;
}

/** `message` says what is wrong and where, in characters from the start. */
export class JsonError extends Error {
  override readonly name = 'JsonError';
}

/** Arrays and objects within each other. */
export const jsonDepthMax = 128;

/** Throws `JsonError`. */
export function parseJson(bytes: Buffer): JsonNode {
  if (!isUtf8(bytes)) throw new JsonError('invalid UTF-8');
  const parser = new JsonParser(bytes.toString('utf8'));
  const node = parser.value(0);
  parser.end();
  return node;
}

/** On one line, without blanks. */
export function printJson(node: JsonNode): string {
  switch (node.kind) {
    case 'literal':
      return String(node.value);
    case 'number':
      return node.text;
    case 'string':
      return JSON.stringify(node.value);
    case 'array':
      return `[${node.items.map(printJson).join(',')}]`;
    case 'object':
      return `{${node.members.map(({ name, value }) => `${JSON.stringify(name)}:${printJson(value)}`).join(',')}}`;
  }
}

const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const blanks = /[ \t\n\r]*/y;
const literals: readonly (readonly [string, boolean | null])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
];

class JsonParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): JsonNode {
    if (depth > jsonDepthMax) this.#fail(`nested deeper than ${jsonDepthMax}`);
    this.#match(blanks);
    switch (this.#text[this.#at]) {
      case '{':
        return { kind: 'object', members: this.#list('}', () => this.#member(depth)) };
      case '[':
        return { kind: 'array', items: this.#list(']', () => this.value(depth + 1)) };
      case '"':
        return { kind: 'string', value: this.#string() };
      default:
        return this.#scalar();
    }
  }

  end(): void {
    this.#match(blanks);
    if (this.#at < this.#text.length) this.#fail('something follows the value');
  }

  #member(depth: number): JsonMember {
    this.#match(blanks);
    const name = this.#string();
    this.#match(blanks);
    this.#expect(':');
    return { name, value: this.value(depth + 1) };
  }

  #list<T>(closing: string, item: () => T): readonly T[] {
    const items: T[] = [];
    this.#at += 1;
    this.#match(blanks);
    if (this.#text[this.#at] !== closing) {
      for (;;) {
        items.push(item());
        this.#match(blanks);
        if (this.#text[this.#at] !== ',') break;
        this.#at += 1;
      }
    }
    this.#expect(closing);
    return items;
  }

  #string(): string {
    const start = this.#at;
    if (this.#text[start] !== '"') this.#fail('a string is expected');
    this.#at = this.#endOfString(start);
    try {
      return JSON.parse(this.#text.slice(start, this.#at)) as string;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      this.#at = start;
      return this.#fail('a string is malformed');
    }
  }

  /** What is between the quotes is judged by `JSON.parse`. */
  #endOfString(start: number): number {
    for (let quote = start; ; ) {
      quote = this.#text.indexOf('"', quote + 1);
      if (quote < 0) this.#fail('a string does not end');
      let from = quote;
      while (this.#text[from - 1] === '\\') from -= 1;
      if ((quote - from) % 2 === 0) return quote + 1;
    }
  }

  #scalar(): JsonNode {
    const text = this.#match(number);
    if (text !== undefined) return { kind: 'number', text };
    for (const [word, value] of literals) {
      if (!this.#text.startsWith(word, this.#at)) continue;
      this.#at += word.length;
      return { kind: 'literal', value };
    }
    return this.#fail('a value is expected');
  }

  #expect(character: string): void {
    if (this.#text[this.#at] !== character) this.#fail(`"${character}" is expected`);
    this.#at += 1;
  }

  /** The expression is sticky, and its matches may be empty. */
  #match(expression: RegExp): string | undefined {
    expression.lastIndex = this.#at;
    const found = expression.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #fail(reason: string): never {
    throw new JsonError(`${reason} at ${this.#at}`);
  }
}
