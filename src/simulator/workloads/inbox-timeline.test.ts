/** Inboxes over a store that keeps siblings as a database does: what is acknowledged is there, in order, on bounded pages. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  deliver,
  type InboxBucket,
  type InboxObject,
  type InboxStore,
  joinedHead,
  joinedPage,
  readTimeline,
} from './inbox-timeline.ts';

/** A write takes the place of the siblings that its writer had read, and of no others. */
class SiblingStore implements InboxStore {
  readonly #objects = new Map<string, { readonly id: number; readonly value: Buffer }[]>();
  #writes = 0;

  async read(bucket: InboxBucket, key: string): Promise<InboxObject> {
    const siblings = this.#objects.get(`${bucket}/${key}`) ?? [];
    const context = Buffer.from(JSON.stringify(siblings.map(({ id }) => id)));
    return { values: siblings.map(({ value }) => value), context };
  }

  async write(bucket: InboxBucket, key: string, value: Buffer, context: Buffer | undefined): Promise<void> {
    const name = `${bucket}/${key}`;
    const seen = context === undefined ? [] : (JSON.parse(context.toString()) as number[]);
    const kept = (this.#objects.get(name) ?? []).filter(({ id }) => !seen.includes(id));
    this.#writes += 1;
    this.#objects.set(name, [...kept, { id: this.#writes, value }]);
  }
}

test('one sender fills one page after the other', async () => {
  const store = new SiblingStore();
  for (let second = 100; second < 125; second += 1) await deliver(store, 'u', `${second}_x`, 10);
  const { names, pages } = await readTimeline(store, 'u');
  assert.deepEqual(
    pages.map(({ length }) => length),
    [10, 10, 5],
  );
  assert.deepEqual(
    names,
    Array.from({ length: 25 }, (_, i) => `${100 + i}_x`),
  );
  await deliver(store, 'u', '124_x', 10);
  assert.equal((await readTimeline(store, 'u')).names.length, 25, 'twice is once');
});

test('of many senders at once each finds its message, on pages that are no longer than they may be and the senders are many', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 8 }), { maxLength: 12 }), async (bursts) => {
      const store = new SiblingStore();
      const sent: string[] = [];
      for (const [second, senders] of bursts.entries()) {
        const names = Array.from({ length: senders }, (_, i) => `${1000 + second}_${i}`);
        sent.push(...names);
        await Promise.all(names.map((name) => deliver(store, 'u', name, 5)));
      }
      const timeline = await readTimeline(store, 'u');
      assert.deepEqual(timeline.names, [...sent].sort());
      for (const page of timeline.pages) assert.ok(page.length < 5 + 8);
    }),
    { numRuns: 50 },
  );
});

test('siblings are joined: pages are sets, and the later head counts', () => {
  const pages = ['["1_a","3_c"]', '["2_b","3_c"]'].map((text) => Buffer.from(text));
  assert.deepEqual(joinedPage(pages), ['1_a', '2_b', '3_c']);
  assert.deepEqual(joinedPage([]), []);
  assert.equal(joinedHead([Buffer.from('3'), Buffer.from('12')]), 12);
});
