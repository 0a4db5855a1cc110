import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { JsonError, type JsonNode, jsonDepthMax, parseJson, printJson } from './ordered-json.ts';

const parse = (text: string) => parseJson(Buffer.from(text));

/** What `JSON.parse` makes of it, which keeps the last of two members of a name. */
function plain(node: JsonNode): unknown {
  switch (node.kind) {
    case 'number':
      return Number(node.text);
    case 'array':
      return node.items.map(plain);
    case 'object': {
      const members = new Map(node.members.map(({ name, value }) => [name, plain(value)]));
      return Object.fromEntries(members);
    }
    default:
      return node.value;
  }
}

/** Undefined: it is refused. */
function byPlatform(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

function byUs(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: plain(parse(text)) };
  } catch (error) {
    assert.ok(error instanceof JsonError, String(error));
    return undefined;
  }
}

test('what JSON.parse takes is taken, and means the same; and what is printed is read again', () => {
  fc.assert(
    fc.property(fc.json({ noUnicodeString: false }), fc.constantFrom('', ' ', '\n\t'), (text, blank) => {
      const padded = `${blank}${text}${blank}`;
      assert.deepEqual(byUs(padded), byPlatform(padded));
      const node = parse(padded);
      assert.deepEqual(parse(printJson(node)), node);
    }),
  );
});

test('what JSON.parse refuses is refused', () => {
  const pieces = [
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '\\',
    '\\u12',
    '1',
    '-',
    '0',
    '.',
    'e',
    'true',
    'nul',
    ' ',
    '\u0001',
    'a',
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 8 }), (chosen) => {
      const text = chosen.join('');
      assert.deepEqual(byUs(text), byPlatform(text), text);
    }),
    { numRuns: 500 },
  );
});

test('members stay in their order, as often as they stand there; numbers as they are written', () => {
  const node = parse('{"2":1,"1":{"a":9223372036854775807},"2":1e2,"__proto__":[]}');
  assert.ok(node.kind === 'object');
  assert.deepEqual(
    node.members.map(({ name }) => name),
    ['2', '1', '2', '__proto__'],
  );
  assert.deepEqual(node.members[2]!.value, { kind: 'number', text: '1e2' });
  assert.equal(printJson(node), '{"2":1,"1":{"a":9223372036854775807},"2":1e2,"__proto__":[]}');
});

test('what is nested too deep, and what is no UTF-8, is refused by name', () => {
  const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
  assert.equal(parse(nested(jsonDepthMax)).kind, 'array');
  assert.throws(() => parse(nested(jsonDepthMax + 2)), /nested deeper than 128/);
  assert.throws(() => parse(nested(50_000)), /nested deeper than 128/);
  assert.throws(() => parseJson(Buffer.from([0x22, 0xff, 0x22])), /invalid UTF-8/);
});

test('a long string of escapes is read in one pass', () => {
  const text = JSON.stringify('"\\'.repeat(200_000));
  const startedAt = performance.now();
  assert.equal((parse(text) as { readonly value: string }).value.length, 400_000);
  assert.ok(performance.now() - startedAt < 1000);
});
