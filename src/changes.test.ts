/** Change feeds through both ways to a database: a node in this process, and one over real sockets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bothWays, fails, servedNode } from './both-ways.fixture.ts';
import { type Change, feedCursorOf, open } from './index.ts';

/** What the next changes say, until there are so many. */
async function taken<T>(changes: AsyncIterator<Change<T>>, count: number): Promise<readonly Change<T>[]> {
  const found: Change<T>[] = [];
  while (found.length < count) {
    const { value, done } = await changes.next();
    if (done === true) break;
    found.push(value);
  }
  return found;
}

async function shown<T>(change: Change<T>): Promise<readonly unknown[]> {
  if (change.kind === 'gap') return ['gap'];
  return change.kind === 'changed' ? [change.key, await change.value()] : [change.key];
}

for (const [way, make] of bothWays) {
  test(`${way}: changes are told as they come, and from a cursor on`, async (context) => {
    const db = await make(context);
    const orders = db.bucket<number>('orders');
    await assert.rejects(taken(orders.changes(), 1), fails('invalid_argument'));
    await orders.setProperties({ feed: true });
    assert.equal((await orders.properties()).feed, true);
    await orders.put('a', 1);
    await orders.put('b', 1);
    await orders.put('a', 2);
    const all = orders.changes({ since: 'start' });
    const first = await taken(all, 2);
    assert.deepEqual((await Promise.all(first.map(shown))).toSorted(byKey), [
      ['a', 2],
      ['b', 1],
    ]);
    // Asked for before it happens.
    const waiting = taken(all, 2);
    await orders.put('c', 3);
    await orders.delete('b');
    const [put, deleted] = await waiting;
    assert.deepEqual(await shown(put!), ['c', 3]);
    assert.deepEqual(await shown(deleted!), ['b']);
    assert.equal(deleted!.kind, 'deleted');
    assert.ok(put!.kind === 'changed' && Math.abs(Date.now() - put!.time.getTime()) < 60_000);
    await all.return?.();

    await orders.put('d', 4);
    const rest = orders.changes({ since: feedCursorOf(deleted!.cursor) });
    let next = await taken(rest, 1);
    // What came since the cursor may be told again.
    while ((await shown(next[0]!))[0] !== 'd') next = await taken(rest, 1);
    assert.deepEqual(await shown(next[0]!), ['d', 4]);
    await rest.return?.();
  });

  test(`${way}: one key is watched from what it is, and a prefix is followed`, async (context) => {
    const db = await make(context);
    const people = db.bucket<string>('people');
    await people.setProperties({ feed: true });
    await people.put('ann', 'first');
    const watched = people.watch('ann');
    assert.deepEqual(await shown((await taken(watched, 1))[0]!), ['ann', 'first']);
    const prefixed = people.changes({ prefix: 'b', since: 'start' });
    const waiting = [taken(watched, 1), taken(prefixed, 1)] as const;
    await people.put('anna', 'other');
    await people.put('ben', 'new');
    await people.put('ann', 'second');
    assert.deepEqual(await shown((await waiting[0])[0]!), ['ann', 'second']);
    assert.deepEqual(await shown((await waiting[1])[0]!), ['ben', 'new']);
    await watched.return?.();
    await prefixed.return?.();
  });

  test(`${way}: a signal ends a feed that waits`, async (context) => {
    const db = await make(context);
    const quiet = db.bucket('quiet');
    await quiet.setProperties({ feed: true });
    const controller = new AbortController();
    const waiting = taken(quiet.changes({ signal: controller.signal }), 1);
    setTimeout(() => controller.abort(), 50);
    await assert.rejects(waiting, fails('aborted'));
  });

  test(`${way}: siblings are merged as the bucket says, or refused for that key alone`, async (context) => {
    const db = await make(context);
    const plain = db.bucket<number>('votes');
    const merged = db.bucket<number>('votes', { merge: (all) => Math.max(...all.map(({ value }) => value)) });
    await plain.setProperties({ feed: true, allow_mult: true });
    await plain.put('k', 1);
    await plain.put('k', 7);
    const [seen] = await taken(merged.changes({ since: 'start' }), 1);
    assert.deepEqual(await shown(seen!), ['k', 7]);
    const all = plain.changes({ since: 'start' });
    const [refused] = await taken(all, 1);
    assert.ok(refused?.kind === 'changed');
    await assert.rejects(refused.value(), fails('siblings'));
    await plain.put('l', 1);
    assert.deepEqual(await shown((await taken(all, 1))[0]!), ['l', 1]);
    await all.return?.();
  });
}

test('remote: a cursor of another feed is refused, and so is what is none', async (context) => {
  const node = await servedNode(context);
  const db = await open(`hale://127.0.0.1:${node.protobufAddress!.port}`);
  context.after(() => db.close());
  const [one, two] = [db.bucket('one'), db.bucket('two')];
  await one.setProperties({ feed: true });
  await two.setProperties({ feed: true });
  await one.put('k', 'v');
  const [change] = await taken(one.changes({ since: 'start' }), 1);
  await assert.rejects(taken(two.changes({ since: change!.cursor }), 1), fails('invalid_argument'));
  assert.throws(() => feedCursorOf('not one!'), fails('invalid_argument'));
});

function byKey(a: readonly unknown[], b: readonly unknown[]): number {
  return String(a[0]) < String(b[0]) ? -1 : 1;
}
