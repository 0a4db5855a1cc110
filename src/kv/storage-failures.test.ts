import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { after, test } from 'node:test';
import { SoloTopology } from '../core/topology/index.ts';
import { nodeIdOf } from '../environment/index.ts';
import { nodeEnvironment } from '../runtime/index.ts';
import { byteLiteral } from '../stdx/index.ts';
import {
  type Durability,
  GroupCommit,
  openMemoryEngine,
  type StorageEngine,
  StorageError,
  WriteBatch,
} from '../storage/index.ts';
import { encodeContent } from '../wire/index.ts';
import {
  type DeleteResult,
  type GetResult,
  type KeyValueParts,
  type KeyValueSettings,
  LocalKeyValueStore,
  type PutRequest,
  type PutResult,
  quorumCount,
  silentObserver,
  VersionedObject,
} from './index.ts';
import { fixtureSettings } from './key-value-settings.fixture.ts';
import { propertiesKey } from './vnode/key-layout.ts';

const environment = nodeEnvironment({
  log: { debug() {}, info() {}, warn() {}, error() {} },
  crash: (activity, error) => {
    throw new Error(`crash in ${activity}`, { cause: error });
  },
});
after(() => environment.close());

const at = (key: string) => ({
  bucketType: byteLiteral('default'),
  bucket: byteLiteral('b'),
  key: byteLiteral(key),
});

/** A memory engine that fails when told to, and remembers what it was given. */
class WatchedEngine {
  readonly engine: StorageEngine;
  failing: StorageError | undefined;
  readonly batches: { readonly batch: WriteBatch; readonly durability: Durability }[] = [];

  constructor(memory: StorageEngine) {
    this.engine = Object.assign(Object.create(memory), {
      get: memory.get.bind(memory),
      scan: memory.scan.bind(memory),
      close: memory.close.bind(memory),
      write: async (batch: WriteBatch, durability: Durability) => {
        this.batches.push({ batch, durability });
        if (this.failing !== undefined) throw this.failing;
        await memory.write(batch, durability);
      },
    });
  }

  /** Every object that was to be stored, those of failed batches too. */
  objects(): VersionedObject[] {
    const objectSpace = 0x10;
    return this.batches.flatMap(({ batch }) =>
      batch.values
        .filter((value, i) => value !== undefined && batch.keys[i]![0] === objectSpace)
        .map((value) => VersionedObject.decode(value!)),
    );
  }
}

class Store {
  readonly watched: WatchedEngine;
  readonly kv: LocalKeyValueStore;

  constructor(watched: WatchedEngine, kv: LocalKeyValueStore) {
    this.watched = watched;
    this.kv = kv;
  }

  static async open(
    changes: Partial<KeyValueSettings> = {},
    world: KeyValueParts['environment'] = environment,
    memory?: StorageEngine,
  ): Promise<Store> {
    const watched = new WatchedEngine(memory ?? (await openMemoryEngine({}, environment)));
    const kv = await LocalKeyValueStore.open({
      environment: world,
      commit: new GroupCommit(watched.engine, environment.tasks),
      topology: new SoloTopology(nodeIdOf('test@127.0.0.1'), 64),
      observer: silentObserver,
      settings: { ...fixtureSettings, ...changes },
    });
    return new Store(watched, kv);
  }

  put(key: string, value: string, options: Partial<PutRequest> = {}): Promise<PutResult> {
    return new Promise((done) => this.putThen(key, value, options, done));
  }

  /** `then` runs inside the store's callback. */
  putThen(key: string, value: string, options: Partial<PutRequest>, then: (result: PutResult) => void): void {
    const parts = { value: Buffer.from(value), links: [], userMeta: [], indexes: [], deleted: false };
    this.kv.put({ ...at(key), content: encodeContent(parts), ...options }, then);
  }

  get(key: string): Promise<GetResult> {
    return new Promise((done) => this.kv.get(at(key), done));
  }

  delete(key: string): Promise<DeleteResult> {
    return new Promise((done) => this.kv.delete(at(key), done));
  }
}

