/**
 * What may be lost when a node goes for good and its disk with it, judged by the disks of those that stay: a write that none
 * of them shows, and the word that a value was replaced, if some copy still shows it and none knows better. All else is to be there
 * in the end. A write that was replaced by one that stays needs no excuse: the checkers of reads know of that.
 */
import type { Dot } from '../../clocks/index.ts';
import { VersionedObject } from '../../kv/index.ts';
import { decodeContent } from '../../wire/index.ts';
import { idOfValue } from '../workloads/numbered-values.ts';
import { type KeyHistory, type KeyWrite, never } from './key-history.ts';

/** A copy of a key that stays. */
export interface LeftCopy {
  readonly covers: (dot: Dot) => boolean;
  /** By the number of the write whose value it shows. */
  readonly shown: ReadonlyMap<number, Dot | undefined>;
}

export function leftCopyOf(bytes: VersionedObject['bytes']): LeftCopy {
  const object = VersionedObject.decode(bytes);
  const { clock } = object;
  const shown = new Map<number, Dot | undefined>();
  for (const { dot, content } of object.siblings) {
    const { deleted, value } = decodeContent(content);
    if (!deleted) shown.set(idOfValue(value), dot);
  }
  return { covers: (dot) => clock.covers(dot), shown };
}

/** Of the writes that were acknowledged before `moment`. Returns how many may be lost: they count as of unknown outcome from now on. */
export function excuseLost(history: KeyHistory, left: readonly LeftCopy[], moment: number): number {
  const acked = [...history.writes.values()].filter(
    ({ outcome, endedAt }) => outcome === 'acked' && endedAt < moment,
  );
  const replaced = new Set(acked.flatMap(({ past }) => [...past]));
  const lost = acked.filter((write) => {
    if (write.kind === 'put')
      return !replaced.has(write.id) && !left.some(({ shown }) => shown.has(write.id));
    return [...write.past].some((id) => mayComeBack(id, left));
  });
  for (const write of lost) forget(write);
  return lost.length;
}

/** Some copy shows it, and none has it replaced. */
function mayComeBack(id: number, left: readonly LeftCopy[]): boolean {
  const showing = left.filter(({ shown }) => shown.has(id));
  return (
    showing.length > 0 &&
    !left.some((copy) => {
      if (copy.shown.has(id)) return false;
      return showing.every(({ shown }) => {
        const dot = shown.get(id);
        return dot !== undefined && copy.covers(dot);
      });
    })
  );
}

function forget(write: KeyWrite): void {
  write.outcome = 'unknown';
  write.endedAt = never;
}
