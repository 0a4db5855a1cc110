/**
 * The comparison of two trees over a wire, level by level (Merkle 1987; Dynamo §4.7): told of the other side's
 * level, it says what to ask for next, and ends with the segments that differ.
 *
 * Equal trees cost one hash, a single difference a level of 32 and another. Both trees go on changing meanwhile, each level
 * being compared with what it is at that moment: so a result is a suspicion, and a difference that was only
 * on its way is gone in the next. `suspects` of one exchange, asked for again in another, are what lasts.
 */
import { assert } from '../stdx/index.ts';
import type { Hash64 } from './hash64.ts';
import { SegmentSet } from './segment-set.ts';
import type { TictacTree } from './tictac-tree.ts';
import { branchCount, type LevelHashes, leavesPerBranch, levelWords } from './tree-shape.ts';

export type ExchangeStep =
  /** Ask for the top level, unless the other side's root is this one. */
  | { readonly kind: 'ask-top'; readonly root: Hash64 }
  /** Ask for the leaves of these branches: bit i for branch i. */
  | { readonly kind: 'ask-leaves'; readonly branches: number }
  | { readonly kind: 'done'; readonly segments: SegmentSet };

export class Exchange {
  readonly #mine: TictacTree;
  #branches = 0;

  constructor(mine: TictacTree) {
    this.#mine = mine;
  }

  begin(): ExchangeStep {
    return { kind: 'ask-top', root: this.#mine.root };
  }

  /** The other side has the root that `begin` named. */
  same(): ExchangeStep {
    return { kind: 'done', segments: new SegmentSet() };
  }

  top(theirs: Readonly<LevelHashes>): ExchangeStep {
    this.#branches = differing(this.#mine.top, theirs);
    if (this.#branches === 0) return this.same();
    return { kind: 'ask-leaves', branches: this.#branches };
  }

  /** Whether an answer of so many levels is one to `ask-leaves`: for those who do not trust the other side. */
  awaits(levels: number): boolean {
    return levels > 0 && levels === branchesOf(this.#branches).length;
  }

  /** One level for each branch that was asked for, in ascending order. */
  leaves(theirs: readonly Readonly<LevelHashes>[]): ExchangeStep {
    const branches = branchesOf(this.#branches);
    assert(theirs.length === branches.length, 'a level for each branch that was asked for');
    const segments = new SegmentSet();
    branches.forEach((branch, i) => {
      const leaves = differing(this.#mine.leavesOf(branch), theirs[i]!);
      for (const leaf of branchesOf(leaves)) segments.add(branch * leavesPerBranch + leaf);
    });
    return { kind: 'done', segments };
  }
}

/** The positions of the bits that are set, ascending. */
export function branchesOf(bits: number): number[] {
  const branches: number[] = [];
  for (let branch = 0; branch < branchCount; branch += 1) if (bits & (1 << branch)) branches.push(branch);
  return branches;
}

/** Bit i is set where hash i differs. */
function differing(mine: Readonly<LevelHashes>, theirs: Readonly<LevelHashes>): number {
  assert(mine.length === levelWords && theirs.length === levelWords, 'whole levels');
  let bits = 0;
  for (let i = 0; i < branchCount; i += 1) {
    if (mine[2 * i] !== theirs[2 * i] || mine[2 * i + 1] !== theirs[2 * i + 1]) bits |= 1 << i;
  }
  return bits >>> 0;
}
