/** What rots is reported by name where that is known, and nothing wrong is ever served. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { FaultyDisk, seeded } from '../memory/faulty-disk.fixture.ts';
import { type StorageEngine, StorageError, WriteBatch } from '../storage-engine.ts';
import { gauge, openLog, SMALL, turn } from './log-engine.fixture.ts';
import { FRAME_MAGIC, RECORD_HEAD_BYTES } from './log-record.ts';
import type { LogDamage } from './log-scan.ts';

const KEYS = 60;

function isStorageError(code: StorageError['code']) {
  return (error: unknown) => error instanceof StorageError && error.code === code;
}

function nameOf(i: number): string {
  return `key-${String(i).padStart(3, '0')}`;
}

async function put(engine: StorageEngine, name: string, value: string): Promise<void> {
  const batch = new WriteBatch();
  batch.put(Buffer.from(name), Buffer.from(value));
  await engine.write(batch, 'synced');
}

async function fill(engine: StorageEngine, version: string): Promise<void> {
  for (let i = 0; i < KEYS; i++) await put(engine, nameOf(i), `value-${version}-of-${nameOf(i)}`);
}

async function rest(engine: StorageEngine): Promise<void> {
  for (let i = 0; i < 300; i++) await turn();
  assert.equal(engine.health.kind, 'healthy');
}

/** `corrupt` for what cannot be read. */
function read(engine: StorageEngine, name: string): string | undefined {
  try {
    return engine.get(Buffer.from(name))?.toString();
  } catch (error) {
    assert.ok(isStorageError('corrupt')(error), String(error));
    return 'corrupt';
  }
}

async function filesOf(disk: FaultyDisk, ending: string): Promise<string[]> {
  return (await disk.list('log')).filter((name) => name.endsWith(ending)).map((name) => `log/${name}`);
}

async function walk(
  engine: StorageEngine,
  keysOnly = false,
): Promise<{ found: string[]; damaged: string[] }> {
  const damaged: string[] = [];
  const cursor = engine.scan({}, { keysOnly, corrupt: (key) => void damaged.push(String(key)) });
  const found: string[] = [];
  for (;;) {
    const slice = await cursor.next({ entriesMax: 10, bytesMax: 10_000 });
    if (slice.length === 0) break;
    found.push(...slice.map(({ key }) => key.toString()));
  }
  await cursor.close();
  return { found, damaged };
}

test('a rotten value is corrupt on get, in a scan, after reopening and after collection, never missing', async () => {
  const disk = new FaultyDisk(seeded(8));
  let engine = await openLog(disk);
  await fill(engine, 'a');
  const victim = nameOf(3);
  for (const path of await filesOf(disk, '.log')) {
    const at = disk.bytesOf(path).indexOf(`value-a-of-${victim}`);
    if (at >= 0) disk.flipBit(path, at + 4);
  }
  const check = async (): Promise<void> => {
    assert.throws(() => engine.get(Buffer.from(victim)), isStorageError('corrupt'));
    const { found, damaged } = await walk(engine);
    assert.deepEqual(damaged, [victim]);
    assert.equal(found.length, KEYS - 1);
    assert.equal((await walk(engine, true)).found.length, KEYS);
    const cursor = engine.scan({ from: Buffer.from(victim) });
    await assert.rejects(cursor.next({ entriesMax: 1, bytesMax: 100 }), isStorageError('corrupt'));
    assert.equal((await cursor.next({ entriesMax: 1, bytesMax: 100 })).length, 1);
    await cursor.close();
  };
  await check();
  await engine.close();
  engine = await openLog(disk);
  await check();
  // All but the victim is written again, so that its segment is collected.
  const before = gauge(engine, 'log_collections');
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < KEYS; i++) if (nameOf(i) !== victim) await put(engine, nameOf(i), `again-${round}`);
  }
  await rest(engine);
  assert.ok(gauge(engine, 'log_collections') > before + 3, 'its segment was collected');
  await check();
  await engine.close();
  engine = await openLog(disk);
  await check();
  await engine.copyTo('copy');
  const copy = await openLog(disk, SMALL, [], 'copy');
  assert.deepEqual((await walk(copy)).damaged, [victim]);
  assert.throws(() => copy.get(Buffer.from(victim)), isStorageError('corrupt'));
  await copy.close();
  await put(engine, victim, 'new');
  assert.equal(read(engine, victim), 'new');
  await engine.close();
});

