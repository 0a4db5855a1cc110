import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import type { Log, Tasks } from '../environment/index.ts';
import { byteLiteral } from '../stdx/index.ts';
import {
  GroupCommit,
  openMemoryEngine,
  type StorageEngine,
  StorageError,
  WriteBatch,
} from '../storage/index.ts';
import { EngineRegistry } from './engine-registry.ts';
import { defaultBucketProperties, KvFailure } from './index.ts';
import { PropertyStore } from './property-store.ts';
import { propertiesKey } from './vnode/key-layout.ts';

const tasks: Tasks = { spawn: (_name, body) => void body(), endOfTurn: (run) => void setImmediate(run) };
const timers = { after: () => ({ cancel: () => {} }) };
const at = (bucket: string) => ({ bucketType: byteLiteral('default'), bucket: byteLiteral(bucket) });

function logInto(errors: string[]): Log {
  return { debug() {}, info() {}, warn() {}, error: (message) => errors.push(message) };
}

async function stored(values: Readonly<Record<string, string>>): Promise<StorageEngine> {
  const engine = await openMemoryEngine({}, { tasks, timers });
  const batch = new WriteBatch();
  for (const [bucket, value] of Object.entries(values))
    batch.put(propertiesKey(at(bucket)), Buffer.from(value));
  await engine.write(batch, 'os');
  return engine;
}

async function open(engine: StorageEngine, errors: string[] = []): Promise<PropertyStore> {
  const log = logInto(errors);
  const registry = await EngineRegistry.open(new GroupCommit(engine, tasks));
  const { unknownDamage } = registry;
  return new PropertyStore({
    registry,
    defaults: defaultBucketProperties,
    log,
    timeoutMs: 1000,
    unknownDamage,
  });
}

test('a bucket whose stored properties are damaged shows siblings and takes no writes; others are as ever', async () => {
  const errors: string[] = [];
  const damaged = { cut: '{"n_val":', nothing: '', bad: '{"n_val":"many"}' };
  const store = await open(await stored({ ...damaged, good: '{"n_val":1}' }), errors);
  for (const bucket of Object.keys(damaged)) {
    assert.deepEqual(store.of(at(bucket)), { ...defaultBucketProperties, allow_mult: true }, bucket);
    assert.match(store.damageOf(at(bucket)) ?? '', new RegExp(`bucket ${bucket} are damaged: set or reset`));
  }
  assert.equal(store.of(at('good'))?.n_val, 1);
  assert.equal(store.damageOf(at('good')), undefined);
  assert.deepEqual(store.damage, { buckets: 3, unknown: 0 });
  assert.equal(errors.length, Object.keys(damaged).length);
});

test('a bucket whose stored properties were damaged takes writes again once they are set or reset', async () => {
  const engine = await stored({ cut: '{', torn: '[' });
  const store = await open(engine);
  await store.set(at('cut'), { n_val: 5 });
  await store.reset(at('torn'));
  for (const seen of [store, await open(engine)]) {
    assert.deepEqual(seen.of(at('cut')), { ...defaultBucketProperties, n_val: 5 });
    assert.deepEqual(seen.of(at('torn')), defaultBucketProperties);
    assert.deepEqual(seen.damage, { buckets: 0, unknown: 0 });
    assert.equal(seen.damageOf(at('cut')) ?? seen.damageOf(at('torn')), undefined);
  }
});

test('damage the engine reports marks the bucket if its key is known, and is counted if not', async () => {
  const memory = await stored({ good: '{"n_val":1}' });
  const engine = Object.assign(Object.create(memory) as StorageEngine, {
    scan: (...[range, options]: Parameters<StorageEngine['scan']>) => {
      const rotten = new StorageError('corrupt', 'a rotten block');
      options?.corrupt?.(propertiesKey(at('rotten')), rotten);
      options?.corrupt?.(undefined, rotten);
      return memory.scan(range, options);
    },
  });
  const errors: string[] = [];
  const store = await open(engine, errors);
  assert.deepEqual(store.damage, { buckets: 1, unknown: 1 });
  assert.ok(store.damageOf(at('rotten')) !== undefined);
  assert.equal(store.of(at('rotten'))?.allow_mult, true);
  assert.match(errors.join('\n'), /refuses writes[\s\S]*check the properties of all buckets/);
});

test('a change that the disk refuses is not seen, and the next one is made all the same', async () => {
  const memory = await stored({});
  let refuses = true;
  const engine = Object.assign(Object.create(memory) as StorageEngine, {
    write: (...args: Parameters<StorageEngine['write']>) =>
      refuses ? Promise.reject(new StorageError('full', 'no space')) : memory.write(...args),
    scan: (...args: Parameters<StorageEngine['scan']>) => memory.scan(...args),
  });
  const store = await open(engine);
  const isStorageFailure = (error: unknown) => error instanceof KvFailure && error.error.code === 'storage';
  await assert.rejects(store.set(at('b'), { n_val: 1 }), isStorageFailure);
  assert.deepEqual(store.of(at('b')), defaultBucketProperties);
  refuses = false;
  await store.set(at('b'), { n_val: 2 });
  refuses = true;
  await assert.rejects(store.reset(at('b')), isStorageFailure);
  assert.equal(store.of(at('b'))?.n_val, 2);
});
