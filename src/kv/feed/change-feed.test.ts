/** Feeds over whole stores in a simulated world: what a reader hears, from life to life and from cursor to cursor. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Partition } from '../../core/ring/index.ts';
import { byteLiteral, FieldWriter, textOfBytes } from '../../stdx/index.ts';
import { GroupCommit, StorageError, WriteBatch } from '../../storage/index.ts';
import { KvPartitionStore } from '../handoff/index.ts';
import {
  type ChangeFeedSettings,
  defaultBucketProperties,
  defaultFeedSettings,
  KvFailure,
  quorumAll,
} from '../index.ts';
import { addressOf, ReplicatedStores, type StoreNode, valuesOf } from '../replicated-stores.fixture.ts';
import { feedRange, nodeFactKey, ObjectKey } from '../vnode/index.ts';

import { beginMs, type FeedReader, type FeedSubscription } from './change-feeds.ts';
import { type FeedReply, type FeedRequest, feedCodec, feedStart } from './feed-protocol.ts';
import type { FeedEvent } from './told-changes.ts';

const bucket = { bucketType: byteLiteral('default'), bucket: byteLiteral('b') };
const settings = { bucketDefaults: { ...defaultBucketProperties, allow_mult: true, feed: true } };

function run(
  options: {
    readonly nodes: number;
    readonly feed?: Partial<ChangeFeedSettings>;
    readonly deleteMode?: 'keep';
    /** Milliseconds that a question takes on its way. */
    readonly delayMs?: (request: FeedRequest) => number;
  },
  body: (stores: ReplicatedStores, ...nodes: StoreNode[]) => Promise<void>,
): Promise<void> {
  const nodes: StoreNode[] = [];
  const { deleteMode, delayMs = () => 0 } = options;
  return ReplicatedStores.run(
    {
      nodes: options.nodes,
      settings: deleteMode === undefined ? settings : { ...settings, deleteMode },
      parts: () => ({
        feedSettings: { ...defaultFeedSettings, ...options.feed },
        feedPeers: {
          send(to, partition, request: FeedRequest, _route, reply: (reply: FeedReply) => void) {
            const node = nodes.find(({ id }) => id === to)!;
            if (node.isDown) reply({ kind: 'failed', reason: 'unreachable' });
            else {
              const serve = () => node.store.feeds.answers.handle(partition, request, reply);
              const ms = delayMs(request);
              if (ms === 0) serve();
              else node.environment.timers.after(ms, serve);
            }
          },
        },
      }),
    },
    async (stores, ...all) => {
      nodes.push(...all);
      await body(stores, ...all);
      for (const { store } of all) await store.feeds.close();
    },
  );
}

function open(
  node: StoreNode,
  since: FeedSubscription['since'],
  only?: FeedSubscription['only'],
): FeedReader {
  return node.store.feeds.open({ ...bucket, since, ...(only === undefined ? {} : { only }) });
}

function text(event: FeedEvent): string {
  if (event.kind === 'gap') return 'gap';
  const { object } = event;
  const isDeleted = object === undefined || object.isTombstone;
  return `${textOfBytes(event.key)}=${isDeleted ? '' : valuesOf(object).join('|')}`;
}

/** All that comes until nothing comes for a while; and the cursor behind it. */
async function heard(reader: FeedReader): Promise<{ readonly events: string[]; readonly cursor: string }> {
  const events: string[] = [];
  for (;;) {
    const batch = await reader.next(1000);
    assert.ok(batch !== undefined);
    events.push(...batch.events.map(text));
    if (batch.events.length === 0) return { events, cursor: batch.cursor };
  }
}

test('F1, F3: the last of each key is told once, whichever of three replicas tells it first', () =>
  run({ nodes: 5 }, async (_stores, a, b) => {
    const whole = open(b, 'start');
    const late = open(a, 'now');
    await late.next(0);
    for (const key of ['x', 'y', 'z']) await a.put(key, '1');
    assert.deepEqual((await heard(whole)).events.toSorted(), ['x=1', 'y=1', 'z=1']);
    const context = (await a.get('x')) as { readonly object: { readonly context: Buffer } };
    await a.put('x', '2', { context: context.object.context });
    await b.delete('y');
    assert.deepEqual((await heard(whole)).events.toSorted(), ['x=2', 'y=']);
    const { events } = await heard(late);
    for (const event of ['x=2', 'y=', 'z=1']) assert.ok(events.includes(event), event);
  }));

