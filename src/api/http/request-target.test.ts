import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { quorumAll, quorumCount } from '../../kv/index.ts';
import { byteLiteral, byteStringOf } from '../../stdx/index.ts';
import { percentEncode } from './percent-encoding.ts';
import { QueryError, QueryParameters } from './query-parameters.ts';
import { parseRequestTarget, segmentsMax } from './request-target.ts';

const name = fc.uint8Array({ minLength: 1, maxLength: 12 }).map((bytes) => byteStringOf(bytes));

test('segments and parameters come back as they were encoded', () => {
  fc.assert(
    fc.property(
      fc.array(name, { maxLength: 8 }),
      fc.array(fc.tuple(name, name), { maxLength: 8 }),
      (path, pairs) => {
        const query = pairs.map(([key, value]) => `${percentEncode(key)}=${percentEncode(value)}`).join('&');
        const target = parseRequestTarget(
          `/${path.map(percentEncode).join('/')}${query === '' ? '' : `?${query}`}`,
        );
        assert.deepEqual(target?.segments, path);
        for (const [key] of pairs) {
          const first = pairs.find(([other]) => other === key)![1];
          assert.equal(target?.query.text(key), first);
        }
      },
    ),
  );
});

test('any target is parsed or refused, never more', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('/', '?', '&', '=', '%', 'a', '#', ':', '*') }), (text) => {
      const target = parseRequestTarget(text);
      assert.ok(target === undefined || target.segments.length <= segmentsMax);
    }),
  );
});

test('empty segments and parameters are left out', () => {
  const target = parseRequestTarget('//buckets/b//keys/?&keys=stream&&=x&flag');
  assert.deepEqual(target?.segments, ['buckets', 'b', 'keys']);
  assert.equal(target?.query.text('keys'), byteLiteral('stream'));
  assert.equal(target?.query.text('flag'), byteLiteral(''));
  assert.equal(parseRequestTarget('*'), undefined);
  assert.equal(parseRequestTarget('host:80'), undefined);
  assert.equal(parseRequestTarget(`/${'a/'.repeat(segmentsMax + 1)}`), undefined);
  assert.deepEqual(parseRequestTarget('HTTP://h/a')?.segments, ['a']);
});

test('parameters: quorums, flags, timeouts and their errors', () => {
  const query = new QueryParameters(
    'r=all&w=2&pw=x&basic_quorum=true&notfound_ok=default&timeout=5&dw=99999999999',
  );
  assert.equal(query.quorum('r'), quorumAll);
  assert.equal(query.quorum('w'), quorumCount(2));
  assert.equal(query.quorum('pr'), undefined);
  assert.throws(() => query.quorum('pw'), QueryError);
  assert.throws(() => query.quorum('dw'), QueryError);
  assert.equal(query.flag('basic_quorum'), true);
  assert.equal(query.flag('notfound_ok'), undefined);
  assert.equal(query.timeoutMs(), 5);
  assert.throws(() => new QueryParameters('timeout=-1').timeoutMs(), { message: 'Bad timeout value "-1"\n' });
  assert.equal(new QueryParameters('sync_on_write=one').syncOnWrite(), 'one');
  assert.throws(() => new QueryParameters('sync_on_write=x').syncOnWrite(), QueryError);
});
