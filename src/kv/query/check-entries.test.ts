import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { actorId, VersionVector } from '../../clocks/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import { SoloTopology } from '../../core/topology/index.ts';
import { type Instant, nodeIdOf, type Random, type Tasks, type WallMicros } from '../../environment/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { GroupCommit, openMemoryEngine, type WriteBatch } from '../../storage/index.ts';
import { encodeContent } from '../../wire/index.ts';
import { ignoredChanges } from '../anti-entropy/index.ts';
import { makeObject, VersionedObject } from '../object/index.ts';
import {
  addressOf,
  changeDerived,
  derivedKeys,
  derivedRange,
  indexPrefix,
  nodeFactKey,
  ObjectKey,
  objectsRange,
  placeOf,
} from '../vnode/index.ts';
import { checkEntries } from './check-entries.ts';
import { IndexUpkeep } from './index-upkeep.ts';

const tasks: Tasks = { spawn: (_name, body) => void body(), endOfTurn: (run) => void setImmediate(run) };
const timers = { after: () => ({ cancel: () => {} }) };
const here = 0 as Partition;
const bucketType = byteLiteral('default');
const bucket = byteLiteral('b');
const unindexedFlag = 4;

const keyOf = (name: string) => new ObjectKey({ bucketType, bucket, key: byteLiteral(name) });

function objectOf(terms: readonly string[] | 'tombstone', counter: number, expires = false): VersionedObject {
  const dot = { actor: actorId(byteLiteral('actor--1'), 1), counter };
  const content = encodeContent({
    value: Buffer.from('v'),
    links: [],
    userMeta: [],
    indexes:
      terms === 'tombstone'
        ? []
        : terms.map((term) => ({ key: byteLiteral('t_bin'), value: byteLiteral(term) })),
    deleted: terms === 'tombstone',
    ...(expires ? { expiresAtMicros: 1_700_000_000_000_000 + counter } : {}),
  });
  return makeObject(VersionVector.empty.with(dot, 0), [{ dot, content }]);
}

function write(commit: GroupCommit, fill: (batch: WriteBatch) => void): Promise<void> {
  return new Promise((resolve) => commit.write('os', fill, () => resolve()));
}

async function keysIn(commit: GroupCommit, range: ReturnType<typeof objectsRange>) {
  await commit.drain();
  const cursor = commit.engine.scan(range);
  const entries = await cursor.next({ entriesMax: 10_000, bytesMax: 1e7 });
  await cursor.close();
  return entries;
}

async function assertExact(commit: GroupCommit): Promise<void> {
  const wanted = (await keysIn(commit, objectsRange(here))).flatMap(({ key, value }) =>
    derivedKeys(here, new ObjectKey(addressOf(key)), VersionedObject.decode(value)),
  );
  const found = (await keysIn(commit, derivedRange(here))).map(({ key }) => key.toString('hex'));
  assert.deepEqual(found, wanted.map((key) => key.toString('hex')).sort());
}

const names = ['k', 'l', 'm', 'n'];
const terms = fc.oneof(
  fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 3 }),
  fc.constant('tombstone' as const),
);
const stories = fc.record({
  stored: fc.dictionary(fc.constantFrom(...names), terms),
  /** Of what stands beside the objects, what got lost; and entries that are of no object, or not of that one. */
  lost: fc.array(fc.nat(20)),
  strange: fc.array(fc.record({ name: fc.constantFrom(...names, 'gone'), term: fc.constantFrom('a', 'z') })),
  junk: fc.array(fc.uint8Array({ maxLength: 8 }), { maxLength: 2 }),
  /** Written while the check rests. */
  meanwhile: fc.array(fc.record({ name: fc.constantFrom(...names), terms }), { maxLength: 6 }),
  isOld: fc.boolean(),
});

