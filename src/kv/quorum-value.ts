/**
 * A quorum as requests and properties carry it: a count, or one of four words. The words have the
 * numbers that the Protocol Buffers API gives them, so that its requests pass through unchanged.
 */
declare const quorumValue: unique symbol;
export type QuorumValue = number & { readonly [quorumValue]: true };

export const quorumOne = 4294967294 as QuorumValue;
export const quorumMajority = 4294967293 as QuorumValue;
export const quorumAll = 4294967292 as QuorumValue;
/** The bucket's property of the same name. */
export const quorumDefault = 4294967291 as QuorumValue;

export function quorumCount(count: number): QuorumValue {
  return count as QuorumValue;
}

export type QuorumWord = 'one' | 'quorum' | 'all' | 'default';

const words: ReadonlyMap<string, QuorumValue> = new Map([
  ['one', quorumOne],
  ['quorum', quorumMajority],
  ['all', quorumAll],
  ['default', quorumDefault],
]);

export function quorumOfWord(word: string): QuorumValue | undefined {
  return words.get(word);
}

/** The word for a symbolic value, or the count. */
export function quorumToJson(value: QuorumValue): number | QuorumWord {
  switch (value) {
    case quorumOne:
      return 'one';
    case quorumMajority:
      return 'quorum';
    case quorumAll:
      return 'all';
    case quorumDefault:
      return 'default';
    default:
      return value;
  }
}

/** How many of `nVal` replicas the value asks for. A count is not clamped: the caller checks it against n. */
export function resolveQuorum(value: QuorumValue | undefined, property: QuorumValue, nVal: number): number {
  const effective = value === undefined || value === quorumDefault ? property : value;
  switch (effective) {
    case quorumOne:
      return 1;
    case quorumMajority:
      return Math.floor(nVal / 2) + 1;
    case quorumAll:
      return nVal;
    default:
      return effective;
  }
}
