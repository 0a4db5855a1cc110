/**
 * What every `StorageEngine` must do, as tests. An engine's own test calls `storageEngineConformance`.
 * Not part of the module's public face, because it registers tests with Node's runner.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import {
  type Cursor,
  type Entry,
  type KeyRange,
  type ScanOptions,
  type StorageEngine,
  StorageError,
  WriteBatch,
} from './storage-engine.ts';

export interface EngineUnderTest {
  readonly engine: StorageEngine;
  /** Absent for an engine that keeps nothing. */
  readonly persistence?: {
    /** Opens the engine's directory once more, after the engine was closed. */
    reopen(): Promise<StorageEngine>;
    /** A directory that does not exist yet, for `copyTo`. */
    readonly copyDirectory: string;
    openCopy(): Promise<StorageEngine>;
  };
  /** Called last, with all engines closed. */
  remove(): Promise<void>;
}

export type OpenFresh = () => Promise<EngineUnderTest>;

const MANY_ENTRIES = 100_000;
const BIG_VALUE_BYTES = 8 * 1024 * 1024;
const SLICE = { entriesMax: 1000, bytesMax: 1024 * 1024 };

export function storageEngineConformance(name: string, openFresh: OpenFresh): void {
  for (const [sentence, check] of CHECKS) {
    test(`${name}: ${sentence}`, async () => {
      const subject = await openFresh();
      try {
        await check(subject.engine, subject);
      } finally {
        await subject.engine.close();
        await subject.remove();
      }
    });
  }
}

type Check = (engine: StorageEngine, subject: EngineUnderTest) => Promise<void>;

const CHECKS: readonly (readonly [string, Check])[] = [
  ['a missing key reads as undefined, a written one as its value', readsWhatWasWritten],
  ['a batch is visible whole, and the last write on a key wins', lastWriteWins],
  ['keys are ordered as unsigned bytes', ordersKeys],
  ['ranges are half-open, forward and in reverse', halfOpenRanges],
  ['keysOnly leaves the values out', keysOnly],
  ['a cursor keeps its snapshot while writes go on', snapshotIsolation],
  ['next keeps to its limits, but gives at least one entry', sliceLimits],
  ['seek skips ahead and never back', seeks],
  ['seek in reverse', seeksInReverse],
  ['empty and big keys and values', unusualSizes],
  ['buffers belong to whom the interface says', bufferOwnership],
  ['deleteRange deletes the range and nothing else', deletesRange],
  ['sizeEstimate grows with what a range holds', estimatesSize],
  ['100,000 keys in slices', iteratesManyKeys],
  ['writes that were given together are applied in order', concurrentWrites],
  ['a closed engine refuses with closed', refusesWhenClosed],
  ['a closed cursor refuses; closing twice is allowed', closedCursor],
  ['what was written is there after closing and opening', reopens],
  ['copyTo makes a consistent copy while writes go on', copies],
];

async function readsWhatWasWritten(engine: StorageEngine): Promise<void> {
  assert.equal(engine.get(key('a')), undefined);
  await put(engine, { a: '1', b: '2' });
  assert.equal(text(engine.get(key('a'))), '1');
  assert.equal(text(engine.get(key('b'))), '2');
  assert.equal(engine.get(key('ab')), undefined);
  await put(engine, { a: undefined });
  assert.equal(engine.get(key('a')), undefined);
  assert.deepEqual(engine.health, { kind: 'healthy' });
}

async function lastWriteWins(engine: StorageEngine): Promise<void> {
  const batch = new WriteBatch();
  batch.put(key('a'), Buffer.from('1'));
  batch.delete(key('a'));
  batch.put(key('b'), Buffer.from('1'));
  batch.put(key('b'), Buffer.from('2'));
  batch.delete(key('c'));
  batch.put(key('c'), Buffer.from('3'));
  await engine.write(batch, 'synced');
  assert.deepEqual(await pairs(engine), ['b=2', 'c=3']);
  await engine.write(new WriteBatch(), 'synced');
  assert.deepEqual(await pairs(engine), ['b=2', 'c=3']);
}

async function ordersKeys(engine: StorageEngine): Promise<void> {
  const keys = ['ff00', '00', '7f', '80', 'ff', '0000', '8000', '7fff', '01'].map((hex) =>
    Buffer.from(hex, 'hex'),
  );
  const batch = new WriteBatch();
  for (const each of keys) batch.put(each, each);
  await engine.write(batch, 'os');
  const expected = keys.toSorted((a, b) => a.compare(b)).map((each) => each.toString('hex'));
  assert.deepEqual(
    (await entries(engine)).map((entry) => entry.key.toString('hex')),
    expected,
  );
  const reversed = await entries(engine, {}, { reverse: true });
  assert.deepEqual(
    reversed.map((entry) => entry.key.toString('hex')),
    expected.toReversed(),
  );
}

