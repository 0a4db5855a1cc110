/** The small grammars of headers: links, indexes, dates, tags, contexts, Accept, text that is safe to send. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ByteString, byteLiteral, byteStringOf } from '../../stdx/index.ts';
import type { Pair } from '../../wire/index.ts';
import { isAcceptable, negotiate } from './content-negotiation.ts';
import { ContextHeaderError, formatContext, parseContext } from './context-header.ts';
import { base62, namesEntityTag } from './entity-tag.ts';
import { headerName, headerValue } from './header-text.ts';
import { formatHttpDate, parseHttpDate } from './http-date.ts';
import { IndexError, mergeIndexes, parseIndexHeader } from './index-headers.ts';
import { formatLinks, LinkError, parseLinks } from './link-header.ts';
import { splitContentType } from './object-headers.ts';

const name = fc.uint8Array({ minLength: 1, maxLength: 12 }).map((bytes) => byteStringOf(bytes));
const link = fc.record({ bucket: name, key: name, tag: name }, { noNullPrototype: true });

test('links come back as they were, in both styles', () => {
  fc.assert(
    fc.property(
      fc.array(link, { maxLength: 5 }),
      name,
      fc.constantFrom('riak', 'buckets'),
      (links, bucket, style) => {
        assert.deepEqual(parseLinks(formatLinks(links, bucket, style), bucket, style), links);
      },
    ),
  );
});

test('links of another form are refused', () => {
  const bucket = byteLiteral('b');
  for (const header of [
    'garbage',
    '</buckets/other>; rel="up"',
    '</buckets/b>; rel="down"',
    '</buckets/b/keys/k>; riaktag="a"b"',
    '</buckets/b/keys/k>',
    '</buckets//keys/k>; riaktag="t"',
    '</riak/b/k>; riaktag="t"',
    '</types/t/buckets/b/keys/k>; riaktag="t"',
  ]) {
    assert.throws(() => parseLinks(header, bucket, 'buckets'), LinkError, header);
  }
  assert.equal(parseLinks('</riak/b/k>; riaktag="t"', bucket, 'riak').length, 1);
  assert.deepEqual(parseLinks('</buckets/b>;rel="up", ', bucket, 'buckets'), []);
});

test('index values are separated by a comma and a white space, integers have one form', () => {
  const parse = (field: string, value: string): readonly Pair[] => {
    const entries: Pair[] = [];
    parseIndexHeader(field, value, entries);
    return entries;
  };
  assert.deepEqual(
    parse('Name_BIN', 'a, b,c,\td').map((entry) => entry.value),
    ['a', 'b,c', 'd'],
  );
  assert.deepEqual(parse('Name_BIN', 'a')[0]!.key, 'name_bin');
  assert.deepEqual(
    parse('n_int', '007, -0, +12, -34').map((entry) => entry.value),
    ['7', '0', '12', '-34'],
  );
  for (const value of ['', '-', '1.5', '0x1', '1e3', '1 2'])
    assert.throws(() => parse('n_int', value), IndexError);
  for (const field of ['n', '$key_bin', '$bucket', 'n_intx', '']) {
    assert.throws(() => parse(field, 'a'), IndexError, field);
  }
});

test('merged index values split into the same values', () => {
  const value = fc
    .string({ unit: fc.constantFrom('a', 'b', ','), minLength: 1 })
    .filter((text) => !text.endsWith(','));
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 6 }), (values) => {
      const pairs = values.map((text) => ({ key: byteLiteral('f_bin'), value: byteLiteral(text) }));
      const parsed: Pair[] = [];
      mergeIndexes(pairs, (field, joined) => parseIndexHeader(field, joined, parsed));
      assert.deepEqual(parsed, pairs);
    }),
  );
});

test('dates: whole seconds there and back, the three forms of RFC 9110, nothing else', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 253_402_300_799 }),
      (at) => parseHttpDate(formatHttpDate(at)) === at,
    ),
  );
  assert.equal(formatHttpDate(784_111_777), 'Sun, 06 Nov 1994 08:49:37 GMT');
  for (const form of [
    'Sun, 06 Nov 1994 08:49:37 GMT',
    'Sunday, 06-Nov-94 08:49:37 GMT',
    'Sun Nov  6 08:49:37 1994',
  ]) {
    assert.equal(parseHttpDate(form), 784_111_777, form);
  }
  for (const form of ['', '784111777', '1994-11-06T08:49:37Z', 'Sun, nonsense', `Sun, ${'9'.repeat(100)}`]) {
    assert.equal(parseHttpDate(form), undefined, form);
  }
});

test('entity tags: lists, weak and unquoted forms, the star', () => {
  assert.ok(namesEntityTag('"a", W/"b", c', 'a'));
  assert.ok(namesEntityTag('"a", W/"b", c', 'b'));
  assert.ok(namesEntityTag('"a", W/"b", c', 'c'));
  assert.ok(namesEntityTag('*', 'anything'));
  assert.ok(!namesEntityTag('"a", W/"b", c', 'd'));
  assert.ok(!namesEntityTag('', 'd'));
});

test('base 62 keeps the number', () => {
  const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 20 }), (bytes) => {
      let value = 0n;
      for (const digit of base62(bytes)) value = value * 62n + BigInt(digits.indexOf(digit));
      return value === BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
    }),
  );
});

test('contexts: base64 there and back; what Buffer would skip is refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      assert.deepEqual(parseContext(formatContext(Buffer.from(bytes))), Buffer.from(bytes));
    }),
  );
  for (const text of ['!!!', 'a', 'ab=', 'abcd=', 'ab c', 'abc===', '=', 'ab==cd']) {
    assert.throws(() => parseContext(text), ContextHeaderError, text);
  }
  assert.equal(parseContext('YWI').toString(), 'ab', 'unpadded is fine');
});

test('Accept: quality, then exactness, then the order of the server', () => {
  const offered = ['text/plain', 'multipart/mixed'];
  for (const [accept, chosen] of [
    [undefined, 'text/plain'],
    ['*/*', 'text/plain'],
    ['*/*, multipart/mixed', 'multipart/mixed'],
    ['multipart/mixed, */*;q=0.5', 'multipart/mixed'],
    ['multipart/mixed;q=0.1, text/*;q=0.2', 'text/plain'],
    ['MULTIPART/Mixed', 'multipart/mixed'],
    ['text/plain;q=0, */*', 'multipart/mixed'],
    ['application/json', undefined],
    ['*/*;q=0', undefined],
  ] as const) {
    assert.equal(negotiate(accept, offered), chosen, accept);
  }
  assert.ok(isAcceptable('text/html;level=1', 'text/html; charset=utf-8'));
});

test('whatever is stored, what is sent is one header', () => {
  const anyBytes = fc.uint8Array({ maxLength: 30 }).map((bytes): ByteString => byteStringOf(bytes));
  fc.assert(
    fc.property(anyBytes, (text) => {
      assert.match(headerValue(text), /^[\t\x20-\x7e\x80-\xff]*$/);
      assert.match(headerName(text), /^[!#$%&'*+.^_`|~0-9A-Za-z-]*$/);
    }),
  );
  assert.equal(headerValue('r\u00e9d 100%'), 'r\u00e9d 100%');
});

test('Content-Type: the charset apart, other parameters kept', () => {
  const split = (value: string) => Object.values(splitContentType(value));
  assert.deepEqual(split('text/plain'), ['text/plain', undefined]);
  assert.deepEqual(split('text/plain; Charset=utf-8'), ['text/plain', 'utf-8']);
  assert.deepEqual(split('multipart/x; boundary=b;charset="a"; y=z'), [
    'multipart/x; boundary=b; y=z',
    '"a"',
  ]);
});
