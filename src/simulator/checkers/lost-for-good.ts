/**
 * What may be lost when a node goes for good and its disk with it, judged by what that disk had, and by the disks of those that
 * stay: a write that it kept and none of them keeps, and the word that a value was replaced, if it knew that, some copy still shows
 * the value, and none knows better. All else is to be there in the end. A write that was replaced by one that stays needs no excuse:
 * the checkers of reads know of that.
 */
import type { Dot } from '../../clocks/index.ts';
import { VersionedObject } from '../../kv/index.ts';
import { decodeContent } from '../../wire/index.ts';
import { idOfValue } from '../workloads/numbered-values.ts';
import { type KeyHistory, type KeyWrite, never } from './key-history.ts';

/** A copy of a key on a disk. */
export interface DiskCopy {
  /** False: it is being dropped, and may be handed over as stray data before it is gone. */
  readonly isKept: boolean;
  readonly covers: (dot: Dot) => boolean;
  /** By the number of the write whose value it shows. */
  readonly shown: ReadonlyMap<number, Dot | undefined>;
}

export function diskCopyOf(bytes: VersionedObject['bytes'], isKept: boolean): DiskCopy {
  const object = VersionedObject.decode(bytes);
  const { clock } = object;
  const shown = new Map<number, Dot | undefined>();
  for (const { dot, content } of object.siblings) {
    const { deleted, value } = decodeContent(content);
    if (!deleted) shown.set(idOfValue(value), dot);
  }
  return { isKept, covers: (dot) => clock.covers(dot), shown };
}

/** Of the acknowledged writes. Returns how many may be lost: they count as of unknown outcome from now on. */
export function excuseLost(history: KeyHistory, had: readonly DiskCopy[], left: readonly DiskCopy[]): number {
  const writes = [...history.writes.values()];
  const acked = writes.filter(({ outcome }) => outcome === 'acked');
  const staying = writes.filter(({ id }) => isKeptBy(left, id));
  const replaced = new Set([...acked, ...staying].flatMap(({ past }) => [...past]));
  const isLost = ({ kind, id }: KeyWrite): boolean =>
    kind === 'put' && !replaced.has(id) && isKeptBy(had, id) && !isKeptBy(left, id);
  const lost = acked.filter(
    (write) => isLost(write) || [...write.past].some((id) => mayComeBack(id, had, left)),
  );
  for (const write of lost) forget(write);
  return lost.length;
}

function isKeptBy(copies: readonly DiskCopy[], id: number): boolean {
  return copies.some(({ isKept, shown }) => isKept && shown.has(id));
}

/** Some copy shows it, and that it was replaced was known to the lost disk alone. */
function mayComeBack(id: number, had: readonly DiskCopy[], left: readonly DiskCopy[]): boolean {
  const showing = left.filter(({ shown }) => shown.has(id));
  const hasReplaced = ({ isKept, shown, covers }: DiskCopy): boolean =>
    isKept &&
    !shown.has(id) &&
    showing.every((copy) => {
      const dot = copy.shown.get(id);
      return dot !== undefined && covers(dot);
    });
  return showing.length > 0 && had.some(hasReplaced) && !left.some(hasReplaced);
}

function forget(write: KeyWrite): void {
  write.outcome = 'unknown';
  write.endedAt = never;
}
