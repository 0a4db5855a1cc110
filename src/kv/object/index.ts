export type { PruneLimits } from '../../clocks/index.ts';
export { compareObjects, sameVersion } from './causality.ts';
export { expiryOfObject, lastExpiryOf, withoutExpired } from './expiry.ts';
export { collapse, lastModified, mergeObjects } from './merge-objects.ts';
export { EmptyObjectError, ObjectFormatError } from './object-error.ts';
export {
  afterReap,
  asisObject,
  type CoordinatedWrite,
  mayHavePruned,
  needsNewEpoch,
  type Pruning,
  pruned,
  putObject,
  replicaPut,
  replicaPutAfterReap,
  writeOnceObject,
} from './put-object.ts';
export type { Sibling } from './stored-form.ts';
export { holdsContent, withoutTwins } from './twins.ts';
export { DigestWords, versionDigest, versionDigestBytes } from './version-digest.ts';
export { makeObject, VersionedObject } from './versioned-object.ts';