async function halfOpenRanges(engine: StorageEngine): Promise<void> {
  await put(engine, { a: '1', b: '2', c: '3', d: '4' });
  assert.deepEqual(await pairs(engine, range('b', 'd')), ['b=2', 'c=3']);
  assert.deepEqual(await pairs(engine, range('b', 'd'), { reverse: true }), ['c=3', 'b=2']);
  assert.deepEqual(await pairs(engine, range('aa', 'cc')), ['b=2', 'c=3']);
  assert.deepEqual(await pairs(engine, range('aa', 'cc'), { reverse: true }), ['c=3', 'b=2']);
  assert.deepEqual(await pairs(engine, { from: key('c') }), ['c=3', 'd=4']);
  assert.deepEqual(await pairs(engine, { to: key('c') }), ['a=1', 'b=2']);
  assert.deepEqual(await pairs(engine, { to: key('c') }, { reverse: true }), ['b=2', 'a=1']);
  assert.deepEqual(await pairs(engine, range('b', 'b')), []);
  assert.deepEqual(await pairs(engine, range('c', 'b')), []);
  assert.deepEqual(await pairs(engine, range('x', 'z'), { reverse: true }), []);
}

async function keysOnly(engine: StorageEngine): Promise<void> {
  await put(engine, { a: '1', b: '2' });
  const found = await entries(engine, {}, { keysOnly: true });
  assert.deepEqual(
    found.map((entry) => [text(entry.key), entry.value.length]),
    [
      ['a', 0],
      ['b', 0],
    ],
  );
}

async function snapshotIsolation(engine: StorageEngine): Promise<void> {
  await put(engine, { a: '1', b: '2', c: '3' });
  const cursor = engine.scan({});
  assert.deepEqual((await cursor.next({ entriesMax: 1, bytesMax: 1000 })).map(pair), ['a=1']);
  await put(engine, { a: undefined, b: 'new', bb: 'new', c: undefined });
  await engine.deleteRange(range('b', 'bb'));
  assert.deepEqual((await rest(cursor)).map(pair), ['b=2', 'c=3']);
  assert.deepEqual(await pairs(engine), ['bb=new']);
}

async function sliceLimits(engine: StorageEngine): Promise<void> {
  const batch = new WriteBatch();
  for (let i = 0; i < 20; i++) batch.put(key(`k${10 + i}`), Buffer.alloc(100, i));
  await engine.write(batch, 'os');
  const cursor = engine.scan({});
  assert.equal((await cursor.next({ entriesMax: 7, bytesMax: 100_000 })).length, 7);
  assert.equal((await cursor.next({ entriesMax: 100, bytesMax: 1 })).length, 1);
  assert.equal((await cursor.next({ entriesMax: 100, bytesMax: 4 * 103 })).length, 4);
  assert.equal((await cursor.next({ entriesMax: 100, bytesMax: 4 * 103 - 1 })).length, 3);
  assert.equal((await cursor.next({ entriesMax: 100, bytesMax: 100_000 })).length, 5);
  assert.equal((await cursor.next({ entriesMax: 100, bytesMax: 100_000 })).length, 0);
  await cursor.close();
}

async function seeks(engine: StorageEngine): Promise<void> {
  await put(engine, { a: '1', c: '2', e: '3', g: '4', i: '5' });
  const one = { entriesMax: 1, bytesMax: 1000 };
  const cursor = engine.scan(range('c', 'h'));
  cursor.seek(key('a'));
  assert.deepEqual((await cursor.next(one)).map(pair), ['c=2']);
  cursor.seek(key('f'));
  assert.deepEqual((await cursor.next(one)).map(pair), ['g=4']);
  cursor.seek(key('c'));
  assert.deepEqual(await cursor.next(one), []);
  await cursor.close();
  const beyond = engine.scan(range('c', 'h'));
  beyond.seek(key('h'));
  assert.deepEqual(await beyond.next(one), []);
  await beyond.close();
  const exact = engine.scan(range('c', 'h'));
  exact.seek(key('e'));
  assert.deepEqual((await rest(exact)).map(pair), ['e=3', 'g=4']);
}

