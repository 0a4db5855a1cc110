/** Index queries as coverage queries: the walk of one partition over an index, or over the keys that are not tombstones. */
import { Buffer } from 'node:buffer';
import type { CoverageService, PartitionWalk, WalkStep } from '../../core/coverage/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import { assert, type ByteString, byteStringOf } from '../../stdx/index.ts';
import type { Cursor, GroupCommit, KeyRange } from '../../storage/index.ts';
import type { ExpiredNames } from '../expiry/index.ts';
import type { ObjectAddress } from '../key-value-store.ts';
import { bucketRange, entryAt, indexPrefix, sectionTombstones, successor } from '../vnode/index.ts';
import { CursorWalk, pieceBytesMax, reading, type WalkPiece } from './cursor-walk.ts';
import { decodeIndexQuery, type IndexQuery, keyField } from './index-query.ts';
import { ofFirstPartitions, placeAfter, type WalkPlace } from './name-walk.ts';
import { TermPattern } from './term-pattern.ts';

const marksPulled = 500;
/** Bytes of terms times instructions of a pattern that are matched without letting others have a turn. */
const matchWorkMax = 2_000_000;

function pieceBytes(pattern: TermPattern | undefined): number {
  return pattern === undefined ? pieceBytesMax : Math.min(pieceBytesMax, matchWorkMax / pattern.size);
}

interface WalkParts {
  readonly commit: GroupCommit;
  readonly firstPartitionOf: (address: ObjectAddress) => Partition;
  readonly expired?: ExpiredNames | undefined;
}

/** What a query asks of one partition. */
interface PartitionQuery extends WalkParts {
  readonly query: IndexQuery;
  readonly place: WalkPlace;
  readonly pattern: TermPattern | undefined;
}

export class IndexWalks implements CoverageService {
  readonly #parts: WalkParts;
  /** Compiled once for all partitions of a query, and for its slices if no other comes between. */
  #last: { readonly text: ByteString; readonly pattern: TermPattern } | undefined;

  constructor(
    commit: GroupCommit,
    firstPartitionOf: (address: ObjectAddress) => Partition,
    expired?: ExpiredNames,
  ) {
    this.#parts = { commit, firstPartitionOf, expired };
  }

  walk(
    encoded: ByteString,
    step: WalkStep,
    after: ByteString | undefined,
    itemsExpected: number,
  ): PartitionWalk | undefined {
    const query = decodeIndexQuery(encoded);
    if (query === undefined) return undefined;
    const pattern = query.termPattern === undefined ? undefined : this.#patternOf(query.termPattern);
    if (pattern === 'bad') return undefined;
    const asked = { ...this.#parts, query, place: { ...step, after, itemsExpected }, pattern };
    return query.field === keyField ? new LiveKeyWalk(asked) : new EntryWalk(asked);
  }

  #patternOf(text: ByteString): TermPattern | 'bad' {
    if (this.#last?.text === text) return this.#last.pattern;
    const pattern = TermPattern.compile(text);
    if (typeof pattern === 'string') return 'bad';
    this.#last = { text, pattern };
    return pattern;
  }
}

/** From `from`, or from behind what was reported, to before `to`; all behind one prefix. */
function rangeOf(prefix: Buffer, { from, to }: IndexQuery, after: ByteString | undefined): KeyRange {
  const start =
    after !== undefined && after >= from
      ? placeAfter(prefix, after)
      : Buffer.concat([prefix, Buffer.from(from, 'latin1')]);
  const end = to === undefined ? successor(prefix) : Buffer.concat([prefix, Buffer.from(to, 'latin1')]);
  return { from: start, to: end };
}

class EntryWalk extends CursorWalk {
  readonly #asked: PartitionQuery;
  #prefixBytes = 0;
  #looksForExpired = false;

  constructor(asked: PartitionQuery) {
    super();
    this.#asked = asked;
  }

  protected override open(): Cursor {
    const { commit, query, place } = this.#asked;
    const prefix = indexPrefix(place.partition, query, query.field);
    this.#prefixBytes = prefix.length;
    // What comes behind a first slice is a walk over much, which would drive out of the cache what is read often.
    const isReadOften = place.after === undefined;
    const options = { keysOnly: true, entriesExpected: place.itemsExpected, isReadOften };
    return commit.engine.scan(rangeOf(prefix, query, place.after), options);
  }