test('A2: no dot names two writes, though a failed batch is told to one writer before the others', async () => {
  const store = await Store.open();
  const keys = ['a', 'b', 'c', 'd', 'e', 'f'];
  for (const key of keys) assert.equal((await store.put(key, 'first')).kind, 'stored');
  store.watched.failing = new StorageError('full', 'no space');
  const again: Promise<PutResult>[] = [];
  await new Promise<void>((resolve) => {
    let failures = 0;
    for (const key of keys) {
      store.putThen(key, 'lost', {}, (result) => {
        assert.equal(result.kind, 'failed');
        failures += 1;
        if (failures > 1) return;
        // The disk has room again, and a client that was pipelining goes on at once.
        store.watched.failing = undefined;
        for (const next of keys) again.push(store.put(next, 'second'));
        resolve();
      });
    }
  });
  assert.ok((await Promise.all(again)).every((result) => result.kind === 'stored'));
  const contentOf = new Map<string, string>();
  for (const object of store.watched.objects()) {
    for (const { dot, content } of object.siblings) {
      const name = `${dot?.actor} ${dot?.counter}`;
      const bytes = content.toString('latin1');
      assert.equal(contentOf.get(name) ?? bytes, bytes, 'a dot has one content');
      contentOf.set(name, bytes);
    }
  }
  assert.equal(contentOf.size, 3 * keys.length);
  await store.kv.close();
});

test('a copy that comes as it is, from a client, keeps to the limits', async () => {
  const store = await Store.open();
  const copy = { asis: true, context: await foreignContext() };
  const result = await store.put('k', 'x'.repeat(11_000), copy);
  assert.ok(result.kind === 'failed');
  assert.equal(result.error.code, 'too_large');
  await store.kv.close();
});

/** A context of another store, as replication brings it. */
async function foreignContext(): Promise<Uint8Array> {
  const other = await Store.open();
  const result = await other.put('k', 'v', { returnObject: 'head' });
  await other.kv.close();
  assert.ok(result.kind === 'stored' && result.object !== undefined);
  return result.object.context;
}

test('W3: nothing is acknowledged that nobody stored, though dw is 0', async () => {
  const store = await Store.open();
  store.watched.failing = new StorageError('full', 'no space');
  const result = await store.put('k', 'v', { w: quorumCount(1), dw: quorumCount(0) });
  assert.deepEqual(result, { kind: 'failed', error: { code: 'storage', reason: 'no space' } });
  await store.kv.close();
});

test('a store closes though its disk takes no writes', async () => {
  const store = await Store.open();
  store.watched.failing = new StorageError('full', 'no space');
  await store.kv.close();
  const unclean = store.watched.batches.at(-1);
  assert.equal(unclean?.durability, 'synced', 'it tried to record a clean stop');
});

test('a bucket whose properties rot keeps its siblings: it shows them, and is not written to', async () => {
  const memory = await openMemoryEngine({}, environment);
  const before = await Store.open({}, environment, memory);
  await before.kv.setProperties(at('k'), { allow_mult: true });
  for (const value of ['one', 'two']) await before.put('k', value);
  await before.kv.close();
  const rot = new WriteBatch();
  rot.put(propertiesKey(at('k')), Buffer.from('{"allow_m'));
  await memory.write(rot, 'os');

  const store = await Store.open({}, environment, memory);
  assert.deepEqual(store.kv.propertyDamage, { buckets: 1, unknown: 0 });
  for (const refused of [await store.put('k', 'three'), await store.delete('k')]) {
    assert.ok(refused.kind === 'failed' && refused.error.code === 'storage');
    assert.match(refused.error.reason, /properties of bucket b are damaged: set or reset them/);
  }
  const found = await store.get('k');
  assert.ok(found.kind === 'found');
  assert.equal(found.object.siblingCount, 2);
  await store.kv.setProperties(at('k'), { allow_mult: true });
  assert.equal((await store.put('k', 'three')).kind, 'stored');
  await store.kv.close();
});

test('closing twice is closing once', async () => {
  const store = await Store.open();
  const written = store.put('k', 'v');
  const closed = [store.kv.close(), store.kv.close()];
  assert.equal((await written).kind, 'stored');
  const inTime = new Promise((_resolve, reject) => setTimeout(reject, 2000, new Error('not closed')).unref());
  await Promise.race([Promise.all(closed), inTime]);
});

test('a store that is closed has no timer left', async () => {
  const waiting = new Set<object>();
  const timers = {
    after(delayMs: number, wake: () => void) {
      const timer = environment.timers.after(delayMs, () => {
        waiting.delete(timer);
        wake();
      });
      waiting.add(timer);
      return {
        cancel() {
          waiting.delete(timer);
          timer.cancel();
        },
      };
    },
  };
  const store = await Store.open({ tombstonePauseMs: 5, deleteMode: 60_000 }, { ...environment, timers });
  await store.put('a', 'v');
  await store.delete('a');
  await new Promise((resolve) => setTimeout(resolve, 30));
  // Each of three replicas will forget the tombstone; deadlines sleep until the first, and the sweep of tombstones.
  assert.equal(waiting.size, 3 + 2);
  await store.put('b', 'v');
  await store.delete('b');
  await store.kv.close();
  assert.equal(waiting.size, 0);
});
