import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Conflicts, KeyHistory, type KeyWrite, never } from './key-history.ts';
import { checkReadsFollowWrites, type ReadRules } from './reads-follow-writes.ts';

const usual = { clockJumps: false, seenMeansKept: true };

function put(id: number, from: number, to: number, changes: Partial<KeyWrite> = {}): KeyWrite {
  return {
    id,
    kind: 'put',
    invokedAt: from,
    endedAt: to,
    outcome: to === never ? 'unknown' : 'acked',
    past: new Set(),
    readsItself: false,
    condition: 'none',
    context: '',
    ...changes,
  };
}

type Read = readonly [from: number, to: number, ids: readonly number[]];

/** The rules that the reads break, each once. */
function broken(
  conflicts: Conflicts,
  writes: readonly KeyWrite[],
  reads: readonly Read[],
  rules: ReadRules = usual,
): readonly string[] {
  const history = new KeyHistory('b', 'k', conflicts);
  for (const write of writes) history.writes.set(write.id, write);
  for (const [invokedAt, endedAt, ids] of reads) history.reads.push({ invokedAt, endedAt, ids });
  const found = checkReadsFollowWrites(history, rules).map((violation) => /F\d/.exec(violation)?.[0] ?? '');
  return [...new Set(found)].sort();
}

test('F1: a value that nobody wrote, that was refused, or that comes from later is invented', () => {
  assert.deepEqual(broken('siblings', [], [[1, 2, [7]]]), ['F1']);
  assert.deepEqual(broken('siblings', [put(1, 1, never, { outcome: 'refused' })], [[2, 3, [1]]]), ['F1']);
  assert.deepEqual(broken('siblings', [put(1, 5, 6)], [[2, 3, [1]]]), ['F1']);
  assert.deepEqual(broken('siblings', [put(1, 1, never)], [[2, 3, [1]]]), []);
});

test('F2: an acknowledged write is read, unless one that knew it may have replaced it', () => {
  const writes = [put(1, 1, 2), put(2, 5, 8, { past: new Set([1]) })];
  assert.deepEqual(broken('siblings', writes, [[3, 4, []]]), ['F2']);
  assert.deepEqual(broken('siblings', writes, [[6, 7, [2]]]), []);
  assert.deepEqual(broken('siblings', writes, [[6, 7, [1]]]), []);
  assert.deepEqual(broken('siblings', writes, [[9, 10, []]]), ['F2']);
  assert.deepEqual(broken('siblings', [put(1, 1, 2), put(2, 3, 4)], [[5, 6, [2]]]), ['F2']);
});

test('F2: what was read is kept, whatever its writer was told', () => {
  const reads: readonly Read[] = [
    [2, 3, [1]],
    [4, 5, []],
  ];
  assert.deepEqual(broken('siblings', [put(1, 1, never)], reads), ['F2']);
  assert.deepEqual(broken('siblings', [put(1, 1, never)], reads, { ...usual, seenMeansKept: false }), []);
});

test('F3: what an acknowledged write or delete replaced does not come back', () => {
  const byContext = [put(1, 1, 2), put(2, 3, 4, { past: new Set([1]), kind: 'delete' })];
  assert.deepEqual(broken('siblings', byContext, [[5, 6, [1]]]), ['F3']);
  const byItself = [put(1, 1, 2), put(2, 3, 4, { readsItself: true, kind: 'delete' })];
  assert.deepEqual(broken('siblings', byItself, [[5, 6, [1]]]), ['F3']);
  assert.deepEqual(broken('siblings', byItself, [[3, 6, [1]]]), []);
  const unknown = [put(1, 1, 2), put(2, 3, never, { readsItself: true, kind: 'delete' })];
  assert.deepEqual(broken('siblings', unknown, [[5, 6, [1]]]), []);
});

test('F2 and F3: without siblings the later of two writes that did not overlap wins', () => {
  for (const conflicts of ['latest', 'overwrite'] as const) {
    const apart = [put(1, 1, 2), put(2, 3, 4)];
    assert.deepEqual(broken(conflicts, apart, [[5, 6, [2]]]), [], conflicts);
    assert.deepEqual(broken(conflicts, apart, [[5, 6, [1]]]), ['F2', 'F3'], conflicts);
    const together = [put(1, 1, 3), put(2, 2, 4)];
    assert.deepEqual(broken(conflicts, together, [[5, 6, [1]]]), [], conflicts);
    assert.deepEqual(broken(conflicts, together, [[5, 6, []]]), [], 'each may hide behind the other');
    assert.deepEqual(broken(conflicts, together, [[5, 6, [1, 2]]]), ['F5'], conflicts);
  }
});

test('a wall clock that jumps lets an older write win where stamps decide, and nowhere else', () => {
  const jumping = { ...usual, clockJumps: true };
  const apart = [put(1, 1, 2), put(2, 3, 4)];
  assert.deepEqual(broken('latest', apart, [[5, 6, [1]]], jumping), []);
  assert.deepEqual(broken('overwrite', apart, [[5, 6, [1]]], jumping), ['F2', 'F3']);
  const informed = [put(1, 1, 2), put(2, 3, 4, { past: new Set([1]) })];
  assert.deepEqual(broken('latest', informed, [[5, 6, [1]]], jumping), ['F2']);
});

test('F4: a sibling does not stand beside what it replaced', () => {
  const writes = [put(1, 1, 2), put(2, 3, never, { past: new Set([1]) })];
  assert.deepEqual(broken('siblings', writes, [[5, 6, [1, 2]]]), ['F4']);
});

test('a write that two nodes coordinated may be shown once more after it was replaced, and another may not', () => {
  const writes = [put(1, 1, 2), put(2, 3, 4, { past: new Set([1]) })];
  const reads: Read[] = [[5, 6, [1, 2]]];
  assert.deepEqual(broken('siblings', writes, reads), ['F3', 'F4']);
  assert.deepEqual(broken('siblings', writes, reads, { ...usual, twins: new Set([1]) }), []);
  assert.deepEqual(broken('siblings', writes, reads, { ...usual, twins: new Set([2]) }), ['F3', 'F4']);
});
