import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ByteString, byteLiteral } from '../stdx/index.ts';
import { contentEntriesMax, hasBoundedMetadata, metadataBytesMax } from './content-scan.ts';
import { ContentError } from './decode-error.ts';
import {
  type Content,
  decodeContent,
  encodeContent,
  expiryOfContent,
  headOfContent,
  isDeletedContent,
  lastModifiedOfContent,
  marksExpiring,
  marksIndexed,
  marksOfContent,
  stampContent,
  stampNewContent,
  tombstoneContent,
  validateContent,
} from './rpb-content.ts';

const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
const name = fc
  .uint8Array({ maxLength: 40 })
  .map((array) => Buffer.from(array).toString('latin1') as ByteString);
const pair = fc.record({ key: name, value: name }, { noNullPrototype: true });
const optionalName = fc.option(name, { nil: undefined });
const micros = fc.integer({ min: 0, max: 4_294_967_295_999_999 });
const content: fc.Arbitrary<Content> = fc.record(
  {
    value: bytes,
    contentType: optionalName,
    charset: optionalName,
    contentEncoding: optionalName,
    vtag: optionalName,
    links: fc.array(fc.record({ bucket: name, key: name, tag: name }, { noNullPrototype: true }), {
      maxLength: 3,
    }),
    lastModifiedMicros: fc.option(micros, { nil: undefined }),
    userMeta: fc.array(pair, { maxLength: 3 }),
    indexes: fc.array(pair, { maxLength: 3 }),
    deleted: fc.boolean(),
  },
  { noNullPrototype: true },
);

// Observed from a Riak 3.4 node: the content of a reply with every kind of field but `deleted`.
const observed = Buffer.from(
  '0a0668656c6c6f32120a746578742f706c61696e1a057574662d382a16354b42394f70694768545648305a4379306c79706b69' +
    '32110a0370623312056f746865721a03746167389daf84d80640c9cb174a090a044d657461120176520d0a076167655f696e74' +
    '12023432',
  'hex',
);

test('decode is the inverse of encode', () => {
  fc.assert(
    fc.property(content, (value) => {
      assert.deepEqual(decodeContent(encodeContent(value)), value);
    }),
  );
});

test("Riak's own bytes are canonical: they encode to themselves", () => {
  const decoded = decodeContent(observed);
  assert.equal(decoded.value.toString(), 'hello2');
  assert.equal(decoded.contentType, 'text/plain');
  assert.equal(decoded.charset, 'utf-8');
  assert.equal(decoded.vtag, '5KB9OpiGhTVH0ZCy0lypki');
  assert.deepEqual(decoded.links, [{ bucket: 'pb3', key: 'other', tag: 'tag' }]);
  assert.equal(decoded.lastModifiedMicros, 1_795_233_693_386_505);
  assert.deepEqual(decoded.userMeta, [{ key: 'Meta', value: 'v' }]);
  assert.deepEqual(decoded.indexes, [{ key: 'age_int', value: '42' }]);
  assert.deepEqual(encodeContent(decoded), observed);
});

test('a stamp turns the time to live into the instant of its end, and takes none from a client', () => {
  const ttl = fc.option(fc.integer({ min: 0, max: 0xffff_ffff }), { nil: undefined });
  const lifetime = fc.oneof(fc.integer({ min: 0, max: 0xffff_ffff }), fc.constant('kept' as const));
  fc.assert(
    fc.property(content, ttl, micros, lifetime, micros, (value, seconds, forged, lives, now) => {
      const { deleted } = value;
      const sent = {
        ...value,
        ...(seconds === undefined ? {} : { ttlSeconds: seconds }),
        ...(forged === 0 ? {} : { expiresAtMicros: forged }),
      };
      assert.deepEqual(decodeContent(encodeContent(sent)), sent);
      const stamped = stampContent(encodeContent(sent), byteLiteral('v'), now, lives);
      const lived = seconds ?? (lives === 'kept' ? 0 : lives);
      const until = deleted ? 0 : lives === 'kept' ? forged : lived === 0 ? 0 : now + lived * 1_000_000;
      assert.equal(expiryOfContent(stamped), until);
      assert.equal(marksOfContent(stamped) & marksExpiring, until === 0 ? 0 : marksExpiring);
      assert.equal(marksOfContent(stamped) & marksIndexed, value.indexes.length > 0 ? marksIndexed : 0);
      assert.equal(isDeletedContent(stamped), deleted);
      const { expiresAtMicros, ttlSeconds } = decodeContent(stamped);
      assert.deepEqual([expiresAtMicros ?? 0, ttlSeconds], [until, undefined]);
      assert.equal(decodeContent(headOfContent(stamped)).expiresAtMicros ?? 0, until);
      assert.deepEqual(stampContent(stamped, byteLiteral('v'), now, 'kept'), stamped);
    }),
  );
});