test('D1: whatever was lost or strange, after a check entries are those of the objects, also of those written meanwhile', async () => {
  let corrected = 0;
  await fc.assert(
    fc.asyncProperty(stories, async ({ stored, lost, strange, junk, meanwhile, isOld }) => {
      const commit = new GroupCommit(await openMemoryEngine({}, { tasks, timers }), tasks);
      await write(commit, (batch) => {
        for (const [name, each] of Object.entries(stored)) {
          const object = objectOf(each, 1, name === 'm');
          const bytes = Buffer.from(object.bytes);
          // As a version wrote it that knew nothing of the flag, nor of entries.
          if (isOld) bytes[1]! &= ~unindexedFlag;
          batch.put(keyOf(name).copy(here), bytes);
          if (!isOld) changeDerived(batch, here, keyOf(name), undefined, object);
        }
        for (const { name, term } of strange) {
          const field = byteLiteral('t_bin');
          const prefix = indexPrefix(here, { bucketType, bucket }, field);
          const place = Buffer.from(placeOf(field, byteLiteral(term), byteLiteral(name)), 'latin1');
          batch.put(Buffer.concat([prefix, place]), Buffer.alloc(0));
          batch.put(keyOf(name).tombstoneMark(here), Buffer.alloc(0));
        }
        for (const bytes of junk) {
          batch.put(Buffer.concat([Buffer.from([0x10, 0, 0, 2]), bytes]), Buffer.alloc(0));
        }
      });
      const beside = await keysIn(commit, derivedRange(here));
      await write(commit, (batch) => {
        for (const i of lost) if (beside[i] !== undefined) batch.delete(beside[i].key);
      });
      const rest = async () => {
        const next = meanwhile.shift();
        if (next === undefined) return true;
        const key = keyOf(next.name);
        const bytes = commit.get(key.borrow(here));
        const before = bytes && VersionedObject.decode(bytes);
        const after = objectOf(next.terms, 2 + meanwhile.length);
        void write(commit, (batch) => {
          batch.put(key.copy(here), after.bytes);
          changeDerived(batch, here, key, before, after);
        });
        return true;
      };
      const first = await checkEntries({ commit, rest }, here);
      corrected += first!.added + first!.removed;
      await assertExact(commit);
      assert.deepEqual(
        await checkEntries({ commit, rest: () => Promise.resolve(true) }, here).then((r) => [
          r!.added,
          r!.removed,
        ]),
        [0, 0],
      );
    }),
    { numRuns: Number(process.env.LAW_RUNS ?? 100) },
  );
  assert.ok(corrected > 50, `${corrected} entries were corrected`);
});

test('X1, X2: an old database is checked once, a partition in doubt soon, and a failing disk is tried again', async () => {
  const random: Random = { u32: () => 4, fraction: () => 0.5, bytes: (count) => Buffer.alloc(count, 4) };
  let nowMs = 0;
  const wakes: (() => void)[] = [];
  const environment = {
    clock: { now: () => nowMs as Instant, wallMicros: () => 0 as WallMicros },
    timers: {
      after(delayMs: number, wake: () => void) {
        // Long sleeps do not end by themselves here.
        if (delayMs < 60_000)
          setImmediate(() => {
            nowMs += delayMs;
            wake();
          });
        else wakes.push(wake);
        return { cancel: () => {} };
      },
    },
    tasks,
    random,
    log: { debug() {}, info() {}, warn() {}, error() {} },
  };
  const commit = new GroupCommit(await openMemoryEngine({}, { tasks, timers }), tasks);
  const topology = new SoloTopology(nodeIdOf('n@host'), 8);
  const settings = { perSecondMax: 1e6, intervalMs: 1e9 };
  const open = () => IndexUpkeep.open({ environment, commit, topology, settings });
  const settled = async (upkeep: IndexUpkeep, checks: number) => {
    while (upkeep.status.checks < checks || wakes.length === 0)
      await new Promise((done) => setImmediate(done));
    wakes.length = 0;
  };
  const put = (object: VersionedObject) =>
    write(commit, (batch) => batch.put(keyOf('k').copy(here), object.bytes));
  const empty = await open();
  assert.equal(empty.status.waiting, 0, 'an empty one is not checked');
  await empty.close();
  await put(objectOf(['a'], 1));
  const first = await open();
  first.start();
  await settled(first, 8);
  assert.deepEqual(first.status, { waiting: 0, checks: 8, objects: 1, added: 1, removed: 0 });
  await assertExact(commit);
  assert.notEqual(commit.get(nodeFactKey('index-entries')), undefined);
  await put(objectOf(['b'], 2));
  first.listening(ignoredChanges).doubt(here);
  await settled(first, 9);
  assert.deepEqual([first.status.added, first.status.removed], [2, 1]);
  await first.close();
  const second = await open();
  assert.equal(second.status.waiting, 0, 'it is checked once');
  second.checkAll();
  assert.equal(second.status.waiting, 8);
  await second.close();
});
