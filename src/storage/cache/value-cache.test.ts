import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { hashOfKey } from '../key-hash.ts';
import { cacheBytesMin, ValueCache } from './value-cache.ts';
import { ValueTable } from './value-table.ts';

type Step =
  | { readonly kind: 'set' | 'update'; readonly key: number; readonly length: number }
  | { readonly kind: 'get' | 'delete'; readonly key: number }
  | { readonly kind: 'deleteRange'; readonly from: number | undefined; readonly to: number | undefined }
  | { readonly kind: 'clear' };

const keys = Array.from({ length: 120 }, (_, n) => Buffer.from(`key ${n}`.padEnd(5 + (n % 9), '.')));
const key = fc.nat(keys.length - 1);
const length = fc.oneof(fc.nat(40), fc.nat(200));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('set' as const), key, length }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('update' as const), key, length }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('get' as const), key }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('delete' as const), key }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('deleteRange' as const),
      from: fc.option(key, { nil: undefined }),
      to: fc.option(key, { nil: undefined }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'clear' as const }) },
);

test('what a cache has of a key is what was set last, whatever it has forgotten', () => {
  let hits = 0;
  let kept = 0;
  const law = fc.property(fc.array(step, { maxLength: 1500, size: 'max' }), (steps) => {
    const cache = new ValueCache(cacheBytesMin);
    const newest = new Map<number, Buffer>();
    steps.forEach((each, n) => {
      switch (each.kind) {
        case 'set':
        case 'update': {
          const value = Buffer.alloc(each.length, n);
          cache[each.kind](keys[each.key]!, value);
          newest.set(each.key, Buffer.from(value));
          value.fill(255);
          return;
        }
        case 'get': {
          const value = cache.get(keys[each.key]!);
          if (value === undefined) return;
          hits += 1;
          assert.deepEqual(value, newest.get(each.key));
          value.fill(254);
          return;
        }
        case 'delete':
          cache.delete(keys[each.key]!);
          newest.delete(each.key);
          return;
        case 'deleteRange': {
          const [from, to] = [each.from, each.to].map((bound) => (bound === undefined ? bound : keys[bound]));
          const range = { ...(from && { from }), ...(to && { to }) };
          for (const _ of cache.deleteRange(range)) assert.fail('so few are looked at in one step');
          keys.forEach((each, n) => {
            const isBelow = from !== undefined && each.compare(from) < 0;
            const isAbove = to !== undefined && each.compare(to) >= 0;
            if (!isBelow && !isAbove) newest.delete(n);
            else if (cache.get(each) !== undefined) kept += 1;
          });
          return;
        }
        default:
          cache.clear();
          newest.clear();
      }
    });
  });
  fc.assert(law, { numRuns: 200 });
  assert.ok(hits > 1000, `${hits} hits`);
  assert.ok(kept > 1000, `${kept} were beside a range`);
});

test('what is asked for stays, what is not goes', () => {
  const cache = new ValueCache(64 * 1024);
  const value = Buffer.alloc(100, 1);
  const wanted = Buffer.from('wanted');
  cache.set(wanted, value);
  for (let n = 0; n < 5000; n += 1) {
    cache.set(Buffer.from(`other ${n}`), value);
    assert.deepEqual(cache.get(wanted), value);
  }
  assert.equal(cache.get(Buffer.from('other 0')), undefined);
  assert.deepEqual(cache.get(Buffer.from('other 4999')), value);
});

test('an update of what is not there adds nothing', () => {
  const cache = new ValueCache(cacheBytesMin);
  cache.set(Buffer.from('there'), Buffer.from('1'));
  cache.update(Buffer.from('there'), Buffer.from('2'));
  cache.update(Buffer.from('not there'), Buffer.from('2'));
  assert.deepEqual(cache.get(Buffer.from('there')), Buffer.from('2'));
  assert.equal(cache.get(Buffer.from('not there')), undefined);
});

test('a value that would push out many others is not kept, nor what was before it', () => {
  const cache = new ValueCache(64 * 1024);
  const key = Buffer.from('key');
  cache.set(key, Buffer.from('short'));
  cache.set(key, Buffer.alloc(60_000));
  assert.equal(cache.get(key), undefined);
});

test('keys that collide push each other out and are never taken for each other', () => {
  const cache = new ValueCache(cacheBytesMin);
  const colliding: Buffer[] = [];
  for (let n = 0; colliding.length < 6; n += 1) {
    const key = Buffer.from(`${n}`);
    if ((hashOfKey(key) & 31) === 3) colliding.push(key);
  }
  for (const key of colliding) cache.set(key, key);
  const found = colliding.filter((key) => cache.get(key) !== undefined);
  assert.equal(found.length, 4);
  for (const key of found) assert.deepEqual(cache.get(key), key);
});

test('what was pushed out does not come back as it was before', () => {
  const cache = new ValueCache(cacheBytesMin);
  const colliding: Buffer[] = [];
  const others: Buffer[] = [];
  for (let n = 0; colliding.length < 6; n += 1) {
    const key = Buffer.from(`${n}`);
    if ((hashOfKey(key) & 31) === 3) colliding.push(key);
    else others.push(key);
  }
  const [first, ...rest] = colliding;
  cache.set(first!, Buffer.from('old'));
  // More than a table holds, so that the first is in the old one.
  for (const key of others.slice(0, 70)) cache.set(key, Buffer.alloc(40));
  assert.deepEqual(cache.get(first!), Buffer.from('old'));
  cache.set(first!, Buffer.from('new'));
  for (const key of rest) cache.set(key, key);
  assert.equal(cache.get(first!), undefined);
});

test('a table of several parts is empty after it was cleared, and as good as new', () => {
  const table = new ValueTable(256 * 1024);
  const key = (n: number): Buffer => Buffer.from(`key ${n}`);
  const set = (n: number): boolean => table.set(hashOfKey(key(n)), key(n), Buffer.alloc(100, n));
  const get = (n: number): Buffer | undefined => table.get(hashOfKey(key(n)), key(n));
  for (let round = 0; round < 3; round += 1) {
    let count = 0;
    while (set(round + count)) count += 1;
    assert.ok(count > 1500, `${count} fit in`);
    let found = 0;
    for (let n = round; n < round + count; n += 1) if (get(n)?.equals(Buffer.alloc(100, n))) found += 1;
    assert.ok(found > 0.95 * count, `${found} of ${count} were found`);
    table.clear();
    for (let n = round; n < round + count; n += 1) assert.equal(get(n), undefined);
  }
});
