/**
 * Every way in which a request can fail, as a value. Each API translates these in one file of its own
 * (`api/protobuf/error-reply.ts`, `api/http/error-response.ts`, `client/hale-error.ts`).
 */
import type { ByteString } from '../stdx/index.ts';
import type { PropertyProblem } from './bucket-properties.ts';
import type { IndexProblem } from './index-entry.ts';
import type { QueryProblem } from './query/index.ts';

/** Of requests to data types. Nothing has happened. */
export type DatatypeError =
  /** A removal without context names what is not there: an element, or a field of that type. */
  | {
      readonly code: 'not_present';
      readonly name: ByteString;
      readonly what: 'element' | 'counter' | 'flag' | 'map' | 'register' | 'set';
    }
  /** The operation is for another type than the bucket's, or than the map's field. */
  | { readonly code: 'type_mismatch'; readonly expected: string; readonly actual: string }
  | { readonly code: 'nested_too_deep'; readonly nestingMax: number }
  /** An increment, in decimal digits, that does not fit into 64 bits with a sign. */
  | { readonly code: 'increment_out_of_range'; readonly increment: string }
  /** The bucket has no `datatype`. */
  | { readonly code: 'no_datatype' }
  /** The bucket's `allow_mult` is false. */
  | { readonly code: 'needs_allow_mult' };

export type QuorumName = 'r' | 'w' | 'pr' | 'pw' | 'dw' | 'node_confirms';

export type KvError =
  /** The deadline passed. A write may or may not have happened. */
  | { readonly code: 'timeout' }
  /** Refused at once, before any effect: too much is in progress. */
  | { readonly code: 'overload' }
  /** A quorum, or the request's n_val, exceeds the bucket's n_val. */
  | { readonly code: 'n_val_violation'; readonly nVal: number }
  /** Too few replies of the kind. A write may have happened on some replicas. */
  | {
      readonly code: 'quorum_unsatisfied';
      readonly quorum: QuorumName;
      readonly wanted: number;
      readonly got: number;
    }
  | { readonly code: 'insufficient_vnodes'; readonly up: number; readonly needed: number }
  | { readonly code: 'insufficient_nodes'; readonly up: number; readonly needed: number }
  | { readonly code: 'all_nodes_down' }
  /** Coverage: some key range has no vnode that could answer. */
  | {
      readonly code: 'insufficient_vnodes_available';
      /** Nobody could answer for what has its first partition among these. */
      readonly partitions?: readonly number[];
    }
  /** An index query that is none. */
  | { readonly code: 'bad_query'; readonly problem: QueryProblem }
  /** The context is not one that this database issued. */
  | { readonly code: 'bad_context' }
  /** The content is not a well-formed RpbContent. */
  | { readonly code: 'bad_content'; readonly reason: string }
  | { readonly code: 'bad_index'; readonly problem: IndexProblem }
  /** A pre-commit hook rejected the write, or failed; `reason` is for people. */
  | { readonly code: 'precommit_fail'; readonly reason?: string }
  | {
      readonly code: 'bad_name';
      readonly what: 'type' | 'bucket' | 'key';
      readonly reason: 'empty' | 'too_long';
    }
  | { readonly code: 'unknown_bucket_type'; readonly bucketType: string }
  | { readonly code: 'too_large'; readonly bytes: number; readonly bytesMax: number }
  /** A value that is kept in chunks is too large for who asked: to be read by the HTTP API, which sends it piece by piece. */
  | { readonly code: 'too_large_to_assemble'; readonly bytes: number; readonly bytesMax: number }
  /** A chunk of a value is not to be had: every replica that could be asked lacks it. */
  | { readonly code: 'chunk_missing'; readonly index: number }
  | { readonly code: 'too_many_siblings'; readonly siblings: number; readonly siblingsMax: number }
  /** The bucket, or its type, is being dropped: nothing of it is shown, and nothing written, until that is done. */
  | { readonly code: 'being_dropped' }
  /** if_none_match, and something live is stored. */
  | { readonly code: 'match_found' }
  /** if_not_modified, and the stored clock is another one. */
  | { readonly code: 'modified' }
  /** if_not_modified, and nothing live is stored; or a delete without context that found nothing. */
  | { readonly code: 'notfound' }
  /** The local store refused: disk full, failed or corrupt. */
  | { readonly code: 'storage'; readonly reason: string }
  /** The bucket keeps no change feed: its property `feed` is not true. */
  | { readonly code: 'no_feed' }
  /** The cursor is none, or of another feed. */
  | { readonly code: 'bad_cursor' }
  /** As many feeds are read through this node as may be. */
  | { readonly code: 'too_many_feeds'; readonly feedsMax: number }
  | { readonly code: 'invalid_properties'; readonly problems: readonly PropertyProblem[] }
  | DatatypeError
  /** The cluster cannot agree on a change now: too few of its voters can be reached. It may still happen later. */
  | { readonly code: 'no_majority'; readonly reason: string }
  /** The node is draining. */
  | { readonly code: 'stopping' };
