import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Instant, WallMicros } from '../../../environment/index.ts';
import { erlangReductions } from './erlang-reduce.ts';
import { type Item, ItemError, jsonItem, jsonOf } from './item.ts';
import { JobBudget } from './job-budget.ts';
import { JobFailure } from './job-failure.ts';
import { sortedInSteps } from './term-order.ts';

function budget(heldBytesMax = 1e9): JobBudget {
  const environment = {
    clock: { now: () => 0 as Instant, wallMicros: () => 0 as WallMicros },
    tasks: { endOfTurn: (then: () => void) => queueMicrotask(then) },
  };
  return new JobBudget(environment, { timeoutMs: 1000, heldBytesMax, scriptMsMax: 1000 });
}

/** All results, whatever the pieces that the inputs come in. */
async function reduced(
  name: string,
  pieces: readonly (readonly unknown[])[],
  held?: number,
): Promise<readonly unknown[]> {
  const reduction = erlangReductions.get(name)!(budget(held));
  const results: Item[] = [];
  for (const piece of pieces)
    results.push(...reduction.push(piece.map((value) => jsonItem(JSON.stringify(value)))));
  results.push(...(await reduction.finish()));
  return results.map((item) => JSON.parse(jsonOf(item)) as unknown);
}

const numbers = fc.array(fc.integer({ min: -1000, max: 1000 }), { maxLength: 30 });

test('sums, counts, sorts and unions are those of all inputs, whatever the pieces they come in', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(numbers, { maxLength: 6 }), async (pieces) => {
      const all = pieces.flat();
      const sorted = [...all].sort((a, b) => a - b);
      assert.deepEqual(await reduced('reduce_sum', pieces), [all.reduce((a, b) => a + b, 0)]);
      assert.deepEqual(await reduced('reduce_count_inputs', pieces), [all.length]);
      assert.deepEqual(await reduced('reduce_sort', pieces), sorted);
      assert.deepEqual(await reduced('reduce_identity', pieces), all);
      const union = (await reduced('reduce_set_union', pieces)) as number[];
      assert.deepEqual(
        [...union].sort((a, b) => a - b),
        [...new Set(sorted)],
      );
    }),
  );
});

test('terms sort as in Erlang: numbers, atoms, maps, lists, binaries', async () => {
  const values = ['b', ['x'], { a: 1 }, true, 2, 'a', [], 1.5, { a: 0 }, null, false];
  const wanted = [1.5, 2, false, null, true, { a: 0 }, { a: 1 }, [], ['x'], 'a', 'b'];
  assert.deepEqual(await reduced('reduce_sort', [values]), wanted);
});

test('a sum leaves out what was not found, and nothing else', async () => {
  assert.deepEqual(await reduced('reduce_sum', [[1, { not_found: { bucket: 'b' } }, 2]]), [3]);
  await assert.rejects(reduced('reduce_sum', [[1, 'x']]), ItemError);
  await assert.rejects(reduced('reduce_string_to_integer', [['x']]), ItemError);
  assert.deepEqual(await reduced('reduce_string_to_integer', [['12', 7, '-3']]), [12, 7, -3]);
});

test('properties are summed by their names, whatever these are', async () => {
  const [sums] = await reduced('reduce_plist_sum', [
    [{ a: 1 }, [['a', 2]]],
    [{ b: 5 }, ['constructor', 3], { a: 1 }],
  ]);
  assert.deepEqual(sums, { a: 4, b: 5, constructor: 3 });
});

test('a property may be called not_found', async () => {
  const rows = [{ found: 1 }, { not_found: 1 }, { not_found: 2, found: 1 }];
  assert.deepEqual(await reduced('reduce_plist_sum', [rows]), [{ found: 2, not_found: 3 }]);
});

test('what is gathered is entered in the budget', async () => {
  const values = Array.from({ length: 1000 }, (_, i) => `value ${i}`);
  for (const name of ['reduce_sort', 'reduce_set_union']) {
    assert.equal((await reduced(name, [values])).length, 1000);
    await assert.rejects(reduced(name, [values], 10_000), JobFailure);
  }
});

test('what was gathered is released at the end', async () => {
  for (const name of ['reduce_sort', 'reduce_set_union', 'reduce_plist_sum']) {
    const held = budget(10_000);
    const reduction = erlangReductions.get(name)!(held);
    reduction.push([jsonItem('{"a":1,"b":2}'), jsonItem('{"c":3}')]);
    await reduction.finish();
    held.hold(10_000);
  }
});

test('a sort in steps is stable, and lets others in between', async () => {
  const values = Array.from({ length: 20_000 }, (_, at) => ({ rank: (at * 7919) % 100, at }));
  let pauses = 0;
  const pause = () => {
    pauses += 1;
    return Promise.resolve();
  };
  const sorted = await sortedInSteps(values, (a, b) => a.rank - b.rank, pause);
  assert.deepEqual(
    sorted,
    [...values].sort((a, b) => a.rank - b.rank || a.at - b.at),
  );
  assert.ok(pauses > 10);
});

test('sums by name leave out what was not found; no sum is infinite', async () => {
  const missing = { not_found: { bucket: 'b' } };
  assert.deepEqual(await reduced('reduce_plist_sum', [[{ a: 1 }, missing], [['a', 2]]]), [{ a: 3 }]);
  const huge = [[1e308], [1e308]];
  await assert.rejects(reduced('reduce_sum', huge), { name: 'ItemError', message: 'badarith' });
  const named = [[{ a: 1e308 }], [{ a: 1e308 }]];
  await assert.rejects(reduced('reduce_plist_sum', named), { name: 'ItemError', message: 'badarith' });
});
