import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
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

test('what was deleted does not outlive a collection of the young', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options?: { readonly type: 'minor' }) => void;
  const table = new SlotTable<{ readonly payload: readonly number[] }>();
  const underWay: number[] = [];
  const add = (): void => {
    const number = table.next();
    table.set(number, { payload: Array.from({ length: 16 }, (_, i) => i) });
    underWay.push(number);
  };
  for (let i = 0; i < 150; i += 1) add();
  // As in a server that has run for a while: the table lies among old objects.
  collect();
  const before = oldBytes();
  for (let round = 0; round < 40; round += 1) {
    for (let i = 0; i < 1000; i += 1) {
      add();
      table.delete(underWay.shift()!);
    }
    collect({ type: 'minor' });
    collect({ type: 'minor' });
  }
  // In a Map all forty thousand, six megabytes, would lie there now.
  assert.ok(oldBytes() - before < 3 * 2 ** 20, `${oldBytes() - before} bytes more are old`);
});

function oldBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space')!.space_used_size;
}