test('F1: a present that is told after the feed has begun leaves no change out', () => {
  const isOfPresent = ({ steps }: FeedRequest) => steps.some(({ after }) => after === 'now');
  const delayMs = (request: FeedRequest) => (isOfPresent(request) ? beginMs + 500 : 0);
  return run({ nodes: 5, delayMs }, async (stores) => {
    const { others } = stores.placesOf('k');
    const reader = open(others[0]!, 'now');
    assert.deepEqual((await reader.next(0))?.events, []);
    await others[1]!.put('k', 'later', { w: quorumAll });
    assert.deepEqual((await heard(reader)).events, ['k=later']);
  });
});

test('F4: nothing is missed from cursor to cursor, through another node and a new life', () =>
  run({ nodes: 3 }, async (_stores, a, b, c) => {
    await a.put('k', '1');
    const first = await heard(open(a, 'start'));
    assert.deepEqual(first.events, ['k=1']);
    await b.put('l', '1');
    const second = await heard(open(b, { cursor: first.cursor }));
    assert.deepEqual(second.events, ['l=1'], 'and k does not come again');
    for (const node of [a, b, c]) {
      await node.store.close();
      await node.open();
    }
    await c.put('m', '1');
    const third = await heard(open(c, { cursor: second.cursor }));
    assert.deepEqual(third.events, ['m=1'], 'a clean restart loses no place');
    assert.deepEqual((await heard(open(a, 'start'))).events.toSorted(), ['k=1', 'l=1', 'm=1'], 'E2');
  }));

test('F1: what a node has stored is told when it can be reached again', () =>
  run({ nodes: 5 }, async (stores, ...nodes) => {
    const { primaries, others } = stores.placesOf('k');
    const reader = open(others[0]!, 'start');
    for (const node of primaries) node.isDown = true;
    stores.declareDown(...primaries);
    await others[0]!.put('k', 'on fallbacks');
    assert.deepEqual((await heard(reader)).events, [], 'no owner has it');
    for (const node of primaries) node.isDown = false;
    stores.heal();
    const copy = await nodes[0]!.get('k');
    assert.ok(copy.kind !== 'failed');
    await primaries[0]!.put('k', 'known');
    const { events } = await heard(reader);
    assert.match(events.at(-1)!, /^k=(known|known\|on fallbacks)$/);
  }));

test('E3, E5: after an engine of old data, and after a drop, the reader is told of a gap', () =>
  run({ nodes: 3 }, async (stores, a) => {
    await a.put('k', '1');
    const { cursor } = await heard(open(a, 'start'));
    const { partitions, primaries } = stores.placesOf('k');
    const owner = primaries[0]!;
    const { strays, replicas, placements, feedEntries } = owner.store;
    const commit = new GroupCommit(owner.engine, owner.environment.tasks);
    const partitionStore = await KvPartitionStore.open({
      commit,
      vnodes: replicas,
      changes: { observe() {}, doubt() {} },
      strays,
      feeds: feedEntries,
      ring: () => owner.topology.ring,
      placementOf: (address) => placements.of(address),
      damaged: () => {},
    });
    await partitionStore.drop(partitions[0] as Partition);
    const { events } = await heard(open(a, { cursor }));
    assert.deepEqual(events, ['gap'], 'nothing else is missing: the other replicas are where they were');
  }));

test('E1: a batch that fails leaves no entry, and no place is given out twice', () =>
  run({ nodes: 1 }, async (_stores, a) => {
    await a.put('k', '1');
    const { cursor } = await heard(open(a, 'start'));
    const write = a.engine.write.bind(a.engine);
    a.engine.write = () => Promise.reject(new StorageError('full', 'no room'));
    assert.equal((await a.put('k', 'lost')).kind, 'failed');
    a.engine.write = write;
    assert.deepEqual((await heard(open(a, { cursor }))).events, []);
    await a.put('l', '2');
    assert.deepEqual((await heard(open(a, { cursor }))).events, ['l=2']);
  }));

