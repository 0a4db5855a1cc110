/** Change feeds. Of Hale alone: Riak has no such messages, and no code near these. */
import { frame, nested, optional, repeated, required } from '../message-type.ts';

export const haleFeedReq = frame('HaleFeedReq', 240, {
  bucket: required(1, 'name'),
  type: optional(2, 'name'),
  key: optional(3, 'name'),
  prefix: optional(4, 'name'),
  /** What the feed has already, too; else, without a cursor, only what comes. */
  from_start: optional(5, 'bool'),
  cursor: optional(6, 'name'),
  /** Objects come with their values. */
  values: optional(7, 'bool'),
  /** Milliseconds after which a response without events tells the cursor. */
  heartbeat: optional(8, 'uint32'),
});
export const haleFeedEvent = nested('HaleFeedEvent', {
  /** Absent: the event is a gap. */
  key: optional(1, 'name'),
  deleted: optional(2, 'bool'),
  /** An encoded RpbGetResp. */
  object: optional(3, 'slice'),
  /** Microseconds since the Unix epoch. */
  micros: optional(4, 'uint64'),
});
/** One of many. */
export const haleFeedResp = frame('HaleFeedResp', 241, {
  events: repeated(1, haleFeedEvent),
  /** With the last events of a batch: everything up to here was told. */
  cursor: optional(2, 'name'),
  done: optional(3, 'bool'),
});
