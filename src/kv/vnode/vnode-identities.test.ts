import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { type ActorId, actorId, epochOfActor, VersionVector, vnodeIdOfActor } from '../../clocks/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import type { Log, Random, Tasks } from '../../environment/index.ts';
import {
  GroupCommit,
  openMemoryEngine,
  type StorageEngine,
  StorageError,
  WriteBatch,
} from '../../storage/index.ts';
import { encodeContent } from '../../wire/index.ts';
import { makeObject } from '../object/index.ts';
import { identityKey } from './key-layout.ts';
import { VnodeIdentities } from './vnode-identities.ts';

const tasks: Tasks = { spawn: (_name, body) => void body(), endOfTurn: (run) => void setImmediate(run) };
const timers = { after: () => ({ cancel: () => {} }) };
const log: Log = { debug() {}, info() {}, warn() {}, error() {} };
const here = 0 as Partition;
const there = 1 as Partition;
const nothing = VersionVector.empty;

/** Bytes that no two calls give alike. */
function countingRandom(): Random {
  let drawn = 0;
  return {
    u32: () => drawn++,
    fraction: () => 0,
    bytes(length: number) {
      drawn += 1;
      return Buffer.alloc(length, drawn);
    },
  };
}

const random = countingRandom();

function emptyEngine(): Promise<StorageEngine> {
  return openMemoryEngine({}, { tasks, timers });
}

function identitiesIn(engine: StorageEngine): Promise<VnodeIdentities> {
  return VnodeIdentities.open([here, there], new GroupCommit(engine, tasks), random, log);
}

/** What a vnode holds after one write as `actor`. */
function written(actor: ActorId) {
  const dot = { actor, counter: 1 };
  const value = { value: Buffer.from('v'), links: [], userMeta: [], indexes: [], deleted: false };
  return makeObject(nothing.with(dot, 0), [{ dot, content: encodeContent(value) }]);
}

/** The record of a vnode that leased its epochs up to `leasedTo` and did not stop cleanly. */
async function storeRecord(engine: StorageEngine, leasedTo: number): Promise<void> {
  const record = Buffer.concat([Buffer.from([1]), Buffer.alloc(8, 0xaa), Buffer.alloc(9)]);
  record.writeUInt32BE(leasedTo, 9);
  const batch = new WriteBatch();
  batch.put(identityKey(here), record);
  await engine.write(batch, 'synced');
}

test('I3: a key goes on with its epoch; one without a copy takes a new one', async () => {
  const identities = await identitiesIn(await emptyEngine());
  const first = identities.actorFor(here, undefined, nothing);
  assert.ok(first !== undefined);
  assert.equal(identities.actorFor(here, written(first), nothing), first);
  const second = identities.actorFor(here, undefined, nothing);
  assert.ok(second !== undefined && epochOfActor(second) > epochOfActor(first));
});

test('I2: after a clean stop epochs go on, after any other none of an earlier lease is used again', async () => {
  const engine = await emptyEngine();
  const identities = await identitiesIn(engine);
  const first = identities.actorFor(here, undefined, nothing);
  assert.ok(first !== undefined);
  await identities.closeCleanly();
  const afterClean = await identitiesIn(engine);
  assert.equal(afterClean.actorFor(here, written(first), nothing), first);
  const afterCrash = await identitiesIn(engine);
  const later = afterCrash.actorFor(here, written(first), nothing);
  assert.ok(later !== undefined && vnodeIdOfActor(later) === vnodeIdOfActor(first));
  assert.ok(epochOfActor(later) >= epochOfActor(first) + 10_000);
});

test('an id whose epochs are used up makes room for a new one, at the start and at work', async () => {
  const stored = Buffer.alloc(8, 0xaa).toString('latin1');
  for (const leasedTo of [2 ** 32 - 1, 2 ** 32 - 9_000, 2 ** 32 - 10_003]) {
    const engine = await emptyEngine();
    await storeRecord(engine, leasedTo);
    const identities = await identitiesIn(engine);
    const ids = new Set<string>();
    const actors = new Set<string>();
    for (let insert = 0; insert < 5; insert += 1) {
      const actor = identities.actorFor(here, undefined, nothing);
      assert.ok(actor !== undefined, 'writes go on');
      assert.ok(vnodeIdOfActor(actor) !== stored || epochOfActor(actor) >= leasedTo);
      ids.add(vnodeIdOfActor(actor));
      actors.add(actor);
    }
    assert.equal(actors.size, 5);
    assert.ok([...ids].some((id) => id !== stored));
    await identitiesIn(engine);
  }
});

