/**
 * After every key was read and nothing happened for a while:
 *
 *   G1  A key is on all partitions of its preference list, with the same bytes, or on none.
 *   G2  A tombstone is on none, unless tombstones are kept: nothing deleted stays for ever.
 */
import { Buffer } from 'node:buffer';
import type { Partition } from '../../core/ring/index.ts';
import { VersionedObject } from '../../kv/index.ts';
import { addressOf, objectsRange } from '../../kv/vnode/index.ts';
import { assert } from '../../stdx/index.ts';
import type { StorageEngine } from '../../storage/index.ts';

const slice = { entriesMax: 1000, bytesMax: 2 ** 24 };

export interface StoredCopy {
  readonly partition: Partition;
  readonly storageKey: Buffer;
  readonly bytes: Buffer;
}

/** All copies of all objects, by `bucket/key`. Rejects with `StorageError` if one cannot be read. */
export async function storedCopies(
  engine: StorageEngine,
  partitions: readonly Partition[],
): Promise<ReadonlyMap<string, readonly StoredCopy[]>> {
  const copies = new Map<string, StoredCopy[]>();
  for (const partition of partitions) {
    const cursor = engine.scan(objectsRange(partition));
    for (;;) {
      const entries = await cursor.next(slice);
      if (entries.length === 0) break;
      for (const { key, value } of entries) {
        const address = addressOf(key);
        const name = `${address.bucket}/${address.key}`;
        const copy = { partition, storageKey: Buffer.from(key), bytes: value };
        const known = copies.get(name);
        if (known === undefined) copies.set(name, [copy]);
        else known.push(copy);
      }
    }
    await cursor.close();
  }
  return copies;
}

export function checkReplicasAgree(
  copies: ReadonlyMap<string, readonly StoredCopy[]>,
  replicasOf: (name: string) => readonly Partition[],
  tombstonesAreKept: boolean,
): readonly string[] {
  const violations: string[] = [];
  for (const [name, stored] of copies) {
    const first = stored[0];
    assert(first !== undefined, 'a stored object has a copy');
    const found = stored.map(({ partition }) => partition).sort((a, b) => a - b);
    const wanted = [...replicasOf(name)].sort((a, b) => a - b);
    if (found.join() !== wanted.join()) {
      violations.push(`G1: ${name} is on partitions ${found.join()}, not ${wanted.join()}`);
    }
    if (!stored.every(({ bytes }) => bytes.equals(first.bytes))) {
      violations.push(`G1: the copies of ${name} differ`);
    }
    if (!tombstonesAreKept && VersionedObject.decode(first.bytes).isTombstone) {
      violations.push(`G2: the tombstone of ${name} was not forgotten`);
    }
  }
  return violations;
}
