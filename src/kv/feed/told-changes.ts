/**
 * What one answer of a node tells of, read and handed out a portion at a time: a feed of large objects has few of them in
 * memory, whoever reads it, and however slowly.
 *
 * A partition has been followed to the end of its part only when all of that was handed out (F4).
 */
import type { NodeId } from '../../environment/index.ts';
import type { ByteString } from '../../stdx/index.ts';
import type { VersionedObject } from '../object/index.ts';
import type { FeedItem, FeedPart } from './feed-protocol.ts';
import type { ReadChange, ReadVersion } from './read-version.ts';
import type { VersionMemory } from './version-memory.ts';

export type FeedEvent =
  | {
      readonly kind: 'changed';
      readonly key: ByteString;
      /** As a read would show it; a tombstone, or undefined, if the key is deleted. */
      readonly object: VersionedObject | undefined;
      /** When a replica stored it, by its clock; since the Unix epoch. */
      readonly micros: number;
    }
  /** Some replica's feed was lost: what is there comes again, and a deletion may have been missed. */
  | { readonly kind: 'gap' };

/** Bytes of objects from which on a portion takes no more. */
export const portionBytesMax = 2 ** 20;
/** Reads of changed keys that are under way at a time: at first, and at most. Large objects make it fewer. */
const readsMin = 8;
const readsMax = 64;

export interface ToldChangesParts {
  readonly node: NodeId;
  readonly told: readonly FeedPart[];
  readonly memory: VersionMemory;
  readonly read: ReadChange;
  /** All of the part was handed out. */
  readonly followed: (part: FeedPart) => void;
  /** A key could not be read: the partition is to be followed from the same place again. */
  readonly stuck: (part: FeedPart) => void;
}

/** A broken part begins with a gap; each part ends with a step that has no item. */
interface Step {
  readonly part: FeedPart;
  readonly item: FeedItem | 'gap' | 'end';
}

/** By `versionName`. */
type Versions = ReadonlyMap<string, ReadVersion>;

export class ToldChanges {
  readonly #parts: ToldChangesParts;
  readonly #steps: readonly Step[];
  readonly #stuck = new Set<FeedPart>();
  #at = 0;
  #readsMax = readsMin;

  constructor(parts: ToldChangesParts) {
    this.#parts = parts;
    this.#steps = parts.told.flatMap(stepsOf);
  }

  get isDone(): boolean {
    return this.#at >= this.#steps.length;
  }

  /** The next events; perhaps none. One call at a time. */
  async portion(): Promise<readonly FeedEvent[]> {
    const events: FeedEvent[] = [];
    let bytes = 0;
    while (!this.isDone && bytes < portionBytesMax) {
      const { steps, wanted } = this.#ahead();
      const versions = await this.#read(wanted);
      for (const step of steps) this.#take(step, versions, events);
      const read = bytesOf(versions);
      this.#readsMax =
        read > portionBytesMax / 2
          ? Math.max(1, this.#readsMax >> 1)
          : Math.min(readsMax, this.#readsMax << 1);
      bytes += read;
    }
    return events;
  }

  /** As far as so many reads go. */
  #ahead(): { readonly steps: readonly Step[]; readonly wanted: ReadonlyMap<string, Step> } {
    const from = this.#at;
    const wanted = new Map<string, Step>();
    for (; !this.isDone && wanted.size < this.#readsMax; this.#at += 1) {
      const step = this.#steps[this.#at]!;
      const { item, part } = step;
      if (typeof item === 'string' || this.#stuck.has(part)) continue;
      if (!this.#parts.memory.has(item.key, item.digest)) wanted.set(versionName(item), step);
    }
    return { steps: this.#steps.slice(from, this.#at), wanted };
  }

  /** What the changed keys hold now that were not told yet: each version that is told of is read once. */
  async #read(wanted: ReadonlyMap<string, Step>): Promise<Versions> {
    const { node, read } = this.#parts;
    const names = [...wanted];
    const found = await Promise.all(
      names.map(([, { part, item }]) => {
        const teller = { partition: part.partition, node, primary: true };
        return read((item as FeedItem).key, teller);
      }),
    );
    return new Map(names.map(([name], index) => [name, found[index]!]));
  }

  #take({ part, item }: Step, versions: Versions, events: FeedEvent[]): void {
    if (this.#stuck.has(part)) return;
    if (item === 'end') this.#parts.followed(part);
    else if (item === 'gap') events.push({ kind: 'gap' });
    else this.#tell(part, item, versions, events);
  }

  #tell(part: FeedPart, item: FeedItem, versions: Versions, events: FeedEvent[]): void {
    const { memory, stuck } = this.#parts;
    const version = versions.get(versionName(item));
    // Without one it was told before.
    if (version === undefined || memory.has(item.key, item.digest)) return;
    if (version.kind === 'failed') {
      this.#stuck.add(part);
      stuck(part);
    } else if (version.kind === 'lost') events.push({ kind: 'gap' });
    else if (memory.isNews(item.key, version.clock, version.digest)) {
      events.push({ kind: 'changed', key: item.key, object: version.object, micros: item.micros });
    }
  }
}

function stepsOf(part: FeedPart): readonly Step[] {
  const items: Step['item'][] = [...part.items, 'end'];
  if (part.isBroken) items.unshift('gap');
  return items.map((item) => ({ part, item }));
}

/** Digests are of one length. */
function versionName({ key, digest }: FeedItem): string {
  return digest + key;
}

function bytesOf(versions: Versions): number {
  let bytes = 0;
  for (const version of versions.values()) {
    if (version.kind === 'read') bytes += version.object?.sizeBytes ?? 0;
  }
  return bytes;
}
