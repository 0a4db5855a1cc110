/**
 * Functions that run at the nodes travel as their source text. So they must stand for themselves: names from around
 * them (imports, variables, `this`) are not there, and whoever uses one is told by a `ReferenceError`.
 */
import { HaleError } from '../hale-error.ts';

const arrow = /^[A-Za-z_$][\w$]*\s*=>/;
const startsFunction = /^function\b(?!\s*\*)/;

/** As an expression. Throws `invalid_argument` for what has no text or must be waited for. */
export function sourceOfFunction(run: (...args: never[]) => unknown): string {
  const source = Function.prototype.toString.call(run);
  if (/\{\s*\[native code\]\s*\}\s*$/.test(source))
    throw refused('a native or bound function has no source text');
  if (!startsFunction.test(source) && !source.startsWith('(') && !arrow.test(source)) {
    throw refused(
      'write it as `(…) => …` or `function (…) { … }`: not as a method, not async, not a generator',
    );
  }
  return `(${source})`;
}

function refused(why: string): HaleError {
  return new HaleError('invalid_argument', `this function cannot be sent to a node: ${why}`);
}