test('E2: a key that was written often has one entry in each of its partitions', () =>
  run({ nodes: 1 }, async (_stores, a) => {
    for (const value of ['1', '2', '3']) await a.put('k', value);
    let entries = 0;
    for (const partition of a.topology.ring.partitions()) {
      const cursor = a.engine.scan(feedRange(partition), { keysOnly: true });
      entries += (await cursor.next({ entriesMax: 100, bytesMax: 10_000 })).length;
      await cursor.close();
    }
    assert.equal(entries, 3);
  }));

test('E3: who comes with a place that the node does not know hears all, and of a gap', () =>
  run({ nodes: 1 }, async (_stores, a) => {
    await a.put('k', '1');
    const { cursor } = await heard(open(a, 'start'));
    await a.store.close();
    // As if the directory were a copy of before.
    const facts = new WriteBatch();
    facts.delete(nodeFactKey('feed-run/00000001'));
    await a.engine.write(facts, 'synced');
    await a.open();
    await a.put('l', '1');
    const { events } = await heard(open(a, { cursor }));
    assert.deepEqual([...new Set(events)].toSorted(), ['gap', 'k=1', 'l=1']);
  }));

test('a place that cannot be read holds up no write, and the change is told', () =>
  run({ nodes: 1 }, async (stores, a) => {
    await a.put('k', '1');
    const { cursor } = await heard(open(a, 'start'));
    const [partition] = stores.placesOf('k').partitions;
    const damaged = new ObjectKey(addressOf('k')).feedPlace(partition!);
    const get = a.engine.get.bind(a.engine);
    a.engine.get = (key) => {
      if (key.equals(damaged)) throw new StorageError('corrupt', 'a block is damaged');
      return get(key);
    };
    const result = await a.get('k');
    assert.ok(result.kind === 'found');
    assert.equal((await a.put('k', '2', { context: result.object.context })).kind, 'stored');
    assert.deepEqual((await heard(open(a, { cursor }))).events, ['k=2']);
  }));

test('of a key whose copies are damaged what is left is told, or else a gap; the others go on', () =>
  run({ nodes: 1 }, async (stores, a) => {
    for (const key of ['k', 'l', 'm']) await a.put(key, '1');
    const rot = async (key: string, copies: number): Promise<void> => {
      const batch = new WriteBatch();
      for (const partition of stores.placesOf(key).partitions.slice(0, copies)) {
        batch.put(new ObjectKey(addressOf(key)).copy(partition), Buffer.from('rot'));
      }
      await a.engine.write(batch, 'synced');
    };
    await rot('k', 1);
    await rot('l', 3);
    const { events } = await heard(open(a, 'start'));
    assert.deepEqual([...new Set(events)].toSorted(), ['gap', 'k=1', 'm=1']);
  }));

test('F4: what cannot be read yet is told later', () =>
  run({ nodes: 5 }, async (stores, ...nodes) => {
    const { primaries, others } = stores.placesOf('k');
    const reader = open(others[0]!, 'start');
    await primaries[0]!.put('k', '1');
    for (const node of nodes) if (node !== others[0]) stores.cut(others[0]!, node, 'refused');
    const before = await heard(reader);
    assert.deepEqual(before.events, []);
    stores.heal();
    assert.deepEqual((await heard(reader)).events, ['k=1']);
    assert.deepEqual((await heard(open(others[0]!, { cursor: before.cursor }))).events, ['k=1']);
  }));

test('T1, T2: old deletions are forgotten, and who has not heard them is told of a gap', () =>
  run({ nodes: 1, feed: { deletionsMs: 10_000, trimIntervalMs: 5000 } }, async (stores, a) => {
    await a.put('k', '1');
    await a.put('l', '1');
    const { cursor } = await heard(open(a, 'start'));
    await a.delete('k');
    await stores.world.sleep(1000);
    assert.equal((await a.get('k')).kind, 'notfound');
    assert.deepEqual(
      (await heard(open(a, { cursor }))).events,
      ['k='],
      'E4: it is told though nothing is stored',
    );
    const after = await heard(open(a, { cursor }));
    await stores.world.sleep(20_000);
    assert.ok(a.store.feeds.statistics.trimmed > 0);
    const late = (await heard(open(a, { cursor }))).events;
    // The node may still have it in memory, and does not count on that.
    assert.ok(late.includes('gap') && late.every((event) => event === 'gap' || event === 'k='));
    assert.deepEqual(
      (await heard(open(a, { cursor: after.cursor }))).events,
      [],
      'who has heard it is not troubled',
    );
    assert.deepEqual((await heard(open(a, 'start'))).events, ['l=1'], 'what is stored stays');
  }));

