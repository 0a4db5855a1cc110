/** Queries of secondary indexes, pulled no faster than the peer takes the results. */
import {
  bucketField,
  countOfKeys,
  type IndexEntry,
  type IndexQuerying,
  type IndexRequest,
  type IndexResults,
  KvFailure,
  keyField,
  type TermRange,
} from '../../kv/index.ts';
import { bufferOf, byteLiteral, byteStringOf } from '../../stdx/index.ts';
import {
  type haleCountReq,
  haleCountResp,
  indexQueryType,
  type MessageOf,
  type rpbIndexReq,
  rpbIndexResp,
} from '../../wire/index.ts';
import { textOfBucketError, textOfError, undecodable } from './error-reply.ts';
import type { Exchange } from './exchange.ts';
import { defaultType, emptyNameError } from './point-requests.ts';

type IndexMessage = MessageOf<typeof rpbIndexReq>;

/** Results in one reply may be so long. */
const wholeReplyBytesMax = 16 * 1024 * 1024;
const tooManyResults = 'too many results for one reply: ask for pages (max_results) or for a stream';
/** Of each result beside its term and key. */
const resultOverheadBytes = 8;

export function queryIndex(exchange: Exchange, message: IndexMessage): void {
  const { indexes, tasks } = exchange.service;
  const badName = emptyNameError(message.bucket, undefined, message.type);
  if (badName !== undefined || indexes === undefined) {
    exchange.fail(badName ?? 'secondary indexes are not available here');
    return;
  }
  const range = rangeOf(message);
  if (typeof range === 'string') {
    exchange.fail(range);
    return;
  }
  const asked = requestOf(message, range);
  const showsTerms = message.return_terms === true && range.kind !== 'equal' && !isOfKeys(asked);
  tasks.spawn('protobuf: index', () =>
    message.stream === true
      ? stream(exchange, indexes, asked, showsTerms)
      : collect(exchange, indexes, asked, showsTerms),
  );
}

export function countKeys(
  exchange: Exchange,
  { bucket, type, timeout }: MessageOf<typeof haleCountReq>,
): void {
  const { indexes, tasks } = exchange.service;
  const badName = emptyNameError(bucket, undefined, type);
  if (badName !== undefined || indexes === undefined) {
    exchange.fail(badName ?? 'secondary indexes are not available here');
    return;
  }
  tasks.spawn('protobuf: count', async () => {
    try {
      const count = await countOfKeys(indexes, { bucketType: type ?? defaultType, bucket }, timeout);
      exchange.reply(haleCountResp, { count: BigInt(count) });
    } catch (error) {
      if (!(error instanceof KvFailure)) throw error;
      exchange.fail(textOfBucketError(error.error));
    }
  });
}

/** Or why there is none. */
function rangeOf({ qtype, key, range_min: from, range_max: to }: IndexMessage): TermRange | string {
  if (qtype === indexQueryType.eq) {
    return key === undefined ? 'Invalid equality query undefined' : { kind: 'equal', term: key };
  }
  if (qtype !== indexQueryType.range) return undecodable(`there is no qtype ${qtype}`);
  if (from !== undefined && to !== undefined) return { kind: 'between', from, to };
  return `Invalid range query: ${from ?? 'undefined'} -> ${to ?? 'undefined'}`;
}

function requestOf(message: IndexMessage, range: TermRange): IndexRequest {
  const { bucket, type, index, max_results: maxResults, continuation, timeout, term_regex } = message;
  return {
    bucketType: type ?? defaultType,
    bucket,
    field: index,
    range,
    ...(maxResults === undefined || maxResults === 0 ? {} : { maxResults }),
    ...(continuation === undefined || continuation.length === 0
      ? {}
      : { continuation: byteStringOf(continuation) }),
    ...(term_regex === undefined ? {} : { termPattern: term_regex }),
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
  };
}

function isOfKeys({ field }: IndexRequest): boolean {
  const name = byteLiteral(field.toLowerCase());
  return name === keyField || name === bucketField;
}

function shown(entries: readonly IndexEntry[], showsTerms: boolean) {
  return showsTerms
    ? { results: entries.map(({ term, key }) => ({ key: term, value: key })) }
    : { keys: entries.map(({ key }) => key) };
}

async function stream(
  exchange: Exchange,
  indexes: IndexQuerying,
  asked: IndexRequest,
  showsTerms: boolean,
): Promise<void> {
  await withResults(exchange, indexes, asked, async (results) => {
    const { tasks } = exchange.service;
    const replies = exchange.beginStream(() => tasks.spawn('protobuf: cancel index', () => results.close()));
    for (let next = await results.next(); next !== undefined; next = await results.next()) {
      if (exchange.isClosed) return;
      replies.frame(rpbIndexResp, shown(next, showsTerms));
      await replies.writable();
      if (exchange.isClosed) return;
    }
    if (!exchange.isClosed) exchange.reply(rpbIndexResp, { ...continued(results), done: true });
  });
}

async function collect(
  exchange: Exchange,
  indexes: IndexQuerying,
  asked: IndexRequest,
  showsTerms: boolean,
): Promise<void> {
  await withResults(exchange, indexes, asked, async (results) => {
    const entries: IndexEntry[] = [];
    let bytes = 0;
    for (let next = await results.next(); next !== undefined; next = await results.next()) {
      if (exchange.isClosed) return;
      for (const entry of next) {
        entries.push(entry);
        bytes += resultOverheadBytes + entry.key.length + (showsTerms ? entry.term.length : 0);
      }
      if (bytes > wholeReplyBytesMax) {
        exchange.fail(tooManyResults);
        return;
      }
    }
    exchange.reply(rpbIndexResp, { ...shown(entries, showsTerms), ...continued(results) });
  });
}

function continued({ continuation }: IndexResults) {
  return continuation === undefined ? {} : { continuation: bufferOf(continuation) };
}

/** Opens a query, hands it over, and closes it whatever comes. */
async function withResults(
  exchange: Exchange,
  indexes: IndexQuerying,
  asked: IndexRequest,
  body: (results: IndexResults) => Promise<void>,
): Promise<void> {
  let results: IndexResults | undefined;
  try {
    results = indexes.query(asked);
    await body(results);
  } catch (error) {
    if (!(error instanceof KvFailure)) throw error;
    exchange.fail(textOfError(error.error));
  } finally {
    await results?.close();
  }
}
