/**
 * A whole service for state that merges and need not outlive the process: items under names, in memory. A request is an
 * item; it is merged with what the vnode has under its name, and the answer is what came of that. What keeps items
 * is that they have replicas; a node that comes back empty is filled by the next request of each name.
 *
 * Merging must be commutative, associative and idempotent: then requests may be sent twice, partitions copied while
 * they are written, and replicas merged in any order. The same item must have the same JSON at each node, or stray
 * items are handed over again and again.
 */
import { Buffer } from 'node:buffer';
import {
  type FoldOptions,
  type PartitionFold,
  type PartitionStore,
  PartitionStoreError,
} from '../handoff/index.ts';
import type { Partition } from '../ring/index.ts';
import type { VnodeService } from '../vnode/index.ts';
import type { Outcome } from './outcome.ts';
import type { ServiceContext } from './service-node.ts';

export interface MemoryPartitionsParts<Item> {
  readonly nameOf: (item: Item) => string;
  readonly merge: (one: Item, other: Item) => Item;
}

export class MemoryPartitions<Item> implements PartitionStore, VnodeService<Item, Outcome<Item>> {
  readonly #context: ServiceContext<Item>;
  readonly #parts: MemoryPartitionsParts<Item>;
  readonly #partitions = new Map<Partition, Map<string, Item>>();

  constructor(context: ServiceContext<Item>, parts: MemoryPartitionsParts<Item>) {
    this.#context = context;
    this.#parts = parts;
  }

  handle(partition: Partition, item: Item, reply: (outcome: Outcome<Item>) => void): void {
    const { gate } = this.#context;
    const name = this.#parts.nameOf(item);
    const items = this.#of(partition);
    const present = items.get(name);
    const merged = present === undefined ? item : this.#parts.merge(present, item);
    items.set(name, merged);
    if (!gate.isMoving(partition)) {
      reply({ kind: 'answer', answer: merged });
      return;
    }
    gate.passed(partition, merged, (mayCount) => {
      reply(mayCount ? { kind: 'answer', answer: merged } : { kind: 'failed', reason: 'refused' });
    });
  }

  async isEmpty(partition: Partition): Promise<boolean> {
    return (this.#partitions.get(partition)?.size ?? 0) === 0;
  }

  async approximateBytes(partition: Partition): Promise<number> {
    let bytes = 0;
    for (const item of this.#partitions.get(partition)?.values() ?? []) bytes += JSON.stringify(item).length;
    return bytes;
  }

  fold(partition: Partition, { sliceBytes, firstPartitions, alsoIn }: FoldOptions): PartitionFold {
    const isWanted = (name: string): boolean => {
      const holders = this.#context.partitionsOf(name);
      return (
        (firstPartitions === undefined || firstPartitions.has(holders[0]!)) &&
        (alsoIn === undefined || holders.includes(alsoIn))
      );
    };
    const items = [...(this.#partitions.get(partition) ?? [])].filter(([name]) => isWanted(name));
    let at = 0;
    return {
      unreadable: 0,
      next: async () => {
        const slice: Buffer[] = [];
        for (let bytes = 0; at < items.length && bytes < sliceBytes; at++) {
          const item = encodeItem(items[at]![1]);
          slice.push(item);
          bytes += item.length;
        }
        return slice.length === 0 ? undefined : slice;
      },
      close: async () => {
        at = items.length;
      },
    };
  }

  async merge(partition: Partition, items: readonly Buffer[]): Promise<void> {
    const outcomes = items.map((bytes) => {
      const item = decodeItem<Item>(bytes);
      return new Promise<Outcome<Item>>((resolve) => this.handle(partition, item, resolve));
    });
    if ((await Promise.all(outcomes)).some(({ kind }) => kind !== 'answer')) {
      throw new PartitionStoreError('storage', 'the partition moves on, and its new owner does not take it');
    }
  }

  async forget(partition: Partition, items: readonly Buffer[]): Promise<void> {
    const present = this.#of(partition);
    for (const bytes of items) {
      const name = this.#parts.nameOf(decodeItem<Item>(bytes));
      const item = present.get(name);
      if (item !== undefined && encodeItem(item).equals(bytes)) present.delete(name);
    }
  }

  async drop(partition: Partition): Promise<void> {
    this.#partitions.delete(partition);
  }

  #of(partition: Partition): Map<string, Item> {
    let items = this.#partitions.get(partition);
    if (items === undefined) {
      items = new Map();
      this.#partitions.set(partition, items);
    }
    return items;
  }
}

function encodeItem(item: unknown): Buffer {
  return Buffer.from(JSON.stringify(item));
}

function decodeItem<Item>(bytes: Buffer): Item {
  try {
    return JSON.parse(bytes.toString()) as Item;
  } catch (cause) {
    throw new PartitionStoreError('malformed', 'an item is no JSON', { cause });
  }
}
