import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HaleError } from '../hale-error.ts';
import { errorOfReply } from './error-of-reply.ts';
import { parseServerAddresses } from './server-address.ts';

test('an address names one node or several, by name or number', () => {
  assert.deepEqual(parseServerAddresses('hale://a:1,b, [::1]:9/'), [
    { host: 'a', port: 1 },
    { host: 'b', port: 8087 },
    { host: '::1', port: 9 },
  ]);
});

test('what is no address is refused', () => {
  for (const text of ['hale://', 'http://a', 'hale://a:0', 'hale://a:65536', 'hale://a,,b', 'hale://u@a']) {
    assert.throws(
      () => parseServerAddresses(text),
      (error) => error instanceof HaleError && error.code === 'invalid_argument',
      text,
    );
  }
});

test('error texts have codes, and only what may have been written is unknown', () => {
  const cases = [
    ['timeout', 'timeout', true],
    ['overload', 'overload', false],
    ['match_found', 'exists', false],
    ['modified', 'changed', false],
    ['{dw_val_unsatisfied,2,1}', 'quorum', true],
    ['{n_val_violation,3}', 'invalid_argument', false],
    ['no_type', 'unknown_bucket_type', false],
    ['{too_large,9,8}', 'too_large', false],
    ['something else', 'server', true],
  ] as const;
  for (const [text, code, unknownOutcome] of cases) {
    const error = errorOfReply(text, 'write');
    assert.deepEqual([error.code, error.unknownOutcome], [code, unknownOutcome], text);
    assert.equal(errorOfReply(text, 'read').unknownOutcome, false);
  }
});
