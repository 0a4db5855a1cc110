import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { quietDisk } from './simulated-disk.ts';
import { World } from './world.ts';

async function simulate(seed: number, body: (world: World) => Promise<void>): Promise<void> {
  const world = new World({ seed });
  await world.run(() => body(world));
}

/** Of unsynced bytes in many worlds: how often all, some or none survived. */
async function fatesOfUnsynced(die: 'crash' | 'kill') {
  const fates = { all: 0, some: 0, none: 0 };
  for (let seed = 0; seed < 60; seed++) {
    await simulate(seed, async (world) => {
      const node = world.node('a');
      const file = await node.environment.disk.open('f', { create: true });
      await file.write(0, Buffer.alloc(4096));
      await file.sync();
      await node.environment.disk.syncDirectory('');
      await file.write(0, Buffer.alloc(4096, 1));
      node[die]();
      const after = await node.environment.disk.open('f', { create: false });
      const kept = after.read(0, 4096).filter((byte) => byte === 1).length;
      assert.equal(kept % 512, 0, 'sectors are whole');
      fates[kept === 4096 ? 'all' : kept === 0 ? 'none' : 'some'] += 1;
    });
  }
  return fates;
}

test('a power cut keeps all, some or none of what was not synced', async () => {
  const fates = await fatesOfUnsynced('crash');
  assert.ok(fates.all > 0 && fates.some > 0 && fates.none > 0, JSON.stringify(fates));
});

test('kill -9 keeps it all', async () => {
  assert.deepEqual(await fatesOfUnsynced('kill'), { all: 60, some: 0, none: 0 });
});

test('a name that was not synced may vanish', async () => {
  let vanished = 0;
  for (let seed = 0; seed < 40; seed++) {
    await simulate(seed, async (world) => {
      const node = world.node('a');
      const file = await node.environment.disk.open('f', { create: true });
      await file.write(0, Buffer.from('x'));
      await file.sync();
      node.crash();
      const names = await node.environment.disk.list('');
      vanished += names.length === 0 ? 1 : 0;
    });
  }
  assert.ok(vanished > 0 && vanished < 40, `${vanished}`);
});

test('a full disk takes what fits, says full, and heals', () =>
  simulate(1, async (world) => {
    const node = world.node('a');
    const { disk } = node.environment;
    const file = await disk.open('f', { create: true });
    node.disk.leaveFreeBytes(10);
    assert.equal(await disk.freeBytes(), 10);
    await assert.rejects(file.write(0, Buffer.from('0123456789abc')), { name: 'DiskError', code: 'full' });
    assert.equal(file.size, 10);
    await file.write(0, Buffer.from('9876543210'));
    node.disk.conditions = quietDisk;
    await file.write(10, Buffer.from('abc'));
    assert.equal(file.read(0, 13).toString(), '9876543210abc');
  }));

test('a failed sync says so, and the next does not repair it', async () => {
  let lost = 0;
  for (let seed = 0; seed < 40; seed++) {
    await simulate(seed, async (world) => {
      const node = world.node('a');
      const file = await node.environment.disk.open('f', { create: true });
      await file.sync();
      await node.environment.disk.syncDirectory('');
      await file.write(0, Buffer.from('x'));
      node.disk.conditions = { ...quietDisk, syncFailure: 1 };
      await assert.rejects(file.sync(), { name: 'DiskError', code: 'io' });
      node.disk.conditions = quietDisk;
      await file.sync();
      assert.equal(file.read(0, 1).toString(), 'x');
      node.crash();
      const after = await node.environment.disk.open('f', { create: false });
      lost += after.size === 0 ? 1 : 0;
    });
  }
  assert.ok(lost > 0 && lost < 40, `${lost}`);
});

test('rot flips one bit of what was synced', () =>
  simulate(1, async (world) => {
    const node = world.node('a');
    assert.equal(node.disk.rot(), false);
    const file = await node.environment.disk.open('f', { create: true });
    await file.write(0, Buffer.alloc(1000));
    await file.sync();
    assert.equal(node.disk.rot('f'), true);
    const flipped = file.read(0, 1000).filter((byte) => byte !== 0);
    assert.equal(flipped.length, 1);
    assert.ok(Number.isInteger(Math.log2(flipped[0]!)));
  }));

test('names: list, rename, remove, missing, nested directories', () =>
  simulate(1, async (world) => {
    const { disk } = world.node('a').environment;
    await disk.makeDirectory('x/y');
    await disk.open('x/y/b', { create: true });
    await disk.open('x/y/a', { create: true });
    await disk.rename('x/y/b', 'x/c');
    assert.deepEqual(await disk.list('x/y'), ['a']);
    assert.deepEqual(await disk.list('x'), ['c', 'y']);
    await disk.remove('x/c');
    const missing = { name: 'DiskError', code: 'missing' };
    await assert.rejects(disk.open('x/c', { create: false }), missing);
    await assert.rejects(disk.remove('x/c'), missing);
    await assert.rejects(disk.list('z'), missing);
    await assert.rejects(disk.open('z/f', { create: true }), missing);
  }));
