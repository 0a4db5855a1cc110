/** Where the objects of each bucket are placed, as its properties say: n_val, and what of the name is hashed. */
import { createHash } from 'node:crypto';
import type { Placement, Placements } from './anti-entropy/index.ts';
import type { BucketProperties } from './bucket-properties.ts';
import type { BucketAddress } from './key-value-store.ts';
import type { PropertyStore } from './property-store.ts';

export class BucketPlacements implements Placements {
  readonly #properties: PropertyStore;
  /** Until properties change. */
  #summary: { readonly nVals: readonly number[]; readonly revision: string } | undefined;

  constructor(properties: PropertyStore) {
    this.#properties = properties;
  }

  of(address: BucketAddress): Placement | undefined {
    const properties = this.#properties.of(address);
    return properties && placementOf(properties);
  }

  get nVals(): readonly number[] {
    return this.#summarised().nVals;
  }

  get revision(): string {
    return this.#summarised().revision;
  }

  /** True if some bucket is placed in another way than before. */
  propertiesChanged(): boolean {
    const before = this.#summary?.revision;
    this.#summary = undefined;
    return before !== undefined && before !== this.revision;
  }

  #summarised() {
    this.#summary ??= summaryOf(this.#properties);
    return this.#summary;
  }
}

function summaryOf(properties: PropertyStore) {
  const nVals = new Set<number>();
  const lines: string[] = [];
  for (const [bucketType, { base, customised }] of properties.levels()) {
    const usual = placementText(placementOf(base));
    nVals.add(base.n_val);
    // A line of a bucket begins with its number of replicas, one of a type with a word.
    lines.push(`type ${usual} ${bucketType}`);
    for (const [bucket, own] of customised) {
      nVals.add(own.n_val);
      const text = placementText(placementOf(own));
      if (text !== usual) lines.push(`${text} ${bucketType}\0${bucket}`);
    }
  }
  const hash = createHash('sha1');
  for (const line of lines.sort()) hash.update(`\n${line.length} ${line}`, 'latin1');
  return { nVals: [...nVals].sort((a, b) => a - b), revision: hash.digest('hex') };
}

function placementOf({ n_val: nVal, chash_keyfun: { fun } }: BucketProperties): Placement {
  return { nVal, bucketOnly: fun === 'chash_bucketonly_keyfun' };
}

function placementText({ nVal, bucketOnly }: Placement): string {
  return `${nVal} ${bucketOnly}`;
}
