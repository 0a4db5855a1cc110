/** Large values in whole stores: what is stored, what is read, and what is removed when nothing refers to it. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { byteLiteral } from '../../stdx/index.ts';
import { StorageError } from '../../storage/index.ts';
import { defaultBucketProperties } from '../bucket-properties.ts';
import { chunkType } from '../chunk-space.ts';
import {
  type GetResult,
  type KvError,
  type LargePutResult,
  type LargeValueSettings,
  LargeValueStore,
  manifestsOf,
  silentLargeValueObserver,
  VersionedObject,
} from '../index.ts';
import { addressOf, ReplicatedStores, type StoreNode } from '../replicated-stores.fixture.ts';
import { addressOf as addressOfStorageKey, objectsRange } from '../vnode/key-layout.ts';

const settings: LargeValueSettings = {
  thresholdBytes: 1000,
  chunkBytes: 100,
  bytesMax: 50_000,
  uploadsMax: 2,
  downloadsMax: 2,
  uploadMsMax: 60_000,
  sweepIntervalMs: 5000,
  lingerMs: 10_000,
  removalsPerSecondMax: 10_000,
  wholeBytesMax: 20_000,
  wholeHeldBytesMax: 30_000,
};

class LargeNode {
  readonly node: StoreNode;
  readonly values: LargeValueStore;

  constructor(node: StoreNode, changes: Partial<LargeValueSettings> = {}) {
    this.node = node;
    this.values = new LargeValueStore({
      environment: node.environment,
      store: node.store,
      engine: node.engine,
      defaults: { ...defaultBucketProperties, allow_mult: true },
      observer: silentLargeValueObserver,
      settings: { ...settings, ...changes },
    });
    this.values.start();
  }

  put(
    key: string,
    body: AsyncIterable<Buffer>,
    options: { context?: Buffer; length?: number; ifNoneMatch?: boolean } = {},
  ) {
    const content = {
      links: [],
      userMeta: [{ key: byteLiteral('m'), value: byteLiteral('1') }],
      indexes: [],
      deleted: false,
    };
    return this.values.put({ ...addressOf(key), content, ...options }, body);
  }

  /** As HTTP does. */
  async read(key: string): Promise<Buffer | string> {
    const result = await this.node.get(key, { leaveChunks: true });
    if (result.kind !== 'found') return result.kind;
    const [content] = result.object.contents();
    const read = this.values.read(content!.manifest!);
    if ('code' in read) return read.code;
    const pieces: Buffer[] = [];
    for await (const piece of read.chunks) pieces.push(piece);
    assert.equal(Buffer.concat(pieces).length, read.bytes);
    return Buffer.concat(pieces);
  }
}

async function* pieces(value: Buffer, pieceBytes = 77, breaksOff = false): AsyncGenerator<Buffer> {
  for (let at = 0; at < value.length; at += pieceBytes) yield value.subarray(at, at + pieceBytes);
  if (breaksOff) throw new Error('the peer went away');
}

function patternOf(length: number, seed = 1): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => (i * 31 + seed * 7 + (i >> 8)) & 0xff));
}

function contextOf(result: GetResult): Buffer {
  assert.ok(result.kind === 'found');
  return result.object.context;
}

function codeOf(result: LargePutResult): KvError['code'] | undefined {
  return result.kind === 'failed' ? result.error.code : undefined;
}

/** Chunks and records that some node has as live objects. */
async function chunkObjects(stores: ReplicatedStores): Promise<number> {
  const live = new Set<string>();
  for (const { engine, topology } of stores.nodes) {
    for (const partition of topology.ring.partitions()) {
      const cursor = engine.scan(objectsRange(partition));
      for (;;) {
        const entries = await cursor.next({ entriesMax: 1000, bytesMax: 2 ** 20 });
        if (entries.length === 0) break;
        for (const { key, value } of entries) {
          if (VersionedObject.decode(value).isTombstone) continue;
          const { bucketType, bucket, key: name } = addressOfStorageKey(key);
          if (bucketType === chunkType) live.add(`${bucket} ${name}`);
        }
      }
      await cursor.close();
    }
  }
  return live.size;
}

const run = (
  body: (stores: ReplicatedStores, ...nodes: LargeNode[]) => Promise<void>,
  changes?: Partial<LargeValueSettings>,
) =>
  ReplicatedStores.run({ nodes: 5 }, async (stores, ...nodes) => {
    const large = nodes.map((node) => new LargeNode(node, changes));
    await body(stores, ...large);
    for (const { values } of large) await values.close();
  });

