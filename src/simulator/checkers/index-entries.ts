/**
 * What index queries must give, when each write stores its number as the term of one index.
 *
 * E1  No entry twice, and in the order of (term, key): at any time.
 * E2  No entry that no write made: at any time.
 * E3  A key that nobody has written to since all replicas agreed is found under just the writes that it showed then; or
 *     the query failed.
 */
import type { KeyHistory } from './key-history.ts';

export interface IndexQueryResult {
  readonly endedAt: number;
  /** When the replicas were last seen to agree, with nothing under way; and what each key showed then. */
  readonly agreedAt: number;
  readonly shown: ReadonlyMap<string, readonly number[]>;
  readonly entries: readonly { readonly id: number; readonly key: string }[];
}

export function checkIndexEntries(
  { endedAt, agreedAt, shown, entries }: IndexQueryResult,
  keys: readonly KeyHistory[],
): readonly string[] {
  const violations: string[] = [];
  const found = new Map<string, number[]>();
  let last: { readonly id: number; readonly key: string } | undefined;
  for (const entry of entries) {
    if (last !== undefined && (entry.id < last.id || (entry.id === last.id && entry.key <= last.key))) {
      violations.push(`E1: ${entry.id} ${entry.key} comes behind ${last.id} ${last.key}`);
    }
    last = entry;
    const ids = found.get(entry.key);
    if (ids === undefined) found.set(entry.key, [entry.id]);
    else ids.push(entry.id);
  }
  const known = new Map(keys.map((key) => [key.key, key]));
  for (const [name, ids] of found) {
    for (const id of ids) {
      const write = known.get(name)?.writes.get(id);
      if (write?.kind === 'put' && write.outcome !== 'refused' && write.invokedAt < endedAt) continue;
      violations.push(`E2: ${name} is found under ${id}, which no write made`);
    }
  }
  for (const [name, key] of known) {
    const isTouched = [...key.writes.values()].some(
      (write) => write.outcome !== 'refused' && write.endedAt > agreedAt && write.invokedAt < endedAt,
    );
    if (isTouched) continue;
    const wanted = [...(shown.get(name) ?? [])].sort((a, b) => a - b).join();
    const got = (found.get(name) ?? []).join();
    if (got !== wanted) violations.push(`E3: ${name} is found under [${got}], and shows [${wanted}]`);
  }
  return violations;
}
