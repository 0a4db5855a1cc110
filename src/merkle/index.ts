/** Hash trees that are kept in place, and their comparison over a wire. */
export { branchesOf, Exchange, type ExchangeStep } from './exchange.ts';
export { Hash64 } from './hash64.ts';
export { SegmentSet, segmentSetWords } from './segment-set.ts';
export { segmentOf, TictacTree } from './tictac-tree.ts';
export { decodeTree, encodeTree, levelBytes, readLevel, writeLevel } from './tree-encoding.ts';
export { type LevelHashes, segmentCount } from './tree-shape.ts';
