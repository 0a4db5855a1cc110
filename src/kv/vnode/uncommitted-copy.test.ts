import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { actorId, VersionVector } from '../../clocks/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { type StorageEngine, StorageError } from '../../storage/index.ts';
import { encodeContent } from '../../wire/index.ts';
import { makeObject } from '../object/index.ts';
import { ObjectKey, type ReplicaReply } from './index.ts';
import { memoryEngine, openVnodes } from './vnodes.fixture.ts';

const here = 0 as Partition;
const key = new ObjectKey({
  bucketType: byteLiteral('default'),
  bucket: byteLiteral('b'),
  key: byteLiteral('k'),
});
const dot = { actor: actorId(byteLiteral('elsewher'), 1), counter: 1 };
const content = encodeContent({
  value: Buffer.from('v'),
  links: [],
  userMeta: [],
  indexes: [],
  deleted: false,
});
const object = makeObject(VersionVector.empty.with(dot, 0), [{ dot, content }]);

/** Vnodes on an engine that refuses writes while it is told to. */
async function vnodes() {
  const memory = await memoryEngine();
  const disk = { refuses: false };
  const engine = Object.assign(Object.create(memory) as StorageEngine, {
    get: memory.get.bind(memory),
    write: (...args: Parameters<StorageEngine['write']>) =>
      disk.refuses ? Promise.reject(new StorageError('io', 'refused')) : memory.write(...args),
  });
  return { ...(await openVnodes({ engine })), disk };
}

test('A1: a copy that is only queued does not stand in for a write of the same object', async () => {
  for (const durability of ['synced', 'os'] as const) {
    const node = await vnodes();
    node.disk.refuses = true;
    const put = () =>
      new Promise<ReplicaReply>((resolve) => {
        const request = { kind: 'put', key, object, durability, purpose: 'write', announce: false } as const;
        node.vnodes.handle(here, request, resolve);
      });
    // Of one turn: the second finds what the first has queued.
    const replies = await Promise.all([put(), put()]);
    assert.deepEqual(
      replies.map(({ kind }) => kind),
      ['failed', 'failed'],
      durability,
    );
    node.disk.refuses = false;
    assert.deepEqual(await put(), { kind: 'stored' });
  }
});

test('A4: a client reads what is committed, a write builds on what is queued', async () => {
  const node = await vnodes();
  const get = () =>
    new Promise<ReplicaReply>((resolve) => node.vnodes.handle(here, { kind: 'get', key }, resolve));
  const stored = new Promise<ReplicaReply>((resolve) => {
    const request = {
      kind: 'put',
      key,
      object,
      durability: 'os',
      purpose: 'write',
      announce: false,
    } as const;
    node.vnodes.handle(here, request, resolve);
  });
  assert.deepEqual(await get(), { kind: 'notfound' });
  assert.deepEqual(await stored, { kind: 'stored' });
  assert.equal((await get()).kind, 'object');
});