test('a rotten block of the index: nothing older shows, and the index is built anew from the log', async () => {
  const disk = new FaultyDisk(seeded(9));
  const engine = await openLog(disk, { ...SMALL, memtableEntriesMax: 30 });
  await fill(engine, 'a');
  await fill(engine, 'b');
  await rest(engine);
  for (const path of await filesOf(disk, '.run')) disk.flipBit(path, 60);
  const inWalk = (await walk(engine)).damaged;
  assert.ok(inWalk.includes('undefined'), 'a walk tells that keys are hidden');
  await rest(engine);
  assert.equal(gauge(engine, 'log_index_damaged'), 0);
  for (let i = 0; i < KEYS; i++) assert.equal(read(engine, nameOf(i)), `value-b-of-${nameOf(i)}`);
  assert.deepEqual((await walk(engine)).damaged, []);
  await engine.close();
});

test('an index that is built anew shows nothing of ranges that were deleted, wherever their deletions were copied to', async () => {
  let collections = 0;
  // In the last of them a deletion is copied so late that only runs which are there already hold what it hides.
  const seeds = [...Array.from({ length: 60 }, (_, i) => i + 1), 694];
  for (const seed of seeds) {
    const fraction = seeded(seed);
    const below = (end: number): number => Math.floor(fraction() * end);
    const disk = new FaultyDisk(seeded(seed));
    const engine = await openLog(disk, { ...SMALL, garbageShare: 0.2 + 0.6 * fraction() });
    const model = new Map<string, string>();
    const groups = ['a', 'b', 'c', 'd', 'e', 'f'];
    for (let step = 0; step < 40; step++) {
      const group = groups[below(groups.length)]!;
      if (fraction() < 0.35) {
        await engine.deleteRange({ from: Buffer.from(group), to: Buffer.from(`${group}~`) });
        for (const key of model.keys()) if (key.startsWith(group)) model.delete(key);
      } else {
        for (let i = below(4); i < 12; i += 1 + below(3)) {
          model.set(`${group}${i}`, `${step}`);
          await put(engine, `${group}${i}`, `${step}`);
        }
      }
      if (fraction() < 0.3) await rest(engine);
    }
    await rest(engine);
    collections += gauge(engine, 'log_collections');
    for (const path of await filesOf(disk, '.run')) disk.flipBit(path, 60);
    await walk(engine);
    await rest(engine);
    assert.equal(gauge(engine, 'log_index_damaged'), 0);
    for (const group of groups) {
      for (let i = 0; i < 12; i++) {
        const key = `${group}${i}`;
        assert.equal(read(engine, key), model.get(key), `seed ${seed}: ${key}`);
      }
    }
    await engine.close();
  }
  assert.ok(collections > 30, `${collections} segments were collected`);
});

test('a rotten manifest, or a run that is gone, costs a longer start and nothing else', async () => {
  for (const spoil of ['manifest', 'run', 'no manifest'] as const) {
    const disk = new FaultyDisk(seeded(10));
    let engine = await openLog(disk);
    await fill(engine, 'a');
    await engine.deleteRange({ from: Buffer.from(nameOf(10)), to: Buffer.from(nameOf(20)) });
    await fill(engine, 'b');
    await engine.deleteRange({ from: Buffer.from(nameOf(30)), to: Buffer.from(nameOf(40)) });
    const batch = new WriteBatch();
    batch.delete(Buffer.from(nameOf(50)));
    await engine.write(batch, 'synced');
    for (let i = 0; i < 40; i++) await put(engine, 'other', String(i));
    await rest(engine);
    await engine.close();
    if (spoil === 'manifest') disk.flipBit('log/manifest', 40);
    else if (spoil === 'no manifest') await disk.remove('log/manifest');
    else await disk.remove((await filesOf(disk, '.run'))[0]!);
    engine = await openLog(disk);
    for (let i = 0; i < KEYS; i++) {
      const isDeleted = (i >= 30 && i < 40) || i === 50;
      assert.equal(
        read(engine, nameOf(i)),
        isDeleted ? undefined : `value-b-of-${nameOf(i)}`,
        `${spoil}: ${i}`,
      );
    }
    await engine.close();
  }
});