test('what was put in pieces is read in pieces, at any node, with its metadata', () =>
  run(async (_, a, b, c) => {
    for (const length of [1001, 1100, 6400, 6401, 20_000]) {
      for (const known of [true, false]) {
        const value = patternOf(length, length);
        const key = `k${length} ${known}`;
        const result = await a!.put(key, pieces(value), known ? { length } : {});
        assert.equal(result.kind, 'stored');
        for (const node of [a, b, c]) assert.deepEqual(await node!.read(key), value);
        const found = await b!.node.get(key, { leaveChunks: true });
        assert.ok(found.kind === 'found');
        assert.deepEqual(found.object.contents()[0]!.userMeta, [{ key: 'm', value: '1' }]);
        assert.equal(found.object.contents()[0]!.value.length, 0);
      }
    }
  }));

test('a body of unknown length that is not large is stored as any other object', () =>
  run(async (stores, a, b) => {
    for (const length of [0, 1, 999, 1000]) {
      assert.equal((await a!.put(`k${length}`, pieces(patternOf(length)))).kind, 'stored');
      const found = await b!.node.get(`k${length}`);
      assert.ok(found.kind === 'found' && !found.object.hasManifest);
      assert.deepEqual(found.object.contents()[0]!.value, patternOf(length));
    }
    assert.equal(await chunkObjects(stores), 0);
  }));

test('a write that is stored beside a value that cannot be shown whole says so, and shows nothing', () =>
  run(async (stores, a, b) => {
    for (const bytes of [5000, 20_001]) {
      const key = `${bytes} bytes`;
      await a!.put(key, pieces(patternOf(bytes)));
      const result = await b!.node.put(key, 'beside', { returnObject: 'body' });
      assert.ok(result.kind === 'stored', JSON.stringify(result));
      const lengths = result.object?.contents().map(({ value }) => value.length);
      assert.deepEqual(lengths?.toSorted(), bytes === 5000 ? [5000, 6] : undefined);
      const found = await a!.node.get(key, { leaveChunks: true });
      assert.ok(found.kind === 'found' && found.object.siblingCount === 2);
    }
    const lines = stores.world.history.recent().filter(({ detail }) => detail.includes('could not be put'));
    assert.equal(lines.length, 1);
    assert.match(lines[0]!.detail, /key=20001 bytes code=too_large_to_assemble/);
  }));

test('who takes objects whole gets the value, or is told why not', () =>
  run(async (_, a, b) => {
    await a!.put('fits', pieces(patternOf(5000)));
    await a!.put('too large', pieces(patternOf(20_001)));
    const whole = await b!.node.get('fits');
    assert.ok(whole.kind === 'found');
    assert.deepEqual(whole.object.contents()[0]!.value, patternOf(5000));
    assert.equal(whole.object.contents()[0]!.manifest, undefined);
    const head = await b!.node.get('too large', { head: true });
    assert.ok(head.kind === 'found', 'the head needs no value');
    const refused = await b!.node.get('too large');
    assert.deepEqual(refused, {
      kind: 'failed',
      error: { code: 'too_large_to_assemble', bytes: 20_001, bytesMax: 20_000 },
    });
    // Several at once have room for one.
    await a!.put('another', pieces(patternOf(18_000)));
    const both = await Promise.all([b!.node.get('another'), b!.node.get('another')]);
    assert.deepEqual(both.map((got) => (got.kind === 'failed' ? got.error.code : got.kind)).sort(), [
      'found',
      'overload',
    ]);
  }));

test('a part of a value is read from its chunks', () =>
  run(async (_, a) => {
    const value = patternOf(2050);
    await a!.put('k', pieces(value));
    const found = await a!.node.get('k', { leaveChunks: true });
    assert.ok(found.kind === 'found');
    const { manifest } = found.object.contents()[0]!;
    for (const [from, to] of [
      [0, 1],
      [99, 101],
      [100, 200],
      [150, 1050],
      [2049, 2050],
      [0, 2050],
    ] as const) {
      const read = a!.values.read(manifest!, { from, to });
      assert.ok(!('code' in read));
      const parts: Buffer[] = [];
      for await (const part of read.chunks) parts.push(part);
      assert.deepEqual(Buffer.concat(parts), value.subarray(from, to), `${from} to ${to}`);
    }
  }));

test('concurrent writers leave siblings, each with its own value; a successor takes the place of both', () =>
  run(async (_, a, b) => {
    await Promise.all([a!.put('k', pieces(patternOf(3000, 1))), b!.put('k', pieces(patternOf(4000, 2)))]);
    await a!.node.put('k', 'small');
    const whole = await a!.node.get('k');
    assert.ok(whole.kind === 'found');
    const values = whole.object.contents().map(({ value }) => value.length);
    assert.deepEqual(
      values.sort((x, y) => x - y),
      [5, 3000, 4000],
    );
    await b!.put('k', pieces(patternOf(2000, 3)), { context: contextOf(whole) });
    assert.deepEqual(await a!.read('k'), patternOf(2000, 3));
  }));

