import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { byteLiteral } from '../stdx/index.ts';
import { type Crdt, CrdtFormatError, decodeCrdt, encodeCrdt, nestingMax } from './index.ts';
import { add, assign, change, enable, increment, Replica, remove } from './replica.fixture.ts';

const numRuns = Number(process.env.LAW_RUNS ?? 1500);

function counter(): Replica {
  const [a, b] = [new Replica('counter', 1), new Replica('counter', 2)];
  a.update(increment(2n ** 60n));
  a.update(increment(-3));
  b.update(increment(1));
  return a.receive(b);
}

function set(): Replica {
  const [a, b] = [new Replica('set', 1), new Replica('set', 2)];
  b.update(add('late', 'x'));
  a.update(add('x', 'y', 'a longer element than fits a hand-made copy'));
  a.update(remove('late', 'y'), b.context);
  a.update(remove('y'));
  return a;
}

function map(): Replica {
  const [a, b] = [new Replica('map', 1), new Replica('map', 2)];
  b.update(change([], { m_map: change([], { s_set: add('x') }) }));
  a.update(
    change(['m_map'], { n_counter: increment(5), f_flag: enable(true), r_register: assign('v') }),
    b.context,
  );
  a.update(change([], { o_map: change([], { s_set: remove('q'), g_flag: enable(false) }) }), b.context);
  return a;
}

function gset(): Replica {
  const replica = new Replica('gset', 1);
  replica.update({ kind: 'gset', adds: ['b', 'a', ''].map(byteLiteral) });
  return replica;
}

function hll(): Replica {
  const replica = new Replica('hll', 1);
  replica.update({ kind: 'hll', adds: ['a', 'b', 'c'].map(byteLiteral) });
  return replica;
}

const samples = [counter(), set(), map(), gset(), hll()].flatMap((replica) => [
  replica.crdt,
  ...replica.deltas,
]);

/** Version 1 for ever: what is on disks must be read. */
const golden: readonly (readonly [string, Crdt, string])[] = [
  [
    'counter',
    counter().crdt,
    '630102ff0000000000000100000001ff00000000000002000000010200010001010100000400028001000003010100010000',
  ],
  [
    'set',
    set().crdt,
    '730102ff0000000000000100000001ff00000000000002000000010100010000042b61206c6f6e67657220656c656d656e74207468616e206669747320612068616e642d6d61646520636f7079020001046c61746501010101000001780200010179010101010000',
  ],
  [
    'map',
    map().crdt,
    '6d0102ff0000000000000100000001ff000000000000020000000101000100010502666600020001020001026d6d01010100000000026e630002000102000100050000026f6d0002000202026766000200020101010100000273730002000201017101010101000002727200020001020001010176',
  ],
  ['gset', gset().crdt, '6701030001610162'],
  ['hll', hll().crdt, '68010e0003a94202930101b73101'],
];

test('golden bytes of version 1', () => {
  for (const [name, crdt, hex] of golden) {
    assert.equal(encodeCrdt(crdt).toString('hex'), hex, name);
    assert.deepEqual(decodeCrdt(Buffer.from(hex, 'hex')), crdt, name);
  }
});

test('bytes that are cut off, continued or of another version are refused', () => {
  for (const crdt of samples) {
    const bytes = encodeCrdt(crdt);
    for (let length = 0; length < bytes.length; length += 1) {
      assert.throws(() => decodeCrdt(bytes.subarray(0, length)), CrdtFormatError);
    }
    assert.throws(() => decodeCrdt(Buffer.concat([bytes, Buffer.alloc(1)])), CrdtFormatError);
    const version2 = Buffer.from(bytes);
    version2[1] = 2;
    assert.throws(() => decodeCrdt(version2), /its version is unknown at byte 2/);
  }
});

test('hostile bytes are refused, or are what encoding writes', () => {
  const change = fc.record({
    at: fc.nat({ max: 400 }),
    kind: fc.constantFrom('set', 'insert', 'delete'),
    byte: fc.oneof(fc.constantFrom(0, 1, 2, 3, 0x7f, 0x80, 0xff), fc.nat({ max: 255 })),
  });
  let accepted = 0;
  let refused = 0;
  fc.assert(
    fc.property(
      fc.nat({ max: samples.length - 1 }),
      fc.array(change, { minLength: 1, maxLength: 4 }),
      (which, changes) => {
        const bytes = [...encodeCrdt(samples[which])];
        for (const { at, kind, byte } of changes) {
          const place = at % bytes.length;
          if (kind === 'set') bytes[place] = byte;
          else if (kind === 'insert') bytes.splice(place, 0, byte);
          else if (bytes.length > 1) bytes.splice(place, 1);
        }
        const hostile = Buffer.from(bytes);
        let decoded: Crdt;
        try {
          decoded = decodeCrdt(hostile);
        } catch (error) {
          assert.ok(error instanceof CrdtFormatError, String(error));
          refused += 1;
          return;
        }
        assert.equal(encodeCrdt(decoded).toString('hex'), hostile.toString('hex'));
        accepted += 1;
      },
    ),
    { numRuns: numRuns * 3 },
  );
  assert.ok(accepted > 0 && refused > 0, `both happen: ${accepted}, ${refused}`);
});

test('no bytes at random are more than refused', () => {
  fc.assert(
    fc.property(fc.constantFrom('c', 'g', 'h', 'm', 's'), fc.uint8Array({ maxLength: 60 }), (type, rest) => {
      const bytes = Buffer.concat([Buffer.from(type), Buffer.from([1]), rest]);
      try {
        assert.equal(encodeCrdt(decodeCrdt(bytes)).toString('hex'), bytes.toString('hex'));
      } catch (error) {
        if (!(error instanceof CrdtFormatError)) throw error;
      }
    }),
    { numRuns },
  );
});

test('counts beyond the bytes, and maps beyond the limit of nesting, cost nothing', () => {
  const deep = (depth: number) => {
    // No actors, nothing seen; each map has one field "m": no removal, no touch, and a map below.
    const below = [...Array(depth)].flatMap(() => [1, 1, 0x6d, 0, 0]);
    return Buffer.from([0x6d, 1, 0, 0, ...below, 0]);
  };
  assert.throws(() => decodeCrdt(deep(nestingMax - 1)), /a field has nothing/);
  assert.throws(() => decodeCrdt(deep(50_000)), new RegExp(`deeper than ${nestingMax}`));
  const manyElements = Buffer.from([0x67, 1, 0xff, 0xff, 0xff, 0xff, 0x7f]);
  assert.throws(() => decodeCrdt(manyElements), /a count is beyond the end/);
  const longElement = Buffer.from([0x67, 1, 1, 0xff, 0xff, 0xff, 0x7f]);
  assert.throws(() => decodeCrdt(longElement), /it is cut off/);
});
