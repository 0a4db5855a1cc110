/** The errors of the store as an embedded application sees them. */
import { HaleError, type HaleErrorCode } from '../../client/index.ts';
import type { KvError } from '../../kv/index.ts';

const codes: Readonly<Record<KvError['code'], HaleErrorCode>> = {
  timeout: 'timeout',
  overload: 'overload',
  n_val_violation: 'invalid_argument',
  quorum_unsatisfied: 'quorum',
  insufficient_vnodes: 'unavailable',
  insufficient_nodes: 'unavailable',
  all_nodes_down: 'unavailable',
  insufficient_vnodes_available: 'unavailable',
  bad_context: 'invalid_argument',
  bad_content: 'invalid_argument',
  bad_index: 'invalid_argument',
  precommit_fail: 'rejected',
  bad_query: 'invalid_argument',
  bad_name: 'invalid_argument',
  unknown_bucket_type: 'unknown_bucket_type',
  too_large: 'too_large',
  too_large_to_assemble: 'too_large',
  chunk_missing: 'storage',
  too_many_siblings: 'too_large',
  being_dropped: 'unavailable',
  match_found: 'exists',
  modified: 'changed',
  notfound: 'changed',
  storage: 'storage',
  invalid_properties: 'invalid_argument',
  no_feed: 'invalid_argument',
  bad_cursor: 'invalid_argument',
  too_many_feeds: 'overload',
  no_majority: 'unavailable',
  stopping: 'unavailable',
  not_present: 'changed',
  type_mismatch: 'invalid_argument',
  nested_too_deep: 'invalid_argument',
  increment_out_of_range: 'invalid_argument',
  no_datatype: 'invalid_argument',
  needs_allow_mult: 'invalid_argument',
};

/** Failures that a write may have had an effect before. */
const partial: ReadonlySet<KvError['code']> = new Set<KvError['code']>([
  'timeout',
  'quorum_unsatisfied',
  'storage',
  'no_majority',
]);

export function haleErrorOf(error: KvError, kind: 'read' | 'write'): HaleError {
  const { code, ...details } = error;
  const text = Object.keys(details).length === 0 ? code : `${code} ${JSON.stringify(details)}`;
  return new HaleError(codes[code], text, { unknownOutcome: kind === 'write' && partial.has(code) });
}
