import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { openLog } from '../log/log-engine.fixture.ts';
import { FaultyDisk, seeded } from '../memory/faulty-disk.fixture.ts';
import {
  type ScanOptions,
  type StorageEngine,
  StorageError,
  type StorageHealth,
  WriteBatch,
} from '../storage-engine.ts';
import { storageEngineConformance } from '../storage-engine-conformance.ts';
import { cachedEngine } from './cached-engine.ts';

const tasks = { endOfTurn: (run: () => void) => void setImmediate(run) };

for (const [name, bytes] of [
  ['log behind a cache', 2 ** 20],
  ['log behind the smallest cache', 8192],
] as const) {
  storageEngineConformance(name, async () => {
    const disk = new FaultyDisk(seeded(1));
    const open = async (directory?: string) =>
      cachedEngine(await openLog(disk, {}, [], directory), bytes, tasks);
    return {
      engine: await open(),
      persistence: { copyDirectory: 'copy', reopen: () => open(), openCopy: () => open('copy') },
      remove: async () => {},
    };
  });
}

/** An engine whose writes end when the test says so. */
class SlowEngine {
  readonly name = 'slow';
  readonly stored = new Map<string, Buffer>();
  health: StorageHealth = { kind: 'healthy' };
  reads = 0;
  readonly endings: ((error?: StorageError) => void)[] = [];
  doubted: () => void = () => {};
  scanOptions: ScanOptions | undefined;

  onDoubt(doubted: () => void): void {
    this.doubted = doubted;
  }

  get(key: Buffer): Buffer | undefined {
    this.reads += 1;
    const value = this.stored.get(key.toString());
    return value === undefined ? undefined : Buffer.from(value);
  }

  write(batch: WriteBatch): Promise<void> {
    return this.#later(() => {
      batch.keys.forEach((key, i) => {
        const value = batch.values[i];
        if (value === undefined) this.stored.delete(key.toString());
        else this.stored.set(key.toString(), value);
      });
    });
  }

  deleteRange(): Promise<void> {
    return this.#later(() => this.stored.clear());
  }

  scan(_: unknown, options: ScanOptions): undefined {
    this.scanOptions = options;
  }

  #later(apply: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.endings.push((error) => {
        if (error !== undefined) {
          reject(error);
          return;
        }
        apply();
        resolve();
      });
    });
  }
}

const x = Buffer.from('x');
const failure = new StorageError('io', 'broken');

function opened(): { readonly slow: SlowEngine; readonly engine: StorageEngine } {
  const slow = new SlowEngine();
  slow.stored.set('x', Buffer.from('0'));
  return { slow, engine: cachedEngine(slow as unknown as StorageEngine, 2 ** 16, tasks) };
}

function put(engine: StorageEngine, value: string, key = x): Promise<void> {
  const batch = new WriteBatch();
  batch.put(key, Buffer.from(value));
  return engine.write(batch, 'os');
}

const valueIn = (engine: StorageEngine): string | undefined => engine.get(x)?.toString();

test('the engine is asked once, and a write is followed when it is done', async () => {
  const { slow, engine } = opened();
  assert.deepEqual([valueIn(engine), valueIn(engine)], ['0', '0']);
  const writing = put(engine, '1');
  assert.equal(valueIn(engine), '0');
  slow.endings[0]!();
  await writing;
  assert.equal(valueIn(engine), '1');
  assert.equal(slow.reads, 1);
  const [hits, misses] = engine.gauges!();
  assert.deepEqual([hits!.value, misses!.value], [3, 1]);
});

test('what is written is in memory, but for long values and what nobody reads by its key', async () => {
  const slow = new SlowEngine();
  const isReadByKey = (key: Buffer) => key.toString() !== 'of 7';
  const engine = cachedEngine(slow as unknown as StorageEngine, 2 ** 20, tasks, isReadByKey);
  const sizes = [1, 4096, 7, 4097];
  const batch = new WriteBatch();
  for (const size of sizes) batch.put(Buffer.from(`of ${size}`), Buffer.alloc(size, size));
  const writing = engine.write(batch, 'os');
  slow.endings[0]!();
  await writing;
  const reads = sizes.map((size) => {
    const before = slow.reads;
    assert.deepEqual(engine.get(Buffer.from(`of ${size}`)), Buffer.alloc(size, size));
    return slow.reads - before;
  });
  assert.deepEqual(reads, [0, 0, 1, 1]);
});

for (const first of ['write', 'range delete'] as const) {
  test(`beside a range delete a write takes no room: the ${first} began first`, async () => {
    const { slow, engine } = opened();
    const begun = first === 'write' ? [put(engine, '1'), engine.deleteRange({})] : [];
    if (first === 'range delete') begun.unshift(engine.deleteRange({}), put(engine, '1'));
    const deletion = first === 'write' ? 1 : 0;
    slow.endings[deletion]!();
    await begun[deletion];
    slow.endings[1 - deletion]!();
    // The engine wrote, then deleted, and said so in the other order.
    slow.stored.clear();
    await begun[1 - deletion];
    assert.equal(valueIn(engine), undefined);
  });
}

test('a deleted key is not there any more', async () => {
  const { slow, engine } = opened();
  valueIn(engine);
  const batch = new WriteBatch();
  batch.delete(x);
  const writing = engine.write(batch, 'os');
  slow.endings[0]!();
  await writing;
  assert.equal(valueIn(engine), undefined);
});