test('a condition holds for a large write too', () =>
  run(async (_, a) => {
    await a!.node.put('k', 'v');
    assert.equal(codeOf(await a!.put('k', pieces(patternOf(3000)), { ifNoneMatch: true })), 'match_found');
    assert.deepEqual(await a!.node.values('k'), ['v']);
  }));

test('a body that breaks off, is too long or is not what was announced writes nothing, and leaves nothing', () =>
  run(async (stores, a) => {
    await a!.node.put('k', 'v');
    assert.equal((await a!.put('k', pieces(patternOf(5000), 100, true))).kind, 'broken_off');
    assert.equal((await a!.put('k', pieces(patternOf(5000)), { length: 5001 })).kind, 'broken_off');
    assert.equal(codeOf(await a!.put('k', pieces(patternOf(60_000)))), 'too_large');
    assert.equal(codeOf(await a!.put('k', pieces(patternOf(1)), { length: 60_000 })), 'too_large');
    assert.deepEqual(await a!.node.values('k'), ['v']);
    await stores.world.sleep(300_000);
    assert.equal(await chunkObjects(stores), 0);
  }));

test('a body that is refused when some of it has come is ended, so that its peer is read on', () =>
  run(async (stores, a) => {
    for (const reason of ['the record cannot be stored', 'the bucket has gone'] as const) {
      let isEnded = false;
      async function* endless(): AsyncGenerator<Buffer> {
        try {
          for (;;) yield patternOf(100);
        } finally {
          isEnded = true;
        }
      }
      const body = endless();
      if (reason === 'the bucket has gone') {
        const { door } = a!.node.store;
        const lookUp = door.lookUp.bind(door);
        let asked = 0;
        door.lookUp = (address) => {
          asked += 1;
          return asked === 1 ? lookUp(address) : { code: 'being_dropped' };
        };
      }
      for (const node of stores.nodes) node.refusesWrites = true;
      assert.equal((await a!.put('k', body)).kind, 'failed', reason);
      for (const node of stores.nodes) node.refusesWrites = false;
      assert.ok(isEnded, reason);
    }
  }));

test('more uploads at once than the node takes are refused', () =>
  run(async (_, a) => {
    const results = await Promise.all(
      [1, 2, 3].map((i) => a!.put(`k${i}`, pieces(patternOf(3000)), { length: 3000 })),
    );
    assert.deepEqual(
      results.map((result) => codeOf(result) ?? result.kind),
      ['stored', 'stored', 'overload'],
    );
  }));

test('an upload that takes too long is ended, and its manifest never written', () =>
  run(async (stores, a) => {
    async function* slow(): AsyncGenerator<Buffer> {
      for (let at = 0; at < 20; at += 1) {
        await stores.world.sleep(4000);
        yield patternOf(100);
      }
    }
    assert.equal(codeOf(await a!.put('k', slow(), { length: 2000 })), 'timeout');
    assert.deepEqual(await a!.node.values('k'), []);
  }));

test('chunks of what was replaced, deleted or given up are removed; what is referred to stays', () =>
  run(async (stores, a, b, c) => {
    await a!.put('kept', pieces(patternOf(3000, 1)));
    await a!.put('replaced', pieces(patternOf(3000, 2)));
    await a!.put('deleted', pieces(patternOf(3000, 3)));
    await Promise.all([
      a!.put('sibling', pieces(patternOf(3000, 4))),
      b!.put('sibling', pieces(patternOf(3000, 5))),
    ]);
    const before = await chunkObjects(stores);
    assert.equal(before, 5 * 31);
    await b!.node.put('replaced', 'small', { context: contextOf(await b!.node.get('replaced')) });
    await c!.node.delete('deleted');
    await stores.world.sleep(60_000);
    assert.equal(await chunkObjects(stores), before, 'uploads may still be under way');
    await stores.world.sleep(180_000);
    assert.equal(await chunkObjects(stores), 3 * 31);
    assert.deepEqual(await c!.read('kept'), patternOf(3000, 1));
    const siblings = await c!.node.get('sibling');
    assert.ok(siblings.kind === 'found' && siblings.object.siblingCount === 2);
  }));

test('G3: wall clocks that jump take nothing from an upload that is under way', () =>
  run(async (stores, a) => {
    async function* slow(): AsyncGenerator<Buffer> {
      for (let at = 0; at < 20; at += 1) {
        await stores.world.sleep(2500);
        yield patternOf(100, at);
        if (at > 0) continue;
        for (const { id } of stores.nodes) stores.world.node(id).jumpClock(86_400_000);
      }
    }
    assert.equal((await a!.put('k', slow(), { length: 2000 })).kind, 'stored');
    const read = await a!.read('k');
    assert.ok(Buffer.isBuffer(read) && read.length === 2000);
    await stores.world.sleep(300_000);
    assert.deepEqual(await a!.read('k'), read);
  }));

