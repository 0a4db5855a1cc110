/** Objects that expire, in whole stores: what is shown, what is forgotten, and what must not come back. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { byteLiteral } from '../../stdx/index.ts';
import { encodeContent } from '../../wire/index.ts';
import { KvFailure, type PutRequest, type ResultStream } from '../index.ts';
import { addressOf, ReplicatedStores, type StoreNode } from '../replicated-stores.fixture.ts';
import { ObjectKey, partitionRange, reapedMsMin } from '../vnode/index.ts';

const marginMs = 5000;
const settings = {
  expiryMarginMs: marginMs,
  expirySweepIntervalMs: 1000,
  expirySweepPerSecondMax: 1000,
};

function expiring(value: string, ttlSeconds: number, index?: string): Pick<PutRequest, 'content'> {
  const indexes = index === undefined ? [] : [{ key: byteLiteral('f_bin'), value: byteLiteral(index) }];
  const content = { value: Buffer.from(value), links: [], userMeta: [], indexes, deleted: false, ttlSeconds };
  return { content: encodeContent(content) };
}

async function put(node: StoreNode, key: string, value: string, ttlSeconds: number): Promise<void> {
  assert.equal((await node.put(key, '', expiring(value, ttlSeconds))).kind, 'stored');
}

async function all<Item>(stream: ResultStream<Item>): Promise<Item[]> {
  const found: Item[] = [];
  try {
    for (let next = await stream.next(); next !== undefined; next = await stream.next()) found.push(...next);
  } catch (error) {
    if (error instanceof KvFailure) throw new Error(JSON.stringify(error.error));
    throw error;
  }
  return found;
}

/** Storage keys of partitions, of all nodes: objects and what is kept beside them. */
async function heldKeys(stores: ReplicatedStores): Promise<number> {
  let count = 0;
  for (const { engine, topology } of stores.nodes) {
    for (const partition of topology.ring.partitions()) {
      const cursor = engine.scan(partitionRange(partition), { keysOnly: true });
      count += (await cursor.next({ entriesMax: 1000, bytesMax: 2 ** 20 })).length;
      await cursor.close();
    }
  }
  return count;
}

test('what has expired is found by nobody: gets, conditions, deletes, and it may be written anew', () =>
  ReplicatedStores.run({ settings, nodes: 3 }, async ({ world }, a, b, c) => {
    await put(a, 'k', 'v', 10);
    await world.sleep(9900);
    for (const node of [a, b, c]) assert.deepEqual(await node.values('k'), ['v']);
    assert.equal((await b.put('k', 'w', { ifNoneMatch: true })).kind, 'failed');
    await world.sleep(200);
    for (const node of [a, b, c]) {
      const got = await node.get('k');
      assert.ok(got.kind === 'notfound' && got.tombstone?.isTombstone === true, 'as if it had been deleted');
    }
    assert.deepEqual((await c.delete('k')).kind, 'notfound');
    const [found] = await Promise.all([b.put('k', 'again', { ifNoneMatch: true })]);
    assert.equal(found.kind, 'stored');
    for (const node of [a, b, c]) assert.deepEqual(await node.values('k'), ['again']);
    await world.sleep(60_000);
    assert.deepEqual(await a.values('k'), ['again'], 'the end of the one is not that of the other');
  }));

test('each write says anew how long it lives: itself, or its bucket', () =>
  ReplicatedStores.run({ settings, nodes: 3 }, async ({ world }, a) => {
    await a.store.setProperties(addressOf('k'), { ttl: 10 });
    await a.put('of the bucket', 'v');
    await put(a, 'longer', 'v', 30);
    await put(a, 'for ever', 'v', 0);
    await put(a, 'renewed', 'v', 1);
    await a.put('renewed', 'w');
    await world.sleep(9000);
    for (const key of ['of the bucket', 'longer', 'for ever']) assert.deepEqual(await a.values(key), ['v']);
    assert.deepEqual(await a.values('renewed'), ['w']);
    await world.sleep(2000);
    for (const key of ['of the bucket', 'renewed']) assert.deepEqual(await a.values(key), []);
    await a.store.setProperties(addressOf('k'), { ttl: 1000 });
    assert.deepEqual(await a.values('of the bucket'), [], 'what is written keeps its end');
    await world.sleep(25_000);
    assert.deepEqual(await a.values('longer'), []);
    assert.deepEqual(await a.values('for ever'), ['v']);
  }));

