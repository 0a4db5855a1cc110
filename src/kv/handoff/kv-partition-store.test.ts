import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { actorId, VersionVector } from '../../clocks/index.ts';
import { type FoldOptions, PartitionStoreError, type WriteGate } from '../../core/handoff/index.ts';
import { type Partition, Ring } from '../../core/ring/index.ts';
import { type ByteString, byteLiteral } from '../../stdx/index.ts';
import { type Cursor, type StorageEngine, StorageError } from '../../storage/index.ts';
import { encodeContent, tombstoneContent } from '../../wire/index.ts';
import { NameHash } from '../coordinator/index.ts';
import { makeObject, mergeObjects, VersionedObject } from '../object/index.ts';
import {
  type CoordinatedPut,
  ObjectKey,
  ReapedVersions,
  type ReplicaReply,
  type ReplicaRequest,
} from '../vnode/index.ts';
import { clock, memoryEngine, openVnodes, self } from '../vnode/vnodes.fixture.ts';
import { KvPartitionStore } from './kv-partition-store.ts';
import { decodeItem, encodeItem } from './partition-item.ts';

const [p0, p1] = [0, 1] as Partition[];
const whole: FoldOptions = { sliceBytes: 1000 };

const bucket = byteLiteral('b');
const keyOf = (name: string) =>
  new ObjectKey({ bucketType: byteLiteral('default'), bucket, key: byteLiteral(name) });

/** A write by some other vnode. */
function objectOf(value: string, counter = 1, actor = 'elsewher'): VersionedObject {
  const content = encodeContent({
    value: Buffer.from(value),
    links: [],
    userMeta: [],
    indexes: [],
    deleted: false,
  });
  const dot = { actor: actorId(byteLiteral(actor), 1), counter };
  return makeObject(VersionVector.empty.with(dot, 0), [{ dot, content }]);
}

interface Faults {
  deleteRange: 'works' | 'stops half way';
  /** Storage keys that end so are damaged. */
  damaged: string | undefined;
  /** So many writes fail from now on. */
  refusedWrites: number;
}

/** A node on an engine that outlives it. */
async function open(engine: StorageEngine, gate?: WriteGate<ReplicaRequest>, reaped?: ReapedVersions) {
  const partitions = [p0, p1] as const;
  const late: { store?: KvPartitionStore } = {};
  const { vnodes, commit, strays, reaper } = await openVnodes({
    partitions,
    engine,
    deleteMode: 'immediate',
    serves: (partition) => late.store?.isDropping(partition) !== true,
    ...(reaped === undefined ? {} : { reaped }),
    ...(gate === undefined ? {} : { gate }),
  });
  const changes: string[] = [];
  const damaged: string[] = [];
  const store = await KvPartitionStore.open({
    commit,
    vnodes,
    strays,
    reaper,
    ring: () => Ring.ownedByOne(1, 8, self),
    placementOf: () => ({ nVal: 3, bucketOnly: false }),
    damaged: (_partition, address) => void damaged.push(address.key),
    changes: {
      observe: (partition, key, before, after) =>
        void changes.push(`${partition} ${key.address.key} ${before !== undefined} ${after !== undefined}`),
      doubt: (partition) => void changes.push(`doubt ${partition}`),
    },
  });
  late.store = store;
  const put = (partition: Partition, name: string, object: VersionedObject) =>
    new Promise<ReplicaReply>((resolve) => {
      const key = keyOf(name);
      const request = {
        kind: 'put',
        key,
        object,
        durability: 'synced',
        purpose: 'write',
        announce: false,
      } as const;
      vnodes.handle(partition, request, resolve);
    });
  const get = (partition: Partition, name: string) => commit.get(keyOf(name).borrow(partition));
  return { commit, store, vnodes, put, get, changes, damaged };
}

