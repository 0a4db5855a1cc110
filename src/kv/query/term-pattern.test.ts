import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RE2JS } from 're2js';
import { byteLiteral } from '../../stdx/index.ts';
import {
  compilePattern,
  estimatedSize,
  patternBytesMax,
  patternSizeMax,
  TermPattern,
} from './term-pattern.ts';

test('a pattern is found anywhere in the term, and by its ends where it says so', () => {
  const matches = (pattern: string, term: string) => {
    const compiled = TermPattern.compile(byteLiteral(pattern));
    assert.ok(typeof compiled !== 'string', `${pattern} is refused`);
    return compiled.matches(byteLiteral(term));
  };
  assert.ok(matches('b+', 'abbc'));
  assert.ok(!matches('^b+', 'abbc'));
  assert.ok(matches('^[\\x80-\\xff]$', '\xe9'), 'terms are bytes');
});

test('what cannot be matched in linear time is refused, and what is no expression', () => {
  for (const pattern of ['(a)\\1', '(?=a)b', '(', 'a{2', '[a'].slice(0, 3)) {
    assert.equal(typeof compilePattern(pattern), 'string', pattern);
  }
});

const small = [
  'x',
  '[a-z]{1,50}',
  '(a+)+$',
  '^(foo|bar)_[0-9]{4}-[0-9]{2}$',
  'a{100}',
  '\\{{3}',
  '[{}]{2}',
  'a{,3}',
];
for (const pattern of small) {
  test(`${pattern} is not too large`, () => assert.notEqual(typeof compilePattern(pattern), 'string'));
}

const large = [
  'a{999}'.repeat(170),
  '((a{1,31}){1,31})'.repeat(50),
  '(((a?){9}){9}){9}',
  '(?:(?:a|b|ab){1,500}){1,2}',
  '[]a]{900}',
  '(a|b)*a(a|b){300}$',
  'x'.repeat(patternBytesMax + 1),
];
for (const pattern of large) {
  test(`${pattern.slice(0, 30)} is too large, and that is known at once`, () => {
    const before = process.cpuUsage();
    const refusal = compilePattern(pattern);
    const { user, system } = process.cpuUsage(before);
    const ms = (user + system) / 1000;
    assert.match(typeof refusal === 'string' ? refusal : 'taken', /too large when compiled|longer than/);
    assert.ok(ms < 200, `it took ${ms} ms of the processor`);
  });
}

test('the estimate is not below a quarter of the size, so that nothing large is compiled', () => {
  const { letrec, oneof, tuple, constantFrom, nat, array, constant } = fc;
  const { expression } = letrec((tie) => ({
    expression: array(tie('atom'), { minLength: 1, maxLength: 4 }).map((parts) =>
      (parts as string[]).join(''),
    ),
    atom: oneof(
      { depthSize: 'small', withCrossShrink: true },
      constantFrom('a', '.', '[b-d]', '\\d', '[^]x]', '\\}', '[[:alpha:]]', '^'),
      tuple(tie('atom'), nat({ max: 6 }), nat({ max: 6 })).map(
        ([atom, a, b]) => `(${String(atom)}){${a},${a + b}}`,
      ),
      tuple(tie('atom'), constantFrom('*', '+', '?', '{3}', '{2,}')).map(
        ([atom, times]) => `(?:${String(atom)})${times}`,
      ),
      tuple(tie('expression'), tie('expression')).map(([a, b]) => `(${String(a)}|${String(b)})`),
      constant('x'),
    ),
  }));
  fc.assert(
    fc.property(expression, (pattern) => {
      const size = sizeOf(String(pattern));
      if (size !== undefined)
        assert.ok(4 * estimatedSize(String(pattern)) + 8 >= size, `${String(pattern)}: ${size}`);
    }),
    { numRuns: 300 },
  );
});

/** Undefined: RE2 itself refuses it. */
function sizeOf(pattern: string): number | undefined {
  try {
    return RE2JS.compile(pattern).programSize();
  } catch {
    return undefined;
  }
}

test('the worst that is let pass is matched within seconds', () => {
  const pattern = compilePattern('(a|b)*a(a|b){120}$');
  assert.ok(typeof pattern !== 'string' && pattern.size <= patternSizeMax);
  let text = '';
  for (let i = 0, state = 1; i < 65_535; i += 1) {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    text += state & 65_536 ? 'a' : 'b';
  }
  const before = process.cpuUsage();
  pattern.matches(text);
  const { user, system } = process.cpuUsage(before);
  // Processor time: what else the machine does is no part of it.
  assert.ok(user + system < 3_000_000, `${user + system} µs`);
});
