import type { Causality } from '../../clocks/index.ts';
import type { VersionedObject } from './versioned-object.ts';

/** Where `a` stands to `b` by their clocks: `descends` if it has seen all that `b` has, and more. */
export function compareObjects(a: VersionedObject, b: VersionedObject): Causality {
  return sameVersion(a, b) ? 'equal' : a.clock.compare(b.clock);
}

/**
 * The same clock to the byte, and as many siblings. Objects that only merging and coordinated puts made then have the same
 * siblings. Their number is looked at since a vnode that has forgotten a tombstone stores what it does not have a dot of under the
 * clock of both (`replicaPutAfterReap`), which one that still has it stores beside it.
 */
export function sameVersion(a: VersionedObject, b: VersionedObject): boolean {
  return a === b || (a.siblingCount === b.siblingCount && a.hasContextOf(b));
}
