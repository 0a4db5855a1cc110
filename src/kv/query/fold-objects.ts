/** The objects of the keys that a query finds, in its order, each read as a get reads it. */
import type { ByteString } from '../../stdx/index.ts';
import { type BucketAddress, type GetResult, type KeyValueStore, KvFailure } from '../key-value-store.ts';
import type { VersionedObject } from '../object/index.ts';
import type { IndexResults } from './index-queries.ts';

export interface FoundObject {
  readonly key: ByteString;
  readonly object: VersionedObject;
}

/** Objects read at the same time; as many are held. */
const readsMax = 16;

/**
 * In pieces of a few. What is gone by the time it is read is left out. Throws `KvFailure`. The consumer closes the
 * results.
 */
export async function* foldObjects(
  store: Pick<KeyValueStore, 'get'>,
  { bucketType, bucket }: BucketAddress,
  results: IndexResults,
): AsyncGenerator<readonly FoundObject[], void, undefined> {
  for (let next = await results.next(); next !== undefined; next = await results.next()) {
    for (let at = 0; at < next.length; at += readsMax) {
      const keys = next.slice(at, at + readsMax).map(({ key }) => key);
      const read = await Promise.all(keys.map((key) => get(store, { bucketType, bucket, key })));
      const found: FoundObject[] = [];
      read.forEach((result, i) => {
        if (result.kind === 'found') found.push({ key: keys[i]!, object: result.object });
        else if (result.kind === 'failed') throw new KvFailure(result.error);
      });
      yield found;
    }
  }
}

function get(
  store: Pick<KeyValueStore, 'get'>,
  address: BucketAddress & { readonly key: ByteString },
): Promise<GetResult> {
  return new Promise((resolve) => store.get(address, resolve));
}
