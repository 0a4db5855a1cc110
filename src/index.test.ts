/** One suite for both ways to a database: a node in this process, and a node over real sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { bothWays, fails, servedNode } from './both-ways.fixture.ts';
import { type HaleError, open, testCluster } from './index.ts';

const user = z.object({ name: z.string(), age: z.number().default(0) });

for (const [way, make] of bothWays) {
  test(`${way}: values keep their types, metadata and indexes`, async (context) => {
    const db = await make(context);
    const users = db.bucket('users', { schema: user, indexes: ({ name }) => ({ name_bin: name }) });
    assert.equal(await users.get('ada'), undefined);
    await users.put('ada', { name: 'Ada' }, { metadata: { from: 'test' } });
    const ada = await users.get('ada');
    const age: number | undefined = ada?.age;
    assert.equal(age, 0);
    const entry = await users.entry('ada');
    assert.deepEqual(entry?.value, { name: 'Ada', age: 0 });
    assert.equal(entry?.contentType, 'application/json');
    assert.deepEqual([...entry!.metadata], [['from', 'test']]);
    assert.deepEqual([...entry!.indexes], [['name_bin', ['Ada']]]);
    assert.ok(entry?.lastModified instanceof Date);
    // @ts-expect-error: a number is no name
    await assert.rejects(users.put('bob', { name: 7 }), fails('invalid_value'));
    await assert.rejects(users.get(''), fails('invalid_argument'));
    const added = await users.add({ name: 'New' });
    assert.equal((await users.get(added))?.name, 'New');
    await users.delete('ada');
    assert.equal(await users.get('ada'), undefined);
    await users.delete('ada');
  });

  test(`${way}: bytes come back as they went`, async (context) => {
    const db = await make(context);
    const files = db.bytes('files');
    const bytes = Uint8Array.from({ length: 200_000 }, (_, i) => i % 256);
    await files.put('f', bytes, { contentType: 'image/png' });
    const entry = await files.entry('f');
    assert.deepEqual(new Uint8Array(entry!.value), bytes);
    assert.equal(entry!.contentType, 'image/png');
  });

  test(`${way}: conditions hold`, async (context) => {
    const db = await make(context);
    const notes = db.bucket<string>('notes');
    await notes.put('n', 'one', { ifAbsent: true });
    await assert.rejects(notes.put('n', 'two', { ifAbsent: true }), fails('exists'));
    const { context: seen } = (await notes.entry('n'))!;
    await notes.put('n', 'two', { ifUnchanged: seen });
    await assert.rejects(notes.put('n', 'three', { ifUnchanged: seen }), fails('changed'));
    assert.equal(await notes.get('n'), 'two');
  });

  test(`${way}: concurrent updates all count, and keep metadata`, async (context) => {
    const db = await make(context);
    const bucket = db.bucket<number[]>('sets', { merge: (all) => [...new Set(all.flatMap((s) => s.value))] });
    await bucket.setProperties({ allow_mult: true });
    await bucket.put('s', [], { metadata: { owner: 'me' } });
    const members = [1, 2, 3, 4, 5];
    await Promise.all(members.map((n) => bucket.update('s', (now = []) => [...now, n])));
    const entry = await bucket.entry('s');
    assert.deepEqual(
      entry!.value.toSorted((a, b) => a - b),
      members,
    );
    assert.equal(entry!.metadata.get('owner'), 'me');
  });

  test(`${way}: siblings are merged, shown, or refused`, async (context) => {
    const db = await make(context);
    const plain = db.bucket<string>('b');
    await plain.setProperties({ allow_mult: true });
    await plain.put('k', 'x');
    await plain.put('k', 'y');
    await assert.rejects(plain.get('k'), fails('siblings'));
    assert.deepEqual((await plain.siblings('k'))!.siblings.map((s) => s.value).sort(), ['x', 'y']);
    assert.equal(await db.bucket<string>('b', { merge: 'latest' }).get('k'), 'y');
    const joined = db.bucket<string>('b', {
      merge: (all) =>
        all
          .map((s) => s.value)
          .sort()
          .join('+'),
    });
    assert.equal(await joined.get('k'), 'x+y');
    assert.equal(await joined.update('k', (now) => `${now}!`), 'x+y!');
    assert.equal(await plain.get('k'), 'x+y!');
  });

  test(`${way}: an update after a delete does not meet the deleted value`, async (context) => {
    const db = await make(context);
    const bucket = db.bucket<number>('counts');
    await bucket.setProperties({ allow_mult: true });
    await bucket.update('k', (now = 0) => now + 1);
    await bucket.delete('k');
    assert.equal(await bucket.update('k', (now = 0) => now + 10), 10);
    assert.equal((await bucket.siblings('k'))!.siblings.length, 1);
  });

  test(`${way}: keys and buckets are listed, and a loop may be left`, async (context) => {
    const db = await make(context);
    const bucket = db.bucket<number>('many');
    const names = Array.from({ length: 500 }, (_, i) => `k${i}`);
    await Promise.all(names.map((name, i) => bucket.put(name, i)));
    const listed: string[] = [];
    for await (const key of bucket.keys()) listed.push(key);
    assert.deepEqual(listed.sort(), names.slice().sort());
    for await (const key of bucket.keys()) {
      assert.match(key, /^k/);
      break;
    }
    const buckets: string[] = [];
    for await (const name of db.buckets()) buckets.push(name);
    assert.deepEqual(buckets, ['many']);
    assert.equal(await bucket.get('k7'), 7);
  });

  test(`${way}: properties are set and reset`, async (context) => {
    const db = await make(context);
    const bucket = db.bucket('props');
    await bucket.setProperties({ n_val: 1, r: 'one', allow_mult: true });
    const { n_val, r, w, allow_mult } = await bucket.properties();
    assert.deepEqual({ n_val, r, w, allow_mult }, { n_val: 1, r: 'one', w: 'quorum', allow_mult: true });
    await bucket.resetProperties();
    assert.equal((await bucket.properties()).n_val, 3);
    // @ts-expect-error: no such property
    await assert.rejects(bucket.setProperties({ n_vall: 1 }), fails('invalid_argument'));
  });

  test(`${way}: a signal and a close end calls`, async (context) => {
    const db = await make(context);
    const bucket = db.bucket<number>('b');
    await assert.rejects(bucket.get('k', { signal: AbortSignal.abort('enough') }), (error) => {
      return fails('aborted')(error) && (error as HaleError).cause === 'enough';
    });
    await db.close();
    await db.close();
    await assert.rejects(bucket.get('k'), fails('closed'));
  });
}

test('a directory keeps what was stored, and is refused to a second node', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'hale-open-'));
  try {
    const first = await open(directory);
    await first.bucket<string>('b').put('k', 'kept');
    await assert.rejects(open(directory), fails('storage'));
    await first.close();
    const again = await open(directory);
    assert.equal(await again.bucket<string>('b').get('k'), 'kept');
    await again.close();
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('nobody there: unavailable; a wrong address: invalid_argument', async () => {
  await assert.rejects(open('hale://127.0.0.1:1', { connectTimeoutMs: 150 }), fails('unavailable'));
  await assert.rejects(async () => open('hale://a:b'), fails('invalid_argument'));
});

test('reads and writes go on at another node when one stops', async (context) => {
  const [one, two] = [await servedNode(context), await servedNode(context)];
  const ports = [one, two].map((node) => `127.0.0.1:${node.protobufAddress!.port}`);
  const db = await open(`hale://${ports.join(',')}`);
  context.after(() => db.close());
  const bucket = db.bucket<number>('b');
  await Promise.all(Array.from({ length: 20 }, (_, i) => bucket.put(`k${i}`, i)));
  await one.stop();
  for (let i = 0; i < 20; i += 1) await bucket.get(`k${i}`);
  await bucket.put('after', 1);
  assert.equal(await bucket.get('after'), 1);
});

for (const [way, make] of bothWays) {
  test(`${way}: the timeout of a listing is for all of it`, async (context) => {
    const db = await make(context);
    const bucket = db.bucket<number>('b');
    await bucket.put('k', 1);
    const slowly = async (names: AsyncIterable<string>): Promise<number> => {
      let count = 0;
      for await (const _name of names) {
        count += 1;
        await sleep(60);
      }
      return count;
    };
    await assert.rejects(slowly(bucket.keys({ timeoutMs: 50 })), fails('timeout'));
    await assert.rejects(slowly(db.buckets({ timeoutMs: 50 })), fails('timeout'));
    await assert.rejects(slowly(bucket.keys({ timeoutMs: -1 })), fails('invalid_argument'));
    assert.equal(await slowly(bucket.keys({ timeoutMs: 5000 })), 1);
    assert.equal(await slowly(bucket.keys()), 1);
  });
}

for (const [way, make] of bothWays) {
  test(`${way}: the timeout of an update is for its reading, changing and writing together`, async (context) => {
    const db = await make(context);
    const bucket = db.bucket<number>('b');
    const slowly = async (): Promise<number> => {
      await sleep(80);
      return 1;
    };
    await assert.rejects(bucket.update('k', slowly, { timeoutMs: 50 }), fails('timeout'));
    assert.equal(await bucket.get('k'), undefined);
    assert.equal(await bucket.update('k', slowly, { timeoutMs: 5000 }), 1);
  });

  test(`${way}: a closed database says so, whatever is asked`, async (context) => {
    const db = await make(context);
    const bucket = db.bucket<number>('b');
    await db.close();
    await assert.rejects(bucket.get('k'), fails('closed'));
    await assert.rejects(bucket.put('k', 1), fails('closed'));
    await assert.rejects(bucket.properties(), fails('closed'));
    await assert.rejects(bucket.keys().next(), fails('closed'));
    await assert.rejects(db.ping(), fails('closed'));
  });
}

test('embedded: a listing takes longer than list_timeout if it is given more', async (context) => {
  const cluster = await testCluster({ configuration: { list_timeout: 50 } });
  context.after(() => cluster.close());
  const bucket = cluster.db.bucket<number>('b');
  await bucket.put('k', 1);
  const listed = async (options: { timeoutMs?: number }): Promise<void> => {
    for await (const _name of bucket.keys(options)) await sleep(100);
  };
  await assert.rejects(listed({}), fails('timeout'));
  await listed({ timeoutMs: 5000 });
});

test('a test cluster starts in under 200 ms', async () => {
  const times: number[] = [];
  for (let start = 0; start < 5; start += 1) {
    const startedAt = performance.now();
    await using cluster = await testCluster();
    await cluster.db.bucket<number>('b').put('k', 1);
    times.push(performance.now() - startedAt);
  }
  assert.ok(Math.min(...times) < 200, `${times.join(', ')} ms`);
});

test('an embedded node with a listener keeps to the limits that it is given', async (context) => {
  const http = { host: '127.0.0.1', port: await freePort() };
  const configuration = { 'listener.http.internal': http, 'http.headers.maximum': 1024 };
  const cluster = await testCluster({ configuration });
  context.after(() => cluster.close());
  const ping = (note: string) => fetch(`http://127.0.0.1:${http.port}/ping`, { headers: { note } });
  assert.equal((await ping('short')).status, 200);
  assert.equal((await ping('x'.repeat(2000))).status, 431);
});

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
