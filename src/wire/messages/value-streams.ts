/** Values in pieces. Of Hale alone, as the change feed is. */
import { frame, optional, repeated, required } from '../message-type.ts';

export const haleStreamGetReq = frame('HaleStreamGetReq', 242, {
  bucket: required(1, 'name'),
  key: required(2, 'name'),
  type: optional(3, 'name'),
  r: optional(4, 'uint32'),
  pr: optional(5, 'uint32'),
  basic_quorum: optional(6, 'bool'),
  notfound_ok: optional(7, 'bool'),
  timeout: optional(8, 'uint32'),
  /** Of several siblings the one with this tag. */
  vtag: optional(9, 'name'),
  /** Bytes of the value from here on; up to there, not included. */
  from: optional(10, 'uint64'),
  to: optional(11, 'uint64'),
});
/** One of many: first what is stored, without values, then the value, then `done`. */
export const haleStreamGetResp = frame('HaleStreamGetResp', 243, {
  piece: optional(1, 'slice'),
  content: repeated(2, 'slice'),
  /** Absent in the first one: nothing is stored. */
  vclock: optional(3, 'slice'),
  /** Of the whole value. Absent in the first one: there are several siblings, and no value follows. */
  bytes: optional(4, 'uint64'),
  done: optional(5, 'bool'),
});
/** Begins a value that comes in pieces; answered when the first piece is wanted. */
export const haleStreamPutReq = frame('HaleStreamPutReq', 244, {
  bucket: required(1, 'name'),
  key: optional(2, 'name'),
  type: optional(3, 'name'),
  vclock: optional(4, 'slice'),
  /** An encoded RpbContent whose value is not looked at. */
  content: required(5, 'slice'),
  w: optional(6, 'uint32'),
  dw: optional(7, 'uint32'),
  pw: optional(8, 'uint32'),
  if_not_modified: optional(9, 'bool'),
  if_none_match: optional(10, 'bool'),
  /** Of the value, if that is known. */
  bytes: optional(11, 'uint64'),
});
/** Answered when the next one is wanted; the last one, when the object is stored. */
export const haleStreamPieceReq = frame('HaleStreamPieceReq', 245, {
  piece: required(1, 'slice'),
  last: optional(2, 'bool'),
});
export const haleStreamPutResp = frame('HaleStreamPutResp', 246, {
  /** The object is stored. */
  done: optional(1, 'bool'),
  /** That was made. */
  key: optional(2, 'name'),
});
