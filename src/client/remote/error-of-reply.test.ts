import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HaleErrorCode } from '../hale-error.ts';
import { errorOfReply } from './error-of-reply.ts';

/** Texts as nodes send them. */
const meanings: readonly (readonly [text: string, code: HaleErrorCode])[] = [
  ['timeout', 'timeout'],
  ['match_found', 'exists'],
  ['modified', 'changed'],
  ['{precondition,{not_present,<<"x">>}}', 'changed'],
  ['{r_val_unsatisfied,2,1}', 'quorum'],
  ['{insufficient_vnodes,0,need,2}', 'unavailable'],
  ['no_majority: one of three voters is reached', 'unavailable'],
  ['insufficient_vnodes_available (partitions 1,2)', 'unavailable'],
  ['no_type', 'unknown_bucket_type'],
  ["No bucket-type named 'no'", 'unknown_bucket_type'],
  ['Error no bucket type `<<"no">>`', 'unknown_bucket_type'],
  ['Invalid bucket type: <<"no">>', 'unknown_bucket_type'],
  ['Invalid bucket properties: not_active', 'unknown_bucket_type'],
  ['Invalid bucket properties: [{n_val,not_integer}]', 'invalid_argument'],
  ['Operation type is `set` but  bucket type is `counter`.', 'invalid_argument'],
  ['Bucket datatype `undefined` is not a supported type', 'invalid_argument'],
  ['{precommit_fail,[{field_parsing_failed,{<<"n_int">>,<<"x">>}}]}', 'invalid_argument'],
  ['{precommit_fail,<<"no">>}', 'rejected'],
  ['{field_parsing_failed,{<<"n_int">>,<<"x">>}}', 'invalid_argument'],
  ['Invalid continuation: not one that this database gave for this index', 'invalid_argument'],
  ['{inputs,["Unrecognized format of \\"inputs\\" field:"]}', 'invalid_argument'],
  ['Phase 0: no JavaScript function is called Riak.none', 'invalid_argument'],
  ["Error sending inputs: No bucket-type named 'no'", 'unknown_bucket_type'],
  ['Error sending inputs: timeout', 'timeout'],
  ['the job holds more than 100 bytes', 'too_large'],
  ['{"phase":1,"error":"TypeError: x","input":"1","type":"exception","stack":""}', 'job_failed'],
  ['{"phase":', 'server'],
  ['Unknown message code: 99', 'protocol'],
  ['something else', 'server'],
];

test('each text of a node has its code', () => {
  for (const [text, code] of meanings) assert.equal(errorOfReply(text, 'read').code, code, text);
});

test('only a write has an outcome that nobody knows, and only if it may have happened', () => {
  assert.equal(errorOfReply('timeout', 'write').unknownOutcome, true);
  assert.equal(errorOfReply('timeout', 'read').unknownOutcome, false);
  assert.equal(errorOfReply('match_found', 'write').unknownOutcome, false);
  assert.equal(errorOfReply('all_nodes_down', 'write').unknownOutcome, false);
  assert.equal(errorOfReply('no_majority: no voters', 'write').unknownOutcome, true);
  assert.equal(errorOfReply('no_majority: no voters', 'read').unknownOutcome, false);
});

test('a failed phase says which it was, what it met, and what it worked on', () => {
  const reply = '{"phase":1,"error":"TypeError: x","input":"[7]","type":"exception","stack":""}';
  assert.equal(
    errorOfReply(reply, 'read').message,
    'phase 1 of the job failed: TypeError: x (working on [7])',
  );
});
