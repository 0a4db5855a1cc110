/** What a write needs, by its options and its bucket's properties, and who is to be asked. */
import { type PreferenceList, primariesOf, type RingHash } from '../../core/ring/index.ts';
import type { BucketProperties } from '../bucket-properties.ts';
import type { ObjectAddress, WriteOptions } from '../key-value-store.ts';
import type { KvError } from '../kv-error.ts';
import type { PruneLimits } from '../object/index.ts';
import { quorumCount, resolveQuorum } from '../quorum-value.ts';
import { type MergePolicy, type SiblingCap, siblingCapOf } from '../sibling-cap/index.ts';
import type { WriteRules } from '../vnode/index.ts';
import type { CoordinatorParts } from './coordinator-parts.ts';
import type { WriteRequirements } from './write-quorum.ts';

/** Who holds the key, as far as the request lets it be asked. */
export interface WriteHolders {
  readonly n: number;
  /** Of the whole name; undefined where the bucket's alone decides. */
  readonly ringHash: RingHash | undefined;
  readonly all: PreferenceList;
  readonly replicas: PreferenceList;
}

/** Undefined if the request asks for more replicas than the bucket keeps. */
function nOf(options: WriteOptions, properties: BucketProperties): number | undefined {
  const n = options.nVal ?? properties.n_val;
  return n > properties.n_val || n < 1 ? undefined : n;
}

export function holdersOfWrite(
  { names, topology }: CoordinatorParts,
  address: ObjectAddress,
  options: WriteOptions,
  properties: BucketProperties,
): WriteHolders | KvError {
  const n = nOf(options, properties);
  if (n === undefined) return { code: 'n_val_violation', nVal: properties.n_val };
  const bucketOnly = properties.chash_keyfun.fun === 'chash_bucketonly_keyfun';
  const hash = names.of(address, bucketOnly);
  const all = topology.preferenceList(topology.ring.partitionOf(hash), n);
  const replicas = options.sloppyQuorum === false ? primariesOf(all) : all;
  if (replicas.length === 0) return { code: 'all_nodes_down' };
  return { n, ringHash: bucketOnly ? undefined : hash, all, replicas };
}

/** The checks and their order are those of Riak's put: clients see which error comes first. */
export function checkedRequirements(
  { n, all, replicas }: WriteHolders,
  options: WriteOptions,
  properties: BucketProperties,
): WriteRequirements | KvError {
  const need = requirementsOf(n, options, properties);
  const { w, dw, pw, nodeConfirms } = need;
  if (Math.max(w, dw, pw, nodeConfirms) > n) return { code: 'n_val_violation', nVal: n };
  if (pw > 0) {
    const up = primariesOf(all).length;
    if (pw > up) return { code: 'quorum_unsatisfied', quorum: 'pw', wanted: pw, got: up };
  }
  const needed = Math.max(w, dw, pw);
  if (replicas.length < needed) return { code: 'insufficient_vnodes', up: replicas.length, needed };
  return need;
}

function requirementsOf(n: number, options: WriteOptions, properties: BucketProperties): WriteRequirements {
  return {
    w: resolveQuorum(options.w, properties.w, n),
    dw: Math.max(1, resolveQuorum(options.dw, properties.dw, n)),
    pw: resolveQuorum(options.pw, properties.pw, n),
    nodeConfirms: resolveQuorum(options.nodeConfirms, properties.node_confirms, n),
  };
}

export function majorityOf(n: number): number {
  return Math.floor(n / 2) + 1;
}

/** At least most of the primaries, whatever the request says; and of all that the bucket keeps. */
export function fencedOptions(options: WriteOptions, properties: BucketProperties): WriteOptions {
  const { w, dw, pw, nodeConfirms } = requirementsOf(properties.n_val, options, properties);
  const atLeast = (quorum: number) => quorumCount(Math.max(quorum, majorityOf(properties.n_val)));
  return {
    ...options,
    w: atLeast(w),
    dw: atLeast(dw),
    pw: atLeast(pw),
    nodeConfirms: quorumCount(nodeConfirms),
    nVal: undefined,
  };
}

/** For the node that is to coordinate the write instead of this one. */
export function rulesOf(n: number, options: WriteOptions, properties: BucketProperties): WriteRules {
  return {
    n,
    ...requirementsOf(n, options, properties),
    sloppyQuorum: options.sloppyQuorum !== false,
    syncOnWrite: options.syncOnWrite ?? properties.sync_on_write,
    durability: properties.durability,
    allowMult: properties.allow_mult,
    lastWriteWins: properties.last_write_wins,
    prune: pruneLimitsOf(properties),
    cap: siblingCapOf(properties),
    serialised: properties.conditional === 'serialised',
    bucketOnly: properties.chash_keyfun.fun === 'chash_bucketonly_keyfun',
  };
}

export function pruneLimitsOf(properties: BucketProperties): PruneLimits {
  return {
    smallVclock: properties.small_vclock,
    bigVclock: properties.big_vclock,
    youngVclock: properties.young_vclock,
    oldVclock: properties.old_vclock,
  };
}

/** What `rulesOf` said, as options and properties again. What a write does not ask for is as in `others`. */
export function requestByRules(
  rules: WriteRules,
  others: BucketProperties,
): { readonly options: WriteOptions; readonly properties: BucketProperties } {
  const { n, w, dw, pw, nodeConfirms, sloppyQuorum, syncOnWrite, prune } = rules;
  const keyfun = rules.bucketOnly ? 'chash_bucketonly_keyfun' : 'chash_std_keyfun';
  return {
    options: {
      w: quorumCount(w),
      dw: quorumCount(dw),
      pw: quorumCount(pw),
      nodeConfirms: quorumCount(nodeConfirms),
      sloppyQuorum,
      syncOnWrite,
    },
    properties: {
      ...others,
      n_val: n,
      durability: rules.durability,
      allow_mult: rules.allowMult,
      last_write_wins: rules.lastWriteWins,
      small_vclock: prune.smallVclock,
      big_vclock: prune.bigVclock,
      young_vclock: prune.youngVclock,
      old_vclock: prune.oldVclock,
      siblings_max: rules.cap?.siblingsMax ?? 0,
      merge_policy: policyOf(rules.cap),
      conditional: rules.serialised ? 'serialised' : 'checked',
      chash_keyfun: { mod: 'riak_core_util', fun: keyfun },
    },
  };
}

/** A function that merges later is called where the request came in: here it is enough that there is one. */
function policyOf(cap: SiblingCap | undefined): MergePolicy {
  if (cap === undefined) return 'none';
  return cap.policy === 'later' ? { name: '' } : cap.policy;
}
