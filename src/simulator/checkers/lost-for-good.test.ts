import assert from 'node:assert/strict';
import { test } from 'node:test';
import { actorId, type Dot } from '../../clocks/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { KeyHistory, type KeyWrite, never } from './key-history.ts';
import { type DiskCopy, excuseLost } from './lost-for-good.ts';

function acked(id: number, endedAt: number, changes: Partial<KeyWrite> = {}): KeyWrite {
  const nothing = { past: new Set<number>(), readsItself: false, condition: 'none', context: '' } as const;
  return { id, kind: 'put', invokedAt: endedAt - 1, endedAt, outcome: 'acked', ...nothing, ...changes };
}

/** A copy that knows of the first `known` writes, and shows some of them. */
function copy(known: number, ...ids: readonly number[]): DiskCopy {
  const dotOf = (counter: number): Dot => ({ actor: actorId(byteLiteral('vnode id'), 1), counter });
  return {
    isKept: true,
    covers: ({ counter }) => counter <= known,
    shown: new Map(ids.map((id) => [id, dotOf(id)])),
  };
}

/** The writes that may be lost of the history, as the lost disk had those copies and the others have what is left. */
function lostOf(
  writes: readonly KeyWrite[],
  had: readonly DiskCopy[],
  left: readonly DiskCopy[],
): readonly number[] {
  const history = new KeyHistory('b', 'k', 'siblings');
  for (const write of writes) history.writes.set(write.id, write);
  const before = writes.filter(({ outcome }) => outcome === 'acked');
  excuseLost(history, had, left);
  return before.filter(({ outcome }) => outcome === 'unknown').map(({ id }) => id);
}

const dropping = (of: DiskCopy): DiskCopy => ({ ...of, isKept: false });

test('what only the lost disk had may be lost, and what another shows may not', () => {
  const two = (): KeyWrite[] => [acked(1, 10), acked(2, 20)];
  assert.deepEqual(lostOf(two(), [copy(2, 1, 2)], []), [1, 2]);
  assert.deepEqual(lostOf(two(), [copy(2, 1, 2)], [copy(1, 1), copy(0)]), [2]);
});

test('what the lost disk did not have, or was dropping, may not be lost', () => {
  assert.deepEqual(lostOf([acked(1, 10)], [], []), []);
  assert.deepEqual(lostOf([acked(1, 10), acked(2, 20)], [copy(1, 1)], []), [1]);
  assert.deepEqual(lostOf([acked(1, 10)], [dropping(copy(1, 1))], []), []);
});

test('what was replaced by a write that stays is not lost, though nobody was told of that write', () => {
  const untold = acked(2, never, { past: new Set([1]), outcome: 'unknown' });
  assert.deepEqual(lostOf([acked(1, 10), untold], [copy(1, 1)], [copy(2, 2)]), []);
});

const deleted = (): KeyWrite[] => [acked(1, 10), acked(2, 20, { kind: 'delete', past: new Set([1]) })];

test('a deleted value may be back if a copy shows it and the only tombstone is lost', () => {
  assert.deepEqual(lostOf(deleted(), [copy(2)], [copy(1, 1)]), [2]);
  assert.deepEqual(lostOf(deleted(), [copy(2)], [copy(1, 1), copy(2)]), []);
  assert.deepEqual(lostOf(deleted(), [copy(2)], [copy(2)]), []);
  assert.deepEqual(lostOf(deleted(), [copy(2)], []), [], 'nothing is left that could be back');
});

test('a deleted value may not be back if the lost disk had no tombstone', () => {
  assert.deepEqual(lostOf(deleted(), [], [copy(1, 1)]), []);
  assert.deepEqual(lostOf(deleted(), [copy(1, 1)], [copy(1, 1)]), []);
});

test('what was replaced before a delete may be back, too', () => {
  const writes = [
    acked(1, 10),
    acked(2, 20, { past: new Set([1]) }),
    acked(3, 30, { kind: 'delete', past: new Set([1, 2]) }),
  ];
  assert.deepEqual(lostOf(writes, [copy(3)], [copy(1, 1)]), [2, 3]);
});

test('what is being dropped keeps nothing, and may be back all the same', () => {
  assert.deepEqual(lostOf([acked(1, 10)], [copy(1, 1)], [dropping(copy(1, 1))]), [1]);
  assert.deepEqual(lostOf(deleted(), [copy(2)], [dropping(copy(1, 1)), dropping(copy(2))]), [2]);
});
