/**
 * The one translation of failures of the database into HTTP. Texts are Riak's where its clients or
 * people's scripts know them. 503: try again, perhaps later or elsewhere; a write may have happened.
 */
import type { HttpExchange } from '../../environment/index.ts';
import type { KvError, PropertyProblem, QuorumName } from '../../kv/index.ts';
import { unreachable } from '../../stdx/index.ts';
import { datatypeErrorText } from './datatype-error.ts';
import { sendJson, sendOverload, sendPage, sendText, varyEncoding } from './http-response.ts';
import { indexProblemText } from './index-headers.ts';
import { queryProblemText } from './query-problem-text.ts';

export function sendError(exchange: HttpExchange, error: KvError): void {
  switch (error.code) {
    case 'notfound':
      sendText(exchange, 404, 'not found\n');
      return;
    case 'match_found':
      sendPage(exchange, 412, 'Vary', varyEncoding);
      return;
    case 'modified':
      sendPage(exchange, 409, 'Vary', varyEncoding);
      return;
    case 'overload':
      sendOverload(exchange);
      return;
    case 'invalid_properties':
      sendJson(exchange, 400, reasonsByProperty(error.problems));
      return;
    default: {
      const { status, text } = errorText(error);
      sendText(exchange, status, text);
    }
  }
}

type TextError = Exclude<
  KvError,
  { readonly code: 'notfound' | 'match_found' | 'modified' | 'overload' | 'invalid_properties' }
>;

function errorText(error: TextError): { readonly status: number; readonly text: string } {
  switch (error.code) {
    case 'timeout':
      return { status: 503, text: 'request timed out\n' };
    case 'stopping':
      return { status: 503, text: 'The node is stopping.\n' };
    case 'n_val_violation':
      return {
        status: 400,
        text: `Specified w/dw/pw/node_confirms values invalid for bucket n value of ${error.nVal}\n`,
      };
    case 'quorum_unsatisfied':
      return {
        status: 503,
        text: `${quorumLabel(error.quorum)}-value unsatisfied: ${error.got}/${error.wanted}\n`,
      };
    case 'insufficient_vnodes':
    case 'insufficient_nodes':
      return { status: 503, text: `${error.code}: ${error.up} up, ${error.needed} needed\n` };
    case 'all_nodes_down':
      return { status: 503, text: `${error.code}\n` };
    case 'insufficient_vnodes_available':
      return { status: 503, text: `${error.code}${partitionsText(error.partitions)}\n` };
    case 'bad_query':
      return { status: 400, text: queryProblemText(error.problem) };
    case 'bad_context':
      return { status: 400, text: 'X-Riak-Vclock is not a context that this database issued.\n' };
    case 'bad_content':
      return { status: 400, text: `${error.reason}\n` };
    case 'bad_index':
      return { status: 400, text: indexProblemText(error.problem) };
    case 'precommit_fail':
      return { status: 403, text: `${error.reason ?? 'PUT aborted by pre-commit hook.'}\n` };
    case 'bad_name':
      return {
        status: 400,
        text: `The ${error.what} is ${error.reason === 'empty' ? 'empty' : 'too long'}.\n`,
      };
    case 'unknown_bucket_type':
      return { status: 404, text: `Unknown bucket type: ${error.bucketType}` };
    case 'too_large':
      return { status: 413, text: `The object has ${error.bytes} bytes; ${error.bytesMax} are allowed.\n` };
    case 'too_large_to_assemble':
      return {
        status: 503,
        text: `The value has ${error.bytes} bytes; ${error.bytesMax} can be held at once now. Read it alone.\n`,
      };
    case 'chunk_missing':
      return { status: 503, text: `Chunk ${error.index} of the value cannot be had now.\n` };
    case 'too_many_siblings':
      return {
        status: 400,
        text: `The object has ${error.siblings} siblings; ${error.siblingsMax} are allowed.\n`,
      };
    case 'being_dropped':
      return { status: 503, text: 'The bucket is being dropped.\n' };
    case 'storage':
      return { status: 503, text: `storage: ${error.reason}\n` };
    case 'no_feed':
      return { status: 409, text: 'The bucket keeps no change feed: its property "feed" is not true.\n' };
    case 'bad_cursor':
      return { status: 400, text: 'The cursor is none of this feed. Begin without one.\n' };
    case 'too_many_feeds':
      return {
        status: 503,
        text: `This node serves ${error.feedsMax} change feeds, and no more are allowed.\n`,
      };
    case 'no_majority':
      return { status: 503, text: `no_majority: ${error.reason}\n` };
    case 'not_present':
    case 'type_mismatch':
    case 'nested_too_deep':
    case 'increment_out_of_range':
    case 'no_datatype':
    case 'needs_allow_mult':
      return datatypeErrorText(error);
    default:
      return unreachable(error);
  }
}

/** Not so many that nobody reads them. */
const partitionsShownMax = 64;

function partitionsText(partitions: readonly number[] | undefined): string {
  if (partitions === undefined || partitions.length === 0) return '';
  const rest = partitions.length > partitionsShownMax ? ', …' : '';
  return ` (partitions ${partitions.slice(0, partitionsShownMax).join(', ')}${rest})`;
}

function quorumLabel(quorum: QuorumName): string {
  return quorum === 'node_confirms' ? quorum : quorum.toUpperCase();
}

function reasonsByProperty(problems: readonly PropertyProblem[]): Record<string, string> {
  return Object.fromEntries(problems.map(({ property, reason }) => [property, reason]));
}
