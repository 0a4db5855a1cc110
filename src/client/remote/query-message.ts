/** Index queries and MapReduce jobs as messages, and what is streamed in reply. */
import { Buffer } from 'node:buffer';
import { bufferOf, byteLiteral, byteStringOf } from '../../stdx/index.ts';
import {
  encodeFrame,
  indexQueryType,
  rpbIndexReq,
  rpbIndexResp,
  rpbMapRedReq,
  rpbMapRedResp,
} from '../../wire/index.ts';
import { HaleError } from '../hale-error.ts';
import type { IndexBatch, IndexQuery, JsonJob } from '../transport.ts';
import { decodeReply } from './decode-reply.ts';
import type { StreamedRequest } from './remote-cursor.ts';

export function indexRequest(
  query: IndexQuery,
  timeout: number | undefined,
): Omit<StreamedRequest<IndexBatch>, 'deadline'> {
  const { range, bucketType, continuation } = query;
  const asked =
    range.kind === 'equal'
      ? { qtype: indexQueryType.eq, key: range.term }
      : { qtype: indexQueryType.range, range_min: range.from, range_max: range.to, return_terms: true };
  const frame = encodeFrame(rpbIndexReq, {
    bucket: query.bucket,
    type: bucketType === 'default' ? undefined : bucketType,
    index: query.field,
    ...asked,
    stream: true,
    max_results: query.maxResults,
    continuation: continuation && bufferOf(continuation),
    timeout,
    term_regex: query.termPattern,
  });
  return { frame, decode: decodeIndexReply };
}

function decodeIndexReply(code: number, body: Buffer) {
  const { keys, results, continuation, done } = decodeReply(rpbIndexResp, code, body);
  const entries =
    results.length > 0
      ? results.map(({ key: term, value }) => ({ key: value ?? byteLiteral(''), term }))
      : keys.map((key) => ({ key }));
  const isNews = entries.length > 0 || continuation !== undefined;
  const batch = { entries, continuation: continuation && byteStringOf(continuation) };
  return { batch: isNews ? batch : undefined, done: done === true };
}

export function mapReduceRequest(
  job: JsonJob,
  timeoutMs: number,
): Omit<StreamedRequest<readonly unknown[]>, 'deadline'> {
  const request = Buffer.from(JSON.stringify({ ...job, timeout: timeoutMs }));
  const frame = encodeFrame(rpbMapRedReq, { request, content_type: byteLiteral('application/json') });
  return { frame, decode: decodeJobReply };
}

function decodeJobReply(code: number, body: Buffer) {
  const { response, done } = decodeReply(rpbMapRedResp, code, body);
  return { batch: response === undefined ? undefined : resultsOf(response), done: done === true };
}

function resultsOf(response: Buffer): readonly unknown[] {
  const results: unknown = JSON.parse(response.toString('utf8'));
  if (Array.isArray(results)) return results as readonly unknown[];
  throw new HaleError('protocol', 'the results of a job are a list');
}
