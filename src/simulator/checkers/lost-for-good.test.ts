import assert from 'node:assert/strict';
import { test } from 'node:test';
import { actorId, type Dot } from '../../clocks/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { KeyHistory, type KeyWrite } from './key-history.ts';
import { excuseLost, type LeftCopy } from './lost-for-good.ts';

function acked(id: number, endedAt: number, changes: Partial<KeyWrite> = {}): KeyWrite {
  const nothing = { past: new Set<number>(), readsItself: false, condition: 'none', context: '' } as const;
  return { id, kind: 'put', invokedAt: endedAt - 1, endedAt, outcome: 'acked', ...nothing, ...changes };
}

/** A copy that knows of the first `known` writes, and shows some of them. */
function copy(known: number, ...ids: readonly number[]): LeftCopy {
  const dotOf = (counter: number): Dot => ({ actor: actorId(byteLiteral('vnode id'), 1), counter });
  return {
    isKept: true,
    covers: ({ counter }) => counter <= known,
    shown: new Map(ids.map((id) => [id, dotOf(id)])),
  };
}

/** The writes that may be lost of the history, as those copies are left. */
function lostOf(writes: readonly KeyWrite[], left: readonly LeftCopy[]): readonly number[] {
  const history = new KeyHistory('b', 'k', 'siblings');
  for (const write of writes) history.writes.set(write.id, write);
  excuseLost(history, left, 100);
  return writes.filter(({ outcome }) => outcome === 'unknown').map(({ id }) => id);
}

test('what no disk shows may be lost, and what one shows may not', () => {
  assert.deepEqual(lostOf([acked(1, 10), acked(2, 20)], []), [1, 2]);
  assert.deepEqual(lostOf([acked(1, 10), acked(2, 20)], [copy(1, 1), copy(0)]), [2]);
});

test('what is acknowledged after the node has gone may not be lost', () => {
  assert.deepEqual(lostOf([acked(1, 101)], []), []);
});

test('a deleted value may be back if a copy shows it and no tombstone is left', () => {
  const deleted = (): KeyWrite[] => [acked(1, 10), acked(2, 20, { kind: 'delete', past: new Set([1]) })];
  assert.deepEqual(lostOf(deleted(), [copy(1, 1)]), [2]);
  assert.deepEqual(lostOf(deleted(), [copy(1, 1), copy(2)]), []);
  assert.deepEqual(lostOf(deleted(), [copy(2)]), []);
  assert.deepEqual(lostOf(deleted(), []), [], 'nothing is left that could be back');
});

test('what was replaced before a delete may be back, too', () => {
  const writes = [
    acked(1, 10),
    acked(2, 20, { past: new Set([1]) }),
    acked(3, 30, { kind: 'delete', past: new Set([1, 2]) }),
  ];
  assert.deepEqual(lostOf(writes, [copy(1, 1)]), [2, 3]);
});

test('what is being dropped keeps nothing, and may be back all the same', () => {
  const dropping = (of: LeftCopy): LeftCopy => ({ ...of, isKept: false });
  assert.deepEqual(lostOf([acked(1, 10)], [dropping(copy(1, 1))]), [1]);
  const deleted = [acked(1, 10), acked(2, 20, { kind: 'delete', past: new Set([1]) })];
  assert.deepEqual(lostOf(deleted, [dropping(copy(1, 1)), dropping(copy(2))]), [2]);
});