test('any flipped bit: each key reads right or as corrupt, or opening tells that keys are hidden', async () => {
  let corrupt = 0;
  let hidden = 0;
  for (let seed = 1; seed <= 120; seed++) {
    const fraction = seeded(seed);
    const disk = new FaultyDisk(fraction);
    let engine = await openLog(disk);
    await fill(engine, 'a');
    await engine.deleteRange({ from: Buffer.from(nameOf(20)), to: Buffer.from(nameOf(30)) });
    for (let i = 0; i < KEYS; i += 2) await put(engine, nameOf(i), `value-b-of-${nameOf(i)}`);
    await engine.deleteRange({ from: Buffer.from(nameOf(50)), to: Buffer.from(nameOf(55)) });
    await engine.close();
    const paths = [...(await filesOf(disk, '.log')), ...(await filesOf(disk, '.run')), 'log/manifest'];
    const path = paths[Math.floor(fraction() * paths.length)]!;
    disk.flipBit(path, Math.floor(fraction() * disk.bytesOf(path).length));
    // Then all of the log is read again.
    if (seed % 3 === 0) await disk.remove('log/manifest');
    const damages: LogDamage[] = [];
    engine = await openLog(disk, SMALL, damages);
    const isHidden = damages.some(({ kind }) => kind === 'rot that hides keys');
    // Rot in the very last frame looks like a torn one; it is the mark of closing, which holds nothing.
    if (isHidden) hidden += 1;
    for (const when of ['at once', 'later']) {
      for (let i = 0; i < KEYS; i++) {
        const isDeleted = (i >= 20 && i < 30 && i % 2 === 1) || (i >= 50 && i < 55);
        const expected = isDeleted ? undefined : `value-${i % 2 === 0 ? 'b' : 'a'}-of-${nameOf(i)}`;
        const value = read(engine, nameOf(i));
        if (value === 'corrupt') corrupt += 1;
        else if (!isHidden) assert.equal(value, expected, `seed ${seed}, ${path}, ${when}: ${nameOf(i)}`);
      }
      await rest(engine);
    }
    await engine.close();
  }
  assert.ok(corrupt > 8, `${corrupt} reads were of damage`);
  assert.ok(hidden > 0, `${hidden} frame heads were damaged`);
});

/** Of `log/0000000001.log`: where the record of a deletion from `from` up to `to` begins and ends. */
function rangeRecord(disk: FaultyDisk, from: string, to: string): { start: number; end: number } {
  const bytes = disk.bytesOf('log/0000000001.log');
  const keyStart = bytes.lastIndexOf(from, bytes.lastIndexOf(to));
  const end = keyStart + from.length + 9 + to.length;
  assert.equal(bytes.toString('latin1', end - to.length, end), to);
  return { start: keyStart - RECORD_HEAD_BYTES, end };
}

test('any flipped bit of the deletion of a range: it is told, and nothing else is hidden', async () => {
  const tuning = { ...SMALL, memtableEntriesMax: 1000, segmentBytesMax: 100_000 };
  const [from, to] = ['key-020+', 'key-029+'];
  for (let bit = 0; ; bit++) {
    const disk = new FaultyDisk(seeded(13));
    let engine = await openLog(disk, tuning);
    await fill(engine, 'a');
    await engine.deleteRange({ from: Buffer.from(from), to: Buffer.from(to) });
    await put(engine, nameOf(25), 'b');
    await engine.close();
    const { start, end } = rangeRecord(disk, from, to);
    const at = start + Math.floor(bit / 8);
    if (at >= end) break;
    disk.bytesOf('log/0000000001.log')[at]! ^= 1 << (bit % 8);
    const damages: LogDamage[] = [];
    engine = await openLog(disk, tuning, damages);
    const told = `bit ${bit}`;
    assert.deepEqual(
      damages.map(({ kind }) => kind),
      ['rot that hides keys'],
      told,
    );
    await put(engine, nameOf(26), 'after the start');
    for (let i = 0; i < KEYS; i++) {
      const expected = i === 25 ? 'b' : i === 26 ? 'after the start' : `value-a-of-${nameOf(i)}`;
      assert.equal(read(engine, nameOf(i)), expected, `${told}: ${nameOf(i)}`);
    }
    await engine.close();
  }
});