test('it is gone from every disk when the margin has passed, and what was kept beside it', () =>
  ReplicatedStores.run({ settings, nodes: 3 }, async (stores, a, b) => {
    const { world } = stores;
    for (let at = 0; at < 20; at += 1) {
      const value = at % 2 === 0 ? expiring('v', 20, 'x') : expiring('v', 0, 'x');
      assert.equal((await a.put(`k${at}`, '', value)).kind, 'stored');
    }
    const held = await heldKeys(stores);
    await world.sleep(21_000);
    assert.equal(await heldKeys(stores), held, 'the margin has not passed');
    await world.sleep(marginMs + 3000);
    // Of each object: itself and its index entry, three times; and what is remembered of those that are gone.
    assert.equal(await heldKeys(stores), 10 * 3 * 2 + 10 * 3);
    await world.sleep(reapedMsMin);
    assert.equal(await heldKeys(stores), 10 * 3 * 2);
    for (let at = 0; at < 20; at += 1) {
      assert.deepEqual(await b.values(`k${at}`), at % 2 === 0 ? [] : ['v']);
    }
  }));

test('listings and index queries show it until its end, and not after', () =>
  ReplicatedStores.run({ settings, nodes: 1 }, async ({ world }, a) => {
    for (let at = 0; at < 20; at += 1) {
      const value = at % 2 === 0 ? expiring('v', 20, 'x') : expiring('v', 0, 'x');
      assert.equal((await a.put(`k${at}`, '', value)).kind, 'stored');
    }
    const bucket = { bucketType: byteLiteral('default'), bucket: byteLiteral('b') };
    const equal = { kind: 'equal', term: byteLiteral('x') } as const;
    const between = { kind: 'between', from: byteLiteral('k'), to: byteLiteral('l') } as const;
    const counts = async () => [
      (await all(a.store.listKeys(bucket, {}))).length,
      (await all(a.store.indexes.query({ ...bucket, field: byteLiteral('f_bin'), range: equal }))).length,
      (await all(a.store.indexes.query({ ...bucket, field: byteLiteral('$key'), range: between }))).length,
      await a.store.indexes.count({ ...bucket, field: byteLiteral('f_bin'), range: equal }),
    ];
    await world.sleep(19_000);
    assert.deepEqual(await counts(), [20, 20, 20, 20]);
    await world.sleep(1100);
    assert.deepEqual(await counts(), [10, 10, 10, 10], 'though it is on the disk');
    await world.sleep(60_000);
    assert.deepEqual(await counts(), [10, 10, 10, 10]);
  }));

test('what a replica missed does not come back when what replaced it has expired', () =>
  ReplicatedStores.run({ settings, nodes: 5 }, async (stores) => {
    const { world } = stores;
    const { primaries, partitions } = stores.placesOf('k');
    const [a, b, c] = primaries as [StoreNode, StoreNode, StoreNode];
    await a.put('k', 'old');
    for (const node of stores.nodes) node.topology.isSettled = false;
    stores.cut(a, c);
    stores.cut(b, c);
    stores.declareDown(c);
    const seen = await a.get('k');
    assert.ok(seen.kind === 'found');
    const over = { ...expiring('new', 5), context: seen.object.context };
    assert.equal((await a.put('k', '', over)).kind, 'stored');
    await world.sleep(60_000);
    assert.deepEqual(await b.values('k'), []);
    assert.ok((await a.copy(partitions[0]!, 'k')) !== undefined, 'it waits for who is away');
    stores.heal();
    assert.deepEqual(await a.values('k'), [], 'the newer of both has expired');
    await world.sleep(1000);
    for (const node of stores.nodes) node.topology.isSettled = true;
    await world.sleep(30_000);
    for (const node of stores.nodes) assert.deepEqual(await node.values('k'), []);
    for (const [i, node] of primaries.entries()) {
      assert.equal(await node.copy(partitions[i]!, 'k'), undefined, 'now that all have it, it goes');
    }
  }));

