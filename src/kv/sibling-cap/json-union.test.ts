import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nestingMax, unionOfJson } from './json-union.ts';

const numRuns = Number(process.env.LAW_RUNS ?? 2000);
const names = fc.constantFrom('a', 'b', '__proto__', 'constructor');
const { value: values } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constant(null),
    fc.boolean(),
    fc.integer({ min: -2, max: 2 }),
    fc.constantFrom('', 'x', 'y'),
    fc.array(tie('value'), { maxLength: 3 }),
    fc
      .array(fc.tuple(names, tie('value')), { maxLength: 3 })
      .map((members) => Object.fromEntries(members) as unknown),
  ),
}));
const texts = values.map((value) => JSON.stringify(value));
const union = (...all: string[]) => unionOfJson(all)!;

test('U1: the union is a join: in any order, however grouped, however often, and it contains both', () => {
  fc.assert(
    fc.property(texts, texts, texts, (a, b, c) => {
      assert.equal(union(a, b), union(b, a));
      assert.equal(union(union(a, b), c), union(a, union(b, c)));
      assert.equal(union(a, b, c), union(a, union(b, c)));
      assert.equal(union(a, a), union(a));
      assert.equal(union(union(a)), union(a));
      assert.equal(union(a, union(a, b)), union(a, b));
    }),
    { numRuns },
  );
});

test('sets grow, members are joined by name, and of two values the greater stays', () => {
  for (const [a, b, joined] of [
    ['[2,1]', '[3,1]', '[1,2,3]'],
    ['{"b":1,"a":[1]}', '{"a":[2],"c":true}', '{"a":[1,2],"b":1,"c":true}'],
    ['3', '-7', '3'],
    ['"b"', '"a"', '"b"'],
    ['false', 'true', 'true'],
    ['null', '0', '0'],
    ['[]', '"z"', '[]'],
    ['[]', '{}', '{}'],
    ['{"__proto__":[1]}', '{"__proto__":[2]}', '{"__proto__":[1,2]}'],
  ] as const) {
    assert.equal(union(a, b), joined);
  }
});

test('U2: what is no JSON, or too deep, has no union', () => {
  const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
  assert.equal(union('1', nested(nestingMax)), nested(nestingMax));
  for (const bad of ['', '{', 'NaN', "{'a':1}", nested(nestingMax + 1), nested(50_000)]) {
    assert.equal(unionOfJson(['[]', bad]), undefined);
  }
});

test('U2: a number that would be rounded has no union', () => {
  for (const bad of ['12345678901234567890', '1e400', '-1e400', '1e-400', '0.10000000000000000555']) {
    assert.equal(unionOfJson(['[]', `{"id":[${bad}]}`]), undefined, bad);
  }
  for (const [good, printed] of [
    ['9007199254740991', '9007199254740991'],
    ['100000000000000000000', '100000000000000000000'],
    ['1.50e2', '150'],
    ['1E+30', '1e+30'],
    ['0.00000012', '1.2e-7'],
    ['-0.0e5', '0'],
    ['0.30000000000000004', '0.30000000000000004'],
    ['"\\"12345678901234567890"', '"\\"12345678901234567890"'],
  ] as const) {
    assert.equal(unionOfJson(['[]', `[${good}]`]), `[${printed}]`);
  }
});