for (const rotten of ['the record', 'the head of its frame'] as const) {
  test(`the deletion of a range that rots in service (${rotten}) keeps its segment, and is told when the log is read again`, async () => {
    const disk = new FaultyDisk(seeded(14));
    let engine = await openLog(disk);
    await fill(engine, 'a');
    const [from, to] = ['key-020+', 'key-023+'];
    // In a segment with nothing else that stays.
    const { length } = await filesOf(disk, '.log');
    while ((await filesOf(disk, '.log')).length === length) await put(engine, 'other', 'o'.repeat(50));
    await engine.deleteRange({ from: Buffer.from(from), to: Buffer.from(to) });
    const paths = await filesOf(disk, '.log');
    const path = paths.find((each) => disk.bytesOf(each).includes(from))!;
    assert.notEqual(path, paths[0], 'something older is left that it may hide');
    const at = disk.bytesOf(path).indexOf(to);
    disk.flipBit(path, rotten === 'the record' ? at : disk.bytesOf(path).lastIndexOf(FRAME_MAGIC, at));
    const isDeleted = (i: number): boolean => i >= 21 && i <= 23;
    const check = (i: number, expected = `value-a-of-${nameOf(i)}`): void => {
      assert.equal(read(engine, nameOf(i)), expected, nameOf(i));
    };
    for (let round = 0; round < 100; round++) await put(engine, 'other', `${round}`.repeat(50));
    await rest(engine);
    assert.ok(gauge(engine, 'log_collections') > 0, 'other segments are collected');
    assert.ok((await filesOf(disk, '.log')).includes(path));
    for (let i = 0; i < KEYS; i++) {
      if (isDeleted(i)) assert.equal(read(engine, nameOf(i)), undefined);
      else check(i);
    }
    await engine.close();
    await disk.remove('log/manifest');
    const damages: LogDamage[] = [];
    engine = await openLog(disk, SMALL, damages);
    assert.deepEqual(
      damages.map(({ file, kind }) => ({ file, kind })),
      [{ file: path, kind: 'rot that hides keys' }],
    );
    for (let i = 0; i < KEYS; i++) check(i);
    await engine.close();
  });
}

test('what may be older than what was lost is emptied, where that is asked for', async () => {
  const disk = new FaultyDisk(seeded(11));
  const big = { ...SMALL, memtableEntriesMax: 10_000, segmentBytesMax: 1_000_000 };
  const engine = await openLog(disk, big);
  await put(engine, 'identity', 'old');
  await put(engine, 'other', 'kept');
  await put(engine, 'identity', 'new');
  await put(engine, 'last', 'one');
  await engine.close();
  const [path] = await filesOf(disk, '.log');
  disk.flipBit(path!, disk.bytesOf(path!).lastIndexOf('identitynew') - 4);
  const { openLogEngine } = await import('./open-log-engine.ts');
  const { environment } = await import('./log-engine.fixture.ts');
  const emptiedByDamage = [{ from: Buffer.from('identity'), to: Buffer.from('identitz') }];
  const again = await openLogEngine({ disk, directory: 'log', emptiedByDamage }, environment);
  assert.equal(read(again, 'identity'), undefined);
  assert.equal(read(again, 'other'), 'kept');
  assert.equal(read(again, 'last'), 'one');
  await again.close();
});

test('a full disk: writes fail with full, reads go on, and it recovers when space returns', async () => {
  const disk = new FaultyDisk(seeded(7));
  const engine = await openLog(disk);
  await fill(engine, 'a');
  disk.full = true;
  await assert.rejects(put(engine, 'b', '2'), isStorageError('full'));
  for (let i = 0; i < 50; i++) await turn();
  await assert.rejects(put(engine, 'c', '3'), isStorageError('full'));
  assert.equal(read(engine, nameOf(1)), `value-a-of-${nameOf(1)}`);
  disk.full = false;
  while (engine.health.kind === 'failing') await turn();
  await put(engine, 'd', '4');
  await engine.close();
  const again = await openLog(disk.crash());
  assert.equal(read(again, nameOf(1)), `value-a-of-${nameOf(1)}`);
  assert.equal(read(again, 'c'), undefined);
  assert.equal(read(again, 'd'), '4');
  await again.close();
});

test('a segment of a version that is not known is refused', async () => {
  const disk = new FaultyDisk(seeded(12));
  const engine = await openLog(disk);
  await put(engine, 'a', '1');
  await engine.close();
  const { encodeSegmentHeader, SEGMENT_HEADER_BYTES } = await import('./segment-header.ts');
  const { crc32 } = await import('node:zlib');
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
  encodeSegmentHeader(header, {
    number: 1,
    previous: { segment: 0, offset: 0 },
    groupEnd: SEGMENT_HEADER_BYTES,
  });
  for (const at of [0, 512]) {
    header.writeUInt32LE(2, at + 8);
    header.writeUInt32LE(crc32(header.subarray(at, at + 28)), at + 28);
  }
  const file = await disk.open('log/0000000001.log', { create: false });
  await file.write(0, header);
  await file.close();
  await assert.rejects(openLog(disk), isStorageError('format'));
});
