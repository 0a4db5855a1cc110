/** What still lies in a connection when its key is forgotten, and arrives then (C8). */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { actorId, VersionVector } from '../../clocks/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import type { WallMicros } from '../../environment/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { encodeContent, stampContent, tombstoneContent } from '../../wire/index.ts';
import { makeObject, type VersionedObject, writeOnceObject } from '../object/index.ts';
import { ObjectKey, ReapedVersions, reapedMsMin } from './index.ts';
import { clock, openVnodes } from './vnodes.fixture.ts';

const here = 0 as Partition;
const key = new ObjectKey({
  bucketType: byteLiteral('default'),
  bucket: byteLiteral('b'),
  key: byteLiteral('k'),
});
const actor = actorId(byteLiteral('elsewher'), 1);
const endMicros = 1_000_000;

function contentOf(text: string, expires = false): Buffer {
  const parts = { value: Buffer.from(text), links: [], userMeta: [], indexes: [], deleted: false };
  const content = encodeContent({ ...parts, ...(expires ? { expiresAtMicros: endMicros } : {}) });
  return stampContent(content, byteLiteral('v'), 1, 'kept');
}

/** The object after the writes 1 to `counter` of one coordinator, showing those that are given. */
function objectOf(counter: number, shown: Readonly<Record<number, Buffer>>): VersionedObject {
  const siblings = Object.entries(shown).map(([at, content]) => ({
    dot: { actor, counter: Number(at) },
    content,
  }));
  return makeObject(VersionVector.empty.with({ actor, counter }, 0), siblings);
}

const value = objectOf(1, { 1: contentOf('old') });
const tombstone = objectOf(2, { 2: tombstoneContent(byteLiteral('t'), 5) });

async function opened(marginMs = 0) {
  const vnodes = await openVnodes({
    deleteMode: 'immediate',
    reaped: new ReapedVersions(clock),
    expiry: { clock: { wallMicros: () => (endMicros + marginMs * 1000) as WallMicros }, marginMs },
  });
  const put = (object: VersionedObject) =>
    new Promise<string>((resolve) => {
      vnodes.vnodes.handle(
        here,
        { kind: 'put', key, object, durability: 'os', purpose: 'write', announce: false },
        ({ kind }) => resolve(kind),
      );
    });
  const reap = async (object: VersionedObject) => {
    vnodes.vnodes.handle(here, { kind: 'reap', key, tombstone: object, first: here, n: 1 }, () => {});
    await vnodes.commit.drain();
    assert.equal(vnodes.engine.get(key.copy(here)), undefined, 'it is forgotten');
  };
  const values = () => {
    let shown: readonly string[] = [];
    vnodes.vnodes.handle(here, { kind: 'get', key }, (reply) => {
      if (reply.kind === 'object') shown = reply.object.contents().map((each) => each.value.toString());
    });
    return shown;
  };
  return { put, reap, values };
}

test('C8: what a forgotten tombstone had deleted does not come back, and what was written after it stays', async () => {
  const { put, reap, values } = await opened();
  await put(tombstone);
  await reap(tombstone);
  assert.equal(await put(value), 'stored');
  assert.deepEqual(values(), []);
  assert.equal(await put(objectOf(3, { 3: contentOf('new') })), 'stored');
  assert.deepEqual(values(), ['new']);
});

test('C8: an older tombstone that comes late, and is forgotten again, does not stand for the newer one', async () => {
  const { put, reap, values } = await opened();
  const newer = objectOf(4, { 4: tombstoneContent(byteLiteral('t'), 6) });
  await put(newer);
  await reap(newer);
  await put(tombstone);
  await reap(tombstone);
  await put(objectOf(3, { 3: contentOf('between') }));
  assert.deepEqual(values(), []);
});

test('C8: a tombstone beside what has expired is remembered as any other', async () => {
  const { put, reap, values } = await opened();
  const both = objectOf(3, { 2: tombstoneContent(byteLiteral('t'), 5), 3: contentOf('short', true) });
  await put(both);
  await reap(both);
  await put(value);
  assert.deepEqual(values(), []);
});

test('C8: what expired is remembered where the margin is shorter than a message may be under way', async () => {
  const expired = objectOf(2, { 2: contentOf('short', true) });
  const lateAfter = async (marginMs: number) => {
    const { put, reap, values } = await opened(marginMs);
    await put(expired);
    await reap(expired);
    await put(value);
    return values();
  };
  assert.deepEqual(await lateAfter(reapedMsMin - 1), []);
  assert.deepEqual(await lateAfter(reapedMsMin), ['old'], 'nothing is as late as that');
});

test('a type that was dropped and made again otherwise: the tombstones of the one hide nothing of the other', async () => {
  const once = (content: Buffer) => writeOnceObject(actor, content);
  const onceDeleted = once(tombstoneContent(byteLiteral('t'), 5));
  const before = await opened();
  await before.put(onceDeleted);
  await before.reap(onceDeleted);
  await before.put(value);
  assert.deepEqual(before.values(), ['old']);

  const after = await opened();
  await after.put(tombstone);
  await after.reap(tombstone);
  await after.put(once(contentOf('once')));
  assert.deepEqual(after.values(), ['once']);

  const same = await opened();
  await same.put(onceDeleted);
  await same.reap(onceDeleted);
  await same.put(once(contentOf('again')));
  assert.deepEqual(same.values(), [], 'a key that is written once is not used again');
});
