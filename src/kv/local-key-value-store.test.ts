import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { SoloTopology } from '../core/topology/index.ts';
import { nodeIdOf } from '../environment/index.ts';
import { nodeEnvironment } from '../runtime/index.ts';
import { type ByteString, byteLiteral } from '../stdx/index.ts';
import { GroupCommit, openLevelEngine, type StorageEngine } from '../storage/index.ts';
import { encodeContent } from '../wire/index.ts';
import {
  type BucketPropertyChanges,
  type DeleteRequest,
  type DeleteResult,
  defaultBucketProperties,
  type GetRequest,
  type GetResult,
  type KeyValueSettings,
  KvFailure,
  LocalKeyValueStore,
  type NameStream,
  type PutRequest,
  type PutResult,
  quorumCount,
  silentObserver,
} from './index.ts';
import { fixtureSettings } from './key-value-settings.fixture.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const environment = nodeEnvironment({
  log: silent,
  crash: (activity, error) => {
    throw new Error(`crash in ${activity}`, { cause: error });
  },
});
const type = byteLiteral('default');
let directory: string;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'hale-kv-'));
});
after(async () => {
  await rm(directory, { recursive: true });
  await environment.close();
});

class Store {
  readonly engine: StorageEngine;
  readonly kv: LocalKeyValueStore;
  constructor(engine: StorageEngine, kv: LocalKeyValueStore) {
    this.engine = engine;
    this.kv = kv;
  }

  static async open(name: string, changes: Partial<KeyValueSettings> = {}): Promise<Store> {
    const engine = await openLevelEngine({ directory: join(directory, name) }, environment);
    const kv = await LocalKeyValueStore.open({
      environment,
      commit: new GroupCommit(engine, environment.tasks),
      topology: new SoloTopology(nodeIdOf('test@127.0.0.1'), 64),
      observer: silentObserver,
      settings: { ...fixtureSettings, ...changes },
    });
    return new Store(engine, kv);
  }

  async close(): Promise<void> {
    await this.kv.close();
    await this.engine.close();
  }
  get(key: string, options: Partial<GetRequest> = {}): Promise<GetResult> {
    return new Promise((done) => this.kv.get({ ...at(key), ...options }, done));
  }
  put(key: string | undefined, value: string, options: Partial<PutRequest> = {}): Promise<PutResult> {
    const content = encodeContent({
      value: Buffer.from(value),
      links: [],
      userMeta: [],
      indexes: [],
      deleted: false,
    });
    const address = { ...at(key ?? ''), key: key === undefined ? undefined : byteLiteral(key) };
    return new Promise((done) => this.kv.put({ ...address, content, ...options }, done));
  }
  delete(key: string, options: Partial<DeleteRequest> = {}): Promise<DeleteResult> {
    return new Promise((done) => this.kv.delete({ ...at(key), ...options }, done));
  }
  set(changes: BucketPropertyChanges): Promise<void> {
    return this.kv.setProperties(at('any'), changes);
  }
  async values(key: string): Promise<readonly string[]> {
    const result = await this.get(key);
    if (result.kind !== 'found') return [];
    return result.object
      .contents()
      .map((content) => content.value.toString())
      .sort();
  }
  async context(key: string): Promise<Buffer> {
    const result = await this.get(key);
    assert.ok(result.kind === 'found', `${key} is there`);
    return result.object.context;
  }
}

const at = (key: string) => ({ bucketType: type, bucket: byteLiteral('b'), key: byteLiteral(key) });

async function withStore(
  name: string,
  body: (store: Store) => Promise<void>,
  changes?: Partial<KeyValueSettings>,
) {
  const store = await Store.open(name, changes);
  try {
    await body(store);
  } finally {
    await store.close();
  }
}

async function all(stream: NameStream): Promise<string[]> {
  const names: string[] = [];
  for (let slice = await stream.next(); slice !== undefined; slice = await stream.next())
    names.push(...slice);
  return names.sort();
}

const failureOf = (result: { kind: string; error?: unknown }) =>
  result.kind === 'failed' ? result.error : result.kind;

