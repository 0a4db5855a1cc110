/** Index queries and MapReduce through both ways to a database: a node in this process, and one over real sockets. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { bothWays, fails } from './both-ways.fixture.ts';
import { type Bucket, type Database, type IndexMatch, testCluster } from './index.ts';

interface Person {
  readonly name: string;
  readonly age: number;
  readonly city: string;
}

const cities = ['Rome', 'Oslo', 'Kyōto'];
const count = 30;

async function people(db: Database, type = 'default'): Promise<Bucket<Person>> {
  const bucket = db.bucket<Person>('people', {
    type,
    indexes: ({ age, city }) => ({ age_int: age, city_bin: city }),
  });
  const all = Array.from({ length: count }, (_, i) => ({ name: `p${i}`, age: i - 5, city: cities[i % 3]! }));
  await Promise.all(all.map((person) => bucket.put(person.name, person)));
  return bucket;
}

async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

for (const [way, make] of bothWays) {
  test(`${way}: an index finds keys by one term and by a range, in order`, async (context) => {
    const bucket = await people(await make(context));
    const romans = await collected(bucket.query('city_bin', 'Rome'));
    assert.equal(romans.length, count / 3);
    assert.deepEqual(romans[0], { key: 'p0', term: 'Rome' });
    const young = await collected(bucket.query('age_int', { from: -2, to: 10n }));
    assert.deepEqual(
      young.map(({ term }) => term),
      Array.from({ length: 13 }, (_, i) => BigInt(i - 2)),
    );
    assert.deepEqual(young[0], { key: 'p3', term: -2n });
    assert.deepEqual(await collected(bucket.query('city_bin', 'Kyōto')), [
      ...(await collected(bucket.query('city_bin', { from: 'Kyōto', to: 'Kyōto' }))),
    ]);
    assert.deepEqual(await collected(bucket.query('age_int', { from: 10, to: 1 })), []);
    const matching = bucket.query('city_bin', { from: 'A', to: 'Z' }, { termPattern: '^R.*e$' });
    assert.equal((await collected(matching)).length, count / 3);
    assert.deepEqual(await collected(bucket.query('$key', { from: 'p1', to: 'p10' })), [
      { key: 'p1', term: 'p1' },
      { key: 'p10', term: 'p10' },
    ]);
    for await (const { key } of bucket.query('city_bin', { from: 'A', to: 'Z' })) {
      assert.ok(key.startsWith('p'));
      break;
    }
    assert.equal((await bucket.get('p7'))?.age, 2);
  });

  test(`${way}: pages together are the whole, and go on from where one ended`, async (context) => {
    const bucket = await people(await make(context), 'plain');
    const all = await collected(bucket.query('age_int', { from: -100, to: 100 }));
    const matches: IndexMatch[] = [];
    const sizes: number[] = [];
    for await (const page of bucket.pages('age_int', { from: -100, to: 100 }, { size: 12 })) {
      matches.push(...page.matches);
      sizes.push(page.matches.length);
    }
    assert.deepEqual(matches, all);
    assert.deepEqual(sizes, [12, 12, 6]);
    const first = await bucket.pages('age_int', { from: -100, to: 100 }, { size: 25 }).next();
    const { continuation } = first.value!;
    const rest = bucket.pages('age_int', { from: -100, to: 100 }, { size: 25, continuation: continuation! });
    assert.deepEqual(
      (await collected(rest)).flatMap((page) => page.matches),
      all.slice(25),
    );
  });

  test(`${way}: a query that cannot be is refused`, async (context) => {
    const bucket = await people(await make(context));
    const refused = (
      query: () => AsyncIterable<unknown>,
      code: Parameters<typeof fails>[0] = 'invalid_argument',
    ) => assert.rejects(async () => collected(query()), fails(code));
    await refused(() => bucket.query('age', 1));
    await refused(() => bucket.query('age_int', 'x'));
    await refused(() => bucket.query('age_int', 0.5));
    await refused(() => bucket.query('city_bin', 7));
    await refused(() => bucket.query('$key', 7));
    await refused(() => bucket.query('city_bin', { from: 'A', to: 'Z' }, { termPattern: '(' }));
    await refused(() => bucket.query('age_int', { from: 1, to: 2 }, { termPattern: 'x' }));
    await refused(() => bucket.pages('age_int', 1, { size: 0 }));
    await refused(() => bucket.pages('age_int', 1, { size: 1, continuation: 'x' as never }));
    await assert.rejects(bucket.put('p', { name: '', age: 0.5, city: '' }), fails('invalid_argument'));
    await refused(() => bucket.query('age_int', 1, { signal: AbortSignal.abort() }), 'aborted');
    await refused(() => bucket.query('age_int', 1, { timeoutMs: -1 }));
  });

  test(`${way}: jobs of the program's own functions`, async (context) => {
    const bucket = await people(await make(context));
    const ages: readonly number[] = await bucket
      .mapReduce()
      .map((person) => [person.age])
      .run();
    assert.deepEqual(
      ages.toSorted((a, b) => a - b),
      Array.from({ length: count }, (_, i) => i - 5),
    );
    const oldest = bucket
      .mapReduce()
      .map((person, { key }, minimum) => (person.age >= minimum ? [{ key, age: person.age }] : []), 10)
      .reduce((found) => [found.reduce((best, one) => (one.age > best.age ? one : best))]);
    assert.deepEqual(await oldest.run(), [{ key: 'p29', age: 24 }]);
    const named = await bucket
      .mapReduce({ index: 'city_bin', equals: 'Oslo' })
      .map((person, { metadata, siblings, bucketType }) => [
        [person.name, Object.keys(metadata).length, siblings.length, bucketType] as const,
      ])
      .run();
    assert.ok(named.some((found) => found.join() === 'p1,0,1,default'));
    assert.equal(named.length, count / 3);
  });

  test(`${way}: built-in phases, inputs of every kind, and objects that results name`, async (context) => {
    const bucket = await people(await make(context), 'plain');
    const ages = bucket.mapReduce().map((person) => [person.age]);
    assert.deepEqual(await ages.sum().run(), [(count * (count - 1)) / 2 - 5 * count]);
    assert.deepEqual(await ages.count().run(), [count]);
    assert.deepEqual(await ages.min().run(), [-5]);
    assert.deepEqual(await ages.max().run(), [count - 6]);
    assert.deepEqual((await ages.sort().run()).slice(0, 3), [-5, -4, -3]);
    const towns = bucket.mapReduce({ index: 'age_int', from: -5, to: -3 }).map((person) => [person.city]);
    assert.deepEqual((await towns.distinct().run()).toSorted(), ['Kyōto', 'Oslo', 'Rome']);
    const keys = ['p1', 'p2', 'nothing here'];
    const some = bucket.mapReduce({ keys });
    assert.deepEqual((await some.map((person) => [person.name]).run()).toSorted(), ['p1', 'p2']);
    assert.deepEqual(
      (
        await bucket
          .mapReduce({ keys: ['p1'] })
          .values()
          .run()
      )[0]?.name,
      'p1',
    );
    const names = bucket.mapReduce({ keys: ['p1'] }).map((_, { bucketType }) => [bucketType]);
    assert.deepEqual(await names.run(), ['plain']);
    let seen = 0;
    for await (const _age of ages.results()) {
      seen += 1;
      break;
    }
    assert.equal(seen, 1);
  });

  test(`${way}: objects named by results are read in turn`, async (context) => {
    const db = await make(context);
    await db.bucket<{ n: number }>('targets').put('t', { n: 7 });
    await db.bucket<{ to: string }>('arrows').put('a', { to: 't' });
    const job = db
      .bucket<{ to: string }>('arrows')
      .mapReduce()
      .map((arrow) => [['targets', arrow.to] as [string, string]])
      .objects<{ n: number }>()
      .map((target) => [target.n]);
    assert.deepEqual(await job.run(), [7]);
  });

  test(`${way}: of siblings the latest is mapped, and all are shown`, async (context) => {
    const db = await make(context);
    const bucket = db.bucket<{ n: number }>('s', { type: 'plain' });
    await bucket.put('k', { n: 1 });
    await bucket.put('k', { n: 2 });
    const job = bucket
      .mapReduce()
      .map((_, { siblings }) => [siblings.map(({ n }) => n).sort((a, b) => a - b)]);
    assert.deepEqual(await job.run(), [[1, 2]]);
    await bucket.delete('k');
    assert.deepEqual(await job.run(), []);
  });

  test(`${way}: a job that fails says what it failed at`, async (context) => {
    const db = await make(context);
    const bucket = await people(db);
    const outside = 1;
    const lost = bucket.mapReduce().map((person) => [person.age + outside]);
    await assert.rejects(lost.run(), (error) => {
      return fails('job_failed')(error) && /phase 0 .*outside'? is not defined/.test(String(error));
    });
    const thrown = bucket.mapReduce({ keys: ['p1'] }).map(() => {
      throw new Error('no luck');
    });
    await assert.rejects(thrown.run(), (error) => {
      return fails('job_failed')(error) && /phase 0 .*no luck.*p1/.test(String(error));
    });
    // @ts-expect-error: nobody waits for a promise there
    assert.throws(() => bucket.mapReduce().map(async () => []), fails('invalid_argument'));
    const { method } = { method: (() => []).bind(undefined) };
    assert.throws(() => bucket.mapReduce().map(method), fails('invalid_argument'));
    assert.throws(() => db.bytes('b').mapReduce(), fails('invalid_argument'));
    const endless = bucket.mapReduce({ keys: ['p1'] }).map(() => {
      for (;;);
    });
    await assert.rejects(endless.run({ timeoutMs: 300 }), fails('timeout'));
    await assert.rejects(
      db.bucket('b', { type: 'none' }).mapReduce().values().run(),
      fails('unknown_bucket_type'),
    );
    await assert.rejects(lost.run({ signal: AbortSignal.abort() }), fails('aborted'));
    assert.equal((await bucket.get('p7'))?.age, 2);
  });
}

test('embedded: a job waits for a slow reader, and ends when the database closes', async (context: TestContext) => {
  const cluster = await testCluster();
  context.after(() => cluster.close());
  const bucket = await people(cluster.db);
  const job = bucket.mapReduce().map((person) => [person.age]);
  const results = job.results();
  assert.equal(typeof (await results.next()).value, 'number');
  await sleep(20);
  await cluster.db.close();
  await assert.rejects(job.run(), fails('closed'));
});

for (const [way, make] of bothWays) {
  test(`${way}: keys are counted, of what lives, and of the bucket that is named`, async (context) => {
    const db = await make(context);
    const bucket = await people(db);
    await db.bucket('other').put('p1', 1);
    await db.bucket('people', { type: 'plain' }).put('p1', 1);
    assert.equal(await bucket.count(), count);
    await Promise.all(['p1', 'p2', 'p3'].map((key) => bucket.delete(key)));
    await bucket.put('p4', { name: 'p4', age: 1, city: 'Rome' });
    assert.equal(await bucket.count(), count - 3);
    assert.equal(await db.bucket('people', { type: 'plain' }).count(), 1);
    assert.equal(await db.bucket('nothing').count(), 0);
    await assert.rejects(db.bucket('people', { type: 'none' }).count(), fails('unknown_bucket_type'));
  });
}