async function faultyEngine() {
  const memory = await memoryEngine();
  const faults: Faults = { deleteRange: 'works', damaged: undefined, refusedWrites: 0 };
  const engine: StorageEngine = Object.assign(Object.create(memory), {
    get: memory.get.bind(memory),
    write: async (...batch: Parameters<StorageEngine['write']>) => {
      if (faults.refusedWrites === 0) return memory.write(...batch);
      faults.refusedWrites -= 1;
      throw new StorageError('io', 'the disk is sick');
    },
    sizeEstimate: memory.sizeEstimate.bind(memory),
    scan(...[range, options]: Parameters<StorageEngine['scan']>): Cursor {
      const cursor = memory.scan(range, options);
      return {
        seek: (key) => cursor.seek(key),
        close: () => cursor.close(),
        async next(sliceLimits) {
          const entries = await cursor.next(sliceLimits);
          return entries.filter(({ key }) => {
            const { damaged } = faults;
            if (damaged === undefined || !key.toString('latin1').endsWith(damaged)) return true;
            options?.corrupt?.(key, new StorageError('corrupt', 'a test damaged it'));
            return false;
          });
        },
      };
    },
    async deleteRange(range: Parameters<StorageEngine['deleteRange']>[0]) {
      if (faults.deleteRange === 'works') return memory.deleteRange(range);
      const cursor = memory.scan(range);
      const [first] = await cursor.next({ entriesMax: 1, bytesMax: 1 });
      await cursor.close();
      await memory.deleteRange({ from: first.key, to: Buffer.concat([first.key, Buffer.from([0])]) });
      throw new StorageError('io', 'the power went');
    },
  });
  return { engine, faults };
}

async function all(
  store: KvPartitionStore,
  partition: Partition,
  options = whole,
): Promise<Map<string, Buffer>> {
  const fold = store.fold(partition, options);
  const items = new Map<string, Buffer>();
  for (let slice = await fold.next(); slice !== undefined; slice = await fold.next()) {
    for (const item of slice) items.set(decodeItem(item)!.key.address.key, item);
  }
  await fold.close();
  return items;
}

test('an item read is the item written; what no node wrote is refused', () => {
  const name = fc.string({
    unit: 'binary-ascii',
    minLength: 1,
    maxLength: 20,
  }) as unknown as fc.Arbitrary<ByteString>;
  fc.assert(
    fc.property(name, name, fc.uint8Array({ maxLength: 40 }), fc.nat(), (inBucket, key, bytes, cut) => {
      const address = { bucketType: byteLiteral('default'), bucket: inBucket, key };
      const item = encodeItem(new ObjectKey(address), Buffer.from(bytes));
      const decoded = decodeItem(item)!;
      assert.deepEqual(decoded.key.address, address);
      assert.deepEqual(decoded.bytes, Buffer.from(bytes));
      decodeItem(item.subarray(0, cut % item.length));
    }),
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => void decodeItem(Buffer.from(bytes))));
});

test('P1: a fold and the question of emptiness see what was queued before them', async () => {
  const { engine } = await faultyEngine();
  const { store, put } = await open(engine);
  assert.equal(await store.isEmpty(p0), true);
  const written = put(p0, 'k', objectOf('v'));
  const isEmpty = store.isEmpty(p0);
  const items = await all(store, p0);
  assert.deepEqual([...items.keys()], ['k']);
  assert.equal(await isEmpty, false);
  assert.equal(await store.isEmpty(p1), true, 'of another partition nothing is seen');
  assert.deepEqual(await written, { kind: 'stored' });
});

test('P2: what is folded here and merged there is there, merged with what was there', async () => {
  const sender = await open((await faultyEngine()).engine);
  const receiver = await open((await faultyEngine()).engine);
  const [mine, theirs] = [objectOf('mine'), objectOf('theirs', 1, 'somebody')];
  for (let i = 0; i < 600; i++) await sender.put(p0, `k${i}`, mine);
  await receiver.put(p0, 'k1', theirs);
  const items = await all(sender.store, p0);
  assert.equal(items.size, 600);
  await receiver.store.merge(p0, [...items.values()]);
  assert.deepEqual(receiver.get(p0, 'k0'), mine.bytes);
  assert.deepEqual(receiver.get(p0, 'k1'), mergeObjects(mine, theirs).bytes);
  await receiver.store.merge(p0, [...items.values()]);
  assert.equal((await all(receiver.store, p0)).size, 600, 'merging twice changes nothing');
});

test('P2: what is here as it arrives is stored again only if its sender does not keep it, or its write fails', async () => {
  const { engine, faults } = await faultyEngine();
  const { store, put, get, commit } = await open(engine);
  const items = ['a', 'b'].map((name) => encodeItem(keyOf(name), objectOf(name).bytes));
  await put(p0, 'a', objectOf('a'));
  const { writes } = commit.stats;
  await store.merge(p0, items, { areKept: true });
  assert.equal(commit.stats.writes, writes + 2, 'b, and the wait for what was queued');
  assert.deepEqual([get(p0, 'a'), get(p0, 'b')], [objectOf('a').bytes, objectOf('b').bytes]);
  await store.merge(p0, items);
  assert.equal(commit.stats.writes, writes + 4);

  faults.refusedWrites = 1;
  const failing = put(p0, 'c', objectOf('c'));
  await store.merge(p0, [encodeItem(keyOf('c'), objectOf('c').bytes)], { areKept: true });
  assert.equal((await failing).kind, 'failed');
  assert.deepEqual(get(p0, 'c'), objectOf('c').bytes);
});

