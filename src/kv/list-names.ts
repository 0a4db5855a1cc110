/**
 * Listings over a covering set of vnodes, pulled by the consumer: one slice of each node that is asked is in
 * memory at a time, whatever the size of the bucket.
 */
import { CoverageFailure, type CoverageWalk } from '../core/coverage/index.ts';
import type { ByteString } from '../stdx/index.ts';
import { KvFailure, type NameStream } from './key-value-store.ts';
import type { KvError } from './kv-error.ts';

/** Bucket names that one listing tells apart; more are reported as an error, not silently repeated. */
export const listedBucketsMax = 1_000_000;

/** What a walk finds; each name once for `buckets`, which stand in many partitions. */
export function listedNames(begin: () => CoverageWalk, names: 'keys' | 'buckets'): NameStream {
  try {
    return new WalkedNames(begin(), names === 'buckets' ? new Set() : undefined);
  } catch (error) {
    throw failureOf(error);
  }
}

class WalkedNames implements NameStream {
  readonly #walk: CoverageWalk;
  readonly #seen: Set<ByteString> | undefined;

  constructor(walk: CoverageWalk, seen: Set<ByteString> | undefined) {
    this.#walk = walk;
    this.#seen = seen;
  }

  async next(): Promise<readonly ByteString[] | undefined> {
    try {
      for (;;) {
        const found = await this.#walk.next();
        if (found === undefined) return undefined;
        const fresh = this.#fresh(found);
        if (fresh.length > 0) return fresh;
      }
    } catch (error) {
      this.#walk.close();
      throw failureOf(error);
    }
  }

  close(): Promise<void> {
    this.#walk.close();
    return Promise.resolve();
  }

  #fresh(found: readonly ByteString[]): readonly ByteString[] {
    const seen = this.#seen;
    if (seen === undefined) return found;
    const fresh = [...new Set(found)].filter((name) => !seen.has(name));
    if (seen.size + fresh.length > listedBucketsMax) throw new KvFailure({ code: 'overload' });
    for (const name of fresh) seen.add(name);
    return fresh;
  }
}

function failureOf(error: unknown): unknown {
  return error instanceof CoverageFailure ? new KvFailure(kvErrorOf(error)) : error;
}

function kvErrorOf({ code, message }: CoverageFailure): KvError {
  switch (code) {
    case 'timeout':
      return { code: 'timeout' };
    case 'storage':
      return { code: 'storage', reason: message };
    default:
      return { code: 'insufficient_vnodes_available' };
  }
}
