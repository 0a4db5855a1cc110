/**
 * How many keys a bucket has: those that a covering set of vnodes has, each counted where it lies, so that no name travels. Exact
 * when nothing is being written and the replicas agree; else as right as a listing at that moment.
 */
import { byteLiteral } from '../../stdx/index.ts';
import type { BucketAddress } from '../key-value-store.ts';
import type { IndexQuerying } from './index-queries.ts';
import { bucketField } from './index-query.ts';

const everyKey = { kind: 'equal', term: byteLiteral('_') } as const;

/** Rejects with `KvFailure`. */
export function countOfKeys(
  indexes: Pick<IndexQuerying, 'count'>,
  { bucketType, bucket }: BucketAddress,
  timeoutMs?: number,
): Promise<number> {
  const time = timeoutMs === undefined ? {} : { timeoutMs };
  return indexes.count({ bucketType, bucket, field: bucketField, range: everyKey, ...time });
}

/** So many keys are counted at least, if the bucket has them: a standard error of one percent. */
export const sampledKeysMin = 10_000;

export interface KeyEstimate {
  readonly count: number;
  /** In keys; 0: all were counted. Two of three estimates are no further off, nineteen of twenty no further than twice as much. */
  readonly standardError: number;
}

/**
 * About how many keys a bucket has, from those in a part of the ring: each key lies in that part with the same
 * probability, its share, independently of the others (binomial). Reads `sampledKeysMin` names or `n_val` partitions,
 * whichever is more, and at most twice that. Rejects with `KvFailure`.
 */
export async function estimateOfKeys(
  indexes: Pick<IndexQuerying, 'sample'>,
  { bucketType, bucket }: BucketAddress,
): Promise<KeyEstimate> {
  const every = { bucketType, bucket, field: bucketField, range: everyKey };
  const { counted, share } = await indexes.sample(every, sampledKeysMin);
  return { count: Math.round(counted / share), standardError: Math.sqrt(counted * (1 - share)) / share };
}
