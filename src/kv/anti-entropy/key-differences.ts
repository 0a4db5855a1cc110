/**
 * The keys in which two listings differ: a join of two sorted streams, each read in slices when it is needed, so that
 * memory is two slices, whatever the size of either side.
 */
import type { Buffer } from 'node:buffer';
import type { ListedKey, ListingSlice } from './segment-listing.ts';

type ReadSlice = (after: Buffer | undefined) => Promise<ListingSlice>;

class SlicedListing {
  readonly #read: ReadSlice;
  #pairs: readonly ListedKey[] = [];
  #position = 0;
  #after: Buffer | undefined;
  #isEnded = false;
  listed = 0;

  constructor(read: ReadSlice) {
    this.#read = read;
  }

  /** The next key, not yet taken; undefined at the end. */
  async head(): Promise<ListedKey | undefined> {
    while (this.#position >= this.#pairs.length && !this.#isEnded) {
      const { pairs, upTo } = await this.#read(this.#after);
      this.#pairs = pairs;
      this.#position = 0;
      this.#isEnded = upTo === undefined || !isBehind(upTo, this.#after);
      this.#after = upTo;
      this.listed += pairs.length;
    }
    return this.#pairs[this.#position];
  }

  take(): void {
    this.#position += 1;
  }
}

/** A slice that ends no further than it began would be asked for without end. */
function isBehind(upTo: Buffer, after: Buffer | undefined): boolean {
  return after === undefined || upTo.compare(after) > 0;
}

export class KeyDifferences {
  readonly #mine: SlicedListing;
  readonly #theirs: SlicedListing;

  constructor(mine: ReadSlice, theirs: ReadSlice) {
    this.#mine = new SlicedListing(mine);
    this.#theirs = new SlicedListing(theirs);
  }

  /** The next keys, at most `count`, that only one side has, or of which they have different versions. Empty at the end. */
  async next(count: number): Promise<readonly Buffer[]> {
    const differing: Buffer[] = [];
    while (differing.length < count) {
      const mine = await this.#mine.head();
      const theirs = await this.#theirs.head();
      if (mine === undefined && theirs === undefined) break;
      const order = orderOf(mine, theirs);
      if (order <= 0) this.#mine.take();
      if (order >= 0) this.#theirs.take();
      if (order !== 0 || !mine!.digest.equals(theirs!.digest))
        differing.push((order <= 0 ? mine! : theirs!).key);
    }
    return differing;
  }

  /** Keys that were listed since this was asked last, at both sides together. */
  takeListed(): number {
    const listed = this.#mine.listed + this.#theirs.listed;
    this.#mine.listed = 0;
    this.#theirs.listed = 0;
    return listed;
  }
}

function orderOf(mine: ListedKey | undefined, theirs: ListedKey | undefined): number {
  if (mine === undefined) return 1;
  if (theirs === undefined) return -1;
  return mine.key.compare(theirs.key);
}
