/**
 * Forgets a bucket type that holds nothing.
 *
 * Nobody may be left with objects that no request reaches: as long as some bucket of the type holds a key (a
 * tombstone is one until it is forgotten) the type stays. What is written while it is dropped, through a node that has
 * not heard of it, may be left behind, and is there again for a later type of the same name.
 */
import type { ByteString } from '../stdx/index.ts';
import type { BucketTypeRefusal } from './bucket-type.ts';
import type { BucketTypes } from './bucket-types.ts';
import type { KeyValueStore } from './key-value-store.ts';

/** Resolves with why nothing was done, if so. Rejects with `KvFailure`; it may then be half done, and is repeated. */
export async function dropBucketType(
  store: Pick<KeyValueStore, 'listBuckets'>,
  types: BucketTypes,
  name: ByteString,
): Promise<BucketTypeRefusal | undefined> {
  const { history } = types;
  if (types.get(name)?.status === 'active') {
    const buckets = store.listBuckets(name, {});
    try {
      if ((await buckets.next()) !== undefined) return { reason: 'not_empty' };
    } finally {
      await buckets.close();
    }
  }
  return types.forget(name, history);
}
