import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ByteString, byteLiteral, byteStringOf } from '../../stdx/index.ts';
import { percentDecode, percentEncode } from './percent-encoding.ts';

const anyBytes = fc.uint8Array({ maxLength: 40 }).map((bytes) => byteStringOf(bytes));
const anyText = fc.string({ unit: fc.constantFrom('%', '2', 'f', 'F', '+', 'a', 'g', '/'), maxLength: 20 });

test('decoding undoes encoding, whatever the bytes', () => {
  fc.assert(fc.property(anyBytes, (bytes) => percentDecode(percentEncode(bytes)) === bytes));
});

test('encoded names hold only characters that no URL or header takes apart', () => {
  fc.assert(fc.property(anyBytes, (bytes) => /^([0-9A-Za-z._~-]|%[0-9A-F]{2})*$/.test(percentEncode(bytes))));
});

test('decoding is what the obvious replacement does', () => {
  const oracle = (text: string): string =>
    text.replace(/\+|%[0-9a-fA-F]{2}/g, (found) =>
      found === '+' ? ' ' : String.fromCharCode(Number.parseInt(found.slice(1), 16)),
    );
  fc.assert(fc.property(anyText, (text) => percentDecode(text) === (oracle(text) as ByteString)));
});

test('what is no encoding stands for itself', () => {
  assert.equal(percentDecode('100%'), byteLiteral('100%'));
  assert.equal(percentDecode('%zz%4'), byteLiteral('%zz%4'));
  assert.equal(percentDecode('a%2Fb+c%C3%A9'), byteLiteral('a/b c\u00c3\u00a9'));
});
