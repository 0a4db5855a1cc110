/** The types that only grow: grow-only sets against sets, sketches against the numbers that they estimate. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ByteString, byteLiteral } from '../stdx/index.ts';
import {
  type Crdt,
  decodeCrdt,
  emptyCrdt,
  encodeCrdt,
  HyperLogLog,
  joinCrdts,
  precisionMax,
  precisionMin,
  updateCrdt,
  valueOfCrdt,
} from './index.ts';
import { actorOf, Replica } from './replica.fixture.ts';

const numRuns = Number(process.env.LAW_RUNS ?? 400);

function added(type: 'gset' | 'hll', adds: readonly ByteString[], precision?: number): Crdt {
  const dot = { actor: actorOf(1), counter: 1 };
  const result = updateCrdt(emptyCrdt(type, precision), { operation: { kind: type, adds }, dot, micros: 1 });
  assert.equal(result.kind, 'updated');
  return result.kind === 'updated' ? result.state : emptyCrdt(type);
}

const textOf = (crdt: Crdt) => encodeCrdt(crdt).toString('hex');
const elements = fc.array(
  fc
    .oneof(
      fc.constantFrom('__proto__', '', '\xff'),
      fc.string({ maxLength: 3 }).filter((s) => !/[^\0-\xff]/.test(s)),
    )
    .map(byteLiteral),
);
const distinct = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => byteLiteral(`e${from + i}`));

test('grow-only sets are sets, and their join the union', () => {
  fc.assert(
    fc.property(elements, elements, elements, (a, b, c) => {
      const [x, y, z] = [added('gset', a), added('gset', b), added('gset', c)];
      const union = joinCrdts(joinCrdts(x, y), z);
      assert.deepEqual(valueOfCrdt(union).value, [...new Set([...a, ...b, ...c])].sort());
      assert.equal(textOf(union), textOf(joinCrdts(z, joinCrdts(y, x))));
      assert.equal(joinCrdts(union, y), union);
      assert.deepEqual(decodeCrdt(encodeCrdt(union)), union);
    }),
    { numRuns },
  );
});

test('sketches of any precisions join as a semilattice, at the lowest', () => {
  const sketches = fc
    .tuple(
      fc.array(fc.nat({ max: 300 }), { maxLength: 60, size: 'max' }),
      fc.integer({ min: precisionMin, max: 8 }),
    )
    .map(([numbers, precision]) => ({ numbers, precision }));
  const sketchOf = ({ numbers, precision }: { numbers: readonly number[]; precision: number }) =>
    added(
      'hll',
      numbers.map((n) => byteLiteral(`e${n}`)),
      precision,
    );
  fc.assert(
    fc.property(sketches, sketches, sketches, (a, b, c) => {
      const [x, y, z] = [sketchOf(a), sketchOf(b), sketchOf(c)];
      const joined = joinCrdts(joinCrdts(x, y), z);
      assert.equal(textOf(joined), textOf(joinCrdts(z, joinCrdts(y, x))));
      assert.equal(joinCrdts(joined, y), joined);
      const precision = Math.min(a.precision, b.precision, c.precision);
      const all = sketchOf({ numbers: [...a.numbers, ...b.numbers, ...c.numbers], precision });
      assert.equal(textOf(joined), textOf(all), 'as if all were added to one of the lowest precision');
      assert.deepEqual(decodeCrdt(encodeCrdt(joined)), joined);
    }),
    { numRuns: numRuns / 2 },
  );
});

test('a few elements are counted exactly', () => {
  for (const count of [0, 1, 2, 3, 10, 50]) {
    assert.equal(valueOfCrdt(added('hll', distinct(count))).value, count);
  }
  const twice = added('hll', [...distinct(3), ...distinct(3)]);
  assert.equal(valueOfCrdt(twice).value, 3);
});

test('the error is what the paper says: standard deviation 1.04 / √m', () => {
  for (const precision of [precisionMin, 8, 11, 14, precisionMax]) {
    const registers = 2 ** precision;
    const expected = 1.04 / Math.sqrt(registers);
    // Around 2.5 m the first estimators were worst (Heule et al. 2013, §5.2).
    for (const count of [registers / 2, Math.round(registers * 2.5)].filter((n) => n <= 50_000)) {
      const samples = precision >= 14 ? 3 : 24;
      let squares = 0;
      for (let i = 0; i < samples; i += 1) {
        const estimate = valueOfCrdt(added('hll', distinct(count, i * 1_000_000), precision)).value as number;
        squares += ((estimate - count) / count) ** 2;
      }
      const measured = Math.sqrt(squares / samples);
      assert.ok(measured < expected * 1.6, `p=${precision} n=${count}: ${measured} against ${expected}`);
    }
  }
});

test('saturated and dense sketches keep their bytes', () => {
  for (const precision of [precisionMin, 14, precisionMax]) {
    const registers = new Uint8Array(2 ** precision).fill(64 - precision + 1);
    const full: Crdt = { type: 'hll', sketch: HyperLogLog.of(precision, registers) };
    assert.deepEqual(decodeCrdt(encodeCrdt(full)), full);
    assert.equal(encodeCrdt(full).length, 4 + (registers.length * 3) / 4);
    const otherForm = encodeCrdt(full);
    otherForm[3] = 2;
    assert.throws(() => decodeCrdt(otherForm), /its form is unknown/);
    registers[0] += 1;
    assert.throws(() => decodeCrdt(encodeCrdt(full)), /a rank is too great/);
  }
});

test('a removal is not an operation of a grow-only set', () => {
  const replica = new Replica('gset', 1);
  const refusal = replica.update({ kind: 'set', steps: [{ kind: 'remove', elements: [byteLiteral('a')] }] });
  assert.deepEqual(refusal, { kind: 'type_mismatch', expected: 'gset', actual: 'set' });
});
