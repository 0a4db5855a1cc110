import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Environment } from '../../environment/index.ts';
import { type Entry, type StorageEngine, StorageError, WriteBatch } from '../storage-engine.ts';
import { storageEngineConformance } from '../storage-engine-conformance.ts';
import {
  type LevelDatabase,
  type OpenLevelDatabase,
  openLevelDatabase,
  repairLevelDatabase,
} from './level-database.ts';
import { type LevelEngineOptions, openLevelEngine } from './level-engine.ts';

const environment: Pick<Environment, 'timers' | 'tasks'> = {
  timers: {
    after: (delayMs, wake) => {
      const timer = setTimeout(wake, delayMs / 20);
      return { cancel: () => clearTimeout(timer) };
    },
  },
  tasks: {
    spawn: (_name, body) => void body(),
    endOfTurn: (run) => void setImmediate(run),
  },
};

function open(directory: string, options: Partial<LevelEngineOptions> = {}): Promise<StorageEngine> {
  return openLevelEngine({ directory, tuning: { writeBufferBytes: 1024 * 1024 }, ...options }, environment);
}

async function freshDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'hale-leveldb-'));
}

storageEngineConformance('leveldb', async () => {
  const parent = await freshDirectory();
  const copyDirectory = join(parent, 'copy');
  return {
    engine: await open(join(parent, 'data')),
    persistence: {
      copyDirectory,
      reopen: () => open(join(parent, 'data')),
      openCopy: () => open(copyDirectory, { createIfMissing: false }),
    },
    remove: () => rm(parent, { recursive: true }),
  };
});

async function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const parent = await freshDirectory();
  try {
    await body(join(parent, 'data'));
  } finally {
    await rm(parent, { recursive: true });
  }
}

function isStorageError(code: StorageError['code'], message = /./) {
  return (error: unknown) =>
    error instanceof StorageError && error.code === code && message.test(error.message);
}

async function put(engine: StorageEngine, name: string, value: string): Promise<void> {
  const batch = new WriteBatch();
  batch.put(Buffer.from(name), Buffer.from(value));
  await engine.write(batch, 'synced');
}

async function rawPut(directory: string, name: string, value: Buffer): Promise<void> {
  const level = await openLevelDatabase(
    directory,
    { ...TUNING },
    { createIfMissing: true, errorIfExists: false },
  );
  const batch = level.nativeBatch();
  batch._put(Buffer.from(name, 'latin1'), value);
  await batch._write({ sync: true });
  await level.close();
}

const TUNING = {
  cacheBytes: 1024 * 1024,
  writeBufferBytes: 1024 * 1024,
  blockBytes: 4096,
  compression: true,
  openFilesMax: 100,
  fileBytes: 1024 * 1024,
};

test('a directory that is open already is refused with locked', () =>
  withDirectory(async (directory) => {
    const engine = await open(directory);
    await assert.rejects(open(directory), isStorageError('locked'));
    await engine.close();
  }));

test('another format, and a database that is not ours, are refused with format', () =>
  withDirectory(async (directory) => {
    await rawPut(directory, 'stranger', Buffer.from('value'));
    await assert.rejects(open(directory), isStorageError('format', /did not make/));
    await rawPut(directory, `${'\xff'.repeat(8)}hale/storage/leveldb`, Buffer.from('99'));
    await assert.rejects(open(directory), isStorageError('format', /99/));
  }));

test('a rotten value is reported by key and never served; a scan reports it and goes on', () =>
  withDirectory(async (directory) => {
    let engine = await open(directory);
    for (const name of ['a', 'b', 'c']) await put(engine, name, `value of ${name}`);
    await engine.close();
    await rawPut(directory, 'b', Buffer.from('value of B????'));
    engine = await open(directory);
    assert.throws(() => engine.get(Buffer.from('b')), isStorageError('corrupt', /62/));
    const damaged: string[] = [];
    const cursor = engine.scan({}, { corrupt: (key) => void damaged.push(String(key)) });
    const found = await cursor.next({ entriesMax: 10, bytesMax: 10_000 });
    assert.deepEqual(
      found.map((entry: Entry) => String(entry.key)),
      ['a', 'c'],
    );
    assert.deepEqual(damaged, ['b']);
    await cursor.close();
    const strict = engine.scan({});
    assert.equal((await strict.next({ entriesMax: 10, bytesMax: 10_000 })).length, 1);
    await assert.rejects(strict.next({ entriesMax: 10, bytesMax: 10_000 }), isStorageError('corrupt', /62/));
    assert.equal((await strict.next({ entriesMax: 10, bytesMax: 10_000 })).length, 1);
    await strict.close();
    await engine.close();
  }));

/** A database whose writes fail while `trouble.error` is set. */
function troubled(trouble: { error: string | undefined; opened: number }): OpenLevelDatabase {
  return async (directory, tuning, opening) => {
    const level = await openLevelDatabase(directory, tuning, opening);
    trouble.opened += 1;
    const nativeBatch: LevelDatabase['nativeBatch'] = () => {
      const batch = level.nativeBatch();
      return {
        _put: (key, value) => batch._put(key, value),
        _del: (key) => batch._del(key),
        _clear: () => batch._clear(),
        close: () => batch.close(),
        _write: async (options) => {
          if (trouble.error !== undefined) throw new Error(trouble.error);
          await batch._write(options);
        },
      };
    };
    return { ...level, nativeBatch };
  };
}

