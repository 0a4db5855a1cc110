import type { Causality } from '../../clocks/index.ts';
import type { VersionedObject } from './versioned-object.ts';

/** Where `a` stands to `b` by their clocks: `descends` if it has seen all that `b` has, and more. */
export function compareObjects(a: VersionedObject, b: VersionedObject): Causality {
  return sameVersion(a, b) ? 'equal' : a.clock.compare(b.clock);
}

/** The same clock to the byte. Objects that only merging and coordinated puts made then have the same siblings. */
export function sameVersion(a: VersionedObject, b: VersionedObject): boolean {
  return a === b || a.hasContextOf(b);
}
