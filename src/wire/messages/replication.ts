/** Replication between clusters. */
import { frame, nested, optional, repeated, required } from '../message-type.ts';

export const rpbReplGetReq = frame('RpbReplGetReq', 128, {
  bucket: required(1, 'name'),
  key: required(2, 'name'),
  cluster_id: required(3, 'name'),
  r: optional(4, 'uint32'),
  pr: optional(5, 'uint32'),
  basic_quorum: optional(6, 'bool'),
  notfound_ok: optional(7, 'bool'),
  if_modified: optional(8, 'slice'),
  head: optional(9, 'bool'),
  deletedvclock: optional(10, 'bool'),
  sloppy_quorum: optional(11, 'bool'),
  n_val: optional(12, 'uint32'),
});
export const rpbReplGetClusterIdReq = frame('RpbReplGetClusterIdReq', 129, {});
export const rpbReplGetClusterIdResp = frame('RpbReplGetClusterIdResp', 130, {
  cluster_id: required(1, 'name'),
});

export const rpbRteReq = frame('RpbRTEReq', 200, {
  bucket: required(1, 'name'),
  key: required(2, 'name'),
  r: optional(3, 'uint32'),
  pr: optional(4, 'uint32'),
  basic_quorum: optional(5, 'bool'),
  notfound_ok: optional(6, 'bool'),
  timeout: optional(10, 'uint32'),
  sloppy_quorum: optional(11, 'bool'),
  n_val: optional(12, 'uint32'),
  type: optional(13, 'name'),
});

export const rpbFetchReq = frame('RpbFetchReq', 202, {
  queuename: required(1, 'name'),
  encoding: optional(2, 'name'),
});
export const rpbFetchResp = frame('RpbFetchResp', 203, {
  queue_empty: required(1, 'bool'),
  deleted: optional(2, 'bool'),
  crc_check: optional(3, 'uint32'),
  replencoded_object: optional(4, 'slice'),
  deleted_vclock: optional(5, 'slice'),
  segment_id: optional(6, 'uint32'),
  segment_hash: optional(7, 'uint32'),
});

/** A key and, as `value`, the vector clock of one version of it. */
export const rpbKeysValue = nested('RpbKeysValue', {
  type: optional(1, 'name'),
  bucket: required(2, 'name'),
  key: required(3, 'name'),
  value: required(4, 'slice'),
});
export const rpbPushReq = frame('RpbPushReq', 204, {
  queuename: required(1, 'name'),
  keys_value: repeated(2, rpbKeysValue),
});
export const rpbPushResp = frame('RpbPushResp', 205, {
  queuename: optional(1, 'name'),
  queue_exists: required(2, 'bool'),
  foldq_length: optional(10, 'uint32'),
  fsync_length: optional(11, 'uint32'),
  realt_length: optional(12, 'uint32'),
});

export const rpbMembershipReq = frame('RpbMembershipReq', 206, { queuename: optional(1, 'name') });
export const rpbClusterMemberEntry = nested('RpbClusterMemberEntry', {
  ip: required(1, 'name'),
  port: required(2, 'uint32'),
});
export const rpbMembershipResp = frame('RpbMembershipResp', 207, {
  up_nodes: repeated(1, rpbClusterMemberEntry),
});