test('a value that was put is read, with its vtag and time, and survives a restart', async () => {
  await withStore('put-get', async (store) => {
    assert.deepEqual(await store.get('k'), { kind: 'notfound' });
    assert.equal((await store.put('k', 'v')).kind, 'stored');
    const result = await store.get('k');
    assert.ok(result.kind === 'found');
    const [content] = result.object.contents();
    assert.match(content.vtag ?? '', /^[0-9A-Za-z]{22}$/);
    assert.ok(Math.abs((content.lastModifiedMicros ?? 0) / 1000 - Date.now()) < 60_000);
  });
  await withStore('put-get', async (store) => assert.deepEqual(await store.values('k'), ['v']));
});

test('a put without a key makes one and returns it', async () => {
  await withStore('generated', async (store) => {
    const result = await store.put(undefined, 'v');
    assert.ok(result.kind === 'stored' && result.generatedKey !== undefined);
    assert.match(result.generatedKey, /^[0-9A-Za-z]{27}$/);
    assert.deepEqual(await store.values(result.generatedKey), ['v']);
  });
});

test('with siblings on, writes without a context stand beside each other until one with the context of all', async () => {
  await withStore('siblings', async (store) => {
    await store.set({ allow_mult: true });
    await store.put('k', 'a');
    await store.put('k', 'b');
    assert.deepEqual(await store.values('k'), ['a', 'b']);
    await store.put('k', 'c', { context: await store.context('k') });
    assert.deepEqual(await store.values('k'), ['c']);
  });
});

test('two writes of one turn do not miss each other', async () => {
  await withStore('same-turn', async (store) => {
    await store.set({ allow_mult: true });
    await Promise.all(['a', 'b', 'c'].map((value) => store.put('k', value)));
    assert.deepEqual(await store.values('k'), ['a', 'b', 'c']);
  });
});

test('without siblings the later write is shown; allow_mult turned off hides what is stored (R45)', async () => {
  await withStore('single', async (store) => {
    await store.put('k', 'a');
    await store.put('k', 'b');
    assert.deepEqual(await store.values('k'), ['b']);
    await store.set({ allow_mult: true });
    await store.put('s', 'a');
    await store.put('s', 'b');
    await store.set({ allow_mult: false });
    assert.deepEqual(await store.values('s'), ['b']);
    assert.equal(store.kv.properties(at('x'))?.allow_mult, false);
  });
});

test('sibling explosion (R07): two clients that alternate, each with the context of its own last put', async () => {
  await withStore('explosion', async (store) => {
    await store.set({ allow_mult: true });
    const contexts: (Buffer | undefined)[] = [undefined, undefined];
    for (let put = 0; put < 100; put += 1) {
      const result = await store.put('k', `v${put}`, { context: contexts[put % 2], returnObject: 'head' });
      assert.ok(result.kind === 'stored' && result.object !== undefined);
      contexts[put % 2] = result.object.context;
      assert.ok(result.object.siblingCount <= 3, `${result.object.siblingCount} siblings`);
    }
  });
});

