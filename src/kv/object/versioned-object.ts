/**
 * An object as it is stored: its siblings and its clock, in bytes. Immutable. What a read or a merge
 * does not need is not decoded.
 *
 * O1  There is at least one sibling.
 * O2  A dot names one write: siblings that share a dot are the same, unless an actor was reused.
 * O3  The clock covers the dots of all siblings, pruned or not (but for what was stored before pruning kept to it).
 * O4  Objects with the same clock and siblings have the same bytes.
 */
import type { Buffer } from 'node:buffer';
import { type Dot, VersionVector } from '../../clocks/index.ts';
import { type Content, decodeContent, headOfContent } from '../../wire/index.ts';
import { ObjectFormatError } from './object-error.ts';
import {
  flagAllTombstones,
  flagAnyExpiring,
  flagAnyManifest,
  flagAnyTombstone,
  flagsOf,
  flagUnindexed,
  flagWriteOnce,
  type Layout,
  layoutOf,
  readContents,
  readDots,
  replyBodyOf,
  type Sibling,
  writeStoredForm,
} from './stored-form.ts';

export class VersionedObject {
  /** The stored form. */
  readonly bytes: Buffer;
  readonly #layout: Layout;
  #clock: VersionVector | undefined;
  #dots: readonly (Dot | undefined)[] | undefined;
  #siblings: readonly Sibling[] | undefined;

  private constructor(bytes: Buffer, layout: Layout) {
    this.bytes = bytes;
    this.#layout = layout;
  }

  /**
   * Takes bytes over: they must not change afterwards. Checks the form, all dots and the clock, and
   * does not look into contents. Throws `ObjectFormatError`.
   */
  static decode(bytes: Buffer): VersionedObject {
    const object = VersionedObject.tryDecode(bytes);
    if (object === undefined) throw new ObjectFormatError('the bytes are not a stored object');
    return object;
  }

  /** As `decode`. Undefined: they are no stored form. */
  static tryDecode(bytes: Buffer): VersionedObject | undefined {
    const layout = layoutOf(bytes);
    return layout && new VersionedObject(bytes, layout);
  }

  /** Siblings in any order, each with a well-formed content. Throws `EmptyObjectError`. */
  static of(clock: VersionVector, siblings: readonly Sibling[], isWriteOnce = false): VersionedObject {
    const { bytes, layout, dots } = writeStoredForm(clock, siblings, isWriteOnce);
    const object = new VersionedObject(bytes, layout);
    object.#clock = clock;
    object.#dots = dots;
    return object;
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  get siblingCount(): number {
    return this.#layout.siblingCount;
  }

  /** Every sibling is a tombstone. */
  get isTombstone(): boolean {
    return (flagsOf(this.bytes) & flagAllTombstones) !== 0;
  }

  get hasTombstone(): boolean {
    return (flagsOf(this.bytes) & flagAnyTombstone) !== 0;
  }

  /** Certainly no sibling has index entries; if false, they have to be looked for. */
  get isUnindexed(): boolean {
    return (flagsOf(this.bytes) & flagUnindexed) !== 0;
  }

  /** Some sibling expires. */
  get mayExpire(): boolean {
    return (flagsOf(this.bytes) & flagAnyExpiring) !== 0;
  }

  /** Its bucket is `write_once`: what comes later does not replace it. */
  get isWriteOnce(): boolean {
    return (flagsOf(this.bytes) & flagWriteOnce) !== 0;
  }

  /** The value of some sibling is kept in chunks. */
  get hasManifest(): boolean {
    return (flagsOf(this.bytes) & flagAnyManifest) !== 0;
  }

  get clock(): VersionVector {
    this.#clock ??= VersionVector.decodeChecked(this.bytes, this.#layout.contextStart, this.bytes.length);
    return this.#clock;
  }

  /** The encoded clock: what clients send back. A view of `bytes`. */
  get context(): Buffer {
    return this.bytes.subarray(this.#layout.contextStart);
  }

  /** Where it begins in `bytes`, which it ends. */
  get contextStart(): number {
    return this.#layout.contextStart;
  }

  /** Whether the two contexts are the same bytes. */
  hasContextOf(other: VersionedObject): boolean {
    const start = this.#layout.contextStart;
    const otherStart = other.#layout.contextStart;
    return this.bytes.compare(other.bytes, otherStart, other.bytes.length, start, this.bytes.length) === 0;
  }

  /** The dots of the siblings, in their order. */
  get dots(): readonly (Dot | undefined)[] {
    this.#dots ??= readDots(this.bytes, this.#layout, this.clock);
    return this.#dots;
  }

  /** In the order of their dots. Contents are views of `bytes`. */
  get siblings(): readonly Sibling[] {
    if (this.#siblings === undefined) {
      const { dots } = this;
      this.#siblings = readContents(this.bytes, this.#layout).map((content, i) => ({
        dot: dots[i],
        content,
      }));
    }
    return this.#siblings;
  }

  /** The body of an RpbGetResp with all siblings and the context. A view of `bytes`. */
  replyBody(): Buffer {
    return this.bytes.subarray(this.#layout.bodyStart);
  }

  /** The same with empty values. */
  headReplyBody(): Buffer {
    const heads = readContents(this.bytes, this.#layout).map((content) =>
      reading(() => headOfContent(content)),
    );
    return replyBodyOf(heads, this.context);
  }

  /** The siblings, decoded; values are views of `bytes`. Throws `ObjectFormatError` if one is malformed. */
  contents(): readonly Content[] {
    return readContents(this.bytes, this.#layout).map((content) => reading(() => decodeContent(content)));
  }
}

/** An object of the given clock and siblings, which must agree (O2, O3). Throws `EmptyObjectError`. */
export function makeObject(clock: VersionVector, siblings: readonly Sibling[]): VersionedObject {
  return VersionedObject.of(clock, siblings);
}

/** A content that was stored was well-formed when it came: if it no longer is, the bytes are damaged. */
function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new ObjectFormatError('a stored content is malformed', { cause: error });
  }
}
