/** Index queries as clients ask them, checked and made into what nodes are asked. */
import { assert, type ByteString, byteLiteral } from '../../stdx/index.ts';
import { canonicalIndexEntry, indexFieldBytesMax } from '../index-entry.ts';
import { type BucketAddress, KvFailure } from '../key-value-store.ts';
import { isIntegerIndex, termPlace } from '../vnode/index.ts';
import { placeOfContinuation } from './continuation.ts';
import { bucketField, type IndexQuery, keyField } from './index-query.ts';
import type { QueryProblem } from './query-problem.ts';
import { TermPattern } from './term-pattern.ts';

export type TermRange =
  | { readonly kind: 'equal'; readonly term: ByteString }
  /** Both ends are part of it. Of integers as decimal text. Nothing is in a range whose first end is the greater one. */
  | { readonly kind: 'between'; readonly from: ByteString; readonly to: ByteString }
  /** Of `$key` alone: the last end is not part of it, and may be absent. */
  | { readonly kind: 'keys'; readonly from: ByteString; readonly before?: ByteString };

export interface IndexRequest extends BucketAddress {
  /** `name_bin`, `name_int`, `$key`; or `$bucket`, of which the range does not matter. In any case of letters. */
  readonly field: ByteString;
  readonly range: TermRange;
  /** A regular expression in RE2's syntax, on bytes; of `$key` on the key. Not for integers. */
  readonly termPattern?: ByteString;
  /** The size of a page. Absent: all. */
  readonly maxResults?: number;
  /** Of the page before. */
  readonly continuation?: ByteString;
  /** Milliseconds for all of it. Absent: the configured default; 0: none. */
  readonly timeoutMs?: number;
}

export interface CheckedQuery {
  readonly query: IndexQuery;
  /** The place of the continuation. */
  readonly after: ByteString | undefined;
  /** Nothing can be in it. */
  readonly isEmpty: boolean;
}

/** Throws `KvFailure` with `bad_query`. */
export function checkedQuery(request: IndexRequest): CheckedQuery {
  const { bucketType, bucket, termPattern } = request;
  const field = byteLiteral(request.field.toLowerCase());
  const isOfKeys = field === keyField || field === bucketField;
  const bounds = isOfKeys ? keyBounds(field, request.range) : termBounds(field, request.range);
  if (termPattern !== undefined) checkPattern(field, termPattern);
  const query: IndexQuery = {
    bucketType,
    bucket,
    field: isOfKeys ? keyField : field,
    ...bounds,
    ...(termPattern === undefined ? {} : { termPattern }),
  };
  const after =
    request.continuation === undefined ? undefined : placeOfContinuation(query, request.continuation);
  if (request.continuation !== undefined && after === undefined) refuse({ reason: 'bad_continuation' });
  const { from, to } = query;
  return { query, after, isEmpty: to !== undefined && (to <= from || (after !== undefined && to <= after)) };
}

function keyBounds(
  field: ByteString,
  range: TermRange,
): { readonly from: ByteString; readonly to?: ByteString } {
  if (field === bucketField) return { from: byteLiteral('') };
  if (range.kind === 'keys') {
    return { from: range.from, ...(range.before === undefined ? {} : { to: range.before }) };
  }
  const [first, last] = range.kind === 'equal' ? [range.term, range.term] : [range.from, range.to];
  return { from: first, to: byteLiteral(`${last}\0`) };
}

function termBounds(
  field: ByteString,
  range: TermRange,
): { readonly from: ByteString; readonly to?: ByteString } {
  assert(range.kind !== 'keys', 'indexes are asked for terms');
  const [first, last] = range.kind === 'equal' ? [range.term, range.term] : [range.from, range.to];
  const from = placeOfTerm(field, first);
  const to = behind(placeOfTerm(field, last));
  return { from, to };
}

function placeOfTerm(field: ByteString, term: ByteString): ByteString {
  const entry = canonicalIndexEntry(field, term);
  if (!('reason' in entry)) return termPlace(entry.key, entry.value);
  return refuse(
    entry.reason === 'too_many' ? { reason: 'too_long', field, bytesMax: indexFieldBytesMax } : entry,
  );
}

/** Behind every place that begins so: no term's place ends in the greatest byte. */
function behind(place: ByteString): ByteString {
  const last = place.length - 1;
  return byteLiteral(`${place.slice(0, last)}${String.fromCharCode(place.charCodeAt(last) + 1)}`);
}

function checkPattern(field: ByteString, pattern: ByteString): void {
  if (isIntegerIndex(field)) refuse({ reason: 'pattern_on_integers' });
  const compiled = TermPattern.compile(pattern);
  if (typeof compiled === 'string') refuse({ reason: 'bad_pattern', pattern, detail: compiled });
}

function refuse(problem: QueryProblem): never {
  throw new KvFailure({ code: 'bad_query', problem });
}
