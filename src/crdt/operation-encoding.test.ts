import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ByteString, byteLiteral, byteStringOf } from '../stdx/index.ts';
import {
  type CrdtOperation,
  checkOperation,
  decodeOperation,
  encodeOperation,
  type FieldOperation,
  type MapField,
  type MapFieldType,
  type MapOperation,
  nestingMax,
} from './index.ts';

const plain = { noNullPrototype: true };
const text = fc.uint8Array({ maxLength: 30 }).map((bytes) => byteStringOf(Buffer.from(bytes)));
const increment = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const fieldTypes: readonly MapFieldType[] = ['counter', 'flag', 'map', 'register', 'set'];
const fieldArbitrary: fc.Arbitrary<MapField> = fc.record(
  {
    name: text,
    type: fc.constantFrom(...fieldTypes),
  },
  plain,
);

const { operation } = fc.letrec<{ operation: CrdtOperation; map: MapOperation; below: FieldOperation }>(
  (tie) => ({
    operation: fc.oneof(
      fc.record({ kind: fc.constant('counter' as const), increment }, plain),
      fc.record({ kind: fc.constantFrom('gset' as const, 'hll' as const), adds: fc.array(text) }, plain),
      sets(),
      tie('map'),
    ),
    below: fc.oneof(
      { depthSize: 'small' },
      fc.record({ kind: fc.constant('counter' as const), increment }, plain),
      fc.record({ kind: fc.constant('flag' as const), enable: fc.boolean() }, plain),
      fc.record({ kind: fc.constant('register' as const), value: text }, plain),
      sets(),
      tie('map'),
    ),
    map: fc.record(
      {
        kind: fc.constant('map' as const),
        removes: fc.array(fieldArbitrary, { maxLength: 3 }),
        updates: fc.array(
          fc
            .tuple(text, tie('below'))
            .map(([name, of]) => ({ field: { name, type: of.kind }, operation: of })),
          { maxLength: 3 },
        ),
      },
      plain,
    ),
  }),
);

function sets() {
  const step = fc.record(
    {
      kind: fc.constantFrom('add' as const, 'remove' as const),
      elements: fc.array(text, { maxLength: 4 }),
    },
    plain,
  );
  return fc.record({ kind: fc.constant('set' as const), steps: fc.array(step, { maxLength: 4 }) }, plain);
}

test('law: what was encoded is decoded as it was, and nothing else decodes', () => {
  fc.assert(
    fc.property(operation, fc.nat(), fc.nat(255), (of, place, byte) => {
      assert.equal(checkOperation(of), undefined);
      const bytes = encodeOperation(of);
      assert.deepEqual(decodeOperation(bytes), of);
      assert.equal(decodeOperation(bytes.subarray(0, place % bytes.length)), undefined);
      assert.equal(decodeOperation(Buffer.concat([bytes, Buffer.of(byte)])), undefined);
      const altered = Buffer.from(bytes);
      altered[place % bytes.length] = byte;
      const read = decodeOperation(altered);
      if (read !== undefined) assert.ok(encodeOperation(read).equals(altered));
    }),
    { numRuns: 1000 },
  );
});

function nested(depth: number): MapOperation {
  let inner: MapOperation = { kind: 'map', removes: [], updates: [] };
  for (let i = 1; i < depth; i += 1) {
    const field = { name: byteLiteral('m'), type: 'map' as const };
    inner = { kind: 'map', removes: [], updates: [{ field, operation: inner }] };
  }
  return inner;
}

test('an operation that no value could take is refused before it travels; R94: 50,000 maps in each other', () => {
  assert.equal(checkOperation(nested(nestingMax)), undefined);
  assert.deepEqual(decodeOperation(encodeOperation(nested(nestingMax))), nested(nestingMax));
  assert.deepEqual(checkOperation(nested(50_000)), { kind: 'nested_too_deep', nestingMax });
  // `m`, then for each map no removes and one update of the field `m`.
  const level = Buffer.from([0, 1, 2, 0x6d, 0x6d]);
  const deep = Buffer.concat([Buffer.from('m'), ...Array.from({ length: 50_000 }, () => level)]);
  assert.equal(decodeOperation(deep), undefined);

  const field = { name: byteLiteral('f'), type: 'flag' as const };
  const assign = { kind: 'register' as const, value: 'v' as ByteString };
  const mismatch: MapOperation = { kind: 'map', removes: [], updates: [{ field, operation: assign }] };
  assert.deepEqual(checkOperation(mismatch), {
    kind: 'type_mismatch',
    expected: 'flag',
    actual: 'register',
  });
  const tooMuch = { kind: 'counter' as const, increment: 2n ** 63n };
  assert.equal(checkOperation(tooMuch)?.kind, 'increment_out_of_range');
  const within = { name: byteLiteral('c'), type: 'counter' as const };
  const inMap: MapOperation = { kind: 'map', removes: [], updates: [{ field: within, operation: tooMuch }] };
  assert.equal(checkOperation(inMap)?.kind, 'increment_out_of_range');
});
