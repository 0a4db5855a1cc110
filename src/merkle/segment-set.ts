/** A set of a tree's segments, as a bitmap: one word a branch. */
import { assert } from '../stdx/index.ts';
import { branchCount, leavesPerBranch, segmentCount } from './tree-shape.ts';

export const segmentSetWords = branchCount;

export class SegmentSet {
  readonly #words: Uint32Array;

  constructor(words: Uint32Array = new Uint32Array(segmentSetWords)) {
    assert(words.length === segmentSetWords, 'a word a branch');
    this.#words = words;
  }

  static of(segments: Iterable<number>): SegmentSet {
    const set = new SegmentSet();
    for (const segment of segments) set.add(segment);
    return set;
  }

  static get all(): SegmentSet {
    return new SegmentSet(new Uint32Array(segmentSetWords).fill(0xffff_ffff));
  }

  add(segment: number): void {
    assert(segment >= 0 && segment < segmentCount, 'a segment of the tree');
    this.#words[Math.floor(segment / leavesPerBranch)] |= 1 << (segment % leavesPerBranch);
  }

  has(segment: number): boolean {
    return (this.#words[Math.floor(segment / leavesPerBranch)]! & (1 << (segment % leavesPerBranch))) !== 0;
  }

  get isEmpty(): boolean {
    return this.#words.every((word) => word === 0);
  }

  get size(): number {
    return this.segments().length;
  }

  /** In ascending order. */
  segments(): number[] {
    const segments: number[] = [];
    for (let segment = 0; segment < segmentCount; segment += 1) if (this.has(segment)) segments.push(segment);
    return segments;
  }

  intersection(other: SegmentSet): SegmentSet {
    return new SegmentSet(this.#words.map((word, i) => word & other.#words[i]!));
  }

  /** The bitmap: `segmentSetWords` words, the segment's bit counted from the lowest. A view. */
  get words(): Readonly<Uint32Array> {
    return this.#words;
  }
}
