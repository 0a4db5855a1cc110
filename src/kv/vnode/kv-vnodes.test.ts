import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { actorId, VersionVector } from '../../clocks/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import { SoloTopology } from '../../core/topology/index.ts';
import { type Log, nodeIdOf, type Random, type Tasks } from '../../environment/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import {
  type Durability,
  GroupCommit,
  openMemoryEngine,
  type StorageEngine,
  StorageError,
  type WriteBatch,
} from '../../storage/index.ts';
import { encodeContent } from '../../wire/index.ts';
import { silentObserver } from '../kv-observer.ts';
import { makeObject } from '../object/index.ts';
import {
  KvVnodes,
  ObjectKey,
  type ReplicaReply,
  StrayBytes,
  TombstoneReaper,
  VnodeIdentities,
} from './index.ts';

const tasks: Tasks = { spawn: (_name, body) => void body(), endOfTurn: (run) => void setImmediate(run) };
const timers = { after: () => ({ cancel: () => {} }) };
const log: Log = { debug() {}, info() {}, warn() {}, error() {} };
const random: Random = { u32: () => 4, fraction: () => 0.5, bytes: (count) => Buffer.alloc(count, 4) };
const limits = { objectBytesMax: 1000, objectBytesWarn: 1000, siblingsMax: 10, siblingsWarn: 10 };
const here = 0 as Partition;
const topology = new SoloTopology(nodeIdOf('n@host'), 8);
const key = new ObjectKey({
  bucketType: byteLiteral('default'),
  bucket: byteLiteral('b'),
  key: byteLiteral('k'),
});

/** Vnodes on a memory engine, with the durability of every batch that the engine got. */
async function vnodes() {
  const memory = await openMemoryEngine({}, { tasks, timers });
  const durabilities: Durability[] = [];
  const engine: StorageEngine = Object.assign(Object.create(memory), {
    get: memory.get.bind(memory),
    write(batch: WriteBatch, durability: Durability) {
      durabilities.push(durability);
      return memory.write(batch, durability);
    },
  });
  const commit = new GroupCommit(engine, tasks);
  const identities = await VnodeIdentities.open([here], commit, random, log);
  const reaper = new TombstoneReaper({
    commit,
    timers,
    mode: 'keep',
    observer: silentObserver,
    log,
    topology,
  });
  const strays = await StrayBytes.open(topology, commit.engine, 1000);
  const parts = { commit, identities, reaper, limits, observer: silentObserver, log, strays };
  return { vnodes: new KvVnodes(parts), commit, identities, durabilities };
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
