/**
 * A tree in bytes, and a level of one. Version 1, numbers big-endian:
 *
 *     01  entries(8)  branches(4: bit i for branch i)  32 x 8 bytes for each branch
 *
 * A branch of zeros is left out, so equal trees have equal bytes.
 */
import { Buffer } from 'node:buffer';
import { branchesOf } from './exchange.ts';
import { TictacTree } from './tictac-tree.ts';
import { branchCount, type LevelHashes, levelWords } from './tree-shape.ts';

export const levelBytes = 4 * levelWords;

const version = 0x01;
const headBytes = 1 + 8 + 4;

export function encodeTree(tree: TictacTree): Buffer {
  let bits = 0;
  for (let branch = 0; branch < branchCount; branch += 1) {
    if (tree.leavesOf(branch).some((word) => word !== 0)) bits |= 1 << branch;
  }
  const branches = branchesOf(bits);
  const bytes = Buffer.allocUnsafe(headBytes + branches.length * levelBytes);
  bytes[0] = version;
  bytes.writeBigInt64BE(BigInt(tree.entries), 1);
  bytes.writeInt32BE(bits, 9);
  branches.forEach((branch, i) => {
    writeLevel(tree.leavesOf(branch), bytes, headBytes + i * levelBytes);
  });
  return bytes;
}

/** Undefined: not a tree of this version. */
export function decodeTree(bytes: Buffer): TictacTree | undefined {
  if (bytes.length < headBytes || bytes[0] !== version) return undefined;
  const entries = Number(bytes.readBigInt64BE(1));
  const branches = branchesOf(bytes.readInt32BE(9));
  if (bytes.length !== headBytes + branches.length * levelBytes || !Number.isSafeInteger(entries))
    return undefined;
  return TictacTree.ofLeaves(
    entries,
    branches.map((branch, i) => [branch, readLevel(bytes, headBytes + i * levelBytes)] as const),
  );
}

/** Takes `levelBytes`. */
export function writeLevel(level: Readonly<LevelHashes>, into: Buffer, at: number): void {
  for (let i = 0; i < levelWords; i += 1) into.writeUInt32BE(level[i]!, at + 4 * i);
}

export function readLevel(bytes: Buffer, at: number): LevelHashes {
  const level = new Uint32Array(levelWords);
  for (let i = 0; i < levelWords; i += 1) level[i] = bytes.readUInt32BE(at + 4 * i);
  return level;
}
