import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { DiskFile, Log } from '../../environment/index.ts';
import { FaultyDisk, seeded } from '../memory/faulty-disk.fixture.ts';
import { lastRunsOf, markDamagedBlocks } from './damaged-tables.ts';
import { LEVEL_TUNING, openLevelDatabase } from './level-database.ts';
import { uncompressSnappy } from './snappy.ts';
import { checkTable, DAMAGED_BLOCK_TYPE } from './table-check.ts';

const log: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** A table as LevelDB writes it, of values that do not compress and keys that do. */
async function withTable(body: (file: string, directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'hale-table-'));
  try {
    const database = await openLevelDatabase(directory, LEVEL_TUNING, {
      createIfMissing: true,
      errorIfExists: false,
    });
    for (let i = 0; i < 200; i += 1) {
      const batch = database.nativeBatch();
      const value = Buffer.from(Array.from({ length: 300 }, (_, at) => (i * 131 + at * at * 7) & 0xff));
      batch._put(Buffer.from(`a key with much in common/${String(i).padStart(6, '0')}`), value);
      await batch._write({ sync: false });
      await batch.close();
    }
    await database.close();
    // Opening turns the journal into a table.
    await (await reopen(directory)).close();
    const [table] = (await readdir(directory)).filter((name) => name.endsWith('.ldb'));
    await body(join(directory, table!), directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

function reopen(directory: string) {
  return openLevelDatabase(directory, LEVEL_TUNING, { createIfMissing: false, errorIfExists: false });
}

test('a sound table has no damage; any flipped bit of a block is found, in the block where it is', () =>
  withTable(async (file) => {
    const table = await readFile(file);
    const sound = checkTable(table);
    assert.ok(sound !== undefined && sound.blocks > 5, `${sound?.blocks} blocks`);
    assert.deepEqual(sound.damagedTypes, []);
    const footerBytes = 48;
    for (let at = 0; at < table.length - footerBytes; at += 97) {
      const damaged = Buffer.from(table);
      damaged[at] = damaged[at]! ^ (1 << (at % 8));
      const found = checkTable(damaged)?.damagedTypes;
      assert.equal(found?.length, 1, `a bit of byte ${at}`);
      assert.ok(found[0]! >= at - 5 && found[0]! < at + 5000, `byte ${at}, block that ends at ${found[0]}`);
    }
    assert.equal(checkTable(table.subarray(0, 20)), undefined);
  }));

test('a marked block is an error for LevelDB, and its neighbours are read', () =>
  withTable(async (file, directory) => {
    const table = await readFile(file);
    table[100] = table[100]! ^ 1;
    const [type] = checkTable(table)!.damagedTypes;
    table[type!] = DAMAGED_BLOCK_TYPE;
    await writeFile(file, table);
    const database = await reopen(directory);
    assert.throws(() => database.getSync(Buffer.from('a key with much in common/000000')), /Corruption/);
    assert.ok(database.getSync(Buffer.from('a key with much in common/000199')));
    await database.close();
  }));

test('damaged blocks are marked and counted; a table that a kill left unfinished has none', () =>
  withTable(async (path) => {
    const table = await readFile(path);
    const damaged = Buffer.from(table);
    damaged[100]! ^= 1;
    const unfinished = table.subarray(0, table.length / 2);
    const disk = new FaultyDisk(seeded(1));
    const store = async (name: string, bytes: Buffer) => {
      await (await disk.open(`db/${name}`, { create: true })).write(0, bytes);
    };
    await store('000004.ldb', table);
    await store('000007.ldb', unfinished);
    await store('000008.log', damaged);
    assert.equal(await markDamagedBlocks('db', disk, log), 0);
    await store('000005.ldb', damaged);
    assert.equal(await markDamagedBlocks('db', disk, log), 1);
    assert.equal(await markDamagedBlocks('db', disk, log), 1, 'what is marked is still damaged');
    const [type] = checkTable(damaged)!.damagedTypes;
    assert.equal(disk.bytesOf('db/000005.ldb')[type!], DAMAGED_BLOCK_TYPE);
    assert.deepEqual(disk.bytesOf('db/000007.ldb'), unfinished);
    assert.deepEqual(disk.bytesOf('db/000004.ldb'), table);
  }));

test('Snappy: literals, copies that overlap, and the three forms of copies', () => {
  const of = (hex: string) => uncompressSnappy(Buffer.from(hex, 'hex')).toString('latin1');
  assert.equal(of('0308616263'), 'abc');
  assert.equal(of('0a086162630d03'), 'abcabcabca');
  assert.equal(of('0908616263160300'), 'abcabcabc');
  assert.equal(of('07086162630f03000000'), 'abcabca');
  const long = Buffer.alloc(100, 'y');
  const literal = Buffer.concat([Buffer.from([100, 60 << 2, 99]), long]);
  assert.deepEqual(uncompressSnappy(literal), long);
  assert.throws(() => of('04086162630d09'));
});

test('two ends in the midst of a compaction are suspect; a compaction that met damage tells', async () => {
  const during = 'Compacting 4@0 + 1@1 files\nGenerated table #5\n';
  const after = `${during}compacted to: files[ 0 1 ]\n`;
  const of = (last: string, before: string) =>
    lastRunsOf('db', {
      open: async (path) => {
        const text = Buffer.from(path === 'db/LOG' ? last : before);
        const read = (offset: number, length: number) => text.subarray(offset, offset + length);
        return { path, size: text.length, read, close: async () => undefined } as unknown as DiskFile;
      },
    });
  assert.equal(await of(during, during), 'suspect');
  assert.equal(await of(after + during, after + during), 'suspect');
  assert.equal(await of(during, after), 'sound');
  assert.equal(await of(after, during), 'sound');
  assert.equal(await of('', ''), 'sound');
  assert.equal(await of(`${during}Compaction error: Corruption: x\n`, ''), 'damaged');
});