test('a delete leaves a tombstone, is forgotten soon after, and the key can be used again', async () => {
  await withStore('delete', async (store) => {
    await store.put('k', 'v');
    assert.deepEqual(await store.delete('k'), { kind: 'deleted' });
    assert.equal((await store.get('k')).kind, 'notfound');
    for (let tries = 0; tries < 100; tries += 1) {
      const result = await store.get('k');
      assert.ok(result.kind === 'notfound');
      if (result.tombstone === undefined) break;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.deepEqual(await store.get('k'), { kind: 'notfound' });
    assert.deepEqual(await all(store.kv.listKeys(at('x'), {})), []);
    assert.deepEqual(await store.delete('k'), { kind: 'notfound' });
    await store.put('k', 'again');
    assert.deepEqual(await store.values('k'), ['again']);
  });
});

test('a tombstone that is kept shows its context, and a write with it supersedes it', async () => {
  await withStore(
    'keep',
    async (store) => {
      await store.set({ allow_mult: true });
      await store.put('k', 'v');
      await store.delete('k');
      const deleted = await store.get('k');
      assert.ok(deleted.kind === 'notfound' && deleted.tombstone !== undefined);
      await store.put('k', 'new', { context: deleted.tombstone.context });
      assert.deepEqual(await store.values('k'), ['new']);
    },
    { deleteMode: 'keep' },
  );
});

test('a delete with a context it did not read writes a tombstone; a concurrent write stays beside it', async () => {
  await withStore('stale-delete', async (store) => {
    await store.set({ allow_mult: true });
    await store.put('k', 'a');
    const context = await store.context('k');
    await store.put('k', 'b', { context });
    assert.deepEqual(await store.delete('k', { context }), { kind: 'deleted' });
    const result = await store.get('k');
    assert.ok(result.kind === 'found');
    const shown = result.object
      .contents()
      .map((content) => (content.deleted ? 'deleted' : content.value.toString()));
    assert.deepEqual(shown.sort(), ['b', 'deleted']);
  });
});

test('conditions: if_none_match and if_not_modified hold among writes of one turn', async () => {
  await withStore('conditions', async (store) => {
    const racing = await Promise.all(
      ['a', 'b', 'c'].map((value) => store.put('k', value, { ifNoneMatch: true })),
    );
    assert.equal(racing.filter((result) => result.kind === 'stored').length, 1);
    assert.deepEqual(racing.filter((result) => result.kind === 'failed').map(failureOf), [
      { code: 'match_found' },
      { code: 'match_found' },
    ]);
    const context = await store.context('k');
    const updates = ['d', 'e'].map((value) => store.put('k', value, { context, ifNotModified: true }));
    const outcomes = (await Promise.all(updates)).map(failureOf);
    assert.deepEqual(outcomes, ['stored', { code: 'modified' }]);
    assert.deepEqual(failureOf(await store.put('none', 'v', { context, ifNotModified: true })), {
      code: 'notfound',
    });
  });
});

test('quorum options are checked as Riak checks them', async () => {
  await withStore('options', async (store) => {
    await store.put('k', 'v');
    const five = quorumCount(5);
    assert.deepEqual(failureOf(await store.get('k', { r: five })), { code: 'n_val_violation', nVal: 3 });
    assert.deepEqual(failureOf(await store.put('k', 'v', { w: five })), { code: 'n_val_violation', nVal: 3 });
    assert.deepEqual(failureOf(await store.get('k', { nVal: 4 })), { code: 'n_val_violation', nVal: 3 });
    assert.deepEqual(failureOf(await store.get('k', { nodeConfirms: quorumCount(2) })), {
      code: 'insufficient_nodes',
      up: 1,
      needed: 2,
    });
    assert.deepEqual(failureOf(await store.put('k', 'v', { nodeConfirms: quorumCount(2) })), {
      code: 'quorum_unsatisfied',
      quorum: 'node_confirms',
      wanted: 2,
      got: 1,
    });
    assert.equal((await store.put('k', 'v', { dw: quorumCount(0), w: quorumCount(1) })).kind, 'stored');
  });
});

test('W5: a write that misses its quorum is not undone', async () => {
  await withStore('not-undone', async (store) => {
    const failure = failureOf(await store.put('k', 'maybe', { nodeConfirms: quorumCount(2) }));
    assert.equal((failure as { code: string }).code, 'quorum_unsatisfied');
    assert.deepEqual(await store.values('k'), ['maybe']);
  });
});

test('a garbage context is refused (R16), and so are names that are empty or too long', async () => {
  await withStore('refused', async (store) => {
    const context = Buffer.from('78da6360', 'hex');
    assert.deepEqual(failureOf(await store.put('k', 'v', { context })), { code: 'bad_context' });
    assert.deepEqual(failureOf(await store.delete('k', { context })), { code: 'bad_context' });
    assert.deepEqual(failureOf(await store.put('', 'v')), { code: 'bad_name', what: 'key', reason: 'empty' });
    assert.deepEqual(failureOf(await store.get('x'.repeat(65_536))), {
      code: 'bad_name',
      what: 'key',
      reason: 'too_long',
    });
    const bucketType = byteLiteral('nosuch');
    assert.deepEqual(failureOf(await store.get('k', { bucketType })), {
      code: 'unknown_bucket_type',
      bucketType: 'nosuch',
    });
    assert.equal(store.kv.inProgress, 0);
  });
});

test('limits: an object too large or with too many siblings is refused, what was stored stays', async () => {
  await withStore('limits', async (store) => {
    await store.set({ allow_mult: true });
    const error = failureOf(await store.put('k', 'x'.repeat(11_000)));
    assert.equal((error as { code: string }).code, 'too_large');
    assert.equal((await store.get('k')).kind, 'notfound');
    for (let put = 0; put < 10; put += 1) assert.equal((await store.put('s', `${put}`)).kind, 'stored');
    assert.deepEqual(failureOf(await store.put('s', 'one more')), {
      code: 'too_many_siblings',
      siblings: 11,
      siblingsMax: 10,
    });
    assert.equal((await store.values('s')).length, 10);
  });
});

test('keys and buckets are listed once each, in every bucket and partition', async () => {
  await withStore('lists', async (store) => {
    const keys = Array.from({ length: 700 }, (_, index) => `key${index}`).sort();
    for (let from = 0; from < keys.length; from += 100) {
      await Promise.all(keys.slice(from, from + 100).map((key) => store.put(key, 'v')));
    }
    await store.put('k', 'v', { bucket: byteLiteral('other') });
    await store.put('k', 'v', { bucket: byteLiteral('') as ByteString });
    for (let run = 0; run < 5; run += 1) assert.deepEqual(await all(store.kv.listKeys(at('x'), {})), keys);
    assert.deepEqual(await all(store.kv.listBuckets(type, {})), ['b', 'other']);
    const early = store.kv.listKeys(at('x'), {});
    assert.ok(((await early.next())?.length ?? 0) > 0);
    await early.close();
    assert.equal(await early.next(), undefined);
  });
});

test('properties survive a restart, are all-or-nothing, and reset to the defaults', async () => {
  await withStore('properties', async (store) => {
    await store.set({ n_val: 2, custom: new Map([['my', 'own']]) });
    await assert.rejects(store.set({ last_write_wins: true, dvv_enabled: true }), (error: unknown) => {
      assert.ok(error instanceof KvFailure);
      assert.equal(error.error.code, 'invalid_properties');
      return true;
    });
  });
  await withStore('properties', async (store) => {
    const properties = store.kv.properties(at('x'));
    assert.equal(properties?.n_val, 2);
    assert.equal(properties?.last_write_wins, false);
    assert.deepEqual([...(properties?.custom ?? [])], [['my', 'own']]);
    await store.kv.resetProperties(at('x'));
    assert.deepEqual(store.kv.properties(at('x')), defaultBucketProperties);
  });
});

test('the properties of a bucket are bounded in bytes, however they came', async () => {
  await withStore('long-properties', async (store) => {
    const hook = { name: `functions/${'f'.repeat(10_000)}` };
    await store.set({ precommit: [hook] });
    await assert.rejects(store.set({ postcommit: [hook] }), (error) => {
      assert.ok(error instanceof KvFailure && error.error.code === 'invalid_properties');
      assert.deepEqual(error.error.problems, [{ property: 'props', reason: 'too_long' }]);
      return true;
    });
    assert.deepEqual(store.kv.properties(at('any'))?.precommit, [hook]);
    assert.deepEqual(store.kv.properties(at('any'))?.postcommit, []);
  });
});

test('head reads and if_modified', async () => {
  await withStore('if-modified', async (store) => {
    await store.put('k', 'v');
    const context = await store.context('k');
    assert.deepEqual(await store.get('k', { ifModified: context }), { kind: 'unchanged' });
    await store.put('k', 'w', { context });
    assert.equal((await store.get('k', { ifModified: context })).kind, 'found');
  });
});

test('a store that is closing refuses requests and ends those in progress', async () => {
  const store = await Store.open('closing');
  const inFlight = store.put('k', 'v');
  const closed = store.kv.close();
  assert.deepEqual(failureOf(await store.get('k')), { code: 'stopping' });
  assert.equal((await inFlight).kind, 'stored');
  await closed;
  await store.engine.close();
});
