import { byteStringOf, type OrderedMapSnapshot } from '../../stdx/index.ts';
import type { KeyRange } from '../storage-engine.ts';

/** Entries that are looked at before the event loop gets its turn. */
const ENTRIES_PER_TURN_MAX = 10_000;

/** The keys of a half-open range, in order. */
export function* keysIn<Slot>(tree: OrderedMapSnapshot<Slot>, range: KeyRange): Generator<string> {
  const to = range.to && byteStringOf(range.to);
  const walker = tree.walk();
  let found = range.from === undefined ? walker.next() : walker.seek(byteStringOf(range.from));
  for (; found && (to === undefined || walker.key < to); found = walker.next()) yield walker.key;
}

/** The sum of `sizeOf` over a range; looks at every entry, in slices. */
export async function sizeIn<Slot>(
  tree: OrderedMapSnapshot<Slot>,
  range: KeyRange,
  sizeOf: (name: string, slot: Slot) => number,
  yieldTurn: () => Promise<void>,
): Promise<number> {
  let sum = 0;
  let entries = 0;
  for (const name of keysIn(tree, range)) {
    sum += sizeOf(name, tree.get(name)!);
    entries += 1;
    if (entries % ENTRIES_PER_TURN_MAX === 0) await yieldTurn();
  }
  return sum;
}
