import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { relations } from './relation.ts';
import { configurationKeys, defaultConfiguration, definitionOf } from './schema.ts';
import { variedConfiguration } from './varied-configuration.ts';

test('law: a varied configuration obeys every relation, and each value is a default or an extreme', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { minLength: configurationKeys.length }), (choices) => {
      let used = 0;
      const varied = variedConfiguration((count) => choices[used++]! % count);
      assert.equal(used, configurationKeys.length);
      for (const relation of relations) assert.ok(relation.holds(varied), relation.keys[0]);
      for (const key of configurationKeys) {
        const { default: usual, extremes = [] } = definitionOf(key);
        assert.ok([usual, ...extremes].includes(varied[key]), key);
      }
    }),
  );
});

test('the first choice of all is the defaults; the last differs in many keys', () => {
  assert.deepEqual(
    variedConfiguration(() => 0),
    defaultConfiguration(),
  );
  const extreme = variedConfiguration((count) => count - 1);
  const differing = configurationKeys.filter((key) => extreme[key] !== defaultConfiguration()[key]);
  assert.ok(differing.length > 20, String(differing.length));
});