test('a clock that is an hour ahead hides what others show, and forgets nothing that they hold', () =>
  ReplicatedStores.run(
    { settings: { ...settings, expiryMarginMs: 7_200_000 }, nodes: 3 },
    async (stores, a, b, c) => {
      const { world } = stores;
      world.node(c.id).jumpClock(3_600_000);
      await put(a, 'k', 'v', 1800);
      assert.deepEqual(await c.values('k'), [], 'by its clock the time is up');
      assert.deepEqual(await a.values('k'), ['v']);
      assert.deepEqual(await b.values('k'), ['v']);
      await world.sleep(60_000);
      const { primaries, partitions } = stores.placesOf('k');
      for (const [i, node] of primaries.entries()) {
        assert.ok((await node.copy(partitions[i]!, 'k')) !== undefined, 'all have it still');
      }
      await put(c, 'of c', 'v', 1800);
      assert.deepEqual(await c.values('of c'), ['v']);
      await world.sleep(1_800_000);
      assert.deepEqual(await c.values('of c'), []);
      assert.deepEqual(await a.values('of c'), ['v'], 'an hour longer');
    },
  ));

test('a copy that is not past its margin by its own clock stays, whoever wants it to go', () =>
  ReplicatedStores.run({ settings, nodes: 3 }, async (stores, a, b) => {
    const { world } = stores;
    await put(a, 'k', 'v', 10);
    const { partitions, primaries } = stores.placesOf('k');
    const copy = await primaries[0]!.copy(partitions[0]!, 'k');
    assert.ok(copy !== undefined);
    const n = 3;
    const reap = {
      kind: 'reap',
      key: new ObjectKey(addressOf('k')),
      tombstone: copy,
      first: partitions[0]!,
      n,
    } as const;
    await world.sleep(12_000);
    await primaries[0]!.ask(partitions[0]!, reap);
    await world.sleep(100);
    assert.ok((await primaries[0]!.copy(partitions[0]!, 'k')) !== undefined);
    await world.sleep(marginMs);
    await b.values('k');
    await world.sleep(100);
    assert.equal(await primaries[0]!.copy(partitions[0]!, 'k'), undefined);
  }));

test('a node that stops looks again for what expired before it began', () =>
  ReplicatedStores.run({ settings, nodes: 1 }, async (stores, a) => {
    const { world } = stores;
    await put(a, 'k', 'v', 10);
    await a.store.close();
    await world.sleep(60_000);
    await a.open();
    await world.sleep(3000 + reapedMsMin);
    assert.equal(await heldKeys(stores), 0, 'though nobody has read it');
    assert.deepEqual(await a.values('k'), []);
  }));

test('where two wrote at once each value has its own end; where one stands for both, it is its end that counts', () =>
  ReplicatedStores.run({ settings, nodes: 3 }, async ({ world }, a) => {
    await put(a, 'k', 'stays', 0);
    await put(a, 'k', 'goes', 10);
    assert.deepEqual(await a.values('k'), ['goes', 'stays']);
    await world.sleep(11_000);
    assert.deepEqual(await a.values('k'), ['stays']);
    await a.store.setProperties(addressOf('k'), { allow_mult: false });
    await put(a, 'one', 'first', 0);
    await put(a, 'one', 'second', 10);
    assert.deepEqual(await a.values('one'), ['second']);
    await world.sleep(11_000);
    assert.deepEqual(await a.values('one'), [], 'what it replaced does not come back');
  }));
