/**
 * Queries of secondary indexes, `$key` and `$bucket`. Results are in the order of (term, key): integers by value, all
 * else bytewise. A key is found once for each of its terms in the range.
 */
import type { Clock, Instant } from '../../environment/index.ts';
import { assert, type ByteString } from '../../stdx/index.ts';
import type { ResultStream } from '../key-value-store.ts';
import type { KvObserver } from '../kv-observer.ts';
import type { RequestDoor } from '../request-door.ts';
import { entryAt, type IndexEntry } from '../vnode/index.ts';
import { continuationAt } from './continuation.ts';
import { type CoverageQueries, type RingSample, WalkedItems } from './coverage-queries.ts';
import { encodeIndexQuery, type IndexQuery, keyField } from './index-query.ts';
import { type CheckedQuery, checkedQuery, type IndexRequest } from './index-request.ts';

/** A query that is pulled: nothing is read ahead of the consumer but a bounded number of results. */
export interface IndexResults extends ResultStream<IndexEntry> {
  /** When all were taken: where the next page begins, exactly if there were `maxResults` of them. */
  readonly continuation: ByteString | undefined;
}

export interface IndexQuerying {
  /** Throws `KvFailure`, also with `bad_query`, and then has asked nobody. */
  query(request: IndexRequest): IndexResults;
  /** How many results there are; none of them travels. Rejects with `KvFailure`. */
  count(request: IndexRequest): Promise<number>;
  /** How many there are in as much of the ring as has `enough` of them, if so many are there. Rejects with `KvFailure`. */
  sample(request: IndexRequest, enough: number): Promise<RingSample>;
}

export interface IndexQueryParts {
  readonly coverage: CoverageQueries;
  readonly door: RequestDoor;
  readonly observer: KvObserver;
  readonly clock: Clock;
  /** For a query that names no timeout; 0 is none. */
  readonly timeoutMs: number;
}

export class IndexQueries implements IndexQuerying {
  readonly #parts: IndexQueryParts;

  constructor(parts: IndexQueryParts) {
    this.#parts = parts;
  }

  query(request: IndexRequest): IndexResults {
    const { checked, n } = this.#check(request);
    const { maxResults } = request;
    assert(
      maxResults === undefined || (Number.isInteger(maxResults) && maxResults > 0),
      'a page has some size',
    );
    if (checked.isEmpty) return new NoResults();
    const { coverage } = this.#parts;
    return new PagedResults(checked.query, maxResults, this.#parts, (resultsOf) =>
      coverage.open(this.#asked(request, checked, n), (walk) => new WalkedItems(walk, resultsOf)),
    );
  }

  async count(request: IndexRequest): Promise<number> {
    return (await this.sample(request, Number.POSITIVE_INFINITY)).counted;
  }

  async sample(request: IndexRequest, enough: number): Promise<RingSample> {
    const { checked, n, isSpread } = this.#check(request);
    if (checked.isEmpty) return { counted: 0, share: 1 };
    const { itemsMax: _all, ...asked } = this.#asked(request, checked, n);
    const { coverage } = this.#parts;
    if (isSpread && enough < Number.POSITIVE_INFINITY) return coverage.sample(asked, enough);
    return { counted: await coverage.count(asked), share: 1 };
  }

  /** `isSpread`: the keys of the bucket are all over the ring. */
  #check(request: IndexRequest): {
    readonly checked: CheckedQuery;
    readonly n: number;
    readonly isSpread: boolean;
  } {
    this.#parts.door.checkLoad();
    const { n_val: n, chash_keyfun } = this.#parts.door.checkBucket(request);
    return { checked: checkedQuery(request), n, isSpread: chash_keyfun.fun !== 'chash_bucketonly_keyfun' };
  }

  #asked({ timeoutMs, maxResults }: IndexRequest, { query, after }: CheckedQuery, n: number) {
    const lasts = timeoutMs ?? this.#parts.timeoutMs;
    return {
      query: encodeIndexQuery(query),
      n,
      ...(lasts === 0 ? {} : { timeoutMs: lasts }),
      ...(after === undefined ? {} : { after }),
      ...(maxResults === undefined ? {} : { itemsMax: maxResults }),
    };
  }
}

class PagedResults implements IndexResults {
  readonly #query: IndexQuery;
  readonly #maxResults: number | undefined;
  readonly #parts: Pick<IndexQueryParts, 'observer' | 'clock'>;
  readonly #startedAt: Instant;
  readonly #results: ResultStream<IndexEntry>;
  #last: ByteString | undefined;
  #count = 0;
  #hasEnded = false;

  constructor(
    query: IndexQuery,
    maxResults: number | undefined,
    parts: Pick<IndexQueryParts, 'observer' | 'clock'>,
    open: (resultsOf: (items: readonly ByteString[]) => readonly IndexEntry[]) => ResultStream<IndexEntry>,
  ) {
    this.#query = query;
    this.#maxResults = maxResults;
    this.#parts = parts;
    this.#startedAt = parts.clock.now();
    this.#results = open((items) => {
      this.#last = items.at(-1);
      return entriesOf(query.field, items);
    });
    parts.observer.queryStarted();
  }

  get continuation(): ByteString | undefined {
    if (!this.#hasEnded || this.#last === undefined || this.#count !== this.#maxResults) return undefined;
    return continuationAt(this.#query, this.#last);
  }

  async next(): Promise<readonly IndexEntry[] | undefined> {
    if (this.#hasEnded) return undefined;
    try {
      const found = await this.#results.next();
      if (found === undefined) this.#end(true);
      else this.#count += found.length;
      return found;
    } catch (error) {
      this.#end(false);
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#end(true);
    await this.#results.close();
  }

  #end(succeeded: boolean): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const { clock, observer } = this.#parts;
    observer.queryFinished(clock.now() - this.#startedAt, this.#count, succeeded);
  }
}

class NoResults implements IndexResults {
  readonly continuation = undefined;

  next(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** What is no entry is left out: a peer's word, or a damaged key, must not end this node. */
function entriesOf(field: ByteString, items: readonly ByteString[]): readonly IndexEntry[] {
  if (field === keyField) return items.map((key) => ({ term: key, key }));
  const entries: IndexEntry[] = [];
  for (const item of items) {
    const entry = entryAt(field, item);
    if (entry !== undefined) entries.push(entry);
  }
  return entries;
}