test('what cannot be followed is refused, and feeds are bounded in number', () =>
  run({ nodes: 1, feed: { feedsMax: 2 } }, async (_stores, a) => {
    const fails = (code: string) => (error: unknown) =>
      error instanceof KvFailure && error.error.code === code;
    assert.throws(() => open(a, { cursor: 'none' }), fails('bad_cursor'));
    const [one] = [open(a, 'now'), open(a, 'now')];
    assert.throws(() => open(a, 'now'), fails('too_many_feeds'));
    one?.close();
    const three = open(a, 'now');
    assert.equal(a.store.feeds.statistics.open, 2);
    assert.equal(a.store.feeds.statistics.refused, 1);
    const waiting = three.next(60_000);
    a.store.feeds.end();
    assert.equal(await waiting, undefined, 'who waits is told of the end');
  }));

test('a cursor that was tampered with is refused, or followed from somewhere', () =>
  run({ nodes: 1 }, async (_stores, a) => {
    await a.put('k', '1');
    const { cursor } = await heard(open(a, 'start'));
    await a.store.close();
    await a.open();
    await a.put('l', '1');
    // Most numbers in it are of one byte.
    const removals = fc.constantFrom(1, 1, 1, 0, 2);
    const numbers = fc.constantFrom(0, 8, 1024, 2 ** 48 - 2, 2 ** 48 - 1, 2 ** 48, 2 ** 53 - 1);
    const splices = fc.array(fc.tuple(fc.nat(), removals, fc.option(numbers)), {
      minLength: 1,
      maxLength: 2,
    });
    let followed = 0;
    for (const tampering of fc.sample(splices, 1000)) {
      const bytes = [...Buffer.from(cursor, 'base64url')];
      for (const [at, removed, number] of tampering) {
        const writer = new FieldWriter();
        if (number !== null) writer.number(number);
        bytes.splice(at % bytes.length, removed, ...writer.finish());
      }
      const forged = Buffer.from(bytes).toString('base64url');
      try {
        const reader = open(a, { cursor: forged });
        assert.ok((await reader.next(10)) !== undefined, forged);
        reader.close();
        followed += 1;
      } catch (error) {
        assert.ok(error instanceof KvFailure && error.error.code === 'bad_cursor', forged);
      }
    }
    assert.ok(followed > 50, `${followed} were followed`);
  }));

test('an answer has a bound in bytes, and what it has no room for comes with a later one', () =>
  run({ nodes: 1 }, async (_stores, a) => {
    const late = open(a, 'now');
    await late.next(0);
    const keys = Array.from({ length: 60 }, (_, i) => `${i} ${'k'.repeat(60_000)}`);
    for (const key of keys) await a.put(key, '');
    const steps = a.topology.ring.partitions().map((partition) => ({ partition, after: feedStart }));
    const reply = await new Promise<FeedReply>((resolve) => {
      const request = { ...bucket, steps, entriesMax: 1000, waitMs: 0 };
      a.store.feeds.answers.handle(0 as Partition, request, resolve);
    });
    assert.ok(reply.kind === 'slice' && reply.parts[0]!.items.length > 0);
    const bytes = feedCodec().replyBytes(reply);
    assert.ok(bytes < 2 ** 20, `the least limit of a message; ${bytes}`);
    const told = keys.map((key) => `${key}=`).toSorted();
    assert.deepEqual((await heard(open(a, 'start'))).events.toSorted(), told, 'from the disk');
    assert.deepEqual((await heard(late)).events.toSorted(), told, 'from memory');
  }));

test('one key is watched, or those with a prefix', () =>
  run({ nodes: 3 }, async (_stores, a, b) => {
    const watched = open(a, 'start', { kind: 'key', name: byteLiteral('ab') });
    const prefixed = open(b, 'start', { kind: 'prefix', name: byteLiteral('ab') });
    for (const key of ['a', 'ab', 'abc', 'b']) await a.put(key, '1');
    assert.deepEqual((await heard(watched)).events, ['ab=1']);
    assert.deepEqual((await heard(prefixed)).events.toSorted(), ['ab=1', 'abc=1']);
  }));
