import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { jsonNestingOf } from './json-nesting.ts';

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

test('the depth of any JSON is that of its value', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom('', '[{"\\"]'), (value, name) => {
      const named = { [name]: value };
      assert.equal(jsonNestingOf(JSON.stringify(named)), depthOf(named));
    }),
  );
});

test('what is no JSON has some depth, however deep', () => {
  assert.equal(jsonNestingOf(''), 0);
  assert.equal(jsonNestingOf(']]]'), 0);
  assert.equal(jsonNestingOf('"[[["'), 0);
  assert.equal(jsonNestingOf('['.repeat(1_000_000)), 1_000_000);
});
