import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HttpExchange } from '../../environment/index.ts';
import type { KvError } from '../../kv/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { sendError } from './error-response.ts';

/** The complete table: the compiler wants every code. */
const answers: {
  readonly [Code in KvError['code']]: readonly [Extract<KvError, { code: Code }>, number, string | RegExp];
} = {
  timeout: [{ code: 'timeout' }, 503, 'request timed out\n'],
  overload: [{ code: 'overload' }, 503, 'overload\n'],
  n_val_violation: [
    { code: 'n_val_violation', nVal: 3 },
    400,
    'Specified w/dw/pw/node_confirms values invalid for bucket n value of 3\n',
  ],
  quorum_unsatisfied: [
    { code: 'quorum_unsatisfied', quorum: 'pr', wanted: 2, got: 1 },
    503,
    'PR-value unsatisfied: 1/2\n',
  ],
  insufficient_vnodes: [{ code: 'insufficient_vnodes', up: 1, needed: 2 }, 503, /1 up, 2 needed/],
  insufficient_nodes: [{ code: 'insufficient_nodes', up: 1, needed: 2 }, 503, /1 up, 2 needed/],
  all_nodes_down: [{ code: 'all_nodes_down' }, 503, 'all_nodes_down\n'],
  precommit_fail: [{ code: 'precommit_fail', reason: 'too dear' }, 403, 'too dear\n'],
  insufficient_vnodes_available: [
    { code: 'insufficient_vnodes_available', partitions: [3, 4] },
    503,
    'insufficient_vnodes_available (partitions 3, 4)\n',
  ],
  bad_query: [
    { code: 'bad_query', problem: { reason: 'unknown_type', field: byteLiteral('age') } },
    400,
    'Invalid query: {unknown_field_type,<<"age">>}',
  ],
  no_feed: [{ code: 'no_feed' }, 409, /"feed" is not true/],
  bad_cursor: [{ code: 'bad_cursor' }, 400, /cursor/],
  too_many_feeds: [{ code: 'too_many_feeds', feedsMax: 7 }, 503, /serves 7 change feeds/],
  bad_context: [{ code: 'bad_context' }, 400, /X-Riak-Vclock/],
  bad_index: [
    { code: 'bad_index', problem: { reason: 'unknown_type', field: byteLiteral('name') } },
    400,
    "Unknown field type for field: 'name'.\n",
  ],
  bad_content: [{ code: 'bad_content', reason: 'why' }, 400, 'why\n'],
  bad_name: [{ code: 'bad_name', what: 'key', reason: 'too_long' }, 400, 'The key is too long.\n'],
  unknown_bucket_type: [{ code: 'unknown_bucket_type', bucketType: 'T' }, 404, 'Unknown bucket type: T'],
  too_large: [{ code: 'too_large', bytes: 2, bytesMax: 1 }, 413, /2 bytes; 1 are allowed/],
  too_large_to_assemble: [{ code: 'too_large_to_assemble', bytes: 9, bytesMax: 8 }, 503, /9 bytes; 8 can/],
  chunk_missing: [{ code: 'chunk_missing', index: 7 }, 503, 'Chunk 7 of the value cannot be had now.\n'],
  too_many_siblings: [{ code: 'too_many_siblings', siblings: 2, siblingsMax: 1 }, 400, /2 siblings/],
  match_found: [{ code: 'match_found' }, 412, /Precondition Failed/],
  modified: [{ code: 'modified' }, 409, /Conflict/],
  notfound: [{ code: 'notfound' }, 404, 'not found\n'],
  being_dropped: [{ code: 'being_dropped' }, 503, 'The bucket is being dropped.\n'],
  no_majority: [{ code: 'no_majority', reason: 'no voters' }, 503, 'no_majority: no voters\n'],
  storage: [{ code: 'storage', reason: 'disk full' }, 503, 'storage: disk full\n'],
  invalid_properties: [
    { code: 'invalid_properties', problems: [{ property: '__proto__', reason: 'not_boolean' }] },
    400,
    '{"__proto__":"not_boolean"}',
  ],
  stopping: [{ code: 'stopping' }, 503, /stopping/],
  not_present: [
    { code: 'not_present', name: byteLiteral('zz'), what: 'element' },
    500,
    'Error:\n{precondition,{not_present,<<"zz">>}}\n',
  ],
  type_mismatch: [{ code: 'type_mismatch', expected: 'set', actual: 'map' }, 400, /for a map.*a set/],
  nested_too_deep: [{ code: 'nested_too_deep', nestingMax: 30 }, 400, /deeper than 30/],
  increment_out_of_range: [{ code: 'increment_out_of_range', increment: '-9' }, 400, /-9 .* 64 bits/],
  no_datatype: [{ code: 'no_datatype' }, 403, "Bucket datatype 'undefined' is not a supported type.\n"],
  needs_allow_mult: [{ code: 'needs_allow_mult' }, 403, 'Bucket must be allow_mult=true\n'],
};

test('every failure of the database has its status and text', () => {
  for (const [error, status, body] of Object.values(answers)) {
    const sent: [number, string][] = [];
    const exchange = {
      respond: (code: number, _headers: string[], bytes: Buffer) => sent.push([code, bytes.toString()]),
    } as unknown as HttpExchange;
    sendError(exchange, error);
    assert.equal(sent.length, 1);
    assert.equal(sent[0]![0], status, error.code);
    if (typeof body === 'string') assert.equal(sent[0]![1], body);
    else assert.match(sent[0]![1], body);
  }
});

test('overload says when to come back', () => {
  let headers: string[] = [];
  const exchange = {
    respond: (_code: number, sent: string[]) => {
      headers = sent;
    },
  } as unknown as HttpExchange;
  sendError(exchange, { code: 'overload' });
  assert.equal(headers[headers.indexOf('Retry-After') + 1], '1');
});
