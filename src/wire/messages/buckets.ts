/** Properties of buckets and bucket types. */
import { frame, nested, optional, repeated, required } from '../message-type.ts';

export const rpbModFun = nested('RpbModFun', { module: required(1, 'name'), function: required(2, 'name') });
export const rpbCommitHook = nested('RpbCommitHook', {
  modfun: optional(1, rpbModFun),
  name: optional(2, 'name'),
});

/** RpbBucketProps.repl. */
export const replMode = { false: 0, realtime: 1, fullsync: 2, true: 3 } as const;
/** RpbBucketProps.sync_on_write; in RpbPutReq the same option is a word. */
export const syncOnWrite = { backend: 0, one: 1, all: 2 } as const;

export const rpbBucketProps = nested('RpbBucketProps', {
  n_val: optional(1, 'uint32'),
  allow_mult: optional(2, 'bool'),
  last_write_wins: optional(3, 'bool'),
  precommit: repeated(4, rpbCommitHook),
  has_precommit: optional(5, 'bool'),
  postcommit: repeated(6, rpbCommitHook),
  has_postcommit: optional(7, 'bool'),
  chash_keyfun: optional(8, rpbModFun),
  linkfun: optional(9, rpbModFun),
  old_vclock: optional(10, 'uint32'),
  young_vclock: optional(11, 'uint32'),
  big_vclock: optional(12, 'uint32'),
  small_vclock: optional(13, 'uint32'),
  pr: optional(14, 'uint32'),
  r: optional(15, 'uint32'),
  w: optional(16, 'uint32'),
  pw: optional(17, 'uint32'),
  dw: optional(18, 'uint32'),
  rw: optional(19, 'uint32'),
  basic_quorum: optional(20, 'bool'),
  notfound_ok: optional(21, 'bool'),
  backend: optional(22, 'name'),
  search: optional(23, 'bool'),
  repl: optional(24, 'uint32'),
  search_index: optional(25, 'name'),
  datatype: optional(26, 'name'),
  consistent: optional(27, 'bool'),
  write_once: optional(28, 'bool'),
  hll_precision: optional(29, 'uint32'),
  node_confirms: optional(30, 'uint32'),
  sync_on_write: optional(31, 'uint32'),
  aae_tree_exclude: optional(32, 'bool'),
  /** Hale's own: the bucket keeps a change feed. */
  feed: optional(240, 'bool'),
});

export const rpbGetBucketReq = frame('RpbGetBucketReq', 19, {
  bucket: required(1, 'name'),
  type: optional(2, 'name'),
});
export const rpbGetBucketResp = frame('RpbGetBucketResp', 20, { props: required(1, rpbBucketProps) });
export const rpbSetBucketReq = frame('RpbSetBucketReq', 21, {
  bucket: required(1, 'name'),
  props: required(2, rpbBucketProps),
  type: optional(3, 'name'),
});
export const rpbSetBucketResp = frame('RpbSetBucketResp', 22, {});
export const rpbResetBucketReq = frame('RpbResetBucketReq', 29, {
  bucket: required(1, 'name'),
  type: optional(2, 'name'),
});
export const rpbResetBucketResp = frame('RpbResetBucketResp', 30, {});
export const rpbGetBucketTypeReq = frame('RpbGetBucketTypeReq', 31, { type: required(1, 'name') });
export const rpbSetBucketTypeReq = frame('RpbSetBucketTypeReq', 32, {
  type: required(1, 'name'),
  props: required(2, rpbBucketProps),
});
