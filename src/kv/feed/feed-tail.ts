/**
 * The newest entries of all feeds of this node, in memory: who follows closely is answered without a look at the disk,
 * which takes milliseconds for each partition.
 *
 * L1  It has every entry of this run that was committed after `from`, in the order of their counters.
 */
import type { Partition } from '../../core/ring/index.ts';
import { assert, type ByteString } from '../../stdx/index.ts';

export interface TailEntry {
  readonly bucket: ByteString;
  readonly partition: Partition;
  readonly counter: number;
  readonly key: ByteString;
  readonly micros: number;
  readonly digest: ByteString;
}

export class FeedTail {
  readonly #entriesMax: number;
  /** In order; those at the front are let go half a tail at a time. */
  #entries: TailEntry[] = [];
  #from = 0;

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  add(entry: TailEntry): void {
    const last = this.#entries.at(-1);
    assert(last === undefined || last.counter < entry.counter, 'entries are committed in their order');
    this.#entries.push(entry);
    if (this.#entries.length <= this.#entriesMax) return;
    const kept = Math.ceil(this.#entriesMax / 2);
    this.#from = this.#entries.at(-kept - 1)!.counter;
    this.#entries = this.#entries.slice(-kept);
  }

  /** All of the partition's behind this count; undefined: it does not reach back so far. */
  after(bucket: ByteString, partition: Partition, counter: number): readonly TailEntry[] | undefined {
    if (counter < this.#from) return undefined;
    const found: TailEntry[] = [];
    for (let at = this.#firstAfter(counter); at < this.#entries.length; at += 1) {
      const entry = this.#entries[at]!;
      if (entry.partition === partition && entry.bucket === bucket) found.push(entry);
    }
    return found;
  }

  #firstAfter(counter: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#entries[middle]!.counter <= counter) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
