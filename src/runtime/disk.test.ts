import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Disk } from '../environment/index.ts';
import { diskErrorOf, MachineDisk } from './disk.ts';
import { MemoryDisk } from './memory-disk.ts';

function freshDisk(context: TestContext): MachineDisk {
  const directory = mkdtempSync(path.join(tmpdir(), 'hale-disk-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return new MachineDisk(directory);
}

/** Both disks keep the same contract, but for what only a machine can do. */
const disks: ReadonlyMap<string, (context: TestContext) => Disk> = new Map<
  string,
  (context: TestContext) => Disk
>([
  ['on the machine', freshDisk],
  ['in memory', () => new MemoryDisk()],
]);

for (const [kind, openDisk] of disks) {
  test(`${kind}: writes at offsets, reads back, truncates, reopens`, async (context) => {
    const disk = openDisk(context);
    await disk.makeDirectory('a/b');
    const file = await disk.open('a/b/journal', { create: true });
    await file.write(0, Buffer.from('hello world'));
    await file.write(6, Buffer.from('there'));
    await file.sync();
    assert.equal(file.size, 11);
    assert.equal(file.read(0, 11).toString(), 'hello there');
    await Promise.all([file.writeSynced(0, Buffer.from('J')), file.writeSynced(10, Buffer.from('e again'))]);
    await file.writeSynced(0, Buffer.from('h'));
    assert.equal(file.size, 17);
    assert.equal(file.read(0, 17).toString(), 'hello there again');
    await file.truncate(5);
    assert.equal(file.size, 5);
    assert.throws(() => file.read(3, 3), { name: 'DiskError', code: 'io' });
    await file.close();
    const again = await disk.open('a/b/journal', { create: false });
    assert.equal(again.size, 5);
    assert.equal(again.read(0, 5).toString(), 'hello');
    await again.close();
  });

  test(`${kind}: names: list, rename, remove, sync of the directory`, async (context) => {
    const disk = openDisk(context);
    for (const name of ['b', 'a', 'c']) await (await disk.open(name, { create: true })).close();
    await disk.rename('c', 'a');
    await disk.syncDirectory('');
    assert.deepEqual(await disk.list(''), ['a', 'b']);
    await disk.remove('b');
    assert.deepEqual(await disk.list(''), ['a']);
    assert.ok((await disk.freeBytes()) > 0);
  });

  test(`${kind}: what is missing says so`, async (context) => {
    const disk = openDisk(context);
    const missing = { name: 'DiskError', code: 'missing' };
    await assert.rejects(disk.open('no', { create: false }), missing);
    await assert.rejects(disk.remove('no'), missing);
    await assert.rejects(disk.list('no'), missing);
  });
}

test('close waits for what is under way, and nothing may follow it', async (context) => {
  const file = await freshDisk(context).open('journal', { create: true });
  const outcomes: string[] = [];
  const writing = file.write(0, Buffer.alloc(4_000_000)).then(() => outcomes.push('written'));
  const closing = file.close().then(() => outcomes.push('closed'));
  await Promise.all([writing, closing]);
  assert.deepEqual(outcomes, ['written', 'closed']);
  assert.throws(() => file.read(0, 1), { name: 'AssertionError' });
});

test('a path that leaves the data directory is a bug', async (context) => {
  const disk = freshDisk(context);
  await assert.rejects(disk.open('../outside', { create: true }), { name: 'AssertionError' });
});

test('a full disk is told apart from a broken one', () => {
  const codeOf = (code: string): string => diskErrorOf(Object.assign(new Error(code), { code }), 'file').code;
  assert.equal(codeOf('ENOSPC'), 'full');
  assert.equal(codeOf('EDQUOT'), 'full');
  assert.equal(codeOf('EIO'), 'io');
});

test('the kernel says that the device is full', { skip: process.platform !== 'linux' }, async () => {
  const full = await new MachineDisk('/dev').open('full', { create: false });
  await assert.rejects(full.write(0, Buffer.from('x')), { name: 'DiskError', code: 'full' });
  await full.close();
});
