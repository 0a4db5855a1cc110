/**
 * Regular expressions that clients send to be matched against terms, on the node's own thread.
 *
 * RE2's matching takes time in proportion to the text, whatever the expression; so what an expression can cost is
 * bounded by its size. Riak matches by PCRE: what that has and RE2 has not (back references, looking around) is refused.
 * Terms are bytes, and so are expressions: each byte is one character.
 */
import { RE2JS, RE2JSException } from 're2js';
import type { ByteString } from '../../stdx/index.ts';

export const termPatternBytesMax = 1024;
/** Instructions that an expression may be compiled to: matching a byte may look at each of them. */
export const termPatternSizeMax = 2000;

export class TermPattern {
  readonly #compiled: RE2JS;

  private constructor(compiled: RE2JS) {
    this.#compiled = compiled;
  }

  /** Or why it is refused. */
  static compile(pattern: ByteString): TermPattern | string {
    if (pattern.length > termPatternBytesMax) return `longer than ${termPatternBytesMax} bytes`;
    try {
      const compiled = RE2JS.compile(pattern);
      if (compiled.programSize() > termPatternSizeMax) return 'too large when compiled';
      return new TermPattern(compiled);
    } catch (error) {
      if (error instanceof RE2JSException) return error.message;
      throw error;
    }
  }

  /** Somewhere in the term; an expression for the whole of it says so by `^` and `$`. */
  matches(term: ByteString): boolean {
    return this.#compiled.test(term);
  }
}
