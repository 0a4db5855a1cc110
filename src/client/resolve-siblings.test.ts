import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { byteLiteral } from '../stdx/index.ts';
import type { Content } from '../wire/index.ts';
import { latestOf, liveSiblings } from './resolve-siblings.ts';

const content = fc
  .record({ value: fc.nat(3), micros: fc.nat(5), vtag: fc.nat(9), deleted: fc.boolean() })
  .map(
    ({ value, micros, vtag, deleted }): Content => ({
      value: Buffer.from(String(value)),
      vtag: byteLiteral(String(vtag)),
      lastModifiedMicros: micros,
      links: [],
      userMeta: [],
      indexes: [],
      deleted,
    }),
  );
const shown = ({ value, lastModifiedMicros, vtag }: Content): string =>
  `${value.toString()} ${lastModifiedMicros} ${vtag}`;

test('the latest does not depend on the order of siblings', () => {
  fc.assert(
    fc.property(fc.uniqueArray(content, { minLength: 1, selector: (c) => c.vtag }), (siblings) => {
      assert.equal(shown(latestOf(siblings)), shown(latestOf(siblings.slice().reverse())));
    }),
  );
});

test('live siblings are every value that is not deleted, once, at its latest', () => {
  fc.assert(
    fc.property(fc.array(content), (siblings) => {
      const live = liveSiblings(siblings);
      const values = siblings.filter((s) => !s.deleted).map((s) => s.value.toString());
      assert.deepEqual(live.map((s) => s.value.toString()).sort(), [...new Set(values)].sort());
      for (const kept of live) {
        const same = siblings.filter((s) => !s.deleted && s.value.equals(kept.value));
        assert.equal(kept.lastModifiedMicros, Math.max(...same.map((s) => s.lastModifiedMicros!)));
      }
    }),
  );
});
