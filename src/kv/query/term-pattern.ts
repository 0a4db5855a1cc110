/**
 * Regular expressions that clients send to be matched against terms and keys, on the node's own thread.
 *
 * RE2's matching takes time in proportion to the text, whatever the expression: an instruction of what it was compiled
 * to may be looked at for each byte. So the size is bounded, before it is compiled (counted repetitions are written out:
 * a kilobyte can come to 200,000 instructions, and half a second) and afterwards. Riak matches by PCRE: what that
 * has and RE2 has not (back references, looking around) is refused. Terms are bytes, and so are expressions: each
 * byte is one character.
 */
import { RE2JS, RE2JSException } from 're2js';
import type { ByteString } from '../../stdx/index.ts';

export const patternBytesMax = 1024;
/** Instructions that an expression may be compiled to. At 64 KiB of text, the worst of these take about a second. */
export const patternSizeMax = 400;
/** What it may come to by estimate, which counts some things twice. */
const estimateMax = 4 * patternSizeMax;

export interface SizedPattern {
  /** Instructions. */
  readonly size: number;
  /** Somewhere in the text; an expression for the whole of it says so by `^` and `$`. */
  matches(text: string): boolean;
}

/** Or why it is refused. */
export function compilePattern(pattern: string): SizedPattern | string {
  if (pattern.length > patternBytesMax) return `longer than ${patternBytesMax} bytes`;
  if (estimatedSize(pattern) > estimateMax) return 'too large when compiled';
  try {
    const compiled = RE2JS.compile(pattern);
    const size = compiled.programSize();
    if (size > patternSizeMax) return 'too large when compiled';
    return { size, matches: (text) => compiled.test(text) };
  } catch (error) {
    if (error instanceof RE2JSException) return error.message;
    throw error;
  }
}

export class TermPattern {
  readonly #compiled: SizedPattern;

  private constructor(compiled: SizedPattern) {
    this.#compiled = compiled;
  }

  /** Or why it is refused. */
  static compile(pattern: ByteString): TermPattern | string {
    const compiled = compilePattern(pattern);
    return typeof compiled === 'string' ? compiled : new TermPattern(compiled);
  }

  get size(): number {
    return this.#compiled.size;
  }

  matches(term: ByteString): boolean {
    return this.#compiled.matches(term);
  }
}

const token = /\\.|\[\^?\]?(?:\\.|\[:\^?\w*:\]|[^\]\\])*\]|\{\d+(?:,\d*)?\}|[\s\S]/y;

/**
 * Characters, classes and groups, each as often as the counted repetitions behind it and around it say. More than the
 * size for some; less for none that is well-formed, but by a factor that `estimateMax` does not let grow large.
 */
export function estimatedSize(pattern: string): number {
  const outer: number[] = [];
  let total = 0;
  let last = 0;
  token.lastIndex = 0;
  for (let match = token.exec(pattern); match !== null; match = token.exec(pattern)) {
    const [text] = match;
    if (text === '(') {
      outer.push(total);
      total = 0;
      last = 0;
    } else if (text === ')') {
      last = total + 2;
      total = (outer.pop() ?? 0) + last;
    } else if (text.startsWith('{') && text.length > 1) {
      const [least, most] = text.slice(1, -1).split(',');
      const times = Math.max(1, Number(least), Number(most ?? 0));
      total += last * (times - 1);
      last *= times;
    } else {
      last = 1;
      total += 1;
    }
  }
  return outer.reduce((sum, before) => sum + before, total);
}
