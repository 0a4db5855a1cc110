/**
 * An immutable map from byte strings, as two arrays in key order. Names are chosen by strangers, and are
 * values here, never properties. Arrays, because a data type is decoded, joined, encoded and listed in
 * order far more often than it is searched: nothing is hashed or sorted on these ways, and a copy with
 * one change is a copy of memory.
 */
import type { ByteString } from '../stdx/index.ts';

export class SortedEntries<V> {
  static readonly empty: SortedEntries<never> = new SortedEntries<never>([], []);

  readonly keys: readonly ByteString[];
  readonly values: readonly V[];

  private constructor(keys: readonly ByteString[], values: readonly V[]) {
    this.keys = keys;
    this.values = values;
  }

  /** Keys ascend; each has its value at the same place. */
  static ofSorted<V>(keys: readonly ByteString[], values: readonly V[]): SortedEntries<V> {
    return keys.length === 0 ? SortedEntries.empty : new SortedEntries(keys, values);
  }

  static ofMap<V>(entries: ReadonlyMap<ByteString, V>): SortedEntries<V> {
    const keys = [...entries.keys()].sort(byBytes);
    return SortedEntries.ofSorted(
      keys,
      keys.map((key) => entries.get(key) as V),
    );
  }

  get size(): number {
    return this.keys.length;
  }

  get(key: ByteString): V | undefined {
    const at = placeOf(this.keys, key);
    return this.keys[at] === key ? this.values[at] : undefined;
  }
}

function byBytes(a: ByteString, b: ByteString): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Joins what stands at one key; undefined: at that side there is nothing, or nothing is left. */
export type JoinValues<V> = (left: V | undefined, right: V | undefined) => V | undefined;

/**
 * The entry-wise join; `left` itself if nothing changes. With `onlyRight`, entries of `left` that `right`
 * lacks are known to stay as they are.
 */
export function joinEntries<V>(
  left: SortedEntries<V>,
  right: SortedEntries<V>,
  onlyRight: boolean,
  join: JoinValues<V>,
): SortedEntries<V> {
  if (onlyRight && right.size * smallFactor < left.size) return spliceEntries(left, right, join);
  return walkEntries(left, right, join);
}

/** A side this many times smaller is better searched for than walked along. */
const smallFactor = 8;

function spliceEntries<V>(
  left: SortedEntries<V>,
  right: SortedEntries<V>,
  join: JoinValues<V>,
): SortedEntries<V> {
  let keys: ByteString[] | undefined;
  let values: V[] | undefined;
  for (let j = 0; j < right.keys.length; j += 1) {
    const key = right.keys[j];
    const at = placeOf(keys ?? left.keys, key);
    const found = (keys ?? left.keys)[at] === key;
    const present = found ? (values ?? left.values)[at] : undefined;
    const joined = join(present, right.values[j]);
    if (joined === present) continue;
    keys ??= left.keys.slice();
    values ??= left.values.slice();
    if (joined === undefined) {
      keys.splice(at, 1);
      values.splice(at, 1);
    } else if (found) {
      values[at] = joined;
    } else {
      keys.splice(at, 0, key);
      values.splice(at, 0, joined);
    }
  }
  return keys === undefined ? left : SortedEntries.ofSorted(keys, values as V[]);
}

function walkEntries<V>(
  left: SortedEntries<V>,
  right: SortedEntries<V>,
  join: JoinValues<V>,
): SortedEntries<V> {
  // Made when the first difference is met.
  let keys: ByteString[] | undefined;
  let values: V[] | undefined;
  let i = 0;
  let j = 0;
  while (i < left.keys.length || j < right.keys.length) {
    const leftKey = left.keys[i];
    const rightKey = right.keys[j];
    const isBoth = leftKey === rightKey;
    const takesLeft = isBoth || rightKey === undefined || leftKey < rightKey;
    const takesRight = isBoth || !takesLeft;
    const before = takesLeft ? left.values[i] : undefined;
    const joined = join(before, takesRight ? right.values[j] : undefined);
    if (joined !== before && keys === undefined) {
      keys = left.keys.slice(0, i);
      values = left.values.slice(0, i);
    }
    if (takesLeft) i += 1;
    if (takesRight) j += 1;
    if (keys === undefined || joined === undefined) continue;
    keys.push(takesLeft ? leftKey : rightKey);
    (values as V[]).push(joined);
  }
  return keys === undefined ? left : SortedEntries.ofSorted(keys, values as V[]);
}

/** Where the key is, or would be. */
function placeOf(keys: readonly ByteString[], key: ByteString): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle] < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
