/** Data types and times to live through both ways to a database: a node in this process, and one over real sockets. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { bothWays, embedded, fails } from './both-ways.fixture.ts';
import {
  bytes,
  counter,
  type Database,
  flag,
  integer,
  json,
  map,
  register,
  set,
  testCluster,
} from './index.ts';

for (const [way, make] of bothWays) {
  test(`${way}: counters count up and down, and as far as they go`, async (context) => {
    const db = await make(context);
    const visits = db.counter('pages');
    assert.equal(await visits.get('home'), 0);
    await Promise.all(Array.from({ length: 8 }, () => visits.increment('home')));
    await visits.increment('home', -3);
    assert.equal(await visits.get('home'), 5);
    await visits.increment('far', 2n ** 60n);
    assert.equal(await visits.getExactly('far'), 2n ** 60n);
    await assert.rejects(visits.get('far'), fails('undecodable'));
    await assert.rejects(visits.increment('home', 0.5), fails('invalid_argument'));
    await assert.rejects(visits.increment('home', 2n ** 70n), fails('invalid_argument'));
    await assert.rejects(visits.increment(''), fails('invalid_argument'));
    assert.deepEqual(await listed(visits.keys()), ['far', 'home']);
    await visits.delete('home');
    assert.equal(await visits.get('home'), 0);
  });

  test(`${way}: sets add and remove, and their elements have types`, async (context) => {
    const db = await make(context);
    const tags = db.set('tags');
    assert.deepEqual(await tags.get('s'), new Set());
    await tags.remove('s', ['never there']);
    await tags.add('s', ['b', 'a', 'b', 'ü']);
    await tags.remove('s', ['b', 'never there']);
    await tags.update('s', { add: ['c'], remove: ['a'] });
    const now: ReadonlySet<string> = await tags.get('s');
    assert.deepEqual([...now], ['c', 'ü']);
    // @ts-expect-error: a set of text holds no numbers
    await assert.rejects(tags.add('s', [7]), fails('invalid_value'));

    const primes = db.set('primes', { element: integer });
    await primes.add('p', [2, 3, 5]);
    assert.deepEqual(await primes.get('p'), new Set([2, 3, 5]));
    await assert.rejects(primes.add('p', [0.5]), fails('invalid_value'));
    await assert.rejects(db.set('tags', { element: integer }).get('s'), fails('undecodable'));
    const points = db.set('points', { element: json<{ x: number; y: number }>() });
    await points.add('p', [{ x: 1, y: 2 }]);
    assert.deepEqual([...(await points.get('p'))], [{ x: 1, y: 2 }]);
    const blobs = db.set('blobs', { element: bytes });
    await blobs.add('b', [Uint8Array.of(0, 255)]);
    assert.deepEqual(
      [...(await blobs.get('b'))].map((b) => [...b]),
      [[0, 255]],
    );
  });

  test(`${way}: sets that only grow, and counts of what is distinct`, async (context) => {
    const db = await make(context);
    const seen = db.growOnlySet('seen');
    await seen.add('s', ['x', 'y']);
    await seen.add('s', []);
    await seen.add('s', ['y', 'z']);
    assert.deepEqual([...(await seen.get('s'))], ['x', 'y', 'z']);
    const visitors = db.cardinality('visitors', { element: integer });
    assert.equal(await visitors.count('day'), 0);
    await visitors.add(
      'day',
      Array.from({ length: 1000 }, (_, i) => i),
    );
    await visitors.add(
      'day',
      Array.from({ length: 500 }, (_, i) => i),
    );
    const count = await visitors.count('day');
    assert.ok(count > 950 && count < 1050, `${count} of 1000`);
  });

  test(`${way}: maps are read and changed by their fields`, async (context) => {
    const db = await make(context);
    const profiles = db.map('profiles', { fields: profileFields });
    assert.equal(await profiles.get('ada'), undefined);
    await profiles.update('ada', {
      name: 'Ada',
      visits: { increment: 2 },
      tags: { add: ['math', 'poetry'] },
      isAdmin: true,
      settings: { theme: 'dark' },
      address: { city: 'London', numbers: { add: [12] } },
    });
    await profiles.update('ada', {
      visits: { increment: 1 },
      tags: { add: ['engines'], remove: ['poetry'] },
      isAdmin: false,
      settings: null,
      address: { city: 'Paris' },
    });
    const ada = (await profiles.get('ada'))!;
    const name: string | undefined = ada.name;
    assert.equal(name, 'Ada');
    assert.deepEqual(ada, {
      name: 'Ada',
      visits: 3,
      tags: new Set(['engines', 'math']),
      isAdmin: false,
      settings: undefined,
      address: { city: 'Paris', numbers: new Set([12]) },
    });
    // @ts-expect-error: no such field
    await assert.rejects(profiles.update('ada', { nam: 'x' }), fails('invalid_argument'));
    // @ts-expect-error: a flag is on or off
    await assert.rejects(profiles.update('ada', { isAdmin: 'yes' }), fails('invalid_value'));
    // @ts-expect-error: counters are incremented, not set
    await assert.rejects(profiles.update('ada', { visits: 7 }), fails('invalid_value'));
    const added = await profiles.add({ name: 'New', tags: { remove: ['nothing'] } });
    assert.equal((await profiles.get(added))?.name, 'New');
    await profiles.delete('ada');
    assert.equal(await profiles.get('ada'), undefined);
    // Of what was deleted nothing comes back.
    await profiles.update('ada', { tags: { remove: ['math'], add: ['again'] } });
    assert.deepEqual((await profiles.get('ada'))!.tags, new Set(['again']));
  });

  test(`${way}: fields of strange names, and of another type under the same name`, async (context) => {
    const db = await make(context);
    const strange = db.map('strange', { fields: { ['__proto__']: register(), constructor: counter() } });
    await strange.update('k', JSON.parse('{"__proto__":"x"}'));
    await strange.update('k', { constructor: { increment: 1 } });
    const value = (await strange.get('k'))!;
    assert.deepEqual(Object.entries(value), [
      ['__proto__', 'x'],
      ['constructor', 1],
    ]);
    const other = db.map('strange', { fields: { constructor: register() } });
    assert.deepEqual(await other.get('k'), { constructor: undefined });
    await assert.rejects(
      db.map('strange', { fields: {} }).update('k', { toString: null } as object),
      fails('invalid_argument'),
    );
  });

  test(`${way}: a removal leaves what another added meanwhile`, async (context) => {
    const db = await make(context);
    const sets = db.set('race');
    await sets.add('k', ['old']);
    await Promise.all([sets.remove('k', ['old']), sets.add('k', ['new'])]);
    assert.ok((await sets.get('k')).has('new'));
    assert.ok(!(await sets.get('k')).has('old'));
  });

  test(`${way}: what is asked of the wrong bucket type says so`, async (context) => {
    const db = await make(context);
    await assert.rejects(db.counter('b', { type: 'none' }).increment('k'), (error) => {
      return fails('unknown_bucket_type')(error) && /hale bucket-type create none/.test(String(error));
    });
    await assert.rejects(db.counter('b', { type: 'none' }).get('k'), fails('unknown_bucket_type'));
    await db.set('b').add('k', ['x']);
    await assert.rejects(db.counter('b', { type: 'sets' }).increment('k'), fails('invalid_argument'));
    await assert.rejects(db.counter('b', { type: 'sets' }).get('k'), fails('invalid_argument'));
    await assert.rejects(db.set('b', { type: 'plain' }).add('k', ['x']), fails('invalid_argument'));
    await db.close();
    await assert.rejects(db.set('b').get('k'), fails('closed'));
    await assert.rejects(db.set('b').add('k', ['x']), fails('closed'));
  });

  test(`${way}: the properties of a bucket type are those of its buckets`, async (context) => {
    const db = await make(context);
    const plain = db.bucketType('plain');
    const { n_val, allow_mult } = await plain.properties();
    assert.deepEqual([n_val, allow_mult], [3, true]);
    await plain.setProperties({ n_val: 2, r: 'one' });
    const { n_val: copies, r } = await db.bucket('b', { type: 'plain' }).properties();
    assert.deepEqual([copies, r], [2, 'one']);
    await assert.rejects(plain.setProperties({ n_val: 0 }), fails('invalid_argument'));
    // @ts-expect-error: no such property
    await assert.rejects(plain.setProperties({ nval: 2 }), fails('invalid_argument'));
    await assert.rejects(db.bucketType('none').properties(), fails('unknown_bucket_type'));
    await assert.rejects(db.bucketType('none').setProperties({ n_val: 2 }), fails('unknown_bucket_type'));
    await assert.rejects(db.bucketType('default').setProperties({ n_val: 2 }), fails('invalid_argument'));
  });

  test(`${way}: a value lives as long as its writer says`, async (context) => {
    const db = await make(context);
    const sessions = db.bucket<string>('sessions');
    const before = Date.now();
    await sessions.put('s', 'in', { ttlSeconds: 100 });
    const { expiresAt } = (await sessions.entry('s'))!;
    assert.ok(expiresAt!.getTime() >= before + 100_000 && expiresAt!.getTime() < Date.now() + 101_000);
    await sessions.update('s', () => 'still in', { ttlSeconds: 200 });
    assert.ok((await sessions.entry('s'))!.expiresAt!.getTime() >= before + 200_000);
    await sessions.update('s', () => 'for good');
    assert.equal((await sessions.entry('s'))!.expiresAt, undefined);
    await assert.rejects(sessions.put('s', 'x', { ttlSeconds: 0.5 }), fails('invalid_argument'));
    await assert.rejects(sessions.put('s', 'x', { ttlSeconds: -1 }), fails('invalid_argument'));
    const short = db.bucket<string>('b', { type: 'short' });
    await short.put('k', 'x');
    assert.ok((await short.entry('k'))!.expiresAt!.getTime() < Date.now() + 61_000);
    await short.put('k', 'x', { ttlSeconds: 0 });
    assert.equal((await short.entry('k'))!.expiresAt, undefined);
  });
}

const profileFields = {
  name: register(),
  visits: counter(),
  tags: set(),
  isAdmin: flag(),
  settings: register(json<{ theme: string }>()),
  address: map({ city: register(), numbers: set(integer) }),
};

test('embedded: bucket types are made, brought up to date, or refused', async (context: TestContext) => {
  const directory = embedded.directory(context);
  const first: Database = await embedded.open(directory, { short: { ttl: 60 } });
  await first.close();
  const second = await embedded.open(directory, { short: { ttl: 30 } });
  await second.bucket<string>('b', { type: 'short' }).put('k', 'x');
  const { expiresAt } = (await second.bucket<string>('b', { type: 'short' }).entry('k'))!;
  assert.ok(expiresAt!.getTime() < Date.now() + 31_000);
  await second.close();
  await assert.rejects(embedded.open(directory, { short: { datatype: 'map' } }), fails('invalid_argument'));
  const third = await embedded.open(directory, { accounts: { conditional: 'serialised' } });
  const accounts = third.bucket<number>('a', { type: 'accounts' });
  await Promise.all(Array.from({ length: 8 }, () => accounts.update('k', (now = 0) => now + 1)));
  assert.equal(await accounts.get('k'), 8);
  await third.close();
  await assert.rejects(testCluster({ bucketTypes: { x: { ttl: -1 } } }), fails('invalid_argument'));
  await assert.rejects(testCluster({ bucketTypes: { default: { ttl: 1 } } }), fails('invalid_argument'));
});

async function listed(names: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const name of names) all.push(name);
  return all.sort();
}
