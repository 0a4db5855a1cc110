import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ByteString, byteLiteral, bytesOfText } from '../stdx/index.ts';
import { DecodeError } from './decode-error.ts';
import { Atom, decodeTerm, encodeTerm, type Term, Tuple, termDepthMax } from './external-term.ts';
import { textOfTerm } from './term-text.ts';

/** As `term_to_binary` writes them. */
const golden: readonly (readonly [string, string, Term])[] = [
  ['<<"x">>', '836d0000000178', byteLiteral('x')],
  ['[]', '836a', []],
  ['255', '8361ff', 255],
  ['256', '836200000100', 256],
  ['-1', '8362ffffffff', -1],
  ['2147483648', '836e040000000080', 2_147_483_648],
  ['-(2^63)', '836e08010000000000000080', -(2n ** 63n)],
  ['1.5', '83463ff8000000000000', 1.5],
  ['true', '8364000474727565', true],
  ['{error,notfound}', '8368026400056572726f726400086e6f74666f756e64', errorTerm()],
  ['[<<"a">>,1]', '836c000000026d000000016161016a', [byteLiteral('a'), 1]],
  [
    '{struct,[{<<"k">>,null}]}',
    '8368026400067374727563746c0000000168026d000000016b6400046e756c6c6a',
    new Map([[byteLiteral('k'), null]]),
  ],
];

function errorTerm(): Term {
  return new Tuple([new Atom('error'), new Atom('notfound')]);
}

for (const [name, hex, term] of golden) {
  test(`${name} is written and read as Erlang does`, () => {
    assert.equal(encodeTerm(term).toString('hex'), hex);
    assert.deepEqual(decodeTerm(Buffer.from(hex, 'hex')), term);
  });
}

test('forms that are only read: short strings, small atoms, old floats, maps, long tuples', () => {
  const read = (hex: string) => decodeTerm(Buffer.from(hex, 'hex'));
  assert.deepEqual(read('836b0003010203'), [1, 2, 3]);
  assert.deepEqual(read('83770161'), new Atom('a'));
  assert.deepEqual(read('837300'), new Atom(''));
  assert.deepEqual(read('8376000161'), new Atom('a'));
  const oldFloat = Buffer.from('1.50000000000000000000e+00\0\0\0\0\0', 'latin1').toString('hex');
  assert.equal(read(`8363${oldFloat}`), 1.5);
  assert.deepEqual(read('8374000000016d00000001616102'), new Map([[byteLiteral('a'), 2]]));
  assert.deepEqual(read('8369000000016101'), new Tuple([1]));
});

test('an atom of more characters than Erlang allows is refused: as UTF-8 it might have no form', () => {
  const atomOf = (length: number) =>
    Buffer.from([131, 100, length >> 8, length & 0xff, ...Buffer.alloc(length, 0xe9)]);
  const longest = decodeTerm(atomOf(255));
  assert.deepEqual(decodeTerm(encodeTerm(longest)), longest);
  for (const length of [256, 40_000]) assert.throws(() => decodeTerm(atomOf(length)), DecodeError);
});

test('every term comes back as it was', () => {
  const bytes = fc.uint8Array({ maxLength: 20 }).map((b) => Buffer.from(b).toString('latin1') as ByteString);
  const { term } = fc.letrec<{ term: Term }>((tie) => ({
    term: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.integer(),
      fc.maxSafeInteger(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }).filter((n) => !Number.isSafeInteger(Number(n))),
      fc.boolean(),
      fc.constant(null),
      bytes,
      fc
        .string({ unit: 'binary', maxLength: 10 })
        .filter((name) => !['true', 'false', 'null', 'struct'].includes(name))
        .map((name) => new Atom(name)),
      fc.array(tie('term'), { maxLength: 300, size: 'small' }),
      fc.array(tie('term'), { maxLength: 300, size: 'small' }).map((elements) => new Tuple(elements)),
      fc.array(fc.tuple(bytes, tie('term')), { maxLength: 5 }).map((members) => new Map(members)),
    ),
  }));
  fc.assert(fc.property(term, (value) => assert.deepEqual(decodeTerm(encodeTerm(value)), value)));
});

test('no input makes it fail otherwise than by a DecodeError', () => {
  const attempt = (bytes: Uint8Array) => {
    try {
      decodeTerm(bytes);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
    }
  };
  const some = encodeTerm([new Tuple([bytesOfText('b'), bytesOfText('k')]), 1.5, -(2n ** 70n), errorTerm()]);
  fc.assert(
    fc.property(fc.nat(some.length - 1), fc.nat(255), (at, value) => {
      const damaged = Buffer.from(some);
      damaged[at] = value;
      attempt(damaged);
      attempt(some.subarray(0, at));
    }),
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (rest) => attempt(Uint8Array.of(131, ...rest))));
});

const refused: readonly (readonly [string, string, RegExp])[] = [
  ['what is too deep', `83${'6801'.repeat(termDepthMax + 1)}6a`, /nested too deep/],
  ['a list that claims more than there is', '836cffffffff6a', /ends too early/],
  ['a tuple that claims more than there is', '8369ffffffff', /ends too early/],
  ['a compressed term', '8350000000010000', /compressed/],
  ['a function', '8370', /kind 112/],
  ['an improper list', '836c0000000161016102', /improper/],
  ['bytes behind the term', '836a00', /after the term/],
  ['another format', '826a', /begin with 131/],
  ['a huge number', '836fffffffff00', /too large/],
  ['a float that is none', '83467ff8000000000000', /no number/],
];

for (const [what, hex, reason] of refused) {
  test(`${what} is refused`, () => {
    assert.throws(() => decodeTerm(Buffer.from(hex, 'hex')), reason);
  });
}

test('what could not be read back is not written', () => {
  let deep: Term = [];
  for (let depth = 0; depth <= termDepthMax; depth += 1) deep = [deep];
  assert.throws(() => encodeTerm(deep), DecodeError);
});

test('terms that take much memory are refused, and of long ones the beginning is shown', () => {
  const list = (count: number, element: string) => {
    const head = Buffer.from([131, 108, 0, 0, 0, 0]);
    head.writeUInt32BE(count, 2);
    const elements = Buffer.alloc((count * element.length) / 2, element, 'hex');
    return Buffer.concat([head, elements, Buffer.from([106])]);
  };
  const [nil, emptyMap] = ['6a', '7400000000'];
  assert.throws(() => decodeTerm(list(300_000, emptyMap)), DecodeError);
  assert.throws(() => decodeTerm(list(2_000_000, nil)), DecodeError);
  const term = decodeTerm(list(200_000, emptyMap));
  assert.equal(textOfTerm(term), `[${'{struct,[]},'.repeat(100)}`.slice(0, 1024));
  assert.equal(textOfTerm([term, term]).length, 1024);
});
