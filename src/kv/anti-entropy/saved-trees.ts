/**
 * Trees on disk, from a clean stop to the next start.
 *
 * P1  Trees are believed only if the mark is there that was written, synced, after the last of them.
 * P2  The mark is off the disk, durably, before the first write after the start: so a crash leaves none, and a mark
 *     is taken up once.
 * P3  Nothing is stored while trees are saved, nor after: before, the vnodes turn away what other nodes and late read
 *     repairs would have them store, and what was queued is written.
 *
 * Rejected: saving them while the node runs. A saved tree is right until the first write after it, and names are
 * spread so evenly that within seconds every partition has one. To know which trees a crash has outdated, each write
 * would have to say so on disk; folding a million objects again takes less than a minute in the background.
 */
import { Buffer } from 'node:buffer';
import type { Partition } from '../../core/ring/index.ts';
import type { Log, Random } from '../../environment/index.ts';
import { byteStringOf } from '../../stdx/index.ts';
import { type GroupCommit, StorageError, type WriteBatch } from '../../storage/index.ts';
import { nodeFactKey } from '../vnode/index.ts';
import { PartitionTrees } from './partition-trees.ts';

/** 2: the digest of a version covers the number of siblings. */
const version = 2;
const tokenBytes = 8;
const markName = 'anti-entropy/mark';
/** Without it no saved tree is believed. */
export const savedTreesMark = nodeFactKey(markName);

export interface SavedTrees {
  /** Of the placements that the trees were made by. */
  readonly revision: string;
  readonly trees: ReadonlyMap<Partition, PartitionTrees>;
}

/** Reads what the last clean stop left, and takes the mark away. Rejects with `StorageError`. */
export async function takeSavedTrees(
  commit: GroupCommit,
  ringSize: number,
  partitions: readonly Partition[],
  log: Log,
): Promise<SavedTrees | undefined> {
  const mark = readFact(commit, markName, log);
  if (mark === undefined) return undefined;
  await written(commit, 'synced', (batch) => batch.delete(nodeFactKey(markName)));
  const parsed = parseMark(mark);
  if (parsed === undefined || parsed.ringSize !== ringSize) return undefined;
  const trees = new Map<Partition, PartitionTrees>();
  for (const partition of partitions) {
    const bytes = readFact(commit, treesName(partition), log);
    if (bytes === undefined || !bytes.subarray(0, tokenBytes).equals(parsed.token)) continue;
    const read = PartitionTrees.decode(bytes.subarray(tokenBytes));
    if (read !== undefined) trees.set(partition, read);
  }
  return { revision: parsed.revision, trees };
}

/** When nothing writes any more. Rejects with `StorageError`: then the next start folds. */
export async function saveTrees(
  commit: GroupCommit,
  ringSize: number,
  random: Random,
  { revision, trees }: SavedTrees,
): Promise<void> {
  const token = random.bytes(tokenBytes);
  for (const [partition, kept] of trees) {
    const value = Buffer.concat([token, kept.encode()]);
    await written(commit, 'os', (batch) => batch.put(nodeFactKey(treesName(partition)), value));
  }
  const head = Buffer.alloc(1 + 2);
  head[0] = version;
  head.writeUInt16BE(ringSize, 1);
  const mark = Buffer.concat([head, token, Buffer.from(revision, 'utf8')]);
  await written(commit, 'synced', (batch) => batch.put(nodeFactKey(markName), mark));
}

function treesName(partition: Partition): string {
  return `anti-entropy/trees/${partition}`;
}

function parseMark(mark: Buffer): { ringSize: number; token: Buffer; revision: string } | undefined {
  if (mark.length < 3 + tokenBytes || mark[0] !== version) return undefined;
  const token = mark.subarray(3, 3 + tokenBytes);
  return { ringSize: mark.readUInt16BE(1), token, revision: mark.toString('utf8', 3 + tokenBytes) };
}

/** A fact that is damaged is as good as none: the partition is folded. */
function readFact(commit: GroupCommit, name: string, log: Log): Buffer | undefined {
  const key = nodeFactKey(name);
  try {
    return commit.get(key);
  } catch (error) {
    if (!(error instanceof StorageError) || error.code !== 'corrupt') throw error;
    log.warn('saved hash trees cannot be read', { name: byteStringOf(key, 1), reason: error.message });
    return undefined;
  }
}

function written(
  commit: GroupCommit,
  durability: 'synced' | 'os',
  fill: (batch: WriteBatch) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    commit.write(durability, fill, (error) => (error === undefined ? resolve() : reject(error)));
  });
}