async function seeksInReverse(engine: StorageEngine): Promise<void> {
  await put(engine, { a: '1', c: '2', e: '3', g: '4', i: '5' });
  const one = { entriesMax: 1, bytesMax: 1000 };
  const cursor = engine.scan(range('b', 'i'), { reverse: true });
  cursor.seek(key('z'));
  assert.deepEqual((await cursor.next(one)).map(pair), ['g=4']);
  cursor.seek(key('h'));
  cursor.seek(key('d'));
  assert.deepEqual((await cursor.next(one)).map(pair), ['c=2']);
  assert.deepEqual(await cursor.next(one), []);
  await cursor.close();
  const below = engine.scan(range('b', 'i'), { reverse: true });
  below.seek(key('a'));
  assert.deepEqual(await below.next(one), []);
  await below.close();
}

async function unusualSizes(engine: StorageEngine): Promise<void> {
  const big = Buffer.alloc(BIG_VALUE_BYTES);
  for (let i = 0; i < big.length; i += 997) big[i] = i & 0xff;
  const bigKey = Buffer.alloc(60_000, 0x61);
  const batch = new WriteBatch();
  batch.put(Buffer.alloc(0), Buffer.from('empty key'));
  batch.put(key('empty value'), Buffer.alloc(0));
  batch.put(key('big value'), big);
  batch.put(bigKey, Buffer.from('big key'));
  await engine.write(batch, 'synced');
  assert.equal(text(engine.get(Buffer.alloc(0))), 'empty key');
  assert.equal(engine.get(key('empty value'))?.length, 0);
  assert.ok(engine.get(key('big value'))?.equals(big));
  assert.equal(text(engine.get(bigKey)), 'big key');
  assert.equal((await entries(engine)).length, 4);
  assert.equal((await entries(engine))[0]?.key.length, 0);
}

async function bufferOwnership(engine: StorageEngine): Promise<void> {
  const ownKey = key('a');
  const ownValue = Buffer.from('value');
  const batch = new WriteBatch();
  batch.put(ownKey, ownValue);
  await engine.write(batch, 'os');
  ownKey.fill(0);
  ownValue.fill(0);
  engine.get(key('a'))!.fill(0);
  (await entries(engine))[0]!.value.fill(0);
  (await entries(engine))[0]!.key.fill(0);
  assert.equal(text(engine.get(key('a'))), 'value');
  assert.deepEqual(await pairs(engine), ['a=value']);
}

async function deletesRange(engine: StorageEngine): Promise<void> {
  const batch = new WriteBatch();
  for (let i = 0; i < 10_000; i++) batch.put(numbered(i), Buffer.from('v'));
  await engine.write(batch, 'os');
  await engine.deleteRange({ from: numbered(10), to: numbered(9990) });
  const left = await entries(engine, {}, { keysOnly: true });
  assert.equal(left.length, 20);
  assert.ok(left[9]!.key.equals(numbered(9)));
  assert.ok(left[10]!.key.equals(numbered(9990)));
  assert.equal(engine.get(numbered(10)), undefined);
  assert.equal(text(engine.get(numbered(9990))), 'v');
  await engine.deleteRange({});
  assert.deepEqual(await entries(engine), []);
}

async function estimatesSize(engine: StorageEngine): Promise<void> {
  assert.equal(await engine.sizeEstimate({}), 0);
  const noise = Buffer.alloc(16 * 1024);
  let state = 1;
  for (let i = 0; i < noise.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    noise[i] = state >>> 24;
  }
  for (let i = 0; i < 40; i++) {
    const batch = new WriteBatch();
    for (let j = 0; j < 64; j++) batch.put(numbered(i * 64 + j), noise);
    await engine.write(batch, 'os');
  }
  const all = await engine.sizeEstimate({});
  const half = await engine.sizeEstimate({ from: numbered(0), to: numbered(1280) });
  assert.ok(all > 5_000_000, `all: ${all}`);
  assert.ok(half > 0 && half < all, `half: ${half} of ${all}`);
  assert.equal(await engine.sizeEstimate({ from: key('zzz') }), 0);
}

async function iteratesManyKeys(engine: StorageEngine): Promise<void> {
  for (let start = 0; start < MANY_ENTRIES; start += 10_000) {
    const batch = new WriteBatch();
    for (let i = start; i < start + 10_000; i++) batch.put(numbered(i), Buffer.from(String(i)));
    await engine.write(batch, 'os');
  }
  for (const reverse of [false, true]) {
    const cursor = engine.scan({}, { reverse });
    let count = 0;
    for (let slice = await cursor.next(SLICE); slice.length > 0; slice = await cursor.next(SLICE)) {
      assert.ok(slice.length <= SLICE.entriesMax);
      for (const entry of slice) {
        const expected = reverse ? MANY_ENTRIES - 1 - count : count;
        assert.equal(text(entry.value), String(expected));
        count += 1;
      }
    }
    await cursor.close();
    assert.equal(count, MANY_ENTRIES);
  }
}

