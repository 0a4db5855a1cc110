/** Whether what a node keeps beside its objects is that of its objects, in every partition (D1). */
import type { Partition } from '../../core/index.ts';
import { VersionedObject } from '../../kv/index.ts';
import { addressOf, derivedKeys, derivedRange, ObjectKey, objectsRange } from '../../kv/vnode/index.ts';
import type { KeyRange, StorageEngine } from '../../storage/index.ts';

export async function checkDerivedExact(
  engine: StorageEngine,
  partitions: readonly Partition[],
): Promise<{ readonly violations: readonly string[]; readonly entries: number }> {
  const violations: string[] = [];
  let entries = 0;
  for (const partition of partitions) {
    const wanted = new Set<string>();
    for (const { key, value } of await all(engine, objectsRange(partition))) {
      const name = new ObjectKey(addressOf(key));
      for (const entry of derivedKeys(partition, name, VersionedObject.decode(value))) {
        wanted.add(entry.toString('latin1'));
      }
    }
    const found = (await all(engine, derivedRange(partition))).map(({ key }) => key.toString('latin1'));
    for (const entry of found) {
      if (!wanted.delete(entry)) violations.push(`D1: partition ${partition} has ${JSON.stringify(entry)}`);
    }
    for (const entry of wanted) violations.push(`D1: partition ${partition} lacks ${JSON.stringify(entry)}`);
    entries += found.length;
  }
  return { violations, entries };
}

async function all(engine: StorageEngine, range: KeyRange) {
  const cursor = engine.scan(range);
  const limits = { entriesMax: 1000, bytesMax: 1024 * 1024 };
  const found = [];
  try {
    for (let next = await cursor.next(limits); next.length > 0; next = await cursor.next(limits)) {
      found.push(...next);
    }
  } finally {
    await cursor.close();
  }
  return found;
}
