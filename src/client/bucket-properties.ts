import type { Quorum } from './call-options.ts';
import { HaleError } from './hale-error.ts';

/** How a bucket replicates and what it keeps, by the names that Riak's users know. */
export interface BucketProperties {
  /** Replicas of each object. */
  readonly n_val: number;
  /** Keep concurrent writes as siblings; otherwise the one with the latest time stays. */
  readonly allow_mult: boolean;
  /** Do not compare versions at all: the last write to arrive stays. */
  readonly last_write_wins: boolean;
  readonly r: Quorum;
  readonly w: Quorum;
  readonly dw: Quorum;
  readonly rw: Quorum;
  readonly pr: Quorum;
  readonly pw: Quorum;
  readonly basic_quorum: boolean;
  readonly notfound_ok: boolean;
  /** Distinct nodes that must confirm. Absent: the node does not tell. */
  readonly node_confirms?: Quorum;
  /** Clock pruning: ages in seconds, sizes in entries. */
  readonly old_vclock: number;
  readonly young_vclock: number;
  readonly big_vclock: number;
  readonly small_vclock: number;
  /** Changes are kept in a feed, for `changes` and `watch`. Absent: they are not. */
  readonly feed?: boolean;
}

export type BucketPropertyChanges = Partial<BucketProperties>;

/** What a bucket type may say besides; Riak's names, in its JSON form. */
export interface BucketTypeProperties extends BucketPropertyChanges {
  /** Its buckets hold data of this type, and nothing else. It stays for good. */
  readonly datatype?: 'counter' | 'set' | 'gset' | 'map' | 'hll';
  /** Seconds that objects live which do not say so themselves; 0: for ever. */
  readonly ttl?: number;
  /** `serialised`: of conditional writes that name one version of a key at most one is acknowledged. */
  readonly conditional?: 'checked' | 'serialised';
  /** Siblings that an object may have before `merge_policy` makes fewer of them; 0: as many as the node allows. */
  readonly siblings_max?: number;
  readonly merge_policy?: 'none' | 'lww' | 'union' | { readonly name: string };
  /** Objects are written once and not changed. */
  readonly write_once?: boolean;
  /** Registers of `hll` are 2 to this power. */
  readonly hll_precision?: number;
}

export const quorumProperties = ['r', 'w', 'dw', 'rw', 'pr', 'pw'] as const;
export const countProperties = ['n_val', 'old_vclock', 'young_vclock', 'big_vclock', 'small_vclock'] as const;
export const flagProperties = ['allow_mult', 'last_write_wins', 'basic_quorum', 'notfound_ok'] as const;

const names: ReadonlySet<string> = new Set([
  ...quorumProperties,
  ...countProperties,
  ...flagProperties,
  'node_confirms',
  'feed',
]);

/** Throws `invalid_argument` for a name that is no property's: a node may store it without a word. */
export function checkPropertyNames(changes: BucketPropertyChanges): void {
  const unknown = Object.keys(changes).find((name) => !names.has(name));
  if (unknown !== undefined)
    throw new HaleError('invalid_argument', `there is no bucket property "${unknown}"`);
}
