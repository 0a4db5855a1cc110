import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { actorId, VersionVector } from '../../clocks/index.ts';
import { type Partition, Ring } from '../../core/ring/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { type Entry, type GroupCommit, WriteBatch } from '../../storage/index.ts';
import { encodeContent } from '../../wire/index.ts';
import { ignoredChanges } from '../anti-entropy/index.ts';
import { KvPartitionStore } from '../handoff/index.ts';
import { makeObject, VersionedObject } from '../object/index.ts';
import {
  addressOf,
  changeDerived,
  entryAt,
  indexKeyOf,
  ObjectKey,
  objectsRange,
  partitionRange,
} from './index.ts';
import { openVnodes, self } from './vnodes.fixture.ts';

const partitions = [0, 1] as Partition[];

const keyOf = (name: string) =>
  new ObjectKey({ bucketType: byteLiteral('t'), bucket: byteLiteral('b'), key: byteLiteral(name) });

interface Written {
  readonly indexes: readonly (readonly [string, string])[];
  readonly deleted: boolean;
}

function contentOf({ indexes, deleted }: Written): Buffer {
  return encodeContent({
    value: Buffer.from('v'),
    links: [],
    userMeta: [],
    indexes: deleted
      ? []
      : indexes.map(([key, value]) => ({ key: byteLiteral(key), value: byteLiteral(value) })),
    deleted,
  });
}

async function open() {
  const { commit, vnodes, strays } = await openVnodes({ partitions, deleteMode: 'immediate' });
  const store = await KvPartitionStore.open({
    commit,
    vnodes,
    strays,
    ring: () => Ring.ownedByOne(1, 8, self),
    placementOf: () => ({ nVal: 3, bucketOnly: false }),
    changes: ignoredChanges,
  });
  return { commit, vnodes, store };
}

type Opened = Awaited<ReturnType<typeof open>>;

async function entriesIn({ commit }: Opened, range: Parameters<GroupCommit['engine']['scan']>[0]) {
  const cursor = commit.engine.scan(range);
  const entries: Entry[] = [];
  const all = { entriesMax: 1000, bytesMax: 1e6 };
  for (let next = await cursor.next(all); next.length > 0; next = await cursor.next(all))
    entries.push(...next);
  await cursor.close();
  return entries;
}

/** What must stand beside the objects, from the objects, said in words. */
async function expected(opened: Opened, partition: Partition): Promise<string[]> {
  const found = new Set<string>();
  for (const { key, value } of await entriesIn(opened, objectsRange(partition))) {
    const { key: name } = addressOf(key);
    const contents = VersionedObject.decode(value).contents();
    if (contents.every((content) => content.deleted)) found.add(`mark ${name}`);
    for (const { indexes } of contents) {
      for (const index of indexes) found.add(`${index.key} ${index.value} ${name}`);
    }
  }
  return [...found].sort();
}

async function actual(opened: Opened, partition: Partition): Promise<string[]> {
  const found: string[] = [];
  for (const { key } of await entriesIn(opened, partitionRange(partition))) {
    const entry = indexKeyOf(key);
    if (entry !== undefined) {
      const { term, key: name } = entryAt(entry.field, entry.place)!;
      assert.deepEqual([entry.bucketType, entry.bucket], ['t', 'b']);
      found.push(`${entry.field} ${term} ${name}`);
    } else if (key[3] === 3) {
      const asObject = Buffer.from(key);
      asObject[3] = 1;
      found.push(`mark ${addressOf(asObject).key}`);
    }
  }
  return found.sort();
}