test('P2: a batch with an item that no node wrote, or that the gate does not let pass, is refused', async () => {
  const { engine } = await faultyEngine();
  const gate: WriteGate<ReplicaRequest> = { isMoving: () => true, passed: (_p, _r, done) => done(false) };
  const { store } = await open(engine, gate);
  const isRefusal = (code: string) => (error: unknown) =>
    error instanceof PartitionStoreError && error.code === code;
  await assert.rejects(store.merge(p0, [Buffer.from('garbage')]), isRefusal('malformed'));
  await assert.rejects(
    store.merge(p0, [encodeItem(keyOf('k'), Buffer.from('no object'))]),
    isRefusal('malformed'),
  );
  await assert.rejects(store.merge(p0, [encodeItem(keyOf('k'), objectOf('v').bytes)]), isRefusal('storage'));
});

test('P3: only what is unchanged is forgotten, and anti-entropy is told of it', async () => {
  const { engine } = await faultyEngine();
  const { store, put, get, changes } = await open(engine);
  await put(p0, 'same', objectOf('v'));
  await put(p0, 'changed', objectOf('v'));
  const items = [...(await all(store, p0)).values()];
  // Queued, not committed: it must count all the same.
  const changing = put(p0, 'changed', objectOf('w', 1, 'somebody'));
  await store.forget(p0, items);
  await changing;
  assert.equal(get(p0, 'same'), undefined);
  assert.equal(VersionedObject.decode(get(p0, 'changed')!).siblingCount, 2);
  assert.deepEqual(changes, ['0 same true false']);
  await store.forget(p0, items);
  assert.notEqual(get(p0, 'changed'), undefined);
});

test('R27: damaged entries, and values that hold no object, are named, counted and left out', async () => {
  const { engine, faults } = await faultyEngine();
  const { store, put, commit, damaged } = await open(engine);
  for (const name of ['a', 'b', 'c']) await put(p0, name, objectOf('v'));
  await new Promise<void>((resolve) => {
    commit.write(
      'os',
      (batch) => batch.put(keyOf('d').copy(p0), Buffer.from('no object')),
      () => resolve(),
    );
  });
  faults.damaged = 'b';
  const fold = store.fold(p0, whole);
  const items: Buffer[] = [];
  for (let slice = await fold.next(); slice !== undefined; slice = await fold.next()) items.push(...slice);
  assert.equal(items.length, 2);
  assert.equal(fold.unreadable, 2);
  assert.deepEqual(damaged.sort(), ['b', 'd']);
  await fold.close();
});

test('a fold for a rebuild gives what the other partition must hold as well', async () => {
  const { engine } = await faultyEngine();
  const { store, put } = await open(engine);
  const names = new NameHash();
  const ring = Ring.ownedByOne(1, 8, self);
  const firstOf = (name: string) => ring.partitionOf(names.of(keyOf(name).address));
  const keys = Array.from({ length: 200 }, (_, i) => `key ${i}`);
  for (const name of keys) await put(p0, name, objectOf('v'));
  const expected = keys.filter((name) => [6, 7, 0].includes((firstOf(name) - 1 + 8) % 8)).sort();
  const found = await all(store, p0, { ...whole, alsoIn: p1 });
  assert.deepEqual([...found.keys()].sort(), expected);
  const first = await all(store, p0, { ...whole, firstPartitions: new Set([p1]) });
  assert.deepEqual([...first.keys()].sort(), keys.filter((name) => firstOf(name) === p1).sort());
  assert.ok(first.size > 5 && expected.length < 150);
});

test('P4, C4: a drop takes one partition, with what was queued, and may be repeated', async () => {
  const { engine } = await faultyEngine();
  const { store, put, get } = await open(engine);
  await put(p0, 'k', objectOf('v'));
  await put(p1, 'k', objectOf('v'));
  const queued = put(p0, 'late', objectOf('v'));
  const dropping = store.drop(p0);
  assert.equal(store.isDropping(p0), true);
  await dropping;
  await queued;
  assert.equal(store.isDropping(p0), false);
  assert.equal(await store.isEmpty(p0), true);
  assert.notEqual(get(p1, 'k'), undefined);
  await store.drop(p0);
  await put(p0, 'k', objectOf('new'));
  assert.equal(await store.isEmpty(p0), false);
});

