/** Objects, key and bucket listings. `content` is an encoded RpbContent: see `decodeContent`. */
import { frame, nested, optional, repeated, required } from '../message-type.ts';

export const rpbPair = nested('RpbPair', { key: required(1, 'name'), value: optional(2, 'name') });

export const rpbGetReq = frame('RpbGetReq', 9, {
  bucket: required(1, 'name'),
  key: required(2, 'name'),
  r: optional(3, 'uint32'),
  pr: optional(4, 'uint32'),
  basic_quorum: optional(5, 'bool'),
  notfound_ok: optional(6, 'bool'),
  if_modified: optional(7, 'slice'),
  head: optional(8, 'bool'),
  deletedvclock: optional(9, 'bool'),
  timeout: optional(10, 'uint32'),
  sloppy_quorum: optional(11, 'bool'),
  n_val: optional(12, 'uint32'),
  type: optional(13, 'name'),
  node_confirms: optional(14, 'uint32'),
});
export const rpbGetResp = frame('RpbGetResp', 10, {
  content: repeated(1, 'slice'),
  vclock: optional(2, 'slice'),
  unchanged: optional(3, 'bool'),
});
export const rpbPutReq = frame('RpbPutReq', 11, {
  bucket: required(1, 'name'),
  key: optional(2, 'name'),
  vclock: optional(3, 'slice'),
  content: required(4, 'slice'),
  w: optional(5, 'uint32'),
  dw: optional(6, 'uint32'),
  return_body: optional(7, 'bool'),
  pw: optional(8, 'uint32'),
  if_not_modified: optional(9, 'bool'),
  if_none_match: optional(10, 'bool'),
  return_head: optional(11, 'bool'),
  timeout: optional(12, 'uint32'),
  asis: optional(13, 'bool'),
  sloppy_quorum: optional(14, 'bool'),
  n_val: optional(15, 'uint32'),
  type: optional(16, 'name'),
  node_confirms: optional(17, 'uint32'),
  sync_on_write: optional(18, 'name'),
});
export const rpbPutResp = frame('RpbPutResp', 12, {
  content: repeated(1, 'slice'),
  vclock: optional(2, 'slice'),
  key: optional(3, 'name'),
});
export const rpbDelReq = frame('RpbDelReq', 13, {
  bucket: required(1, 'name'),
  key: required(2, 'name'),
  rw: optional(3, 'uint32'),
  vclock: optional(4, 'slice'),
  r: optional(5, 'uint32'),
  w: optional(6, 'uint32'),
  pr: optional(7, 'uint32'),
  pw: optional(8, 'uint32'),
  dw: optional(9, 'uint32'),
  timeout: optional(10, 'uint32'),
  sloppy_quorum: optional(11, 'bool'),
  n_val: optional(12, 'uint32'),
  type: optional(13, 'name'),
});
export const rpbDelResp = frame('RpbDelResp', 14, {});

export const rpbListBucketsReq = frame('RpbListBucketsReq', 15, {
  timeout: optional(1, 'uint32'),
  stream: optional(2, 'bool'),
  type: optional(3, 'name'),
});
export const rpbListBucketsResp = frame('RpbListBucketsResp', 16, {
  buckets: repeated(1, 'name'),
  done: optional(2, 'bool'),
});
export const rpbListKeysReq = frame('RpbListKeysReq', 17, {
  bucket: required(1, 'name'),
  timeout: optional(2, 'uint32'),
  type: optional(3, 'name'),
});
export const rpbListKeysResp = frame('RpbListKeysResp', 18, {
  keys: repeated(1, 'name'),
  done: optional(2, 'bool'),
});

export const rpbGetBucketKeyPreflistReq = frame('RpbGetBucketKeyPreflistReq', 33, {
  bucket: required(1, 'name'),
  key: required(2, 'name'),
  type: optional(3, 'name'),
});
export const rpbBucketKeyPreflistItem = nested('RpbBucketKeyPreflistItem', {
  partition: required(1, 'int64'),
  node: required(2, 'name'),
  primary: required(3, 'bool'),
});
export const rpbGetBucketKeyPreflistResp = frame('RpbGetBucketKeyPreflistResp', 34, {
  preflist: repeated(1, rpbBucketKeyPreflistItem),
});
