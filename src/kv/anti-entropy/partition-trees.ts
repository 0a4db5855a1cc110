/** The trees of one partition: one for each preference list (first partition, n_val) that it is a member of. */
import { Buffer } from 'node:buffer';
import { type Partition, ringSizeMax } from '../../core/ring/index.ts';
import { decodeTree, encodeTree, type Hash64, TictacTree } from '../../merkle/index.ts';

const headBytes = 2 + 2 + 4;

/** Shown for a preference list that has no tree; never changed. */
const emptyTree = new TictacTree();

export class PartitionTrees {
  readonly #trees = new Map<number, TictacTree>();

  add(first: Partition, nVal: number, key: Readonly<Hash64>, version: Readonly<Hash64>): void {
    this.#treeFor(first, nVal).add(key, version);
  }

  remove(first: Partition, nVal: number, key: Readonly<Hash64>, version: Readonly<Hash64>): void {
    this.#treeFor(first, nVal).remove(key, version);
  }

  replace(
    first: Partition,
    nVal: number,
    key: Readonly<Hash64>,
    before: Readonly<Hash64>,
    after: Readonly<Hash64>,
  ): void {
    this.#treeFor(first, nVal).replace(key, before, after);
  }

  /** For reading only. */
  treeOf(first: Partition, nVal: number): TictacTree {
    return this.#trees.get(nVal * ringSizeMax + first) ?? emptyTree;
  }

  get entries(): number {
    let entries = 0;
    for (const tree of this.#trees.values()) entries += tree.entries;
    return entries;
  }

  equals(other: PartitionTrees): boolean {
    const lists = new Set([...this.#trees.keys(), ...other.#trees.keys()]);
    return [...lists].every((list) =>
      (this.#trees.get(list) ?? emptyTree).equals(other.#trees.get(list) ?? emptyTree),
    );
  }

  /** For each tree: first partition (2), n_val (2), length (4), the tree. Equal trees have equal bytes. */
  encode(): Buffer {
    const parts: Buffer[] = [];
    for (const list of [...this.#trees.keys()].sort((a, b) => a - b)) {
      const tree = this.#trees.get(list)!;
      if (tree.isEmpty && tree.entries === 0) continue;
      const bytes = encodeTree(tree);
      const head = Buffer.allocUnsafe(headBytes);
      head.writeUInt16BE(list % ringSizeMax, 0);
      head.writeUInt16BE(Math.floor(list / ringSizeMax), 2);
      head.writeUInt32BE(bytes.length, 4);
      parts.push(head, bytes);
    }
    return Buffer.concat(parts);
  }

  /** Undefined: not what `encode` makes. */
  static decode(bytes: Buffer): PartitionTrees | undefined {
    const trees = new PartitionTrees();
    let at = 0;
    while (at < bytes.length) {
      if (at + headBytes > bytes.length) return undefined;
      const first = bytes.readUInt16BE(at);
      const nVal = bytes.readUInt16BE(at + 2);
      const end = at + headBytes + bytes.readUInt32BE(at + 4);
      if (end > bytes.length || first >= ringSizeMax) return undefined;
      const tree = decodeTree(bytes.subarray(at + headBytes, end));
      if (tree === undefined) return undefined;
      trees.#trees.set(nVal * ringSizeMax + first, tree);
      at = end;
    }
    return trees;
  }

  #treeFor(first: Partition, nVal: number): TictacTree {
    const list = nVal * ringSizeMax + first;
    const known = this.#trees.get(list);
    if (known !== undefined) return known;
    const tree = new TictacTree();
    this.#trees.set(list, tree);
    return tree;
  }
}