test('P4: a drop that a crash interrupts is completed before the node serves again, and only that one', async () => {
  const { engine, faults } = await faultyEngine();
  const before = await open(engine);
  for (const name of ['a', 'b', 'c']) await before.put(p0, name, objectOf('v'));
  await before.put(p1, 'a', objectOf('v'));
  faults.deleteRange = 'stops half way';
  await assert.rejects(before.store.drop(p0), PartitionStoreError);
  assert.equal(before.store.isDropping(p0), true, 'half of it must not be read');
  faults.deleteRange = 'works';
  const after = await open(engine);
  assert.equal(await after.store.isEmpty(p0), true);
  assert.equal(await after.store.isEmpty(p1), false);
  await after.put(p0, 'new', objectOf('v'));
  const again = await open(engine);
  assert.equal(await again.store.isEmpty(p0), false, 'the mark is gone');
});

test('P4: a drop that waits, or is to be tried again, takes nothing that it would wipe', async () => {
  const { engine, faults } = await faultyEngine();
  const { store, put } = await open(engine);
  await put(p1, 'kept', objectOf('v'));
  const [item] = [...(await all(store, p1)).values()];
  const drops = [store.drop(p0), store.drop(p1)];
  assert.notEqual((await put(p1, 'new', objectOf('v'))).kind, 'stored');
  await assert.rejects(store.merge(p1, [item!]), PartitionStoreError);
  await assert.rejects(
    store.merge(p1, [item!], { areKept: true }),
    PartitionStoreError,
    'though it is still here',
  );
  await Promise.all(drops);
  await put(p1, 'old', objectOf('v'));
  faults.deleteRange = 'stops half way';
  await assert.rejects(store.drop(p1), PartitionStoreError);
  assert.notEqual((await put(p1, 'new', objectOf('v'))).kind, 'stored');
  faults.deleteRange = 'works';
  await store.drop(p1);
  assert.equal((await put(p1, 'new', objectOf('v'))).kind, 'stored');
  const again = await open(engine);
  assert.notEqual(again.get(p1, 'new'), undefined, 'no mark is left');
});

test('P4: a drop that is not wanted any more when its turn comes leaves everything; one that has begun goes on', async () => {
  const { engine, faults } = await faultyEngine();
  const { store, put, get } = await open(engine);
  await put(p1, 'k', objectOf('v'));
  let isWanted = true;
  const drops = [store.drop(p0), store.drop(p1, () => isWanted)];
  isWanted = false;
  await Promise.all(drops);
  assert.notEqual(get(p1, 'k'), undefined);
  assert.equal((await put(p1, 'new', objectOf('v'))).kind, 'stored');
  faults.deleteRange = 'stops half way';
  await assert.rejects(store.drop(p1), PartitionStoreError);
  faults.deleteRange = 'works';
  await store.drop(p1, () => false);
  assert.equal(await store.isEmpty(p1), true, 'half of it was gone');
});

test('P4: of two drops of a partition the second wipes nothing that came after the first', async () => {
  const { engine } = await faultyEngine();
  const { store, put, get } = await open(engine);
  const [first, , second] = [store.drop(p0), store.drop(p1), store.drop(p0)];
  await first;
  assert.equal((await put(p0, 'new', objectOf('v'))).kind, 'stored');
  await second;
  assert.notEqual(get(p0, 'new'), undefined);
});

test('after a drop the vnode issues no dot a second time', async () => {
  const { engine } = await faultyEngine();
  const { store, vnodes, get } = await open(engine);
  const dots = new Set<string>();
  for (let round = 0; round < 3; round++) {
    await new Promise<void>((resolve) => {
      const put: CoordinatedPut = {
        key: keyOf('k'),
        context: VersionVector.empty,
        content: encodeContent({
          value: Buffer.from('v'),
          links: [],
          userMeta: [],
          indexes: [],
          deleted: false,
        }),
        siblings: { allow_mult: true, last_write_wins: false },
        prune: { smallVclock: 50, bigVclock: 50, youngVclock: 20, oldVclock: 86_400 },
        durability: 'synced',
        nowMicros: 1_000_000,
        condition: 'none',
        mayBeRepeated: false,
      };
      vnodes.coordinatePut(p0, put, () => resolve());
    });
    const [dot] = VersionedObject.decode(get(p0, 'k')!).dots;
    dots.add(`${dot!.actor} ${dot!.counter}`);
    await store.drop(p0);
  }
  assert.equal(dots.size, 3);
});