  protected override async pull(cursor: Cursor, itemsMax: number): Promise<WalkPiece | undefined> {
    const bytesMax = pieceBytes(this.#asked.pattern);
    const entries = await cursor.next({ entriesMax: itemsMax, bytesMax });
    if (entries.length === 0) return undefined;
    const places = entries.map((entry) => byteStringOf(entry.key, this.#prefixBytes));
    const { place, pattern, expired } = this.#asked;
    this.#looksForExpired = expired?.mayBeIn(place.partition) === true;
    const isWhole = place.firstPartitions === undefined && pattern === undefined && !this.#looksForExpired;
    return { items: isWhole ? places : places.filter((each) => this.#isWanted(each)), after: places.at(-1)! };
  }

  #isWanted(place: ByteString): boolean {
    const { query, pattern, firstPartitionOf, place: walked } = this.#asked;
    const entry = entryAt(query.field, place);
    if (entry === undefined) return false;
    const { bucketType, bucket } = query;
    const first = walked.firstPartitions;
    if (first !== undefined && !first.has(firstPartitionOf({ bucketType, bucket, key: entry.key })))
      return false;
    if (pattern !== undefined && !pattern.matches(entry.term)) return false;
    return !this.#looksForExpired || this.#asked.expired?.has(walked.partition, query, entry.key) !== true;
  }
}

/** The keys of a bucket less the marks of its tombstones: two cursors side by side, over one state of the engine. */
class LiveKeyWalk implements PartitionWalk {
  readonly #asked: PartitionQuery;
  #cursors: { readonly objects: Cursor; readonly marks: Cursor } | undefined;
  #prefixBytes = 0;
  /** Marks that were read, from `#marksAt` on not passed yet. */
  #marks: readonly ByteString[] = [];
  #marksAt = 0;
  #marksEnded = false;
  #isClosed = false;

  constructor(asked: PartitionQuery) {
    this.#asked = asked;
  }

  next(itemsMax: number): Promise<WalkPiece | undefined> {
    return reading(async () => {
      this.#cursors ??= await this.#open();
      const bytesMax = pieceBytes(this.#asked.pattern);
      const entries = await this.#cursors.objects.next({ entriesMax: itemsMax, bytesMax });
      if (entries.length === 0) return undefined;
      const keys = entries.map((entry) => byteStringOf(entry.key, this.#prefixBytes));
      const live: ByteString[] = [];
      for (const key of keys) {
        while (this.#needsMarks(key)) await this.#readMarks();
        if (this.#marks[this.#marksAt] === key) continue;
        if (this.#asked.pattern?.matches(key) !== false) live.push(key);
      }
      const { query, place, firstPartitionOf, expired } = this.#asked;
      const mine = ofFirstPartitions(live, query, place, firstPartitionOf);
      return { items: expired?.without(place.partition, query, mine) ?? mine, after: keys.at(-1)! };
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#cursors?.objects.close();
    await this.#cursors?.marks.close();
  }

  /**
   * Between two batches: in `done` of a write no other is in flight, so that two cursors opened there see the same. A
   * tombstone that is written or reaped between the one and the other would show, or hide, what is not so.
   */
  #open(): Promise<{ readonly objects: Cursor; readonly marks: Cursor }> {
    const { commit, query, place } = this.#asked;
    const { partition, after, itemsExpected } = place;
    const objects = bucketRange(partition, query).from!;
    const marks = bucketRange(partition, query, sectionTombstones).from!;
    this.#prefixBytes = objects.length;
    const options = { keysOnly: true, entriesExpected: itemsExpected };
    return new Promise((resolve, reject) => {
      const opened = (): void => {
        assert(!this.#isClosed, 'a walk is not closed while it is asked');
        const { engine } = commit;
        try {
          resolve({
            objects: engine.scan(rangeOf(objects, query, after), options),
            marks: engine.scan(rangeOf(marks, query, after), options),
          });
        } catch (error) {
          reject(error);
        }
      };
      commit.write(
        'os',
        () => {},
        (error) => (error === undefined ? opened() : reject(error)),
      );
    });
  }

  /** Asked for keys in order: passes the marks before this one. */
  #needsMarks(key: ByteString): boolean {
    while (this.#marksAt < this.#marks.length && this.#marks[this.#marksAt]! < key) this.#marksAt += 1;
    return this.#marksAt === this.#marks.length && !this.#marksEnded;
  }

  async #readMarks(): Promise<void> {
    const entries = await this.#cursors!.marks.next({ entriesMax: marksPulled, bytesMax: pieceBytesMax });
    this.#marks = entries.map((entry) => byteStringOf(entry.key, this.#prefixBytes));
    this.#marksAt = 0;
    this.#marksEnded = entries.length === 0;
  }
}
