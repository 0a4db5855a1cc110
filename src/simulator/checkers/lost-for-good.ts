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

/** A copy of a key on a disk that is left. */
export interface LeftCopy {
  /** False: it is being dropped, and may be handed over as stray data before it is gone. */
  readonly isKept: boolean;
  readonly covers: (dot: Dot) => boolean;
  /** By the number of the write whose value it shows. */
  readonly shown: ReadonlyMap<number, Dot | undefined>;
}

export function leftCopyOf(bytes: VersionedObject['bytes'], isKept: boolean): LeftCopy {
  const object = VersionedObject.decode(bytes);
  const { clock } = object;
  const shown = new Map<number, Dot | undefined>();
  for (const { dot, content } of object.siblings) {
    const { deleted, value } = decodeContent(content);
    if (!deleted) shown.set(idOfValue(value), dot);
  }
  return { isKept, covers: (dot) => clock.covers(dot), shown };
}

/** Of the writes that were acknowledged before `moment`. Returns how many may be lost: they count as of unknown outcome from now on. */
export function excuseLost(history: KeyHistory, left: readonly LeftCopy[], moment: number): number {
  const acked = [...history.writes.values()].filter(
    ({ outcome, endedAt }) => outcome === 'acked' && endedAt < moment,
  );
  const replaced = new Set(acked.flatMap(({ past }) => [...past]));
  const isLost = ({ kind, id }: KeyWrite): boolean =>
    kind === 'put' && !replaced.has(id) && !left.some(({ isKept, shown }) => isKept && shown.has(id));
  const lost = acked.filter((write) => isLost(write) || [...write.past].some((id) => mayComeBack(id, left)));
  for (const write of lost) forget(write);
  return lost.length;
}

/** Some copy shows it, and none that is kept has it replaced. */
function mayComeBack(id: number, left: readonly LeftCopy[]): boolean {
  const showing = left.filter(({ shown }) => shown.has(id));
  const hasReplaced = ({ isKept, shown, covers }: LeftCopy): boolean =>
    isKept &&
    !shown.has(id) &&
    showing.every((copy) => {
      const dot = copy.shown.get(id);
      return dot !== undefined && covers(dot);
    });
  return showing.length > 0 && !left.some(hasReplaced);
}

function forget(write: KeyWrite): void {
  write.outcome = 'unknown';
  write.endedAt = never;
}
