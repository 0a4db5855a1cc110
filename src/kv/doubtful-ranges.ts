/**
 * What a node must not believe of itself once its engine may have lost entries, or gone back to older ones: records that
 * tell of other entries as they were. Whoever misses his record makes it anew.
 */
import { Buffer } from 'node:buffer';
import type { KeyRange } from '../storage/index.ts';
import { savedTreesMark } from './anti-entropy/index.ts';
import { indexesCheckedFact } from './query/index.ts';
import { identityRange } from './vnode/index.ts';

/** Saved hash trees have the keys that are gone. */
export const savedTreesRange = only(savedTreesMark);

/** With the identities: a vnode that went on under an older one would issue its dots again. */
export const doubtfulRanges: readonly KeyRange[] = [identityRange, savedTreesRange, only(indexesCheckedFact)];

function only(key: Buffer): KeyRange {
  return { from: key, to: Buffer.concat([key, Buffer.from([0])]) };
}
