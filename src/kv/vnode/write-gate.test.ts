/** What a write passes on its way into a partition that moves, or that is not this node's. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { actorId, VersionVector } from '../../clocks/index.ts';
import type { WriteGate } from '../../core/handoff/index.ts';
import { type Partition, Ring } from '../../core/ring/index.ts';
import { SoloTopology, type Topology } from '../../core/topology/index.ts';
import { nodeIdOf } from '../../environment/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { type StorageEngine, StorageError } from '../../storage/index.ts';
import { encodeContent } from '../../wire/index.ts';
import type { StoredChanges } from '../anti-entropy/index.ts';
import { makeObject, type VersionedObject } from '../object/index.ts';
import { ObjectKey, type ReplicaReply, type ReplicaRequest } from './index.ts';
import { memoryEngine, openVnodes, self } from './vnodes.fixture.ts';

const moving = 0 as Partition;
const still = 1 as Partition;
const key = new ObjectKey({
  bucketType: byteLiteral('default'),
  bucket: byteLiteral('b'),
  key: byteLiteral('k'),
});

function objectOf(counter: number, size = 1): VersionedObject {
  const dot = { actor: actorId(byteLiteral('elsewher'), 1), counter };
  const value = Buffer.alloc(size, 0x76);
  const content = encodeContent({ value, links: [], userMeta: [], indexes: [], deleted: false });
  return makeObject(VersionVector.empty.with(dot, 0), [{ dot, content }]);
}

/** A gate that holds what passes until it is told what becomes of it. */
class HeldGate implements WriteGate<ReplicaRequest> {
  readonly passing: { request: ReplicaRequest; done: (mayCount: boolean) => void }[] = [];
  isMoving(partition: Partition): boolean {
    return partition === moving;
  }
  passed(_partition: Partition, request: ReplicaRequest, done: (mayCount: boolean) => void): void {
    this.passing.push({ request, done });
  }
}

