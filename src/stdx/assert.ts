/**
 * Assertions stay on in production: a broken invariant must stop the node before it
 * reaches a disk or a peer.
 */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** Throws unless `fact` holds. One fact each, so that the message names what broke. */
export function assert(fact: unknown, message: string): asserts fact {
  if (!fact) throw new AssertionError(message);
}

/** Closes a `switch` over a discriminated union: the compiler refuses a forgotten case. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`);
}
