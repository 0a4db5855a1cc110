import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  address,
  bytes,
  duration,
  either,
  flag,
  integer,
  nodeName,
  path,
  powerOfTwo,
  type ValueType,
  word,
} from './value-type.ts';

function value<T>(type: ValueType<T>, text: string): T | 'bad' {
  const parsed = type.parse(text);
  return parsed.kind === 'ok' ? parsed.value : 'bad';
}

const wide = { minimum: 0, maximum: 2 ** 50 };

test('integer: bounds are inclusive, and only whole decimal numbers are numbers', () => {
  const type = integer({ minimum: 8, maximum: 64 });
  for (const text of ['7', '65', '8.0', '1e1', '0x10', '', ' 8', '+8', 'eight']) {
    assert.equal(value(type, text), 'bad', text);
  }
  assert.equal(value(type, '8'), 8);
  assert.equal(value(type, '64'), 64);
});

test('power of two: nothing between the powers', () => {
  const type = powerOfTwo({ minimum: 8, maximum: 1024 });
  const taken = Array.from({ length: 2000 }, (_, n) => n).filter((n) => value(type, String(n)) !== 'bad');
  assert.deepEqual(taken, [8, 16, 32, 64, 128, 256, 512, 1024]);
});

test('bytes: units are powers of 1024, in either case, with or without the B', () => {
  const type = bytes(wide);
  assert.equal(value(type, '64MB'), 67_108_864);
  assert.equal(value(type, '64mb'), 67_108_864);
  assert.equal(value(type, '64M'), 67_108_864);
  assert.equal(value(type, '2GB'), 2 ** 31);
  assert.equal(value(type, '100'), 100);
  assert.equal(value(type, '100B'), 100);
  for (const text of ['1.5MB', '-1', '1 MB', '1MiB', 'MB', '9999999TB'])
    assert.equal(value(type, text), 'bad');
});

test('duration: parts add up, and a bare number needs a key that has a unit for it', () => {
  const type = duration(wide);
  assert.equal(value(type, '1h30m'), 5_400_000);
  assert.equal(value(type, '250ms'), 250);
  assert.equal(value(type, '1m1s1ms'), 61_001);
  for (const text of ['30', '1.5s', 's', '1y', '1h 30m', '-1s']) assert.equal(value(type, text), 'bad', text);
  assert.equal(value(duration(wide, 's'), '2'), 2000);
  assert.equal(value(duration(wide, 'ms'), '3000'), 3000);
});

test('flag: the words that Riak takes', () => {
  const taken = ['true', 'on', 'enabled', 'false', 'off', 'disabled', 'yes', '1', 'On'].map((t) =>
    value(flag(), t),
  );
  assert.deepEqual(taken, [true, true, true, false, false, false, 'bad', 'bad', 'bad']);
});

test('address: names, IPv4 and bracketed IPv6', () => {
  assert.deepEqual(value(address(), '127.0.0.1:8098'), { host: '127.0.0.1', port: 8098 });
  assert.deepEqual(value(address(), '[::1]:0'), { host: '::1', port: 0 });
  assert.deepEqual(value(address(), 'db-1.example.org:65535'), { host: 'db-1.example.org', port: 65_535 });
  for (const text of [
    '8098',
    'localhost',
    'localhost:',
    ':8098',
    '::1:8098',
    'a:65536',
    'a b:1',
    'http://a:1',
  ]) {
    assert.equal(value(address(), text), 'bad', text);
  }
});

test('node name: name@host', () => {
  assert.equal(value(nodeName(), 'hale1@10.0.0.5'), 'hale1@10.0.0.5');
  for (const text of ['hale', '@host', 'hale@', 'a@b@c', 'a b@c', `${'a'.repeat(255)}@b`]) {
    assert.equal(value(nodeName(), text), 'bad', text);
  }
});

test('path: not empty, no control characters', () => {
  assert.equal(value(path(), '/var/lib/hale é'), '/var/lib/hale é');
  assert.equal(value(path(), ''), 'bad');
  assert.equal(value(path(), 'a\nb'), 'bad');
});

test('either: a word, or a value of the inner type', () => {
  const type = either(integer({ minimum: 0, maximum: 5 }), 'quorum', 'all');
  assert.equal(value(type, 'quorum'), 'quorum');
  assert.equal(value(type, '5'), 5);
  assert.equal(value(type, '6'), 'bad');
  assert.equal(value(type, 'most'), 'bad');
  assert.match(type.rule, /"quorum", "all", or an integer from 0 to 5/);
});

test('law: what a type formats it parses to the same value', () => {
  const natural = fc.oneof(fc.nat({ max: 10_000 }), fc.maxSafeNat()).map((n) => n % 2 ** 50);
  const multiple = fc.tuple(
    fc.nat({ max: 500 }),
    fc.constantFrom(1, 1000, 1024, 2 ** 20, 60_000, 86_400_000),
  );
  const count = fc.oneof(
    natural,
    multiple.map(([n, unit]) => n * unit),
  );
  for (const type of [integer(wide), bytes(wide), duration(wide), duration(wide, 's')]) {
    fc.assert(fc.property(count, (n) => assert.equal(value(type, type.format(n)), n)));
  }
  const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6());
  fc.assert(
    fc.property(host, fc.nat({ max: 65_535 }), (name, port) =>
      assert.deepEqual(value(address(), address().format({ host: name, port })), { host: name, port }),
    ),
  );
  for (const b of [true, false]) assert.equal(value(flag(), flag().format(b)), b);
  assert.equal(value(word('a', 'b'), word('a', 'b').format('b')), 'b');
});
