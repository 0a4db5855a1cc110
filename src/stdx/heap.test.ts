import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Heap } from './heap.ts';

test('law: whatever is pushed and popped, the least comes out, as from a sorted list', () => {
  const steps = fc.array(fc.oneof(fc.integer({ min: 0, max: 50 }), fc.constant('pop' as const)));
  fc.assert(
    fc.property(steps, (taken) => {
      const heap = new Heap<number>((a, b) => a < b);
      let sorted: number[] = [];
      for (const step of taken) {
        if (step === 'pop') assert.equal(heap.pop(), sorted.shift());
        else {
          heap.push(step);
          sorted = [...sorted, step].sort((a, b) => a - b);
        }
        assert.equal(heap.first, sorted[0]);
        assert.equal(heap.size, sorted.length);
      }
    }),
  );
});

test('a cleared heap is empty', () => {
  const heap = new Heap<number>((a, b) => a < b);
  heap.push(1);
  heap.clear();
  assert.equal(heap.pop(), undefined);
});