test('R55: a record that is damaged or cut gives the vnode a new id, and does not keep the node from starting', async () => {
  const engine = await emptyEngine();
  const identities = await identitiesIn(engine);
  const before = identities.actorFor(here, undefined, nothing);
  const neighbour = identities.actorFor(there, undefined, nothing);
  await identities.closeCleanly();
  const damaged: StorageEngine = Object.assign(Object.create(engine), {
    get(key: Buffer) {
      if (key.equals(identityKey(here))) throw new StorageError('corrupt', 'the value does not match');
      return engine.get(key);
    },
    write: engine.write.bind(engine),
  });
  const after = await identitiesIn(damaged);
  const actor = after.actorFor(here, undefined, nothing);
  assert.ok(before !== undefined && actor !== undefined && neighbour !== undefined);
  assert.notEqual(vnodeIdOfActor(actor), vnodeIdOfActor(before));
  assert.equal(after.actorFor(there, written(neighbour), nothing), neighbour);
});

test('an engine that cannot be read keeps the node from starting', async () => {
  const engine = await emptyEngine();
  const unreadable: StorageEngine = Object.assign(Object.create(engine), {
    get() {
      throw new StorageError('io', 'no such device');
    },
  });
  await assert.rejects(identitiesIn(unreadable), { code: 'io' });
});

test('I2: a stop is clean only for a vnode whose writes were all synced', async () => {
  const engine = await emptyEngine();
  const identities = await identitiesIn(engine);
  const first = identities.actorFor(here, undefined, nothing);
  const neighbour = identities.actorFor(there, undefined, nothing);
  assert.ok(first !== undefined && neighbour !== undefined);
  identities.wroteUnsynced(here);
  await identities.closeCleanly();
  const next = await identitiesIn(engine);
  assert.notEqual(next.actorFor(here, written(first), nothing), first);
  assert.equal(next.actorFor(there, written(neighbour), nothing), neighbour);
});

test('I1: no epoch is used beyond the lease that is durable', async () => {
  const engine = await emptyEngine();
  const identities = await identitiesIn(engine);
  Object.assign(engine, { write: () => Promise.reject(new StorageError('full', 'no space')) });
  for (let insert = 0; insert < 10_000; insert += 1) {
    assert.ok(identities.actorFor(here, undefined, nothing) !== undefined, `insert ${insert}`);
  }
  assert.equal(identities.actorFor(here, undefined, nothing), undefined);
  assert.ok(identities.actorFor(there, undefined, nothing) !== undefined, 'leases are of one vnode');
});

test('I4: an id under which an epoch is seen that was not issued is left, whoever names it', async () => {
  const identities = await identitiesIn(await emptyEngine());
  const first = identities.actorFor(here, undefined, nothing);
  assert.ok(first !== undefined);
  const unissued = actorId(vnodeIdOfActor(first), epochOfActor(first) + 1);
  const context = nothing.with({ actor: unissued, counter: 1 }, 0);
  const renamed = identities.actorFor(here, written(first), context);
  assert.ok(renamed !== undefined && vnodeIdOfActor(renamed) !== vnodeIdOfActor(first));
  const again = actorId(vnodeIdOfActor(renamed), epochOfActor(renamed) + 1);
  identities.checkAmnesia(here, undefined, written(again));
  const third = identities.actorFor(here, undefined, nothing);
  assert.ok(third !== undefined && vnodeIdOfActor(third) !== vnodeIdOfActor(renamed));
});

test('R03: a write from elsewhere that knows more of the vnode than its copy begins new epochs', async () => {
  const identities = await identitiesIn(await emptyEngine());
  const first = identities.actorFor(here, undefined, nothing);
  const other = identities.actorFor(here, undefined, nothing);
  assert.ok(first !== undefined && other !== undefined);
  identities.checkAmnesia(here, undefined, written(other));
  const next = identities.actorFor(here, written(first), nothing);
  assert.ok(next !== undefined && epochOfActor(next) > epochOfActor(other));
});