test('a stamp replaces vtag and last-modified and keeps the rest', () => {
  fc.assert(
    fc.property(content, name, micros, (value, vtag, lastModifiedMicros) => {
      const stamped = stampContent(encodeContent(value), vtag, lastModifiedMicros);
      assert.deepEqual(stamped, encodeContent({ ...value, vtag, lastModifiedMicros }));
      assert.equal(isDeletedContent(stamped), value.deleted);
      assert.equal(lastModifiedOfContent(stamped), lastModifiedMicros);
      const head = headOfContent(stamped);
      const empty = Buffer.alloc(0);
      assert.deepEqual(head, encodeContent({ ...value, value: empty, vtag, lastModifiedMicros }));
    }),
  );
});

test('a stamp makes any field order canonical, drops unknown fields, and the last of two values holds', () => {
  const canonical = stampContent(observed, byteLiteral('v'), 7);
  // deleted=false, unknown field 15, unknown group 16, an old value, then what was observed with value last.
  const head = Buffer.from('58007a0161830184010a0178', 'hex');
  const disordered = Buffer.concat([head, observed.subarray(8), observed.subarray(0, 8)]);
  assert.deepEqual(stampContent(disordered, byteLiteral('v'), 7), canonical);
});

test('an index value that ends like a tombstone is none', () => {
  const live = Buffer.from([0x0a, 0x00, 0x52, 0x06, 0x0a, 0x00, 0x12, 0x02, 0x58, 0x01]);
  validateContent(live);
  assert.equal(isDeletedContent(live), false);
  const value = Buffer.from([0x0a, 0x02, 0x58, 0x01]);
  assert.equal(isDeletedContent(value), false);
});

test('a tombstone is empty, deleted, and dated', () => {
  const tombstone = tombstoneContent(byteLiteral('tag'), 1_700_000_000_123_456);
  assert.deepEqual(decodeContent(tombstone), {
    value: Buffer.alloc(0),
    contentType: undefined,
    charset: undefined,
    contentEncoding: undefined,
    vtag: 'tag',
    links: [],
    lastModifiedMicros: 1_700_000_000_123_456,
    userMeta: [],
    indexes: [],
    deleted: true,
  });
  assert.equal(isDeletedContent(tombstone), true);
  assert.equal(lastModifiedOfContent(tombstone), 1_700_000_000_123_456);
});

const malformed: readonly (readonly [string, string])[] = [
  ['', 'content without value'],
  ['1200', 'content without value'],
  ['0a05616263', 'length beyond the end of the message'],
  ['0a', 'truncated varint'],
  ['0a0038', 'truncated varint'],
  ['0800', 'wrong wire type in content field 1'],
  ['0a003a0100', 'wrong wire type in content field 7'],
  ['0a004a021200', 'pair without key'],
  ['0a004a020800', 'wrong wire type in link or pair'],
  ['0a0032030a0561', 'length beyond the end of the message'],
  ['0a00ffffffffffffffffffff01', 'varint longer than ten bytes'],
  ['0aff', 'truncated varint'],
  ['0a818080801000', 'length beyond the end of the message'],
  ['0a0000', 'field number 0'],
  ['0a007c', 'wire type 4 where a field should start'],
  ['0a007d0102', 'truncated number'],
];