const written = fc.record({
  indexes: fc.array(
    fc.constantFrom(
      ...([
        ['a_int', '7'],
        ['a_int', '-7'],
        ['a_int', '10'],
        ['z_bin', '\0'],
        ['z_bin', ''],
      ] as const),
    ),
    { maxLength: 4 },
  ),
  deleted: fc.boolean(),
});
const step = fc.record({
  kind: fc.constantFrom('put', 'put', 'put', 'coordinate', 'coordinate', 'forget', 'reap', 'drop', 'settle'),
  partition: fc.constantFrom(...partitions),
  name: fc.constantFrom('k', 'l'),
  actor: fc.constantFrom('actor--1', 'actor--2'),
  /** Of the write of a vnode: whether it has seen what is there. */
  hasSeen: fc.boolean(),
  written,
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function take(
  opened: Opened,
  { kind, partition, name, actor, hasSeen, written: value }: Step,
  counter: number,
) {
  const { commit, vnodes, store } = opened;
  const key = keyOf(name);
  const content = contentOf(value);
  const bytes = commit.get(key.borrow(partition));
  const local = bytes === undefined ? undefined : VersionedObject.decode(bytes);
  switch (kind) {
    case 'put': {
      const dot = { actor: actorId(byteLiteral(actor), 1), counter };
      const clock = hasSeen && local !== undefined ? local.clock : VersionVector.empty;
      const object = makeObject(clock.with(dot, 0), [{ dot, content }]);
      const put = { kind: 'put', key, object, durability: 'os', purpose: 'repair', announce: false } as const;
      return new Promise<unknown>((resolve) => vnodes.handle(partition, put, resolve));
    }
    case 'coordinate':
      return new Promise<unknown>((resolve) => {
        const context = hasSeen && local !== undefined ? local.clock : VersionVector.empty;
        const siblings = { allow_mult: true, last_write_wins: false };
        const prune = { smallVclock: 50, bigVclock: 50, youngVclock: 20, oldVclock: 86_400 };
        const rest = { siblings, prune, durability: 'os', nowMicros: 1_000_000, condition: 'none' } as const;
        vnodes.coordinatePut(partition, { key, context, content, mayBeRepeated: false, ...rest }, resolve);
      });
    case 'forget': {
      const fold = store.fold(partition, { sliceBytes: 1e6 });
      return fold.next().then(async (items) => {
        await fold.close();
        await store.forget(partition, items ?? []);
      });
    }
    case 'reap': {
      if (local?.isTombstone !== true) return Promise.resolve();
      const reap = { kind: 'reap', key, tombstone: local, first: 0 as Partition, n: 3 } as const;
      vnodes.handle(partition, reap, () => {});
      return commit.drain();
    }
    case 'drop':
      return store.drop(partition);
    default:
      return commit.drain();
  }
}

test('D1, D2: whatever is stored, merged, reaped, forgotten and dropped, entries are those of the objects', async () => {
  let most = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const opened = await open();
      let counter = 0;
      const ends: Promise<unknown>[] = [];
      for (const each of steps) {
        counter += 1;
        const end = take(opened, each, counter);
        // Puts of one turn share a batch; what reads the engine has to wait for what it reads.
        if (each.kind === 'put' || each.kind === 'coordinate') ends.push(end);
        else await end;
      }
      await Promise.all(ends);
      await opened.commit.drain();
      for (const partition of partitions) {
        const wanted = await expected(opened, partition);
        most = Math.max(most, wanted.length);
        assert.deepEqual(await actual(opened, partition), wanted);
      }
    }),
    { numRuns: Number(process.env.LAW_RUNS ?? 300) },
  );
  assert.ok(most > 4, 'there was something to get wrong');
});

test('D3: a write without entries that replaces one without adds nothing to the batch', () => {
  const dot = (counter: number) => ({ actor: actorId(byteLiteral('actor--1'), 1), counter });
  const object = (counter: number, value: Written) =>
    makeObject(VersionVector.empty.with(dot(counter), 0), [{ dot: dot(counter), content: contentOf(value) }]);
  const plain = { indexes: [], deleted: false };
  const counted = (before: Written | undefined, after: Written | undefined) => {
    const batch = new WriteBatch();
    const [old, now] = [before && object(1, before), after && object(2, after)];
    changeDerived(batch, 0 as Partition, keyOf('k'), old, now);
    return batch.length;
  };
  assert.equal(counted(undefined, plain), 0);
  assert.equal(counted(plain, plain), 0);
  assert.equal(counted(plain, undefined), 0);
  const indexed: Written = {
    indexes: [
      ['a_int', '1'],
      ['a_int', '1'],
      ['b_bin', ''],
    ],
    deleted: false,
  };
  assert.equal(counted(plain, indexed), 2);
  assert.equal(counted(indexed, indexed), 0, 'only what differs is written');
  assert.equal(
    counted(indexed, {
      indexes: [
        ['a_int', '2'],
        ['b_bin', ''],
      ],
      deleted: false,
    }),
    2,
  );
  assert.equal(counted(indexed, { indexes: [], deleted: true }), 3);
});
