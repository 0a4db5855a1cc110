/**
 * Two levels of 32: 1,024 leaves. A partition of some thousand objects has a few of them in each leaf; a level
 * of 32 hashes is 256 bytes on the wire; a whole tree is 8 KiB in memory.
 */
export const branchCount = 32;
export const leavesPerBranch = 32;
export const segmentCount = branchCount * leavesPerBranch;

/** A level's hashes as words: high, low, high, low, …, in ascending order. */
export type LevelHashes = Uint32Array;
export const levelWords = 2 * 32;
