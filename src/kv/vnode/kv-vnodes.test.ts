import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { actorId, VersionVector } from '../../clocks/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { type Durability, type StorageEngine, StorageError, WriteBatch } from '../../storage/index.ts';
import { encodeContent } from '../../wire/index.ts';
import { makeObject, type VersionedObject } from '../object/index.ts';
import { ObjectKey, ReapedVersions, type ReplicaReply } from './index.ts';
import { clock, memoryEngine, openVnodes } from './vnodes.fixture.ts';

const limits = { objectBytesMax: 1000, objectBytesWarn: 1000, siblingsMax: 10, siblingsWarn: 10 };
const here = 0 as Partition;
const key = new ObjectKey({
  bucketType: byteLiteral('default'),
  bucket: byteLiteral('b'),
  key: byteLiteral('k'),
});

/** Vnodes on a memory engine, with the durability of every batch that the engine got. */
async function vnodes() {
  const memory = await memoryEngine();
  const durabilities: Durability[] = [];
  const engine: StorageEngine = Object.assign(Object.create(memory), {
    get: memory.get.bind(memory),
    write(batch: WriteBatch, durability: Durability) {
      durabilities.push(durability);
      return memory.write(batch, durability);
    },
  });
  return { ...(await openVnodes({ engine, limits })), durabilities };
}

/** An object that some other vnode coordinated. */
function objectFromElsewhere() {
  const dot = { actor: actorId(byteLiteral('elsewher'), 1), counter: 1 };
  const content = encodeContent({
    value: Buffer.from('v'),
    links: [],
    userMeta: [],
    indexes: [],
    deleted: false,
  });
  return makeObject(VersionVector.empty.with(dot, 0), [{ dot, content }]);
}

test('A1: a replica that holds the object only in the hands of the system syncs it before it says stored', async () => {
  const node = await vnodes();
  const object = objectFromElsewhere();
  const put = (durability: Durability) =>
    new Promise<ReplicaReply>((resolve) => {
      const purpose = 'write' as const;
      node.vnodes.handle(here, { kind: 'put', key, object, durability, purpose, announce: false }, resolve);
    });
  assert.deepEqual(await put('os'), { kind: 'stored' });
  const before = node.durabilities.length;
  assert.deepEqual(await put('os'), { kind: 'stored' });
  assert.equal(node.durabilities.length, before, 'nothing to do');
  assert.deepEqual(await put('synced'), { kind: 'stored' });
  assert.deepEqual(node.durabilities.slice(before), ['synced']);
});

test('A5: a damaged copy is told apart from one that is out of reach, and is never shown', async () => {
  const node = await vnodes();
  const heard: ReplicaReply[] = [];
  for (const code of ['corrupt', 'io'] as const) {
    Object.assign(node.commit.engine, {
      get() {
        throw new StorageError(code, 'sick');
      },
    });
    node.vnodes.handle(here, { kind: 'get', key }, (reply) => heard.push(reply));
  }
  const error = { code: 'storage', reason: 'sick' } as const;
  assert.deepEqual(heard, [
    { kind: 'failed', error, damaged: true },
    { kind: 'failed', error, damaged: false },
  ]);
});

test('S1: a fenced write is not taken over a damaged copy: what that had seen nobody knows; an ordinary one heals it', async () => {
  const node = await vnodes();
  const rot = new WriteBatch();
  rot.put(key.copy(here), Buffer.from('rot'));
  await node.engine.write(rot, 'synced');
  const object = objectFromElsewhere();
  const put = (purpose: 'fenced' | 'write') =>
    new Promise<ReplicaReply>((resolve) => {
      const durability = 'os' as const;
      node.vnodes.handle(here, { kind: 'put', key, object, durability, purpose, announce: false }, resolve);
    });
  const code = async (purpose: 'fenced' | 'write') => {
    const reply = await put(purpose);
    return reply.kind === 'failed' ? reply.error.code : reply.kind;
  };
  const coordinated = node.vnodes.coordinatePut(
    here,
    {
      key,
      context: object.clock,
      content: object.siblings[0]!.content,
      siblings: { allow_mult: true, last_write_wins: false },
      prune: { smallVclock: 50, bigVclock: 50, youngVclock: 20, oldVclock: 86_400 },
      durability: 'os',
      nowMicros: 1,
      condition: 'latest',
      mayBeRepeated: false,
    },
    () => assert.fail('nothing is written'),
  );
  assert.ok(coordinated.kind === 'failed' && coordinated.error.code === 'quorum_unsatisfied');
  assert.equal(await code('fenced'), 'quorum_unsatisfied');
  assert.equal(await code('write'), 'stored');
  assert.equal(await code('fenced'), 'stored', 'it has seen what is there now');
});