/** Of the key of `objectOf`, after so many writes. */
function tombstoneOf(counter: number): VersionedObject {
  const dot = { actor: actorId(byteLiteral('elsewher'), 1), counter };
  return makeObject(VersionVector.empty.with(dot, 0), [
    { dot, content: tombstoneContent(byteLiteral('t'), counter) },
  ]);
}

async function openRemembering(versionsMax?: number) {
  const reaped = new ReapedVersions(clock, { versionsMax });
  const node = await open(await memoryEngine(), undefined, reaped);
  const reap = async (name: string, tombstone: VersionedObject) => {
    await node.put(p0, name, tombstone);
    const request = { kind: 'reap', key: keyOf(name), tombstone, first: p0, n: 1 } as const;
    node.vnodes.handle(p0, request, () => {});
    await node.commit.drain();
    assert.equal(node.get(p0, name), undefined, 'it is forgotten');
  };
  return { ...node, reaped, reap };
}

test('P5: what was reaped goes along with its partition, and keeps away what comes late to the new owner', async () => {
  const [from, to] = [await openRemembering(), await openRemembering()];
  await from.put(p0, 'kept', objectOf('value'));
  await from.reap('gone', tombstoneOf(2));
  const items = await all(from.store, p0);
  assert.deepEqual([...items.keys()], ['kept', 'gone']);
  await to.store.merge(p0, [...items.values()]);
  assert.equal(to.get(p0, 'gone'), undefined, 'nothing is there');
  assert.equal(await to.store.isEmpty(p1), true);
  assert.equal((await to.put(p0, 'gone', objectOf('late', 1))).kind, 'stored');
  assert.equal(to.get(p0, 'gone'), undefined, 'and nothing comes back');
  assert.equal((await to.put(p0, 'gone', objectOf('new', 3))).kind, 'stored');
  assert.notEqual(to.get(p0, 'gone'), undefined);

  // A process that is started on what the new owner has stored.
  const later = new ReapedVersions(clock);
  await later.load(to.commit.engine, [p0, p1]);
  assert.deepEqual(later.of(p0, keyOf('gone'))?.bytes, tombstoneOf(2).bytes);
});

test('P5: a copy that is at the new owner already gives way, or is what came after', async () => {
  const [from, to] = [await openRemembering(), await openRemembering()];
  await from.reap('old', tombstoneOf(2));
  await from.reap('new', tombstoneOf(2));
  await to.put(p0, 'old', objectOf('late', 1));
  await to.put(p0, 'new', objectOf('after', 3));
  await to.store.merge(p0, [...(await all(from.store, p0)).values()]);
  assert.deepEqual(
    to.get(p0, 'old'),
    tombstoneOf(2).bytes,
    'a tombstone again: it is reaped when all have it',
  );
  assert.deepEqual(to.get(p0, 'new'), objectOf('after', 3).bytes);
});

test('P5: what there is no room to remember becomes a tombstone again', async () => {
  const [from, to] = [await openRemembering(), await openRemembering(1)];
  await from.reap('a', tombstoneOf(2));
  await from.reap('b', tombstoneOf(2));
  await to.store.merge(p0, [...(await all(from.store, p0)).values()]);
  assert.equal(to.reaped.size, 1);
  assert.equal(to.get(p0, 'a'), undefined);
  assert.deepEqual(to.get(p0, 'b'), tombstoneOf(2).bytes);
  await to.store.forget(p0, [...(await all(from.store, p0)).values()]);
  assert.deepEqual(to.get(p0, 'b'), tombstoneOf(2).bytes, 'what is remembered elsewhere is not what is here');
});

test('P5: who rebuilds a partition is told of what was reaped of its keys, and of no others', async () => {
  const node = await openRemembering();
  const names = Array.from({ length: 20 }, (_, i) => `k${i}`);
  for (const name of names) await node.reap(name, tombstoneOf(2));
  const ring = Ring.ownedByOne(1, 8, self);
  const nameHash = new NameHash();
  const wanted = names.filter((name) => {
    const first = ring.partitionOf(nameHash.of(keyOf(name).address, false));
    return (p1 - first + 8) % 8 < 3;
  });
  assert.ok(wanted.length > 0 && wanted.length < names.length);
  const items = await all(node.store, p0, { ...whole, alsoIn: p1 });
  assert.deepEqual([...items.keys()].sort(), wanted.sort());
});
