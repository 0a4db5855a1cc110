import type { ByteString } from '../../stdx/index.ts';

/** Why an index query is not one; found before anything is read. */
export type QueryProblem =
  | { readonly reason: 'unknown_type'; readonly field: ByteString }
  | { readonly reason: 'not_integer'; readonly field: ByteString; readonly term: ByteString }
  | { readonly reason: 'too_long'; readonly field: ByteString; readonly bytesMax: number }
  | { readonly reason: 'pattern_on_integers' }
  | { readonly reason: 'bad_pattern'; readonly pattern: ByteString; readonly detail: string }
  /** Not one that this database gave for this index. */
  | { readonly reason: 'bad_continuation' };