for (const [hex, reason] of malformed) {
  test(`malformed content ${hex || '(empty)'}: ${reason}`, () => {
    const bytesOfIt = Buffer.from(hex, 'hex');
    assert.throws(
      () => stampContent(bytesOfIt, byteLiteral('v'), 1),
      (error) => error instanceof ContentError && error.reason === reason,
    );
    assert.throws(() => validateContent(bytesOfIt), ContentError);
  });
}

test('a content inside other bytes is read within its bounds', () => {
  const framed = Buffer.concat([Buffer.from('ffff', 'hex'), observed, Buffer.from('ffff', 'hex')]);
  assert.deepEqual(decodeContent(framed, 2, framed.length - 2), decodeContent(observed));
});

/** With `count` of the shortest entries in one list. */
function contentWith(list: 'links' | 'userMeta' | 'indexes', count: number): Buffer {
  const [link, pair] = [
    { bucket: text(''), key: text(''), tag: text('') },
    { key: text(''), value: text('') },
  ];
  const bare: Content = { value: Buffer.from('v'), links: [], userMeta: [], indexes: [], deleted: false };
  const entries = new Array<unknown>(count).fill(list === 'links' ? link : pair);
  return encodeContent({ ...bare, [list]: entries });
}

function text(value: string): ByteString {
  return value as ByteString;
}

test('a new content has no more entries of a kind than allowed; a stored one may', () => {
  for (const [list, name] of [
    ['links', 'links'],
    ['userMeta', 'entries of user metadata'],
    ['indexes', 'index entries'],
  ] as const) {
    const most = contentWith(list, contentEntriesMax);
    assert.equal(decodeContent(stampNewContent(most, text('t'), 7, 0))[list].length, contentEntriesMax);
    assert.ok(hasBoundedMetadata(stampContent(most, text('t'), 7)));
    const more = contentWith(list, contentEntriesMax + 1);
    const refused = (error: unknown): boolean =>
      error instanceof ContentError && error.message === `more than 10000 ${name}` && error.list === name;
    assert.throws(() => stampNewContent(more, text('t'), 7, 0), refused);
    const stored = stampContent(more, text('t'), 7);
    assert.equal(decodeContent(stored)[list].length, contentEntriesMax + 1);
    assert.equal(hasBoundedMetadata(stored), list === 'indexes');
  }
});

test('a new content has no more bytes of links and user metadata than allowed; a stored one may', () => {
  const bare: Content = { value: Buffer.alloc(9), links: [], userMeta: [], indexes: [], deleted: false };
  const sized = (bytes: number) => {
    const link = { bucket: text(''), key: text(''), tag: text('t'.repeat(metadataBytesMax / 2)) };
    const [key, most] = [text('k'), metadataBytesMax - encodedBytes({ ...bare, links: [link] })];
    const head = encodedBytes({ ...bare, userMeta: [{ key, value: text('v'.repeat(most)) }] }) - most;
    const userMeta = [{ key, value: text('v'.repeat(bytes - metadataBytesMax + most - head)) }];
    return encodeContent({ ...bare, links: [link], userMeta });
  };
  const encodedBytes = (content: Content) => encodeContent(content).length - encodeContent(bare).length;
  assert.ok(stampNewContent(sized(metadataBytesMax), text('t'), 7, 0).length > metadataBytesMax);
  assert.throws(
    () => stampNewContent(sized(metadataBytesMax + 1), text('t'), 7, 0),
    new ContentError('links and user metadata of more than 1048576 bytes'),
  );
  assert.ok(hasBoundedMetadata(stampContent(sized(metadataBytesMax), text('t'), 7)));
  assert.ok(!hasBoundedMetadata(stampContent(sized(metadataBytesMax + 1), text('t'), 7)));
});
