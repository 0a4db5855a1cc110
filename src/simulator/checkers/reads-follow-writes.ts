/**
 * What every read of one node's database must show, given what its clients did before:
 *
 *   F1 invented    only values that were written, by writes that were not refused, begun before the read ended
 *   F2 lost        every write acknowledged before the read began, unless a write that may replace it had
 *                  begun before the read ended (promise 1; also after a crash: a restart is no excuse)
 *   F3 resurrected nothing that an acknowledged write or delete had replaced before the read began
 *   F4 kept both   no two siblings of which one replaced the other
 *   F5 siblings    one value only where the bucket keeps no siblings
 *
 * A value that was read counts as acknowledged from then on, unless the scenario's faults forbid: reads
 * show committed data, and what is committed survives.
 *
 * "May replace" is by what clients knew (the contexts that they gave back), and where the bucket keeps no
 * siblings by the order in which writes ended and began: on one node stamps grow with time, so of two
 * writes that did not overlap the later one wins. While the wall clock jumps any other write may win there.
 * The conditions are necessary ones, each with a short proof from the semantics; they are not complete.
 */
import { type KeyHistory, type KeyRead, type KeyWrite, never } from './key-history.ts';

export interface ReadRules {
  readonly clockJumps: boolean;
  readonly seenMeansKept: boolean;
  /**
   * Writes that two nodes coordinated, since the first did not answer in time. Each may be shown once more, as a sibling,
   * after it was replaced: whoever replaced it knew one of its two dots (R09).
   */
  readonly twins?: ReadonlySet<number>;
}

const noTwins: ReadonlySet<number> = new Set();

/** One sentence for each violation. */
export function checkReadsFollowWrites(history: KeyHistory, rules: ReadRules): readonly string[] {
  const settledAt = settlingOf(history, rules);
  const replaceableFrom = new Map<number, number>();
  const goneFrom = new Map<number, number>();
  for (const write of history.writes.values()) {
    if (write.kind !== 'put') continue;
    replaceableFrom.set(
      write.id,
      earliest(history, write, (other) => mayReplace(other, write, history, rules)),
    );
    goneFrom.set(write.id, goneSince(history, write, settledAt, rules));
  }
  const violations: string[] = [];
  const report = (read: KeyRead, what: string): void => {
    violations.push(`${history.bucket}/${history.key}: ${what}, read ${read.invokedAt} to ${read.endedAt}`);
  };
  for (const read of history.reads) {
    checkShown(history, read, goneFrom, rules.twins ?? noTwins, report);
    for (const write of history.writes.values()) {
      if (write.kind !== 'put' || settledAt.get(write.id)! >= read.invokedAt) continue;
      if (read.ids.includes(write.id) || replaceableFrom.get(write.id)! < read.endedAt) continue;
      report(read, `F2 lost: write ${write.id}, acknowledged at ${settledAt.get(write.id)}`);
    }
  }
  return violations;
}

function checkShown(
  history: KeyHistory,
  read: KeyRead,
  goneFrom: ReadonlyMap<number, number>,
  twins: ReadonlySet<number>,
  report: (read: KeyRead, what: string) => void,
): void {
  if (history.conflicts !== 'siblings' && read.ids.length > 1)
    report(read, `F5 siblings: ${read.ids.join()}`);
  for (const id of read.ids) {
    const write = history.writes.get(id);
    if (write === undefined || write.outcome === 'refused' || write.invokedAt > read.endedAt) {
      report(read, `F1 invented: write ${id}`);
      continue;
    }
    if (goneFrom.get(id)! < read.invokedAt && !twins.has(id)) {
      report(read, `F3 resurrected: write ${id}, gone since ${goneFrom.get(id)}`);
    }
    const replaced = read.ids.find((other) => write.past.has(other) && !twins.has(other));
    if (replaced !== undefined) report(read, `F4 kept both: write ${id} replaced ${replaced}`);
  }
}

/** When each write was certainly done: acknowledged, or seen. */
function settlingOf(history: KeyHistory, rules: ReadRules): ReadonlyMap<number, number> {
  const settledAt = new Map<number, number>();
  for (const { id, endedAt } of history.writes.values()) settledAt.set(id, endedAt);
  if (!rules.seenMeansKept) return settledAt;
  for (const { ids, endedAt } of history.reads) {
    for (const id of ids) settledAt.set(id, Math.min(endedAt, settledAt.get(id) ?? never));
  }
  return settledAt;
}

function earliest(history: KeyHistory, write: KeyWrite, isOne: (other: KeyWrite) => boolean): number {
  let first = never;
  for (const other of history.writes.values()) {
    if (other.id !== write.id && other.outcome !== 'refused' && isOne(other)) {
      first = Math.min(first, other.invokedAt);
    }
  }
  return first;
}

function mayReplace(other: KeyWrite, write: KeyWrite, history: KeyHistory, rules: ReadRules): boolean {
  if (other.past.has(write.id)) return true;
  const endedBefore = other.endedAt < write.invokedAt;
  if (other.readsItself && !endedBefore) return true;
  if (history.conflicts === 'siblings') return false;
  if (history.conflicts === 'latest' && rules.clockJumps) return !write.past.has(other.id);
  return !endedBefore;
}

/** From when on the write may not be shown any more. */
function goneSince(
  history: KeyHistory,
  write: KeyWrite,
  settledAt: ReadonlyMap<number, number>,
  rules: ReadRules,
): number {
  // Where the stamps decide and the clock jumps, an older value may stand for a newer write.
  if (history.conflicts === 'latest' && rules.clockJumps) return never;
  const doneAt = settledAt.get(write.id)!;
  let since = never;
  for (const other of history.writes.values()) {
    if (other.outcome !== 'acked' || other.id === write.id) continue;
    const began = doneAt < other.invokedAt;
    const replaces =
      other.past.has(write.id) || (began && (other.readsItself || history.conflicts !== 'siblings'));
    if (replaces) since = Math.min(since, other.endedAt);
  }
  return since;
}