/** The version of a write by each of `seconds`, whose place in the list is its actor; those in `shown` are its siblings. */
function versionOf(seconds: readonly number[], shown: readonly number[], deleted = false): VersionedObject {
  const entries = seconds.map((at, i) => ({
    actor: actorId(byteLiteral('elsewher'), i + 1),
    counter: 1,
    seconds: at,
  }));
  const content = encodeContent({ value: Buffer.from('v'), links: [], userMeta: [], indexes: [], deleted });
  const siblings = shown.map((i) => ({ dot: { actor: entries[i]!.actor, counter: 1 }, content }));
  return makeObject(VersionVector.of(entries), siblings);
}

/** How many entries a coordinator and a replica have kept, both of which held `before`, or have reaped it. */
async function entriesAfterWrite(before: VersionedObject, isReaped: boolean): Promise<number> {
  const prune = { smallVclock: 3, bigVclock: 3, youngVclock: 20, oldVclock: 86_400 };
  const open = async () => {
    const node = await openVnodes({ deleteMode: 'immediate', reaped: new ReapedVersions(clock) });
    const put = { kind: 'put', key, durability: 'os', announce: false } as const;
    node.vnodes.handle(here, { ...put, object: before, purpose: 'repair' }, () => {});
    await node.commit.drain();
    if (isReaped)
      node.vnodes.handle(here, { kind: 'reap', key, tombstone: before, first: here, n: 1 }, () => {});
    await node.commit.drain();
    assert.equal(node.engine.get(key.copy(here)) === undefined, isReaped);
    return { ...node, put };
  };
  const [coordinator, replica] = [await open(), await open()];
  const result = coordinator.vnodes.coordinatePut(
    here,
    {
      key,
      context: isReaped ? VersionVector.empty : before.clock,
      content: versionOf([0], [0]).siblings[0]!.content,
      siblings: { allow_mult: true, last_write_wins: false },
      prune,
      durability: 'os',
      nowMicros: 1000e6,
      condition: 'none',
      mayBeRepeated: false,
    },
    () => {},
  );
  assert.equal(result.kind, 'merged');
  const { object, pruning } = result as Extract<typeof result, { kind: 'merged' }>;
  replica.vnodes.handle(here, { ...replica.put, object, purpose: 'write', pruning }, () => {});
  for (const { commit, engine } of [coordinator, replica]) {
    await commit.drain();
    assert.deepEqual(engine.get(key.copy(here)), object.bytes);
  }
  return object.clock.entries.length;
}

test('a replica prunes as its coordinator: all but what the write has written and superseded', async () => {
  assert.equal(await entriesAfterWrite(versionOf([10, 20, 30, 40], [3]), false), 3);
  assert.equal(await entriesAfterWrite(versionOf([10, 20, 30, 40], [0, 3]), false), 3);
  assert.equal(await entriesAfterWrite(versionOf([10, 20, 30, 40], [0, 1, 2, 3]), false), 5);
  assert.equal(await entriesAfterWrite(versionOf([10, 20, 30, 990, 990], [3]), false), 3);
  assert.equal(await entriesAfterWrite(versionOf([10, 20, 990, 990, 990], [3]), false), 4, 'three are young');
  assert.equal(await entriesAfterWrite(versionOf([10, 20], [1]), false), 3);
});

test('a replica prunes as its coordinator what is written after a reap', async () => {
  assert.equal(await entriesAfterWrite(versionOf([10, 20, 30, 40], [3], true), true), 3);
  assert.equal(await entriesAfterWrite(versionOf([10, 20, 30, 40], [0], true), true), 3);
});
