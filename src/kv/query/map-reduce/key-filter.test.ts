import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytesOfText } from '../../../stdx/index.ts';
import type { Term } from '../../../wire/index.ts';
import { termOfJson } from './item.ts';
import { JobRefusal } from './job.ts';
import { isSimilar, parseKeyFilters, passesFilters } from './key-filter.ts';

const passes = (key: string, ...filters: unknown[]) =>
  passesFilters(bytesOfText(key), parseKeyFilters(termOfJson(filters)));
const refused = (filters: unknown) =>
  assert.throws(
    () => parseKeyFilters(termOfJson(filters) as Term),
    JobRefusal,
    JSON.stringify(filters)?.slice(0, 80),
  );

/** Riak's examples, and what Erlang's order of terms makes of the rest. */
const table: readonly (readonly [key: string, filters: readonly unknown[], passes: boolean])[] = [
  [
    'basho-20101215',
    [
      ['tokenize', '-', 1],
      ['eq', 'basho'],
    ],
    true,
  ],
  ['basho-20101215', [['tokenize', '-', 2], ['string_to_int'], ['greater_than', 20101200]], true],
  [
    'basho',
    [
      ['tokenize', '-', 2],
      ['eq', 'basho'],
    ],
    false,
  ],
  ['10', [['string_to_int'], ['between', 10, 20]], true],
  ['10', [['string_to_int'], ['between', 10, 20, false]], false],
  ['1.5', [['string_to_float'], ['less_than_eq', 1.5]], true],
  ['one', [['string_to_int'], ['neq', 5]], false],
  ['BASHO', [['to_lower'], ['eq', 'basho']], true],
  ['basho', [['to_upper'], ['starts_with', 'BA']], true],
  ['a%20b', [['urldecode'], ['eq', 'a b']], true],
  ['basho', [['ends_with', 'sho']], true],
  ['basho', [['set_member', 'google', 'basho']], true],
  ['baysho', [['similar_to', 'basho', 1]], true],
  ['baysho', [['similar_to', 'basho', 0]], false],
  ['solutions', [['matches', 'sol']], true],
  ['café', [['matches', '^caf.$']], true],
  ['10', [['string_to_int'], ['less_than', 'a']], true],
  ['abc', [['and', [['starts_with', 'a']], [['ends_with', 'c']]]], true],
  ['abc', [['or', [['eq', 'x']], [['ends_with', 'c']]]], true],
  ['abc', [['not', [['eq', 'x']]]], true],
  ['abc', [['not', [['eq', 'abc']]]], false],
  ['7', [['string_to_int'], ['int_to_string'], ['eq', '7']], true],
];

for (const [key, filters, wanted] of table) {
  test(`${JSON.stringify(filters)} lets ${key} ${wanted ? '' : 'not '}pass`, () =>
    assert.equal(passes(key, ...filters), wanted));
}

test('what is no filter is refused', () => {
  for (const bad of [
    null,
    'x',
    [['nosuch']],
    [['__proto__']],
    [[1]],
    [['eq']],
    [['eq', 1, 2]],
    [['tokenize', '-']],
    [['to_lower', 1]],
    [['between', 1]],
    [['between', 1, 2, 'x']],
    [['matches', '(']],
    [['matches', 1]],
    [['similar_to', 'x', -1]],
    [['similar_to', 'x', 1e9]],
    [['similar_to', 'x'.repeat(2000), 1]],
    [['and']],
  ]) {
    refused(bad);
  }
});

test('filters, and regular expressions, are bounded for the job as a whole', () => {
  const many = (count: number) => Array.from({ length: count }, () => ['eq', 'x']);
  assert.equal(passes('x', ...many(256)), true);
  refused(many(257));
  refused([['or', ...Array.from({ length: 17 }, () => many(16))]]);
  const deep = (depth: number): unknown => (depth === 0 ? [['eq', 'x']] : [['not', deep(depth - 1)]]);
  assert.equal(passes('x', ...(deep(16) as unknown[])), true);
  refused(deep(17));
  const pattern = ['matches', '[a-z]{100}'];
  assert.equal(passes('x'.repeat(100), pattern, pattern, pattern), true);
  refused([pattern, pattern, pattern, pattern]);
});

test('the distance is that of Levenshtein', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 8 });
  fc.assert(
    fc.property(text, text, fc.nat({ max: 8 }), (a, b, distance) => {
      assert.equal(isSimilar(a, b, distance), levenshtein(a, b) <= distance);
    }),
    { numRuns: 1000 },
  );
});

function levenshtein(a: string, b: string): number {
  if (a === '' || b === '') return a.length + b.length;
  if (a[0] === b[0]) return levenshtein(a.slice(1), b.slice(1));
  return (
    1 + Math.min(levenshtein(a.slice(1), b), levenshtein(a, b.slice(1)), levenshtein(a.slice(1), b.slice(1)))
  );
}
