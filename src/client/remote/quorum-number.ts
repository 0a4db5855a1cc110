import type { Quorum } from '../call-options.ts';
import { HaleError } from '../hale-error.ts';

/** The numbers that Riak's Protocol Buffers API gives the words. */
const numbers: ReadonlyMap<Quorum, number> = new Map<Quorum, number>([
  ['one', 4294967294],
  ['quorum', 4294967293],
  ['all', 4294967292],
  ['default', 4294967291],
]);
const words: ReadonlyMap<number, Quorum> = new Map([...numbers].map(([word, number]) => [number, word]));
const countMax = 1024;

/** Throws `invalid_argument`. */
export function numberOfQuorum(quorum: Quorum | undefined): number | undefined {
  if (quorum === undefined) return undefined;
  const number = numbers.get(quorum);
  if (number !== undefined) return number;
  if (typeof quorum === 'number' && Number.isInteger(quorum) && quorum >= 0 && quorum <= countMax)
    return quorum;
  throw new HaleError('invalid_argument', `"${quorum}" is neither a count nor one, quorum, all or default`);
}

export function quorumOfNumber(number: number): Quorum {
  return words.get(number) ?? number;
}