async function vnodes(topology: Topology = new SoloTopology(self, 8), strayBytesMax = 1000) {
  const memory = await memoryEngine();
  const disk = { refuses: false };
  const engine = Object.assign(Object.create(memory) as StorageEngine, {
    get: memory.get.bind(memory),
    sizeEstimate: memory.sizeEstimate.bind(memory),
    write: (...args: Parameters<StorageEngine['write']>) =>
      disk.refuses ? Promise.reject(new StorageError('io', 'refused')) : memory.write(...args),
  });
  const gate = new HeldGate();
  const observed: string[] = [];
  const counter = (object: VersionedObject | undefined) => object?.dots[0]?.counter ?? '-';
  const changes: StoredChanges = {
    observe: (partition, _key, before, after) =>
      void observed.push(`${partition}: ${counter(before)} to ${counter(after)}`),
    doubt: (partition) => void observed.push(`${partition}: doubt`),
  };
  const dropped = new Set<Partition>();
  const opened = await openVnodes({
    partitions: topology.ring.partitions(),
    engine,
    strayBytesMax,
    topology,
    gate,
    changes,
    serves: (partition) => !dropped.has(partition),
  });
  const { vnodes: service, commit, strays } = opened;
  const put = (partition: Partition, object: VersionedObject, told: (reply: ReplicaReply) => void) =>
    service.handle(
      partition,
      { kind: 'put', key, object, durability: 'os', purpose: 'write', announce: false },
      told,
    );
  return { service, commit, gate, disk, observed, strays, put, dropped };
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 4; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

test('C3: a write of a moving partition is stored when both its owners have it, and carries the whole object', async () => {
  const { gate, put } = await vnodes();
  const heard: ReplicaReply[] = [];
  put(still, objectOf(1), (reply) => heard.push(reply));
  await settled();
  assert.deepEqual(heard.splice(0), [{ kind: 'stored' }]);
  assert.equal(gate.passing.length, 0, 'what does not move passes nobody');
  put(moving, objectOf(1), (reply) => heard.push(reply));
  assert.equal(gate.passing.length, 1, 'in the same turn');
  await settled();
  assert.equal(heard.length, 0, 'stored here is not enough');
  gate.passing[0]!.done(true);
  assert.deepEqual(heard.splice(0), [{ kind: 'stored' }]);
  const { request } = gate.passing[0]!;
  assert.ok(request.kind === 'put' && request.purpose === 'repair');
  assert.deepEqual(request.object.bytes, objectOf(1).bytes);
  // The same again: it is committed here, and still has to be there.
  put(moving, objectOf(1), (reply) => heard.push(reply));
  await settled();
  assert.equal(heard.length, 0);
  gate.passing[1]!.done(true);
  assert.deepEqual(heard, [{ kind: 'stored' }]);
});

test('C3: a write fails if the new owner does not take it, and if this node does not, whichever comes first', async () => {
  for (const failsHere of [true, false]) {
    for (const gateFirst of [true, false]) {
      const { gate, disk, put } = await vnodes();
      const heard: ReplicaReply[] = [];
      disk.refuses = failsHere;
      put(moving, objectOf(1), (reply) => heard.push(reply));
      if (gateFirst) gate.passing[0]!.done(failsHere);
      await settled();
      if (!gateFirst) gate.passing[0]!.done(failsHere);
      assert.deepEqual(
        heard.map((reply) => reply.kind === 'failed' && reply.error.code),
        ['storage'],
      );
    }
  }
});

test('S1–S3: a coordinated write passes the gate too, and what is committed is told with what it replaced', async () => {
  const { gate, service, disk, observed, put } = await vnodes();
  const coordinate = (value: number) =>
    service.coordinatePut(
      moving,
      {
        key,
        context: VersionVector.empty,
        content: encodeContent({
          value: Buffer.from([value]),
          links: [],
          userMeta: [],
          indexes: [],
          deleted: false,
        }),
        siblings: { allow_mult: false, last_write_wins: true },
        prune: { smallVclock: 50, bigVclock: 50, youngVclock: 20, oldVclock: 86_400 },
        durability: 'os',
        nowMicros: 1_000_000,
        condition: 'none',
        mayBeRepeated: false,
      },
      () => {},
    );
  coordinate(1);
  coordinate(2);
  assert.equal(gate.passing.length, 2);
  assert.deepEqual(observed, [], 'not before it is committed');
  await settled();
  assert.deepEqual(observed.splice(0), ['0: - to 1', '0: 1 to 2']);
  disk.refuses = true;
  put(still, objectOf(7), () => {});
  await settled();
  assert.deepEqual(observed, ['1: doubt']);
});

test('T3: a vnode that is asked to coordinate what it holds makes no second dot, and stores it as durably as asked', async () => {
  const { service, observed, put } = await vnodes();
  const there = objectOf(1);
  put(still, there, () => {});
  await settled();
  const coordinate = (mayBeRepeated: boolean) =>
    service.coordinatePut(
      still,
      {
        key,
        context: VersionVector.empty,
        content: there.siblings[0]!.content,
        siblings: { allow_mult: true, last_write_wins: false },
        prune: { smallVclock: 50, bigVclock: 50, youngVclock: 20, oldVclock: 86_400 },
        durability: 'synced',
        nowMicros: 1_000_000,
        condition: 'none',
        mayBeRepeated,
      },
      () => {},
    );
  const again = coordinate(true);
  assert.ok(again.kind === 'merged');
  assert.deepEqual(again.object.bytes, there.bytes);
  await settled();
  assert.equal(observed.length, 2, 'it was written once more');
  const anew = coordinate(false);
  assert.ok(anew.kind === 'merged' && anew.object.siblingCount === 2);
});

test('R21 serve-while-dropping: nothing of a partition in its drop is read, written or coordinated', async () => {
  const { service, put, dropped, observed } = await vnodes();
  put(still, objectOf(1), () => {});
  await settled();
  dropped.add(still);
  const heard: ReplicaReply[] = [];
  put(still, objectOf(2), (reply) => heard.push(reply));
  service.handle(still, { kind: 'get', key }, (reply) => heard.push(reply));
  const tombstone = objectOf(1);
  service.handle(still, { kind: 'reap', key, tombstone, first: still, n: 3 }, (reply) => heard.push(reply));
  await settled();
  assert.deepEqual(
    heard.map((reply) => reply.kind === 'failed' && reply.error.code),
    ['overload', 'overload', 'overload'],
  );
  assert.equal(observed.length, 1, 'nothing was written');
});

test('strays: counted under what is not owned, refused beyond the bound, free again when cleared or owned', async () => {
  const other = nodeIdOf('other@host');
  const owners = Array.from({ length: 8 }, (_, at) => (at === still ? other : self));
  let told = () => {};
  let isMoving = false;
  let isOwnMove = false;
  const solo = new SoloTopology(self, 8);
  const topology: Topology = {
    self,
    ring: new Ring(1, owners),
    isUp: () => true,
    mayAnswer: () => true,
    preferenceList: solo.preferenceList.bind(solo),
    isMoving: () => isMoving,
    isOwnMove: () => isOwnMove,
    isSettled: true,
    onChange: (changed) => {
      told = changed;
    },
  };
  const { strays, put } = await vnodes(topology, 300);
  const outcome = async (partition: Partition, object: VersionedObject) => {
    let heard = '';
    put(partition, object, (reply) => {
      heard = reply.kind === 'failed' ? reply.error.code : reply.kind;
    });
    await settled();
    return heard;
  };
  assert.equal(await outcome(2 as Partition, objectOf(1, 500)), 'stored');
  assert.equal(strays.total, 0, 'its own');
  assert.equal(await outcome(still, objectOf(1, 100)), 'stored');
  assert.equal(strays.total, objectOf(1, 100).sizeBytes);
  assert.equal(await outcome(still, objectOf(2, 500)), 'overload');
  assert.equal(await outcome(still, objectOf(3, 50)), 'stored', 'what makes it smaller is welcome');
  assert.equal(strays.total, objectOf(3, 50).sizeBytes);
  strays.cleared(still);
  assert.equal(strays.total, 0);
  assert.equal(await outcome(still, objectOf(4, 150)), 'stored');
  const before = strays.total;
  assert.ok(before > 0);
  isMoving = true;
  told();
  assert.equal(strays.total, before, 'others have it between them');
  isOwnMove = true;
  told();
  assert.equal(strays.total, 0, 'it is on its way here');
  assert.equal(await outcome(still, objectOf(6, 400)), 'stored');
  assert.equal(strays.total, 0);
  isMoving = false;
  isOwnMove = false;
  told();
  const grown = objectOf(6, 400).sizeBytes - objectOf(4, 150).sizeBytes;
  assert.equal(strays.total, before + grown, 'what came during the move counts after it');
  Object.assign(topology, { ring: new Ring(2, new Array(8).fill(self)) });
  told();
  assert.equal(strays.total, 0, 'it is owned now');
  assert.equal(await outcome(still, objectOf(5, 600)), 'stored');
});