async function concurrentWrites(engine: StorageEngine): Promise<void> {
  const writes: Promise<void>[] = [];
  for (let i = 0; i < 50; i++) {
    const batch = new WriteBatch();
    batch.put(key(`k${i}`), Buffer.from(String(i)));
    writes.push(engine.write(batch, i % 3 === 0 ? 'synced' : 'os'));
  }
  await Promise.all(writes);
  for (let i = 0; i < 50; i++) assert.equal(text(engine.get(key(`k${i}`))), String(i));
}

async function refusesWhenClosed(engine: StorageEngine): Promise<void> {
  await put(engine, { a: '1' });
  const cursor = engine.scan({});
  await cursor.close();
  await engine.close();
  await engine.close();
  const closed = (error: unknown) => error instanceof StorageError && error.code === 'closed';
  await assert.rejects(put(engine, { a: '2' }), closed);
  await assert.rejects(engine.deleteRange({}), closed);
  await assert.rejects(engine.sizeEstimate({}), closed);
  assert.throws(() => engine.get(key('a')), closed);
  assert.throws(() => engine.scan({}), closed);
}

async function closedCursor(engine: StorageEngine): Promise<void> {
  await put(engine, { a: '1' });
  const cursor = engine.scan({});
  await cursor.close();
  await cursor.close();
  await assert.rejects(
    cursor.next(SLICE),
    (error) => error instanceof StorageError && error.code === 'closed',
  );
}

async function reopens(engine: StorageEngine, subject: EngineUnderTest): Promise<void> {
  if (subject.persistence === undefined) return;
  await put(engine, { a: '1', b: '2', c: '3' });
  await put(engine, { b: undefined, c: '4' }, 'os');
  await engine.close();
  const again = await subject.persistence.reopen();
  try {
    assert.deepEqual(await pairs(again), ['a=1', 'c=4']);
    await put(again, { d: '5' });
    assert.equal(text(again.get(key('d'))), '5');
  } finally {
    await again.close();
  }
}

async function copies(engine: StorageEngine, subject: EngineUnderTest): Promise<void> {
  if (subject.persistence === undefined) {
    const unsupported = (error: unknown) => error instanceof StorageError && error.code === 'unsupported';
    await assert.rejects(engine.copyTo('anywhere'), unsupported);
    return;
  }
  const count = 5000;
  const batch = new WriteBatch();
  for (let i = 0; i < count; i++) batch.put(numbered(i), Buffer.from('before'));
  await engine.write(batch, 'os');
  const copying = engine.copyTo(subject.persistence.copyDirectory);
  // One batch that changes every key: the copy holds all of it or nothing.
  const change = new WriteBatch();
  for (let i = 0; i < count; i++) change.put(numbered(i), Buffer.from('after'));
  await engine.write(change, 'os');
  await copying;
  const copy = await subject.persistence.openCopy();
  try {
    const values = new Set((await entries(copy)).map((entry) => text(entry.value)));
    assert.equal(values.size, 1);
    assert.equal((await entries(copy)).length, count);
    await put(copy, { own: 'life' });
    assert.equal(engine.get(key('own')), undefined);
  } finally {
    await copy.close();
  }
}

function key(name: string): Buffer {
  return Buffer.from(name, 'latin1');
}

function numbered(i: number): Buffer {
  return Buffer.from(String(i).padStart(8, '0'), 'latin1');
}

function text(value: Buffer | undefined): string | undefined {
  return value?.toString('latin1');
}

function pair(entry: Entry): string {
  return `${text(entry.key)}=${text(entry.value)}`;
}

function range(from: string, to: string): KeyRange {
  return { from: key(from), to: key(to) };
}

async function put(
  engine: StorageEngine,
  values: Readonly<Record<string, string | undefined>>,
  durability: 'synced' | 'os' = 'synced',
): Promise<void> {
  const batch = new WriteBatch();
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) batch.delete(key(name));
    else batch.put(key(name), Buffer.from(value));
  }
  await engine.write(batch, durability);
}

async function rest(cursor: Cursor): Promise<readonly Entry[]> {
  const all: Entry[] = [];
  for (let slice = await cursor.next(SLICE); slice.length > 0; slice = await cursor.next(SLICE))
    all.push(...slice);
  await cursor.close();
  return all;
}

async function entries(
  engine: StorageEngine,
  within: KeyRange = {},
  options?: ScanOptions,
): Promise<readonly Entry[]> {
  return rest(engine.scan(within, options));
}

async function pairs(engine: StorageEngine, within: KeyRange = {}, options?: ScanOptions): Promise<string[]> {
  return (await entries(engine, within, options)).map(pair);
}