test('while a node is away nothing is removed: it may hold the manifest', () =>
  run(async (stores, a, b) => {
    await a!.put('k', pieces(patternOf(3000)));
    await b!.node.delete('k');
    for (const node of stores.nodes) node.topology.isSettled = false;
    await stores.world.sleep(600_000);
    assert.equal(await chunkObjects(stores), 31);
    for (const node of stores.nodes) node.topology.isSettled = true;
    await stores.world.sleep(120_000);
    assert.equal(await chunkObjects(stores), 0);
  }));

test('who reads a value while it is replaced reads it to its end', () =>
  run(async (stores, a, b) => {
    await a!.put('k', pieces(patternOf(3000)));
    await stores.world.sleep(300_000);
    const found = await a!.node.get('k', { leaveChunks: true });
    assert.ok(found.kind === 'found');
    const read = a!.values.read(found.object.contents()[0]!.manifest!);
    assert.ok(!('code' in read));
    const parts: Buffer[] = [];
    for await (const part of read.chunks) {
      if (parts.length === 0) await b!.node.put('k', 'small', { context: found.object.context });
      await stores.world.sleep(250);
      parts.push(part);
    }
    assert.deepEqual(Buffer.concat(parts), patternOf(3000));
  }));

test('a chunk that one replica lost is read from another; one that all lost is named', () =>
  run(async (stores, a) => {
    await a!.put('k', pieces(patternOf(3000)));
    const found = await a!.node.get('k', { leaveChunks: true });
    assert.ok(found.kind === 'found');
    const [manifest] = manifestsOf(found.object);
    const lose = async (nodes: readonly StoreNode[]): Promise<void> => {
      for (const { engine, topology } of nodes) {
        for (const partition of topology.ring.partitions()) {
          const cursor = engine.scan(objectsRange(partition));
          const entries = await cursor.next({ entriesMax: 1000, bytesMax: 2 ** 20 });
          await cursor.close();
          for (const { key } of entries) {
            if (key.includes(`${manifest!.upload}.00000003`))
              await engine.deleteRange({ from: key, to: Buffer.concat([key, Buffer.alloc(1)]) });
          }
        }
      }
    };
    await lose(stores.nodes.slice(0, 2));
    assert.deepEqual(await a!.read('k'), patternOf(3000));
    await lose(stores.nodes);
    await assert.rejects(a!.read('k'), { error: { code: 'chunk_missing', index: 3 } });
    const whole = await a!.node.get('k');
    assert.deepEqual(whole, { kind: 'failed', error: { code: 'chunk_missing', index: 3 } });
  }));

test('no client reaches the chunks by their names', () =>
  run(async (_, a) => {
    const address = { bucketType: chunkType, bucket: byteLiteral('chunks'), key: byteLiteral('k') };
    const got = await new Promise<GetResult>((done) => a!.node.store.get(address, done));
    assert.ok(got.kind === 'failed' && got.error.code === 'unknown_bucket_type');
    assert.equal(a!.node.store.properties(address), undefined);
    assert.throws(() => a!.node.store.listKeys(address, {}), {
      error: { code: 'unknown_bucket_type', bucketType: '\0large' },
    });
  }));

test('G1: when a chunk cannot be stored the object is not written', () =>
  run(async (stores, a) => {
    await a!.node.put('k', 'v');
    const lost = Buffer.from('.00000007');
    for (const { engine } of stores.nodes) {
      const write = engine.write.bind(engine);
      engine.write = (batch, durability) =>
        batch.keys.some((key) => key.includes(lost))
          ? Promise.reject(new StorageError('io', 'sick disk'))
          : write(batch, durability);
    }
    // Neither in the middle nor when it is the last one.
    for (const length of [3000, 800, 750]) {
      const result = await a!.put('k', pieces(patternOf(length)), { length });
      assert.equal(result.kind, 'failed', `${length} bytes`);
    }
    assert.deepEqual(await a!.node.values('k'), ['v']);
  }));

test('a value that is deleted and written anew keeps the chunks of the new one only', () =>
  run(async (stores, a, b) => {
    for (let round = 0; round < 3; round += 1) {
      await a!.put('k', pieces(patternOf(1500, round)));
      await b!.node.delete('k');
    }
    const found = await b!.node.get('k');
    assert.ok(found.kind === 'notfound');
    await a!.put(
      'k',
      pieces(patternOf(1500, 9)),
      found.tombstone === undefined ? {} : { context: found.tombstone.context },
    );
    await stores.world.sleep(400_000);
    assert.deepEqual(await b!.read('k'), patternOf(1500, 9));
    assert.equal(await chunkObjects(stores), 16);
  }));
