import { StorageError } from '../storage-engine.ts';

/** Waits for all of them, and rejects with the first failure. */
export async function endOfAll<T>(items: readonly T[], each: (item: T) => Promise<void>): Promise<void> {
  const [failure] = (await failuresOf(items, each)).values();
  if (failure !== undefined) throw failure;
}

/** Waits for all of them; rejects with what is no failure of storage. */
export async function failuresOf<T>(
  items: readonly T[],
  each: (item: T) => Promise<void>,
): Promise<ReadonlyMap<T, StorageError>> {
  const failures = new Map<T, StorageError>();
  const endings = await Promise.allSettled(items.map((item) => each(item)));
  for (const [i, ending] of endings.entries()) {
    if (ending.status === 'fulfilled') continue;
    const reason: unknown = ending.reason;
    if (!(reason instanceof StorageError)) throw reason;
    failures.set(items[i]!, reason);
  }
  return failures;
}
