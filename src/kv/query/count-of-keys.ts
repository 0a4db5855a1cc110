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
