/**
 * An additive hash tree over a set of (key, version) pairs: equal sets have equal trees, whatever the order in
 * which they came to be, and each change costs the same three additions.
 *
 * The naive Merkle tree hashes the sorted contents of a leaf, so that one change reads the whole leaf again, and
 * sooner or later the whole partition. Here a leaf is the *sum* of the hashes of its pairs modulo 2^64
 * (AdHash; Bellare and Micciancio 1997; Riak's tictac trees), a branch the sum of its leaves: adding a pair is
 * an addition, removing it a subtraction, and nothing else has to be known.
 *
 * T1  The tree depends on the multiset of pairs alone: `remove` undoes `add` exactly, in any order, also before it.
 * T2  Different sets have different trees but for one chance in 2^64 at each comparison. A pair's hash binds the key to the
 *     version, so keys that swap their versions show.
 * T3  A pair always adds to the same leaf, so what differs in two leaves cannot cancel out in their branch
 *     other than by T2's chance.
 *
 * Sums and not exclusive-or: with that, a pair that was added twice by a mistake would look as if it were absent.
 *
 * Memory: nothing but the object while it is empty; then 256 bytes, and 256 for each branch that was ever in use.
 */
import { assert } from '../stdx/index.ts';
import { Hash64 } from './hash64.ts';
import { branchCount, type LevelHashes, leavesPerBranch, levelWords, segmentCount } from './tree-shape.ts';

/** Shared by all trees that hold nothing; never written. */
const noWords = new Uint32Array(levelWords);

/** The leaf that a key belongs to. */
export function segmentOf(key: Readonly<Hash64>): number {
  return key.low % segmentCount;
}

export class TictacTree {
  /** The top level, then the leaves of each branch that is in use, in the order in which they came into use. */
  #words: Uint32Array = noWords;
  /** Where the leaves of a branch begin, in levels; 0: nothing was ever added there. */
  #levelOf: Uint8Array | undefined;
  #levelsInUse = 1;
  #entries = 0;
  readonly #pair = new Hash64();

  /** Pairs added less pairs removed. */
  get entries(): number {
    return this.#entries;
  }

  add(key: Readonly<Hash64>, version: Readonly<Hash64>): void {
    const { high, low } = this.#pair.ofPair(key, version);
    this.#sum(segmentOf(key), high, low);
    this.#entries += 1;
  }

  /** Undoes `add` of just this pair, which may also come later. */
  remove(key: Readonly<Hash64>, version: Readonly<Hash64>): void {
    const { high, low } = this.#pair.ofPair(key, version);
    const segment = segmentOf(key);
    const branch = Math.floor(segment / leavesPerBranch);
    const leaf = this.#wordOf(segment);
    subtractAt(this.#words, leaf, high, low);
    subtractAt(this.#words, 2 * branch, high, low);
    this.#entries -= 1;
  }

  /** `remove` of the one and `add` of the other, of one key: what an overwritten object does, for half of the search. */
  replace(key: Readonly<Hash64>, before: Readonly<Hash64>, after: Readonly<Hash64>): void {
    const segment = segmentOf(key);
    const leaf = this.#wordOf(segment);
    const branch = 2 * Math.floor(segment / leavesPerBranch);
    const words = this.#words;
    const pair = this.#pair.ofPair(key, before);
    subtractAt(words, leaf, pair.high, pair.low);
    subtractAt(words, branch, pair.high, pair.low);
    pair.ofPair(key, after);
    addAt(words, leaf, pair.high, pair.low);
    addAt(words, branch, pair.high, pair.low);
  }

  /** The sum of everything. */
  get root(): Hash64 {
    let high = 0;
    let low = 0;
    for (let branch = 0; branch < branchCount; branch += 1) {
      low += this.#words[2 * branch + 1]!;
      high += this.#words[2 * branch]!;
    }
    // Sums of 32 words are below 2^37: exact.
    return Hash64.of(high + Math.floor(low / 2 ** 32), low);
  }

  get isEmpty(): boolean {
    return this.#words.every((word) => word === 0);
  }

  equals(other: TictacTree): boolean {
    for (let branch = 0; branch < branchCount; branch += 1) {
      const mine = this.leavesOf(branch);
      const theirs = other.leavesOf(branch);
      if (mine.some((word, i) => word !== theirs[i])) return false;
    }
    return true;
  }

  /** The hashes of the branches. A view: valid until the next change. */
  get top(): Readonly<LevelHashes> {
    return this.#words.subarray(0, levelWords);
  }

  /** The hashes of the leaves of one branch. A view: valid until the next change. */
  leavesOf(branch: number): Readonly<LevelHashes> {
    assert(branch >= 0 && branch < branchCount, 'a branch of the tree');
    const level = this.#levelOf?.[branch] ?? 0;
    if (level === 0) return noWords;
    return this.#words.subarray(level * levelWords, (level + 1) * levelWords);
  }

  /** A tree of the given leaves; `entries` is believed. */
  static ofLeaves(entries: number, branches: Iterable<readonly [number, Readonly<LevelHashes>]>): TictacTree {
    const tree = new TictacTree();
    for (const [branch, leaves] of branches) {
      for (let leaf = 0; leaf < leavesPerBranch; leaf += 1) {
        tree.#sum(branch * leavesPerBranch + leaf, leaves[2 * leaf]!, leaves[2 * leaf + 1]!);
      }
    }
    tree.#entries = entries;
    return tree;
  }

  #sum(segment: number, high: number, low: number): void {
    const leaf = this.#wordOf(segment);
    addAt(this.#words, leaf, high, low);
    addAt(this.#words, 2 * Math.floor(segment / leavesPerBranch), high, low);
  }

  /** Where a leaf's hash is, which from now on has a place. May replace `#words`. */
  #wordOf(segment: number): number {
    const level = this.#levelInUse(Math.floor(segment / leavesPerBranch));
    return level * levelWords + 2 * (segment % leavesPerBranch);
  }

  /** The level of a branch, which from now on has one. */
  #levelInUse(branch: number): number {
    this.#levelOf ??= new Uint8Array(branchCount);
    const known = this.#levelOf[branch]!;
    if (known !== 0) return known;
    const level = this.#levelsInUse;
    if (this.#words.length <= level * levelWords) {
      const levels = Math.min(2 * level, branchCount + 1);
      const grown = new Uint32Array(levels * levelWords);
      grown.set(this.#words);
      this.#words = grown;
    }
    this.#levelOf[branch] = level;
    this.#levelsInUse += 1;
    return level;
  }
}

/** Adds modulo 2^64 to the hash whose high word is at `at`. */
function addAt(words: Uint32Array, at: number, high: number, low: number): void {
  const sum = words[at + 1]! + low;
  words[at + 1] = sum;
  words[at] = words[at]! + high + (sum > 0xffff_ffff ? 1 : 0);
}

/** Undoes `addAt`. */
function subtractAt(words: Uint32Array, at: number, high: number, low: number): void {
  const difference = words[at + 1]! - low;
  words[at + 1] = difference;
  words[at] = words[at]! - high - (difference < 0 ? 1 : 0);
}
