/** What clients of the simulator store: the number of a write, so that a value tells which write it is of. */
import { Buffer } from 'node:buffer';
import type { Environment } from '../../environment/index.ts';
import { type BucketAddress, type KeyValueStore, type KvError, KvFailure } from '../../kv/index.ts';
import { assert, type ByteString, byteLiteral } from '../../stdx/index.ts';
import { encodeContent } from '../../wire/index.ts';
import type { KeyHistory } from '../checkers/key-history.ts';

export const bucketTypeOfClients = byteLiteral('default');

export interface IndexTerm {
  readonly key: ByteString;
  readonly value: ByteString;
}

export function addressOf({ bucket, key }: Pick<KeyHistory, 'bucket' | 'key'>) {
  return { bucketType: bucketTypeOfClients, bucket: byteLiteral(bucket), key: byteLiteral(key) };
}

/** The number, then padding that depends on it: a mix of two values shows. */
export function numberedValue(id: number, padding: number, indexes: readonly IndexTerm[] = []): Buffer {
  const value = Buffer.alloc(4 + padding, id & 0xff);
  value.writeUInt32BE(id, 0);
  return encodeContent({ value, links: [], userMeta: [], indexes, deleted: false });
}

export function idOfValue(value: Buffer): number {
  const id = value.readUInt32BE(0);
  assert(
    value.subarray(4).every((byte) => byte === (id & 0xff)),
    'a value is read as it was written',
  );
  return id;
}

/** All keys of a bucket at once, or why there is no listing. */
export function listKeys(
  store: KeyValueStore,
  { tasks }: Pick<Environment, 'tasks'>,
  bucket: string,
  timeoutMs: number | undefined,
  done: (result: readonly string[] | KvError) => void,
): void {
  const address: BucketAddress = { bucketType: bucketTypeOfClients, bucket: byteLiteral(bucket) };
  tasks.spawn('listing', async () => {
    try {
      const stream = store.listKeys(address, { timeoutMs });
      const keys: string[] = [];
      for (let names = await stream.next(); names !== undefined; names = await stream.next()) {
        keys.push(...names);
      }
      done(keys);
    } catch (error) {
      if (!(error instanceof KvFailure)) throw error;
      done(error.error);
    }
  });
}