test('after a failed write: writes are refused, reads go on, and it recovers when the probe succeeds', () =>
  withDirectory(async (directory) => {
    const trouble: { error: string | undefined; opened: number } = { error: undefined, opened: 0 };
    let probes = 0;
    const engine = await open(directory, {
      open: troubled(trouble),
      probe: async () => {
        probes += 1;
        if (trouble.error !== undefined) throw new Error(trouble.error);
      },
    });
    await put(engine, 'a', '1');
    trouble.error = 'IO error: 000005.log: No space left on device';
    await assert.rejects(put(engine, 'b', '2'), isStorageError('full'));
    assert.equal(engine.health.kind, 'failing');
    await assert.rejects(put(engine, 'c', '3'), isStorageError('full'));
    assert.equal(String(engine.get(Buffer.from('a'))), '1');
    while (probes < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(trouble.opened, 1);
    assert.equal(engine.health.kind, 'failing');
    const cursor = engine.scan({});
    trouble.error = undefined;
    while (engine.health.kind === 'failing') await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(trouble.opened, 2);
    await assert.rejects(
      cursor.next({ entriesMax: 1, bytesMax: 1 }),
      isStorageError('io', /snapshot was lost/),
    );
    await cursor.close();
    await put(engine, 'd', '4');
    assert.equal(engine.get(Buffer.from('c')), undefined);
    assert.equal(String(engine.get(Buffer.from('d'))), '4');
    await engine.close();
  }));

test('closing while failing stops the recovery', () =>
  withDirectory(async (directory) => {
    const trouble: { error: string | undefined; opened: number } = { error: undefined, opened: 0 };
    const engine = await open(directory, { open: troubled(trouble) });
    trouble.error = 'IO error: Input/output error';
    await assert.rejects(put(engine, 'b', '2'), isStorageError('io'));
    await engine.close();
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(trouble.opened, 1);
    const again = await open(directory);
    await again.close();
  }));

async function healthy(engine: StorageEngine): Promise<void> {
  while (engine.health.kind === 'failing') await new Promise((resolve) => setTimeout(resolve, 5));
}

test('damage that stops compaction: opened again first, then repaired and told of, and writes go on', () =>
  withDirectory(async (directory) => {
    const trouble: { error: string | undefined; opened: number } = { error: undefined, opened: 0 };
    let repairs = 0;
    const engine = await open(directory, {
      open: troubled(trouble),
      repair: async (repaired) => {
        await repairLevelDatabase(repaired);
        repairs += 1;
        trouble.error = undefined;
      },
    });
    const told: string[] = [];
    engine.onDoubt?.(() => told.push(engine.health.kind));
    await put(engine, 'a', '1');
    trouble.error = 'Corruption: bad entry in block';
    await assert.rejects(put(engine, 'b', '2'), isStorageError('corrupt'));
    await healthy(engine);
    assert.deepEqual([trouble.opened, repairs, told], [2, 0, []]);
    await assert.rejects(put(engine, 'b', '3'), isStorageError('corrupt'));
    await healthy(engine);
    assert.equal(repairs, 1);
    assert.deepEqual(told, ['failing'], 'before anybody can write');
    await put(engine, 'b', '4');
    assert.equal(String(engine.get(Buffer.from('a'))), '1');
    assert.equal(String(engine.get(Buffer.from('b'))), '4');
    await engine.close();
  }));

test('a repair empties the ranges of which an older entry would be worse than none', () =>
  withDirectory(async (directory) => {
    const engine = await open(directory);
    for (const key of ['a', 'b1', 'b2', 'c']) await put(engine, key, '1');
    await engine.close();
    const emptiedByRepair = [{ from: Buffer.from('b'), to: Buffer.from('c') }];
    const untouched = await open(directory, { emptiedByRepair });
    assert.equal(String(untouched.get(Buffer.from('b1'))), '1');
    await untouched.close();
    const repaired = await open(directory, { emptiedByRepair, isDamaged: true });
    const left = ['a', 'b1', 'b2', 'c'].filter((key) => repaired.get(Buffer.from(key)) !== undefined);
    assert.deepEqual(left, ['a', 'c']);
    await repaired.close();
  }));

test('a repair that is cut short is made again, whatever it had done', () =>
  withDirectory(async (directory) => {
    const engine = await open(directory);
    for (const key of ['a', 'b1', 'c']) await put(engine, key, '1');
    await engine.close();
    let isSet = false;
    const repairMark = {
      isSet: async () => isSet,
      set: async () => {
        isSet = true;
      },
      clear: async () => {
        isSet = false;
      },
    };
    const options = { emptiedByRepair: [{ from: Buffer.from('b'), to: Buffer.from('c') }], repairMark };
    const killed = async (repaired: string) => {
      await repairLevelDatabase(repaired);
      throw new Error('killed');
    };
    await assert.rejects(open(directory, { ...options, isDamaged: true, repair: killed }), /killed/);
    assert.equal(isSet, true);
    const again = await open(directory, options);
    assert.equal(isSet, false);
    const left = ['a', 'b1', 'c'].filter((key) => again.get(Buffer.from(key)) !== undefined);
    assert.deepEqual(left, ['a', 'c']);
    await again.close();
    let repairs = 0;
    const repair = async () => {
      repairs += 1;
    };
    await (await open(directory, { ...options, repair })).close();
    assert.equal(repairs, 0);
  }));

test('a database that cannot be opened for damage is repaired, and is still known as ours', () =>
  withDirectory(async (directory) => {
    const engine = await open(directory);
    await put(engine, 'a', '1');
    await engine.close();
    const manifest = (await readdir(directory)).find((name) => name.startsWith('MANIFEST'))!;
    const bytes = await readFile(join(directory, manifest));
    await writeFile(join(directory, manifest), bytes.fill(0xff, 0, 20));
    const again = await open(directory);
    assert.equal(String(again.get(Buffer.from('a'))), '1');
    await put(again, 'b', '2');
    await again.close();
    await (await open(directory)).close();
  }));
