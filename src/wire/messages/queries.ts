/** MapReduce, secondary indexes, coverage plans. */
import { frame, nested, optional, repeated, required } from '../message-type.ts';
import { rpbPair } from './objects.ts';

export const rpbMapRedReq = frame('RpbMapRedReq', 23, {
  request: required(1, 'slice'),
  content_type: required(2, 'name'),
});
export const rpbMapRedResp = frame('RpbMapRedResp', 24, {
  phase: optional(1, 'uint32'),
  response: optional(2, 'slice'),
  done: optional(3, 'bool'),
});

/** RpbIndexReq.qtype. */
export const indexQueryType = { eq: 0, range: 1 } as const;

export const rpbIndexReq = frame('RpbIndexReq', 25, {
  bucket: required(1, 'name'),
  index: required(2, 'name'),
  qtype: required(3, 'uint32'),
  key: optional(4, 'name'),
  range_min: optional(5, 'name'),
  range_max: optional(6, 'name'),
  return_terms: optional(7, 'bool'),
  stream: optional(8, 'bool'),
  max_results: optional(9, 'uint32'),
  continuation: optional(10, 'slice'),
  timeout: optional(11, 'uint32'),
  type: optional(12, 'name'),
  term_regex: optional(13, 'name'),
  pagination_sort: optional(14, 'bool'),
  cover_context: optional(15, 'slice'),
  return_body: optional(16, 'bool'),
});
export const rpbIndexResp = frame('RpbIndexResp', 26, {
  keys: repeated(1, 'name'),
  results: repeated(2, rpbPair),
  continuation: optional(3, 'slice'),
  done: optional(4, 'bool'),
});

export const rpbCsBucketReq = frame('RpbCSBucketReq', 40, {
  bucket: required(1, 'name'),
  start_key: required(2, 'name'),
  end_key: optional(3, 'name'),
  start_incl: optional(4, 'bool'),
  end_incl: optional(5, 'bool'),
  continuation: optional(6, 'slice'),
  max_results: optional(7, 'uint32'),
  timeout: optional(8, 'uint32'),
  type: optional(9, 'name'),
  cover_context: optional(10, 'slice'),
});
/** `object` is an encoded RpbGetResp. */
export const rpbIndexObject = nested('RpbIndexObject', {
  key: required(1, 'name'),
  object: required(2, 'slice'),
});
export const rpbCsBucketResp = frame('RpbCSBucketResp', 41, {
  objects: repeated(1, rpbIndexObject),
  continuation: optional(2, 'slice'),
  done: optional(3, 'bool'),
});
export const rpbIndexBodyResp = frame('RpbIndexBodyResp', 42, {
  objects: repeated(1, rpbIndexObject),
  continuation: optional(2, 'slice'),
  done: optional(3, 'bool'),
});

export const rpbCoverageReq = frame('RpbCoverageReq', 70, {
  type: optional(1, 'name'),
  bucket: required(2, 'name'),
  min_partitions: optional(3, 'uint32'),
  replace_cover: optional(4, 'slice'),
  unavailable_cover: repeated(5, 'slice'),
});
export const rpbCoverageEntry = nested('RpbCoverageEntry', {
  ip: required(1, 'name'),
  port: required(2, 'uint32'),
  keyspace_desc: optional(3, 'name'),
  cover_context: required(4, 'slice'),
});
export const rpbCoverageResp = frame('RpbCoverageResp', 71, { entries: repeated(1, rpbCoverageEntry) });
