/** How much of an answer is read at a time, and what has been followed when. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { actorId, VersionVector } from '../../clocks/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import { nodeIdOf } from '../../environment/index.ts';
import { type ByteString, byteLiteral } from '../../stdx/index.ts';
import { encodeContent } from '../../wire/index.ts';
import { makeObject } from '../object/index.ts';
import type { FeedPart } from './feed-protocol.ts';
import type { ReadVersion } from './read-version.ts';
import { portionBytesMax, ToldChanges } from './told-changes.ts';
import { VersionMemory } from './version-memory.ts';

const dot = { actor: actorId(byteLiteral('elsewher'), 1), counter: 1 };
const clock = VersionVector.empty.with(dot, 0);
const after = byteLiteral('a'.repeat(14));

function objectOf(bytes: number) {
  const parts = { value: Buffer.alloc(bytes), links: [], userMeta: [], indexes: [], deleted: false };
  return makeObject(clock, [{ dot, content: encodeContent(parts) }]);
}

const isOfPart = (entry: string) => entry.includes(' ');
const isEvent = (entry: string) => !isOfPart(entry);

function partOf(partition: number, keys: readonly string[], isBroken = false): FeedPart {
  const items = keys.map((key) => ({ key: byteLiteral(key), micros: 1, digest: byteLiteral(`of ${key}`) }));
  return { partition: partition as Partition, items, after, isBroken };
}

function toldOf(told: readonly FeedPart[], read: (key: ByteString) => ReadVersion['kind'], bytes = 10) {
  const object = objectOf(bytes);
  const log: string[] = [];
  let [reading, readingMost] = [0, 0];
  const changes = new ToldChanges({
    node: nodeIdOf('n@host'),
    told,
    memory: new VersionMemory(1000),
    read: async (key) => {
      reading += 1;
      readingMost = Math.max(readingMost, reading);
      await Promise.resolve();
      reading -= 1;
      const kind = read(key);
      return kind === 'read' ? { kind, object, clock, digest: byteLiteral(`of ${key}`) } : { kind };
    },
    followed: ({ partition }) => log.push(`followed ${partition}`),
    stuck: ({ partition }) => log.push(`stuck ${partition}`),
  });
  const portion = async (): Promise<number> => {
    const events = await changes.portion();
    for (const event of events) log.push(event.kind === 'gap' ? 'gap' : event.key);
    return events.length;
  };
  return { changes, log, portion, readingMost: () => readingMost };
}

test('F4, F5: large objects come a few at a time, and a part is followed when the last of it is handed out', async () => {
  const keys = Array.from({ length: 100 }, (_, i) => `k${i}`);
  const objectBytes = 300_000;
  const told = toldOf([partOf(1, keys), partOf(2, ['last'])], () => 'read', objectBytes);
  const lengths: number[] = [];
  while (!told.changes.isDone) lengths.push(await told.portion());
  assert.deepEqual(told.log.filter(isEvent), [...keys, 'last']);
  assert.deepEqual(told.log.filter(isOfPart), ['followed 1', 'followed 2']);
  assert.ok(told.log.indexOf('followed 1') > told.log.indexOf('k90'), 'not before its last portion');
  // The first is read before anybody knows how large they are.
  const usual = Math.ceil(portionBytesMax / objectBytes) + 2;
  assert.ok(
    lengths.slice(1).every((length) => length <= usual),
    lengths.join(),
  );
  assert.ok(told.readingMost() <= 8);
});

test('small objects come all at once, more and more of them side by side', async () => {
  const keys = Array.from({ length: 300 }, (_, i) => `k${i}`);
  const told = toldOf([partOf(1, keys)], () => 'read');
  assert.equal(await told.portion(), keys.length);
  assert.ok(told.changes.isDone);
  assert.ok(told.readingMost() > 8 && told.readingMost() <= 64);
});

test('a key that cannot be read holds up its own part alone; one that is lost is a gap', async () => {
  const told = toldOf([partOf(1, ['a', 'b', 'c']), partOf(2, ['d', 'e'], true), partOf(3, [])], (key) =>
    key === 'b' ? 'failed' : key === 'd' ? 'lost' : 'read',
  );
  while (!told.changes.isDone) await told.portion();
  assert.deepEqual(told.log.filter(isEvent), ['a', 'gap', 'gap', 'e']);
  assert.deepEqual(told.log.filter(isOfPart), ['stuck 1', 'followed 2', 'followed 3']);
});
