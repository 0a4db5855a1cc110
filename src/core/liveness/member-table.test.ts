import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nodeIdOf } from '../../environment/index.ts';
import { type MemberStatus, type StatusCause, statusTransitions } from './member-status.ts';
import { hashOfName, MemberTable } from './member-table.ts';
import type { Rumour } from './swim-message.ts';

const self = nodeIdOf('self@host');
const other = nodeIdOf('other@host');
const otherHash = hashOfName(other);

function rumour(status: Rumour['status'], incarnation: number, accusers: readonly number[] = []): Rumour {
  return { node: other, status, incarnation, attributes: incarnation % 2, accusers, isRefused: false };
}

function tableOf(status: MemberStatus): MemberTable {
  const table = new MemberTable(self, 1, 1);
  table.add(other);
  if (status === 'unknown') return table;
  table.hear(rumour('alive', 5));
  if (status === 'suspect') table.hear(rumour('suspect', 5, [1]));
  if (status === 'dead') table.hear(rumour('dead', 5, [otherHash]));
  assert.equal(table.get(other)!.status, status);
  return table;
}

/** With a higher incarnation, so that each overrides what is held. */
const causes: { readonly [C in StatusCause]: (table: MemberTable) => void } = {
  'told-alive': (table) => table.hear(rumour('alive', 6)),
  'told-suspect': (table) => table.hear(rumour('suspect', 6, [1])),
  'told-dead': (table) => table.hear(rumour('dead', 6, [1])),
  'told-goodbye': (table) => table.hear(rumour('dead', 6, [otherHash])),
  'probe-failed': (table) => table.accuse(other, 99, false),
  'suspicion-expired': (table) => table.condemn(other),
};

test('every cell of the transition table', () => {
  for (const status of Object.keys(statusTransitions) as MemberStatus[]) {
    for (const cause of Object.keys(causes) as StatusCause[]) {
      const table = tableOf(status);
      causes[cause](table);
      const expected = statusTransitions[status][cause] ?? status;
      assert.equal(table.get(other)!.status, expected, `${status}, ${cause}`);
    }
  }
});

test('SWIM §4.2: with one incarnation, dead overrides suspect overrides alive; a higher one overrides all', () => {
  const rank = { alive: 0, suspect: 1, dead: 2 } as const;
  const statuses = ['alive', 'suspect', 'dead'] as const;
  for (const held of statuses) {
    for (const told of statuses) {
      for (const incarnation of [4, 5, 6]) {
        const table = tableOf(held);
        const heard = table.hear(rumour(told, incarnation, [1, 2]));
        const overrides = incarnation > 5 || (incarnation === 5 && rank[told] > rank[held]);
        const confirms = held === 'suspect' && told === 'suspect' && incarnation === 5;
        const expected = overrides
          ? held === 'suspect' && told === 'dead'
            ? undefined
            : 'changed'
          : 'stale';
        if (confirms) assert.equal(heard.kind, 'confirmed');
        else if (expected !== undefined) assert.equal(heard.kind, expected, `${held} ${told} ${incarnation}`);
        if (incarnation < 5) assert.equal(table.get(other)!.status, held, 'old words change nothing');
      }
    }
  }
});

test('of an incarnation that has been overtaken no attribute is taken', () => {
  const table = tableOf('alive');
  assert.equal(table.get(other)!.attributes, 1);
  table.hear(rumour('alive', 4));
  assert.equal(table.get(other)!.attributes, 1);
  table.hear(rumour('suspect', 6));
  assert.equal(table.get(other)!.attributes, 0);
});

test('Lifeguard §4.2: the same accuser counts once, and only so many are kept', () => {
  const table = tableOf('suspect');
  assert.equal(table.hear(rumour('suspect', 5, [1])).kind, 'stale');
  assert.equal(table.hear(rumour('suspect', 5, [1, 2])).kind, 'confirmed');
  table.hear(rumour('suspect', 5, [3]));
  table.hear(rumour('suspect', 5, [4]));
  assert.equal(table.hear(rumour('suspect', 5, [7])).kind, 'stale');
  assert.deepEqual(table.get(other)!.accusers, [1, 2, 3, 4]);
});

test('strangers are not held, and a refutation clears all charges', () => {
  const table = tableOf('suspect');
  const stranger = { ...rumour('alive', 9), node: nodeIdOf('stranger@host') };
  assert.equal(table.hear(stranger).kind, 'stale');
  assert.equal(table.get(stranger.node), undefined);
  table.accuse(other, 12, true);
  table.hear(rumour('alive', 6));
  const { accusers, isRefused } = table.get(other)!;
  assert.deepEqual([accusers, isRefused], [[], false]);
});

/** Words without deaths: those are judged by each node for itself. */
const words = fc.array(
  fc.record({
    node: fc.constantFrom(...['a', 'b', 'c'].map(nodeIdOf)),
    status: fc.constantFrom('alive' as const, 'suspect' as const),
    incarnation: fc.integer({ min: 1, max: 4 }),
    accusers: fc.subarray([1, 2]),
  }),
  { maxLength: 12 },
);

test('law: whoever has heard the same words, in whatever order and how often, has the same digest', () => {
  let differences = 0;
  fc.assert(
    fc.property(words, fc.infiniteStream(fc.nat()), (told, chance) => {
      const spoken = told.map((word) => ({ ...word, attributes: word.incarnation, isRefused: false }));
      const tables = [spoken, shuffled([...spoken, ...spoken], chance)].map((heard) => {
        const table = new MemberTable(self, 1, 1);
        for (const name of ['a', 'b', 'c']) table.add(nodeIdOf(name));
        for (const word of heard) table.hear(word);
        return table;
      });
      const [one, two] = tables as [MemberTable, MemberTable];
      assert.equal(one.digest, two.digest);
      for (const name of ['a', 'b', 'c']) assert.deepEqual(plain(one, name), plain(two, name));
      const before = one.digest;
      one.hear({ ...rumour('alive', 9), node: nodeIdOf('a') });
      if (one.digest !== before) differences += 1;
    }),
  );
  assert.ok(differences > 50);
});

test('the digest forgets who is removed', () => {
  const table = new MemberTable(self, 1, 1);
  const alone = table.digest;
  table.add(other);
  assert.equal(table.digest, alone, 'of whom nothing is known, nothing is told');
  table.hear(rumour('alive', 3));
  assert.notEqual(table.digest, alone);
  table.remove(other);
  assert.equal(table.digest, alone);
});

function plain(table: MemberTable, name: string): unknown {
  const record = table.get(nodeIdOf(name))!;
  return { ...record, accusers: record.accusers.toSorted((a, b) => a - b) };
}

function shuffled<Item>(items: Item[], chance: fc.Stream<number>): Item[] {
  return items
    .map((item) => [chance.next().value as number, item] as const)
    .toSorted(([a], [b]) => a - b)
    .map(([, item]) => item);
}
