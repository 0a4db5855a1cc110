/** Listings of keys and buckets, pulled by the consumer, in order; memory is bounded, whatever their size. */
import type { ByteString } from '../../stdx/index.ts';
import type { NameStream } from '../key-value-store.ts';
import type { KvObserver } from '../kv-observer.ts';
import { type CoverageQueries, WalkedItems } from './coverage-queries.ts';
import { bucketOfItem, encodeNameQuery, type NameQuery } from './name-walk.ts';

export class NameListings {
  readonly #coverage: CoverageQueries;
  readonly #observer: KvObserver;
  readonly #timeoutMs: number;

  /** `timeoutMs`: for a listing that names no timeout. */
  constructor(coverage: CoverageQueries, observer: KvObserver, timeoutMs: number) {
    this.#coverage = coverage;
    this.#observer = observer;
    this.#timeoutMs = timeoutMs;
  }

  /** Keys in byte order; buckets by length, then in byte order. `n`: the fewest replicas that anything listed has. */
  list(query: NameQuery, n: number, timeoutMs: number | undefined): NameStream {
    const asked = { query: encodeNameQuery(query), n, timeoutMs: timeoutMs || this.#timeoutMs };
    const names = this.#coverage.open(asked, (walk) => new WalkedItems(walk, namesOf[query.kind]));
    this.#observer.listStarted();
    return names;
  }
}

/** A bucket stands in many partitions: equal items are one in a walk already. */
const namesOf = {
  keys: (items: readonly ByteString[]) => items,
  buckets: (items: readonly ByteString[]) => items.map((item) => bucketOfItem(item)),
};
