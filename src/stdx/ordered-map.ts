/**
 * A map in key order with snapshots that cost nothing to take: a B+ tree that is copied on write.
 *
 * Every node carries the edit it was made in. The map changes nodes of its own edit in place and copies
 * any other before changing it; taking a snapshot just begins a new edit, so that all nodes of before are
 * left alone. A snapshot thus costs one object, and a write after it copies the nodes on one path.
 *
 * Keys compare with `<`, by UTF-16 code unit: byte order for a `ByteString`.
 *
 * Nodes that shrink below a quarter are merged with a neighbour where the two fit into one; nodes are not
 * otherwise balanced after deletes ("merge at low water": Johnson and Shasha, "B-trees with inserts and
 * deletes: why free-at-empty is better than merge-at-half", 1993). All leaves are at the same depth.
 */
import { assert } from './assert.ts';

const NODE_LENGTH_MAX = 64;
const NODE_LENGTH_LOW = NODE_LENGTH_MAX / 4;

/** Identity of the edit in which a node was made. */
type Edit = object;

class Leaf<V> {
  readonly edit: Edit;
  readonly keys: string[];
  readonly values: V[];
  constructor(edit: Edit, keys: string[], values: V[]) {
    this.edit = edit;
    this.keys = keys;
    this.values = values;
  }
}

/** `keys[i]` is at or below all keys of `children[i]` and above all of `children[i - 1]`; `keys[0]` is unused. */
class Branch<V> {
  readonly edit: Edit;
  readonly keys: string[];
  readonly children: Node<V>[];
  constructor(edit: Edit, keys: string[], children: Node<V>[]) {
    this.edit = edit;
    this.keys = keys;
    this.children = children;
  }
}

type Node<V> = Leaf<V> | Branch<V>;

interface Split<V> {
  readonly key: string;
  readonly right: Node<V>;
}

export class OrderedMap<V> {
  #edit: Edit = {};
  #root: Node<V> = new Leaf<V>(this.#edit, [], []);
  #size = 0;
  /** What the last `set` or `delete` replaced. */
  #replaced: V | undefined;

  get size(): number {
    return this.#size;
  }

  get(key: string): V | undefined {
    return valueIn(this.#root, key);
  }

  /** Returns the value that was there before. */
  set(key: string, value: V): V | undefined {
    this.#replaced = undefined;
    const root = this.#owned(this.#root);
    const split = this.#insert(root, key, value);
    this.#root = split === undefined ? root : new Branch(this.#edit, ['', split.key], [root, split.right]);
    return this.#takeReplaced();
  }

  /** Returns the value that was there before; undefined if the key was missing. */
  delete(key: string): V | undefined {
    if (this.get(key) === undefined && !hasKey(this.#root, key)) return undefined;
    this.#replaced = undefined;
    const root = this.#owned(this.#root);
    this.#remove(root, key);
    this.#root = root instanceof Branch && root.children.length === 1 ? root.children[0]! : root;
    return this.#takeReplaced();
  }

  /** The map as it is now, for ever. */
  snapshot(): OrderedMapSnapshot<V> {
    this.#edit = {};
    return new OrderedMapSnapshot(this.#root, this.#size);
  }

  #takeReplaced(): V | undefined {
    const replaced = this.#replaced;
    this.#replaced = undefined;
    return replaced;
  }

  #owned(node: Node<V>): Node<V> {
    if (node.edit === this.#edit) return node;
    return node instanceof Leaf
      ? new Leaf(this.#edit, node.keys.slice(), node.values.slice())
      : new Branch(this.#edit, node.keys.slice(), node.children.slice());
  }

  #ownedChild(branch: Branch<V>, index: number): Node<V> {
    const child = this.#owned(branch.children[index]!);
    branch.children[index] = child;
    return child;
  }

  #insert(node: Node<V>, key: string, value: V): Split<V> | undefined {
    if (node instanceof Leaf) {
      this.#insertIntoLeaf(node, key, value);
    } else {
      const index = childIndex(node, key);
      const split = this.#insert(this.#ownedChild(node, index), key, value);
      if (split !== undefined) {
        node.keys.splice(index + 1, 0, split.key);
        node.children.splice(index + 1, 0, split.right);
      }
    }
    return node.keys.length > NODE_LENGTH_MAX ? this.#split(node) : undefined;
  }

  #insertIntoLeaf(leaf: Leaf<V>, key: string, value: V): void {
    const index = lowerBound(leaf.keys, key);
    if (leaf.keys[index] === key) {
      this.#replaced = leaf.values[index];
      leaf.values[index] = value;
    } else if (index === leaf.keys.length) {
      leaf.keys.push(key);
      leaf.values.push(value);
      this.#size += 1;
    } else {
      leaf.keys.splice(index, 0, key);
      leaf.values.splice(index, 0, value);
      this.#size += 1;
    }
  }

  #split(node: Node<V>): Split<V> {
    const middle = node.keys.length >>> 1;
    const keys = node.keys.splice(middle);
    const right =
      node instanceof Leaf
        ? new Leaf(this.#edit, keys, node.values.splice(middle))
        : new Branch(this.#edit, keys, node.children.splice(middle));
    return { key: keys[0]!, right };
  }

  #remove(node: Node<V>, key: string): void {
    if (node instanceof Leaf) {
      const index = lowerBound(node.keys, key);
      assert(node.keys[index] === key, 'the key to delete is in its leaf');
      this.#replaced = node.values[index];
      node.keys.splice(index, 1);
      node.values.splice(index, 1);
      this.#size -= 1;
      return;
    }
    const index = childIndex(node, key);
    const child = this.#ownedChild(node, index);
    this.#remove(child, key);
    if (child.keys.length < NODE_LENGTH_LOW && node.children.length > 1) {
      this.#merge(node, index < node.children.length - 1 ? index : index - 1);
    }
  }

  /** Merges the children at `index` and `index + 1` if they fit into one. */
  #merge(branch: Branch<V>, index: number): void {
    const right = branch.children[index + 1]!;
    if (branch.children[index]!.keys.length + right.keys.length > NODE_LENGTH_MAX / 2) return;
    const left = this.#ownedChild(branch, index);
    if (left instanceof Leaf && right instanceof Leaf) {
      left.keys.push(...right.keys);
      left.values.push(...right.values);
    } else if (left instanceof Branch && right instanceof Branch) {
      left.keys.push(branch.keys[index + 1]!, ...right.keys.slice(1));
      left.children.push(...right.children);
    }
    branch.keys.splice(index + 1, 1);
    branch.children.splice(index + 1, 1);
  }
}

export class OrderedMapSnapshot<V> {
  readonly #root: Node<V>;
  readonly size: number;

