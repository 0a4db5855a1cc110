/** Folds over the anti-entropy trees and the keys they cover. */
import { frame, nested, optional, repeated, required } from '../message-type.ts';
import { rpbKeysValue } from './replication.ts';

/** RpbTreeSize. */
export const treeSize = { xxsmall: 0, xsmall: 1, small: 2, medium: 3, large: 4, xlarge: 5 } as const;
/** RpbAaeFoldFindKeysReq.finder. */
export const keyFinder = { siblingCount: 0, objectSize: 1 } as const;
/** change_method of the reap and erase folds. */
export const changeMethod = { job: 0, local: 1, count: 2 } as const;

const range = {
  type: optional(1, 'name'),
  bucket: required(2, 'name'),
  key_range: required(10, 'bool'),
  start_key: optional(11, 'name'),
  end_key: optional(12, 'name'),
};
const segments = {
  segment_filter: required(30, 'bool'),
  id_filter: repeated(31, 'uint32'),
  filter_tree_size: optional(32, 'uint32'),
};
const modified = {
  modified_range: required(40, 'bool'),
  last_mod_start: optional(41, 'uint32'),
  last_mod_end: optional(42, 'uint32'),
};
const change = { change_method: required(50, 'uint32'), job_id: optional(51, 'uint32') };

export const rpbAaeFoldMergeRootNValReq = frame('RpbAaeFoldMergeRootNValReq', 210, {
  n_val: required(1, 'uint32'),
});
export const rpbAaeFoldMergeBranchNValReq = frame('RpbAaeFoldMergeBranchNValReq', 211, {
  n_val: required(1, 'uint32'),
  id_filter: repeated(2, 'uint32'),
});
export const rpbAaeFoldFetchClocksNValReq = frame('RpbAaeFoldFetchClocksNValReq', 212, {
  n_val: required(1, 'uint32'),
  id_filter: repeated(2, 'uint32'),
  ...modified,
  modified_range: optional(40, 'bool'),
});
export const rpbAaeFoldMergeTreesRangeReq = frame('RpbAaeFoldMergeTreesRangeReq', 213, {
  ...range,
  tree_size: required(20, 'uint32'),
  ...segments,
  ...modified,
  use_prehash: required(50, 'bool'),
  init_vector: optional(51, 'uint32'),
});
export const rpbAaeFoldFetchClocksRangeReq = frame('RpbAaeFoldFetchClocksRangeReq', 214, {
  ...range,
  ...segments,
  ...modified,
});
export const rpbAaeFoldFindKeysReq = frame('RpbAaeFoldFindKeysReq', 215, {
  ...range,
  ...modified,
  finder: required(50, 'uint32'),
  find_limit: required(51, 'uint32'),
});
export const rpbAaeFoldObjectStatsReq = frame('RpbAaeFoldObjectStatsReq', 216, { ...range, ...modified });
export const rpbAaeFoldReplKeysReq = frame('RpbAaeFoldReplKeysReq', 217, {
  ...range,
  ...modified,
  queuename: required(50, 'name'),
});
export const rpbAaeFoldFindTombsReq = frame('RpbAaeFoldFindTombsReq', 218, {
  ...range,
  ...segments,
  ...modified,
});
export const rpbAaeFoldRepairKeysReq = frame('RpbAaeFoldRepairKeysReq', 219, { ...range, ...modified });
export const rpbAaeFoldReapTombsReq = frame('RpbAaeFoldReapTombsReq', 230, {
  ...range,
  ...segments,
  ...modified,
  ...change,
});
export const rpbAaeFoldEraseKeysReq = frame('RpbAaeFoldEraseKeysReq', 231, {
  ...range,
  ...segments,
  ...modified,
  ...change,
});

export const rpbAaeFoldTreeResp = frame('RpbAaeFoldTreeResp', 220, {
  size: required(1, 'uint32'),
  level_one: optional(2, 'slice'),
  level_two: repeated(3, 'slice'),
});
export const rpbAaeFoldKeyValueResp = frame('RpbAaeFoldKeyValueResp', 221, {
  response_type: required(1, 'name'),
  keys_value: repeated(2, rpbKeysValue),
});
export const rpbKeysCount = nested('RpbKeysCount', {
  tag: required(1, 'name'),
  order: optional(2, 'uint32'),
  count: required(3, 'uint32'),
});
export const rpbAaeFoldKeyCountResp = frame('RpbAaeFoldKeyCountResp', 222, {
  response_type: required(1, 'name'),
  keys_count: repeated(2, rpbKeysCount),
});
export const rpbAaeFoldListBucketsReq = frame('RpbAaeFoldListBucketsReq', 223, {
  n_val: optional(1, 'uint32'),
});
export const rpbAaeFoldBucket = nested('RpbAaeFoldBucket', {
  type: optional(1, 'name'),
  bucket: required(2, 'name'),
});
export const rpbAaeFoldListBucketsResp = frame('RpbAaeFoldListBucketsResp', 224, {
  bucket_list: repeated(1, rpbAaeFoldBucket),
});
