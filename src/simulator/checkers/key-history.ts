/**
 * What clients did to one key and what they were told: the input of the checkers of the database.
 *
 * Moments are whole numbers, one for each event in the order of the run, so that "before" is never in
 * doubt. Writes carry numbers of their own, which are their values: a read says whose writes it shows.
 */

/** `endedAt` of a write whose outcome the client never learned: it may still happen. */
export const never = Number.POSITIVE_INFINITY;

export interface KeyWrite {
  readonly id: number;
  readonly kind: 'put' | 'delete';
  readonly invokedAt: number;
  /** When it was acknowledged, or `never`. */
  endedAt: number;
  outcome: 'acked' | 'refused' | 'unknown';
  /** Writes that it is known to replace: what its client had read, and what those replaced in turn. */
  readonly past: ReadonlySet<number>;
  /** A delete that read for itself what it deletes. */
  readonly readsItself: boolean;
  readonly condition: 'none' | 'absent' | 'unmodified';
  /** The context, in hexadecimal; empty for none. */
  readonly context: string;
}

export interface KeyRead {
  readonly invokedAt: number;
  readonly endedAt: number;
  /** The writes whose values were shown, without tombstones. */
  readonly ids: readonly number[];
}

/**
 * How a bucket decides between writes that know nothing of each other: it keeps all as siblings; or
 * shows the one with the latest stamp; or the coordinator lets each write replace everything.
 */
export type Conflicts = 'siblings' | 'latest' | 'overwrite';

export class KeyHistory {
  readonly bucket: string;
  readonly key: string;
  readonly conflicts: Conflicts;
  readonly writes = new Map<number, KeyWrite>();
  readonly reads: KeyRead[] = [];

  constructor(bucket: string, key: string, conflicts: Conflicts) {
    this.bucket = bucket;
    this.key = key;
    this.conflicts = conflicts;
  }

  /** All that a client knows to be replaced by a write that gives back the context of this read. */
  pastOf(ids: readonly number[]): ReadonlySet<number> {
    const past = new Set<number>();
    for (const id of ids) {
      past.add(id);
      for (const earlier of this.writes.get(id)?.past ?? []) past.add(earlier);
    }
    return past;
  }
}

/** All keys of a run. */
export class DatabaseHistory {
  readonly #keys = new Map<string, KeyHistory>();
  #moment = 0;
  #writes = 0;

  nextMoment(): number {
    this.#moment += 1;
    return this.#moment;
  }

  nextWrite(): number {
    this.#writes += 1;
    return this.#writes;
  }

  of(bucket: string, key: string, conflicts: Conflicts): KeyHistory {
    const slot = `${bucket}/${key}`;
    const known = this.#keys.get(slot);
    if (known !== undefined) return known;
    const made = new KeyHistory(bucket, key, conflicts);
    this.#keys.set(slot, made);
    return made;
  }

  get keys(): readonly KeyHistory[] {
    return [...this.#keys.values()];
  }
}
