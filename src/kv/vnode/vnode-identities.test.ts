import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { type ActorId, actorId, epochOfActor, VersionVector, vnodeIdOfActor } from '../../clocks/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import type { Log, Random, Tasks } from '../../environment/index.ts';
import { byteStringOf } from '../../stdx/index.ts';
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

/** What a clean stop left, of a vnode whose next epoch is `next`. */
async function storeRecord(engine: StorageEngine, next: number): Promise<void> {
  const record = Buffer.concat([Buffer.from([2]), Buffer.alloc(8, 0xaa), Buffer.alloc(8)]);
  record.writeUInt32BE(next, 9);
  const batch = new WriteBatch();
  batch.put(identityKey(here), record);
  await engine.write(batch, 'synced');
}

test('I3: a key goes on with its epoch; one without a copy takes a new one', async () => {
  const identities = await identitiesIn(await emptyEngine());
  const first = identities.actorFor(here, undefined, nothing);
  assert.equal(identities.actorFor(here, written(first), nothing), first);
  const second = identities.actorFor(here, undefined, nothing);
  assert.ok(epochOfActor(second) > epochOfActor(first));
});

test('I1, I2: a clean stop hands the id on, once; after any other end it is never used again', async () => {
  const engine = await emptyEngine();
  const identities = await identitiesIn(engine);
  const first = identities.actorFor(here, undefined, nothing);
  assert.equal(engine.get(identityKey(here)), undefined, 'a run leaves no record');
  await identities.closeCleanly();
  const afterClean = await identitiesIn(engine);
  assert.equal(afterClean.actorFor(here, written(first), nothing), first);
  assert.equal(engine.get(identityKey(here)), undefined, 'taken off the disk before it is used');
  const afterCrash = await identitiesIn(engine);
  const later = afterCrash.actorFor(here, written(first), nothing);
  assert.notEqual(vnodeIdOfActor(later), vnodeIdOfActor(first));
});

test('I1: an id that cannot be taken off the disk keeps the node from starting', async () => {
  const engine = await emptyEngine();
  await (await identitiesIn(engine)).closeCleanly();
  const full: StorageEngine = Object.assign(Object.create(engine), {
    get: engine.get.bind(engine),
    write: () => Promise.reject(new StorageError('full', 'no space')),
  });
  await assert.rejects(identitiesIn(full), { code: 'full' });
});

test('an id whose epochs are used up makes room for a new one, and is not handed on', async () => {
  const stored = Buffer.alloc(8, 0xaa).toString('latin1');
  const engine = await emptyEngine();
  await storeRecord(engine, 2 ** 32 - 2);
  const identities = await identitiesIn(engine);
  const actors = Array.from({ length: 5 }, () => identities.actorFor(here, undefined, nothing));
  assert.equal(new Set(actors).size, 5);
  const old = actors.filter((actor) => vnodeIdOfActor(actor) === stored);
  assert.deepEqual(old.map(epochOfActor), [2 ** 32 - 2, 2 ** 32 - 1]);

  await storeRecord(engine, 2 ** 32 - 1);
  const last = await identitiesIn(engine);
  assert.equal(vnodeIdOfActor(last.actorFor(here, undefined, nothing)), stored);
  await last.closeCleanly();
  const next = (await identitiesIn(engine)).actorFor(here, undefined, nothing);
  assert.notEqual(vnodeIdOfActor(next), stored);
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
  identities.wroteUnsynced(here);
  await identities.closeCleanly();
  const next = await identitiesIn(engine);
  assert.notEqual(next.actorFor(here, written(first), nothing), first);
  assert.equal(next.actorFor(there, written(neighbour), nothing), neighbour);
});

test('I4: an id under which an epoch is seen that was not issued is left, whoever names it', async () => {
  const identities = await identitiesIn(await emptyEngine());
  const first = identities.actorFor(here, undefined, nothing);
  const unissued = actorId(vnodeIdOfActor(first), epochOfActor(first) + 1);
  const context = nothing.with({ actor: unissued, counter: 1 }, 0);
  const renamed = identities.actorFor(here, written(first), context);
  assert.ok(vnodeIdOfActor(renamed) !== vnodeIdOfActor(first));
  const again = actorId(vnodeIdOfActor(renamed), epochOfActor(renamed) + 1);
  identities.checkAmnesia(here, undefined, written(again));
  const third = identities.actorFor(here, undefined, nothing);
  assert.ok(vnodeIdOfActor(third) !== vnodeIdOfActor(renamed));
});

test('R03: a write from elsewhere that knows more of the vnode than its copy begins new epochs', async () => {
  const identities = await identitiesIn(await emptyEngine());
  const first = identities.actorFor(here, undefined, nothing);
  const other = identities.actorFor(here, undefined, nothing);
  identities.checkAmnesia(here, undefined, written(other));
  const next = identities.actorFor(here, written(first), nothing);
  assert.ok(epochOfActor(next) > epochOfActor(other));
});

/** The clock of writes of so many others, each a second after the one before, and all after `written`. */
function writtenByOthers(count: number) {
  let clock = nothing;
  for (let i = 1; i <= count; i += 1) {
    clock = clock.with({ actor: actorId(byteStringOf(Buffer.alloc(8, 0xee)), i), counter: 1 }, i);
  }
  return clock;
}

test('I5: a vnode does not go on from an entry that may have been pruned and come back', async () => {
  const identities = await identitiesIn(await emptyEngine());
  const first = identities.actorFor(here, undefined, nothing);
  const own = written(first);
  const beside = (count: number) =>
    makeObject(VersionVector.merge(own.clock, writtenByOthers(count)), own.siblings);
  assert.equal(identities.actorFor(here, beside(24), nothing), first);
  assert.ok(epochOfActor(identities.actorFor(here, beside(25), nothing)) > epochOfActor(first));
  // A bucket that keeps ten.
  assert.equal(identities.actorFor(here, beside(4), nothing, 10), first);
  assert.ok(epochOfActor(identities.actorFor(here, beside(5), nothing, 10)) > epochOfActor(first));
});

test('I5, R03: what the copy may have pruned is no sign that the vnode has forgotten anything', async () => {
  const after = async (count: number) => {
    const identities = await identitiesIn(await emptyEngine());
    const [first, other] = [1, 2].map(() => identities.actorFor(here, undefined, nothing));
    const local = makeObject(writtenByOthers(count), written(other!).siblings);
    identities.checkAmnesia(here, local, written(first!));
    return identities.actorFor(here, written(other!), nothing) === other;
  };
  assert.equal(await after(25), true);
  assert.equal(await after(24), false, 'so few a clock keeps');
});