  constructor(root: Node<V>, size: number) {
    this.#root = root;
    this.size = size;
  }

  get(key: string): V | undefined {
    return valueIn(this.#root, key);
  }

  /** A walker that stands before the first key (in reverse: behind the last). */
  walk(reverse = false): OrderedMapWalker<V> {
    return new OrderedMapWalker(this.#root, reverse);
  }
}

/** Walks a snapshot: `while (walker.next()) use(walker.key, walker.value)`. */
export class OrderedMapWalker<V> {
  readonly #root: Node<V>;
  readonly #reverse: boolean;
  /** The path to the leaf, and the index in each node. Empty before the first `next`. */
  readonly #path: Branch<V>[] = [];
  readonly #indexes: number[] = [];
  #leaf: Leaf<V> | undefined;
  #index = 0;

  constructor(root: Node<V>, reverse: boolean) {
    this.#root = root;
    this.#reverse = reverse;
  }

  /** Only after `next` or `seek` returned true. */
  get key(): string {
    return this.#leaf!.keys[this.#index]!;
  }

  get value(): V {
    return this.#leaf!.values[this.#index]!;
  }

  /** Moves to the next entry; false at the end. */
  next(): boolean {
    if (this.#leaf === undefined) {
      this.#descend(this.#root, undefined);
      this.#index = this.#reverse ? this.#leaf!.keys.length - 1 : 0;
    } else {
      this.#index += this.#reverse ? -1 : 1;
    }
    return this.#settle();
  }

  /** Moves to the first entry at or after `key` (in reverse: at or before); false if there is none. */
  seek(key: string): boolean {
    this.#path.length = 0;
    this.#indexes.length = 0;
    this.#descend(this.#root, key);
    const leaf = this.#leaf!;
    this.#index = lowerBound(leaf.keys, key);
    if (this.#reverse && leaf.keys[this.#index] !== key) this.#index -= 1;
    return this.#settle();
  }

  /** Goes down to the leaf for `key`, or to the outermost one. */
  #descend(from: Node<V>, key: string | undefined): void {
    let node = from;
    while (node instanceof Branch) {
      const edge = this.#reverse ? node.children.length - 1 : 0;
      const index = key === undefined ? edge : childIndex(node, key);
      this.#path.push(node);
      this.#indexes.push(index);
      node = node.children[index]!;
    }
    this.#leaf = node;
  }

  /** If the index has left its leaf, goes on to the next leaf that holds anything. */
  #settle(): boolean {
    while (this.#index < 0 || this.#index >= this.#leaf!.keys.length) {
      if (!this.#nextLeaf()) return false;
      this.#index = this.#reverse ? this.#leaf!.keys.length - 1 : 0;
    }
    return true;
  }

  #nextLeaf(): boolean {
    const step = this.#reverse ? -1 : 1;
    for (let depth = this.#path.length - 1; depth >= 0; depth--) {
      const index = this.#indexes[depth]! + step;
      const branch = this.#path[depth]!;
      if (index < 0 || index >= branch.children.length) continue;
      this.#path.length = depth + 1;
      this.#indexes.length = depth + 1;
      this.#indexes[depth] = index;
      this.#descend(branch.children[index]!, undefined);
      return true;
    }
    return false;
  }
}

function valueIn<V>(root: Node<V>, key: string): V | undefined {
  const leaf = leafOf(root, key);
  const index = lowerBound(leaf.keys, key);
  return leaf.keys[index] === key ? leaf.values[index] : undefined;
}

function hasKey<V>(root: Node<V>, key: string): boolean {
  const { keys } = leafOf(root, key);
  return keys[lowerBound(keys, key)] === key;
}

function leafOf<V>(root: Node<V>, key: string): Leaf<V> {
  let node = root;
  while (node instanceof Branch) node = node.children[childIndex(node, key)]!;
  return node;
}

/** The first index whose key is at or above `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The child whose range holds `key`: the last one whose separator is at or below it. */
function childIndex<V>(branch: Branch<V>, key: string): number {
  let low = 1;
  let high = branch.keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (branch.keys[middle]! <= key) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
