/** Counters count in integers without bounds; applications mostly in numbers. */
import { HaleError } from '../hale-error.ts';

/** Throws `undecodable`: a rounded count would be a wrong one. */
export function counterNumber(value: bigint): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new HaleError('undecodable', `the counter is at ${value}, which no number holds exactly`);
}

/** Throws `invalid_argument`: an increment has 64 bits and a sign. */
export function incrementOf(by: number | bigint): bigint {
  if (typeof by === 'bigint' && BigInt.asIntN(64, by) === by) return by;
  if (Number.isSafeInteger(by)) return BigInt(by);
  const text = `a counter is incremented by an integer of 64 bits, not by ${String(by)}`;
  throw new HaleError('invalid_argument', text);
}