test('of writes that overlap the engine knows which is the last, in whatever order they end', async () => {
  const { slow, engine } = opened();
  valueIn(engine);
  const writes = [put(engine, '1'), put(engine, '2')];
  slow.endings[0]!();
  slow.endings[1]!();
  // The engine applied them in this order, and says so in the other.
  await writes[1];
  assert.equal(valueIn(engine), '2');
  await writes[0];
  assert.equal(valueIn(engine), '2');
});

test('a write that began while another was in flight is not trusted after that has ended', async () => {
  const { slow, engine } = opened();
  valueIn(engine);
  const first = put(engine, '1');
  const second = put(engine, '2');
  slow.endings[0]!();
  await first;
  valueIn(engine);
  slow.stored.set('x', Buffer.from('2'));
  slow.endings[1]!();
  slow.stored.set('x', Buffer.from('3'));
  await second;
  assert.equal(valueIn(engine), '3');
});

test('after a failed write the engine is asked, and nothing is kept until it is well', async () => {
  const { slow, engine } = opened();
  valueIn(engine);
  const writing = put(engine, '1');
  slow.health = { kind: 'failing', error: failure };
  slow.endings[0]!(failure);
  await assert.rejects(writing, failure);
  // Visible, though it failed: and gone when the engine has opened its files again.
  slow.stored.set('x', Buffer.from('1'));
  assert.equal(valueIn(engine), '1');
  slow.stored.set('x', Buffer.from('0'));
  slow.health = { kind: 'healthy' };
  assert.equal(valueIn(engine), '0');
  const { reads } = slow;
  assert.equal(valueIn(engine), '0');
  assert.equal(slow.reads, reads);
});

test('what a range delete may have deleted is asked for', async () => {
  const { slow, engine } = opened();
  valueIn(engine);
  const deleting = engine.deleteRange({});
  assert.equal(valueIn(engine), '0');
  slow.endings[0]!();
  await deleting;
  assert.equal(valueIn(engine), undefined);
});

test('a range delete leaves the others in the cache, and lets them in', async () => {
  const { slow, engine } = opened();
  const [below, above] = [Buffer.from('w'), Buffer.from('y')];
  slow.stored.set('w', Buffer.from('below'));
  const readsOf = (key: Buffer): number => {
    const before = slow.reads;
    engine.get(key);
    return slow.reads - before;
  };
  for (const key of [x, below]) engine.get(key);
  const deleting = engine.deleteRange({ from: x, to: above });
  const writing = put(engine, 'above', above);
  slow.endings[1]!();
  await writing;
  assert.deepEqual([below, x, x, above].map(readsOf), [0, 1, 1, 0]);
  slow.endings[0]!();
  await deleting;
  assert.deepEqual([below, x, above].map(readsOf), [0, 1, 0]);
  assert.equal(valueIn(engine), undefined);
  slow.stored.set('x', Buffer.from('again'));
  assert.deepEqual([x, x].map(readsOf), [1, 0]);
});

test('a range delete of a large cache lets go of the event loop', async () => {
  const slow = new SlowEngine();
  let turns = 0;
  const endOfTurn = (run: () => void): void => {
    turns += 1;
    // Nobody reads what is being deleted, forgotten or not.
    assert.equal(engine.get(keyOf(count - 1)), undefined);
    setImmediate(run);
  };
  const engine = cachedEngine(slow as unknown as StorageEngine, 2 ** 22, { endOfTurn });
  const keyOf = (n: number): Buffer => Buffer.from(`${n}`.padStart(6, '0'));
  const count = 20_000;
  const batch = new WriteBatch();
  for (let n = 0; n < count; n += 1) batch.put(keyOf(n), keyOf(n));
  const writing = engine.write(batch, 'os');
  slow.endings[0]!();
  await writing;
  slow.stored.clear();
  const deleting = engine.deleteRange({ from: keyOf(10_000) });
  slow.endings[1]!();
  await deleting;
  assert.ok(turns > 3, `${turns} turns`);
  const { reads } = slow;
  let found = 0;
  for (let n = 0; n < count; n += 1) if (engine.get(keyOf(n)) !== undefined) found += 1;
  assert.ok(found > 9000 && found <= 10_000, `${found} of those that were not deleted were found`);
  assert.equal(slow.reads - reads, count - found);
});

test('damage that a scan meets is not hidden', () => {
  const { slow, engine } = opened();
  valueIn(engine);
  const seen: (Buffer | undefined)[] = [];
  engine.scan({}, { corrupt: (key) => seen.push(key) });
  slow.scanOptions!.corrupt!(x, failure);
  slow.stored.delete('x');
  assert.equal(valueIn(engine), undefined);
  assert.deepEqual(seen, [x]);
});

test('after a repair the engine is asked, and who listens behind the cache is told', () => {
  const { slow, engine } = opened();
  valueIn(engine);
  slow.stored.set('x', Buffer.from('older'));
  slow.doubted();
  assert.equal(valueIn(engine), 'older');
  let told = 0;
  engine.onDoubt!(() => (told += 1));
  slow.doubted();
  assert.equal(told, 1);
});

test('a cache that is too small for anything is none', () => {
  const slow = new SlowEngine() as unknown as StorageEngine;
  assert.equal(cachedEngine(slow, 0, tasks), slow);
});
