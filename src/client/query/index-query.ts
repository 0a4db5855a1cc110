/** Secondary index queries as an application asks them. */
import { type ByteString, byteLiteral, bytesOfText, textOfBytes } from '../../stdx/index.ts';
import type { CallOptions } from '../call-options.ts';
import { type IndexTerm, termText } from '../entry.ts';
import { HaleError } from '../hale-error.ts';
import type { BucketName, Cursor, IndexBatch, IndexQuery, Transport } from '../transport.ts';

/** One term, or all from one to another, both included. Integers go by value, text by its bytes. */
export type IndexRange = IndexTerm | { readonly from: IndexTerm; readonly to: IndexTerm };

export interface IndexQueryOptions extends CallOptions {
  /** Only terms (of `$key`: keys) that this regular expression finds something in: RE2's syntax. Not for integers. */
  readonly termPattern?: string;
}

export interface IndexPageOptions extends IndexQueryOptions {
  /** Matches of a page; the last may have fewer. */
  readonly size: number;
  /** Of an earlier page: begin behind it. */
  readonly continuation?: IndexContinuation;
}

/** A key, once for each of its terms in the range. */
export interface IndexMatch {
  readonly key: string;
  /** Of an integer index a bigint. */
  readonly term: string | bigint;
}

declare const continuation: unique symbol;
/** Where a page ended: text that may be stored and sent. Good for the same query only. */
export type IndexContinuation = string & { readonly [continuation]: true };

export interface IndexPage {
  readonly matches: readonly IndexMatch[];
  /** Undefined: this was the last page. */
  readonly continuation: IndexContinuation | undefined;
}

/** The index of all keys; every other one is named by what writes entries. */
const keyIndex = '$key';
const pageSizeMax = 100_000;

export interface AskedIndex {
  readonly transport: Transport;
  readonly bucket: BucketName;
  readonly index: string;
  readonly range: IndexRange;
}

/** In the order of terms, then keys. */
export async function* indexMatches(
  asked: AskedIndex,
  options: IndexQueryOptions,
): AsyncGenerator<IndexMatch, void, undefined> {
  const query = queryOf(asked, options);
  const cursor = asked.transport.queryIndex(query, options);
  yield* taken(cursor, ({ entries }) => matchesOf(query, entries));
}

/** Each page is a query of its own, asked when it is wanted. */
export async function* indexPages(
  asked: AskedIndex,
  options: IndexPageOptions,
): AsyncGenerator<IndexPage, void, undefined> {
  const { size } = options;
  if (!(Number.isInteger(size) && size > 0 && size <= pageSizeMax)) {
    throw new HaleError('invalid_argument', `a page has from 1 to ${pageSizeMax} matches, not ${size}`);
  }
  let from = options.continuation;
  do {
    const page: IndexPage = await onePage(asked, options, from);
    yield page;
    from = page.continuation;
  } while (from !== undefined);
}

async function onePage(
  asked: AskedIndex,
  options: IndexPageOptions,
  from: IndexContinuation | undefined,
): Promise<IndexPage> {
  const query: IndexQuery = {
    ...queryOf(asked, options),
    maxResults: options.size,
    ...(from === undefined ? {} : { continuation: bytesOfText(from) }),
  };
  const matches: IndexMatch[] = [];
  let next: ByteString | undefined;
  const cursor = asked.transport.queryIndex(query, options);
  const batches = taken(cursor, (batch) => [batch]);
  for await (const { entries, continuation: place } of batches) {
    for (const match of matchesOf(query, entries)) matches.push(match);
    next = place ?? next;
  }
  return { matches, continuation: next === undefined ? undefined : (textOfBytes(next) as IndexContinuation) };
}

/** Closes the cursor, however the loop ends. */
export async function* taken<Batch, Item>(
  cursor: Cursor<Batch>,
  itemsOf: (batch: Batch) => Iterable<Item>,
): AsyncGenerator<Item, void, undefined> {
  try {
    for (let batch = await cursor.next(); batch !== undefined; batch = await cursor.next()) {
      yield* itemsOf(batch);
    }
  } finally {
    await cursor.close();
  }
}

function queryOf({ bucket, index, range }: AskedIndex, { termPattern }: IndexQueryOptions): IndexQuery {
  const bytesOfTerm = (term: IndexTerm): ByteString =>
    bytesOfText(index === keyIndex ? keyOf(term) : termText(index, term));
  const asked =
    typeof range === 'object'
      ? ({ kind: 'between', from: bytesOfTerm(range.from), to: bytesOfTerm(range.to) } as const)
      : ({ kind: 'equal', term: bytesOfTerm(range) } as const);
  return {
    ...bucket,
    field: bytesOfText(index.toLowerCase()),
    range: asked,
    ...(termPattern === undefined ? {} : { termPattern: bytesOfText(termPattern) }),
  };
}

function keyOf(term: IndexTerm): string {
  if (typeof term === 'string') return term;
  throw new HaleError('invalid_argument', `keys are text, not ${String(term)}`);
}

/** A node says no term where the query does. */
function matchesOf({ field, range }: IndexQuery, entries: IndexBatch['entries']): readonly IndexMatch[] {
  const isInteger = field.endsWith('_int');
  const asked = range.kind === 'equal' ? range.term : byteLiteral('');
  return entries.map(({ key, term }) => {
    const text = textOfBytes(term ?? (field === keyIndex ? key : asked));
    return { key: textOfBytes(key), term: isInteger ? BigInt(text) : text };
  });
}
