/**
 * Bucket properties by the names that Riak's users type. Values are validated where they enter
 * (`parsePropertyChanges`, or the Protocol Buffers API through the same rules), so that the rest of the code never meets a bad one.
 */
import type { QuorumValue } from './quorum-value.ts';
import { quorumCount, quorumMajority } from './quorum-value.ts';
import type { MergePolicy } from './sibling-cap/index.ts';

export type SyncOnWrite = 'backend' | 'one' | 'all';

export interface ModFun {
  readonly mod: string;
  readonly fun: string;
}
export type CommitHook = ModFun | { readonly name: string };
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

export interface BucketProperties {
  readonly n_val: number;
  readonly allow_mult: boolean;
  readonly last_write_wins: boolean;
  /** Accepted and shown for Riak's programs; Hale always keeps dotted version vectors (D10). */
  readonly dvv_enabled: boolean;
  readonly r: QuorumValue;
  readonly w: QuorumValue;
  readonly dw: QuorumValue;
  readonly rw: QuorumValue;
  readonly pr: QuorumValue;
  readonly pw: QuorumValue;
  readonly node_confirms: QuorumValue;
  readonly sync_on_write: SyncOnWrite;
  readonly notfound_ok: boolean;
  readonly basic_quorum: boolean;
  readonly old_vclock: number;
  readonly young_vclock: number;
  readonly big_vclock: number;
  readonly small_vclock: number;
  readonly precommit: readonly CommitHook[];
  readonly postcommit: readonly CommitHook[];
  readonly chash_keyfun: ModFun;
  readonly linkfun: ModFun;
  readonly write_once: boolean;
  /** Seconds that what is written lives, unless it says itself; 0: for ever. */
  readonly ttl: number;
  /** Each change is kept in a feed that programs follow (`kv/feed`). */
  readonly feed: boolean;
  /** An object with more siblings is merged, or its writes are refused; 0: the node's limit alone counts. */
  readonly siblings_max: number;
  readonly merge_policy: MergePolicy;
  /** How conditional writes are decided: by whoever takes them, or one after the other. */
  readonly conditional: 'checked' | 'serialised';
  /** `synced`: acknowledged writes survive a power cut. `os`: they survive the process only. */
  readonly durability: 'synced' | 'os';
  /** Properties that Hale does not know, stored and shown as given. */
  readonly custom: ReadonlyMap<string, JsonValue>;
}

export type BucketPropertyChanges = Partial<BucketProperties>;

export interface PropertyProblem {
  readonly property: string;
  /** Riak's reason atom: `not_boolean`, `not_integer`, `not_valid_quorum`, … */
  readonly reason: string;
}

/** The defaults of the untyped namespace (spec: features §5). */
export const defaultBucketProperties: BucketProperties = {
  n_val: 3,
  allow_mult: false,
  last_write_wins: false,
  dvv_enabled: false,
  r: quorumMajority,
  w: quorumMajority,
  dw: quorumMajority,
  rw: quorumMajority,
  pr: quorumCount(0),
  pw: quorumCount(0),
  node_confirms: quorumCount(0),
  sync_on_write: 'backend',
  notfound_ok: true,
  basic_quorum: false,
  old_vclock: 86_400,
  young_vclock: 20,
  big_vclock: 50,
  small_vclock: 50,
  precommit: [],
  postcommit: [],
  chash_keyfun: { mod: 'riak_core_util', fun: 'chash_std_keyfun' },
  linkfun: { mod: 'riak_kv_wm_link_walker', fun: 'mapreduce_linkfun' },
  write_once: false,
  ttl: 0,
  feed: false,
  siblings_max: 0,
  merge_policy: 'none',
  conditional: 'checked',
  durability: 'synced',
  custom: new Map(),
};
