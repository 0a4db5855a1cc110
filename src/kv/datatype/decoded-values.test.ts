import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Crdt, emptyCrdt, encodeCrdt, updateCrdt } from '../../crdt/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { plainDecoder } from './crdt-decoder.ts';
import { DecodedValues } from './decoded-values.ts';

const actor = byteLiteral('an actor 012');

/** A set of `elements` elements, all of them at once; its encoding differs by `name`. */
function setOf(elements: number, name: string): { readonly crdt: Crdt; readonly bytes: Buffer } {
  const adds = Array.from({ length: elements }, (_, i) => byteLiteral(`element ${i} of ${name}`));
  const operation = { kind: 'set', steps: [{ kind: 'add', elements: adds }] } as const;
  const dot = { actor: actor as never, counter: 1 };
  const result = updateCrdt(emptyCrdt('set'), { operation, dot, micros: 1 });
  assert.ok(result.kind === 'updated');
  return { crdt: result.state, bytes: encodeCrdt(result.state) };
}

test('what is decoded is what the bytes say, whatever was asked before; and it takes no more memory than it may', () => {
  const values = Array.from({ length: 6 }, (_, i) => setOf(40 + 40 * i, `${i % 2}`).bytes);
  const step = fc.record({ at: fc.nat({ max: values.length - 1 }), damage: fc.boolean() });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 40 }),
      fc.constantFrom(0, 100_000, 400_000, 10_000_000),
      (steps, memoryMax) => {
        const cache = new DecodedValues(memoryMax);
        for (const { at, damage } of steps) {
          const bytes = Buffer.from(values[at]!);
          // Behind all that a cache looks at first.
          if (damage) bytes[bytes.length - 1]! ^= 1;
          const found = cache.decode(bytes);
          const wanted = plainDecoder.decode(bytes);
          assert.equal(found === undefined, wanted === undefined);
          if (found !== undefined) assert.deepEqual(encodeCrdt(found), encodeCrdt(wanted!));
          assert.ok(cache.memory <= memoryMax && cache.memory >= 0, `${cache.memory} of ${memoryMax}`);
        }
      },
    ),
  );
});

test('a large value is decoded once, or never if it was made here', () => {
  const cache = new DecodedValues(10_000_000);
  const { crdt, bytes } = setOf(100, 'a');
  const first = cache.decode(bytes);
  assert.equal(cache.decode(Buffer.from(bytes)), first, 'by its bytes, not by who has them');
  assert.deepEqual([cache.hits, cache.misses], [1, 1]);
  const made = setOf(200, 'b');
  cache.remember(made.bytes, made.crdt);
  assert.equal(cache.decode(Buffer.from(made.bytes)), made.crdt);
  assert.notEqual(first, crdt);
});

test('small values pass by, and so do all where no memory is given', () => {
  const small = setOf(1, 'small');
  const cache = new DecodedValues(10_000_000);
  cache.remember(small.bytes, small.crdt);
  assert.notEqual(cache.decode(small.bytes), small.crdt);
  assert.equal(cache.memory, 0);
  const none = new DecodedValues(0);
  const { crdt, bytes } = setOf(100, 'a');
  none.remember(bytes, crdt);
  assert.notEqual(none.decode(bytes), crdt);
  assert.equal(none.memory, 0);
});

test('the least recently used goes first, and what is larger than all memory pushes nobody out', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((name) => setOf(name.charCodeAt(0), name));
  const cache = new DecodedValues(10_000_000);
  cache.remember(a!.bytes, a!.crdt);
  const one = cache.memory;
  const tight = new DecodedValues(Math.ceil(one * 2.3));
  for (const { bytes, crdt } of [a!, b!]) tight.remember(bytes, crdt);
  assert.equal(tight.decode(a!.bytes), a!.crdt);
  tight.remember(c!.bytes, c!.crdt);
  assert.equal(tight.decode(a!.bytes), a!.crdt);
  assert.notEqual(tight.decode(b!.bytes), b!.crdt);
  const held = tight.memory;
  const huge = setOf(5000, 'huge');
  tight.remember(huge.bytes, huge.crdt);
  assert.equal(tight.memory, held);
});
