import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CrdtOperation, FieldOperation } from '../../crdt/index.ts';
import { bytesOfText } from '../../stdx/index.ts';
import { HaleError } from '../hale-error.ts';
import { integer, json, text } from './element.ts';
import { counter, flag, map, register, set } from './fields.ts';
import { mapOperationOf, mapValueOf } from './map-operation.ts';
import { hasRemovals, withoutRemovals } from './removals.ts';

const fields = {
  name: register(),
  visits: counter(),
  tags: set(),
  on: flag(),
  inner: map({ tags: set(integer) }),
};

test('changes become one operation; null removes, undefined leaves', () => {
  const operation = mapOperationOf(fields, {
    name: 'x',
    visits: { increment: -2 },
    tags: null,
    on: undefined,
    inner: { tags: { remove: [1], add: [2] } },
  });
  assert.deepEqual(operation, {
    kind: 'map',
    removes: [{ name: 'tags', type: 'set' }],
    updates: [
      { field: { name: 'name', type: 'register' }, operation: { kind: 'register', value: 'x' } },
      { field: { name: 'visits', type: 'counter' }, operation: { kind: 'counter', increment: -2n } },
      {
        field: { name: 'inner', type: 'map' },
        operation: {
          kind: 'map',
          removes: [],
          updates: [
            {
              field: { name: 'tags', type: 'set' },
              operation: {
                kind: 'set',
                steps: [
                  { kind: 'add', elements: ['2'] },
                  { kind: 'remove', elements: ['1'] },
                ],
              },
            },
          ],
        },
      },
    ],
  });
});

test('what is not stored reads as nothing, and what is stored beside the fields is not shown', () => {
  const named = (name: string, value: { readonly type: string; readonly value: unknown }) => ({
    field: { name: bytesOfText(name), type: value.type },
    value,
  });
  const stored = [
    named('name', { type: 'counter', value: 1n }),
    named('name', { type: 'register', value: 'x' }),
    named('tags', { type: 'map', value: [] }),
    named('other', { type: 'flag', value: true }),
  ];
  const nothing = { name: undefined, visits: 0, tags: new Set(), on: false, inner: { tags: new Set() } };
  assert.deepEqual(mapValueOf(fields, stored as never), { ...nothing, name: 'x' });
  assert.deepEqual(mapValueOf(fields, []), nothing);
});

/** Whether something is removed, by looking at every part. */
function removesSlowly(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(removesSlowly);
  if (typeof value !== 'object' || value === null) return false;
  const part = value as { kind?: string; removes?: readonly unknown[]; enable?: boolean };
  if (part.kind === 'remove' || part.enable === false || (part.removes?.length ?? 0) > 0) return true;
  return Object.values(value).some(removesSlowly);
}

const name = fc.constantFrom('a', 'b').map((each) => bytesOfText(each));
const steps = fc.array(
  fc.record({
    kind: fc.constantFrom('add' as const, 'remove' as const),
    elements: fc.array(name, { minLength: 1 }),
  }),
);
const operations = fc.letrec<{ field: FieldOperation; map: CrdtOperation & FieldOperation }>((tie) => ({
  field: fc.oneof(
    { depthSize: 'small' },
    fc.record({ kind: fc.constant('counter' as const), increment: fc.constant(1n) }),
    fc.record({ kind: fc.constant('flag' as const), enable: fc.boolean() }),
    fc.record({ kind: fc.constant('register' as const), value: name }),
    fc.record({ kind: fc.constant('set' as const), steps }),
    tie('map'),
  ) as fc.Arbitrary<FieldOperation>,
  map: fc.record({
    kind: fc.constant('map' as const),
    removes: fc.array(fc.record({ name, type: fc.constant('set' as const) }), { maxLength: 2 }),
    updates: fc.array(
      fc.record({ field: fc.record({ name, type: fc.constant('set' as const) }), operation: tie('field') }),
      { maxLength: 3 },
    ),
  }) as unknown as fc.Arbitrary<CrdtOperation & FieldOperation>,
}));

test('removals are found wherever they are, and without them all else is left', () => {
  fc.assert(
    fc.property(operations.map, (operation) => {
      assert.equal(hasRemovals(operation), removesSlowly(operation));
      const rest = withoutRemovals(operation);
      if (!removesSlowly(operation)) assert.equal(rest, operation);
      else if (rest !== undefined) assert.equal(removesSlowly(rest), false);
      const counted = (value: unknown): number =>
        JSON.stringify(value, bigints)?.split('"kind":"add"').length ?? 1;
      if (rest !== undefined) assert.equal(counted(rest), counted(operation));
      else assert.equal(counted(operation), 1);
    }),
  );
});

function bigints(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

test('elements come back as they went, and others are refused', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (value) =>
      assert.equal(text.decode(text.encode(value)), value),
    ),
  );
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => assert.equal(integer.decode(integer.encode(value)), value)),
  );
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const element = json<unknown>();
      assert.deepEqual(element.decode(element.encode(value)), JSON.parse(JSON.stringify(value)));
    }),
  );
  for (const refuse of [
    () => integer.encode(0.5),
    () => integer.encode(2 ** 60),
    () => integer.decode(bytesOfText('1e3')),
    () => integer.decode(bytesOfText('99999999999999999999')),
    () => text.encode(7 as never),
    () => json<unknown>().encode(undefined),
    () => json<unknown>().decode(bytesOfText('{')),
  ]) {
    assert.throws(refuse, HaleError);
  }
});
