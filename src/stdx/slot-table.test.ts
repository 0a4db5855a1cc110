import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SlotTable } from './slot-table.ts';

test('law: what was set and not deleted is found by its number, as in a Map', () => {
  const steps = fc.array(fc.oneof(fc.constant('set' as const), fc.nat(400)), { maxLength: 600, size: 'max' });
  fc.assert(
    fc.property(steps, (taken) => {
      const table = new SlotTable<{ readonly number: number }>();
      const model = new Map<number, object>();
      for (const step of taken) {
        if (step === 'set') {
          const number = table.next();
          assert.ok(!model.has(number));
          const entry = { number };
          table.set(number, entry);
          model.set(number, entry);
        } else assert.equal(table.delete(step), model.delete(step));
        assert.equal(table.size, model.size);
      }
      for (let number = 0; number < 1000; number += 1) assert.equal(table.get(number), model.get(number));
      assert.deepEqual(new Set(table.entries()), new Set(model.values()));
    }),
    { numRuns: 50 },
  );
});

test('a number is not given to another while its entry is there, however many come and go', () => {
  const table = new SlotTable<object>();
  const stays = table.next();
  const entry = {};
  table.set(stays, entry);
  for (let round = 0; round < 10_000; round += 1) {
    const number = table.next();
    assert.notEqual(number, stays);
    table.set(number, {});
    table.delete(number);
  }
  assert.equal(table.get(stays), entry);
});

test('a cleared table is empty, and goes on counting', () => {
  const table = new SlotTable<object>();
  const number = table.next();
  table.set(number, {});
  table.clear();
  assert.equal(table.size, 0);
  assert.equal(table.get(number), undefined);
  assert.notEqual(table.next(), number);
});
