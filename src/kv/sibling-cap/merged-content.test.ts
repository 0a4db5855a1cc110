import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { actorId, VersionVector } from '../../clocks/index.ts';
import { byteLiteral, byteStringOf } from '../../stdx/index.ts';
import { decodeContent, encodeContent, tombstoneContent } from '../../wire/index.ts';
import { makeObject, type Sibling } from '../object/index.ts';
import { cappedObject, mergedContent, unionBytesMaxDefault } from './index.ts';

const vtag = byteLiteral('new');
const dotOf = (n: number) => ({ actor: actorId(byteStringOf(Buffer.alloc(8, n)), 1), counter: 1 });

function sibling(n: number, value: string, micros: number, more: object = {}): Sibling {
  const content = encodeContent({
    value: Buffer.from(value),
    vtag: byteLiteral(`v${n}`),
    lastModifiedMicros: micros,
    links: [],
    userMeta: [],
    indexes: [],
    deleted: false,
    ...more,
  });
  return { dot: dotOf(n), content };
}

const deleted = (n: number, micros: number): Sibling => ({
  dot: dotOf(n),
  content: tombstoneContent(byteLiteral(`v${n}`), micros),
});

function objectOf(...siblings: Sibling[]) {
  return makeObject(
    siblings.reduce((clock, { dot }) => clock.with(dot!, 0), VersionVector.empty),
    siblings,
  );
}

const index = (key: string, value: string) => ({ key: byteLiteral(key), value: byteLiteral(value) });

test('lww: the last that was written stays, with its time, be it a tombstone', () => {
  const object = objectOf(sibling(1, 'a', 5), sibling(2, 'b', 7), sibling(3, 'c', 6));
  const merged = decodeContent(mergedContent(object, 'lww', vtag)!);
  assert.deepEqual([merged.value.toString(), merged.lastModifiedMicros, merged.vtag], ['b', 7, vtag]);
  const gone = mergedContent(objectOf(sibling(1, 'a', 5), deleted(2, 8)), 'lww', vtag)!;
  assert.ok(decodeContent(gone).deleted);
});

test('P2: union: what lives is joined, tombstones give way, indexes are those of all, and the end is the last', () => {
  const red = sibling(1, '[1]', 5, { indexes: [index('c_bin', 'red')], expiresAtMicros: 100 });
  const blue = sibling(2, '[2]', 7, { indexes: [index('c_bin', 'blue')], expiresAtMicros: 200 });
  const merged = decodeContent(mergedContent(objectOf(red, blue, deleted(3, 9)), 'union', vtag)!);
  assert.deepEqual([merged.value.toString(), merged.deleted, merged.lastModifiedMicros], ['[1,2]', false, 7]);
  assert.deepEqual(merged.indexes, [index('c_bin', 'blue'), index('c_bin', 'red')]);
  assert.equal(merged.expiresAtMicros, 200);
  const forEver = mergedContent(objectOf(red, blue, sibling(3, '[]', 1)), 'union', vtag)!;
  assert.equal(decodeContent(forEver).expiresAtMicros, undefined);
  assert.ok(decodeContent(mergedContent(objectOf(deleted(1, 1), deleted(2, 2)), 'union', vtag)!).deleted);
});

test('P3: what is no JSON, no text, or too much to join in one turn is left alone', () => {
  const good = sibling(1, '[1]', 5);
  const bytes = sibling(2, '', 6, { value: Buffer.from([0x22, 0xff, 0x22]) });
  const large = sibling(2, JSON.stringify('x'.repeat(unionBytesMaxDefault)), 6);
  for (const bad of [sibling(2, 'text', 6), bytes, large]) {
    assert.equal(mergedContent(objectOf(good, bad), 'union', vtag), undefined);
    assert.ok(mergedContent(objectOf(good, bad), 'lww', vtag) !== undefined);
  }
});

test('P4: of what lives alone the value stays to the byte', () => {
  const bytes = Buffer.from([0x22, 0xff, 0x22]);
  for (const value of [Buffer.from('[3,1,2,2]'), Buffer.from('{"id":12345678901234567890}'), bytes]) {
    const object = objectOf(sibling(1, '', 5, { value }), deleted(2, 9), deleted(3, 4));
    const merged = decodeContent(mergedContent(object, 'union', vtag)!);
    assert.deepEqual([merged.value, merged.lastModifiedMicros, merged.vtag], [value, 5, vtag]);
  }
});

test('P1: the order of siblings does not matter, nor do twins', () => {
  const siblings = [sibling(1, '[1]', 5), sibling(2, '[2]', 5), sibling(3, '[3]', 4)];
  const twin = { ...siblings[0]!, dot: dotOf(4) };
  for (const policy of ['lww', 'union'] as const) {
    const merged = mergedContent(objectOf(...siblings), policy, vtag);
    assert.deepEqual(mergedContent(objectOf(...[...siblings].reverse()), policy, vtag), merged);
    assert.deepEqual(mergedContent(objectOf(...siblings, twin), policy, vtag), merged);
  }
});

test('a write beyond the cap stands for all that it has merged, under its own dot and vtag', () => {
  const object = objectOf(sibling(1, '[1]', 5), sibling(2, '[2]', 6), sibling(3, '[3]', 7));
  const cap = { siblingsMax: 2, policy: 'union' } as const;
  const capped = cappedObject(object, cap, dotOf(3));
  assert.deepEqual([capped.siblingCount, capped.dots], [1, [dotOf(3)]]);
  const [content] = capped.contents();
  assert.deepEqual([content!.value.toString(), content!.vtag], ['[1,2,3]', byteLiteral('v3')]);
  assert.ok(capped.clock.equals(object.clock));
  assert.equal(cappedObject(object, { ...cap, siblingsMax: 3 }, dotOf(3)), object);
  for (const policy of ['none', 'later'] as const) {
    assert.equal(cappedObject(object, { siblingsMax: 1, policy }, dotOf(3)), object);
  }
});
