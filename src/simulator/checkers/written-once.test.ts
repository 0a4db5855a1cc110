import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkWrittenOnce, type OnceWrite } from './written-once.ts';

const write = (id: number, stamp: number, changes: Partial<OnceWrite> = {}): OnceWrite => ({
  key: 'k',
  id,
  stamp,
  outcome: 'acked',
  endedMs: stamp,
  ...changes,
});
const read = (id?: number, stamp = 0, copies: readonly string[] = ['x', 'x']) => [
  { key: 'k', shown: id === undefined ? undefined : { id, stamp }, copies },
];
const kinds = (violations: readonly string[]) => violations.map((violation) => violation.slice(0, 3));

test('WO1: what is shown was written, and what was acknowledged is there', () => {
  assert.deepEqual(checkWrittenOnce(read(1, 5), [write(1, 5)], []), []);
  assert.deepEqual(kinds(checkWrittenOnce(read(), [write(1, 5)], [])), ['WO1']);
  assert.deepEqual(kinds(checkWrittenOnce(read(2, 5), [write(1, 5)], [])), ['WO1']);
  assert.deepEqual(kinds(checkWrittenOnce(read(1, 5), [write(1, 5, { outcome: 'refused' })], [])), ['WO1']);
  assert.deepEqual(checkWrittenOnce(read(), [write(1, 5, { outcome: 'unknown' })], []), []);
  const begun = { key: 'k', beganMs: 9, acked: false };
  assert.deepEqual(checkWrittenOnce(read(), [write(1, 5)], [begun]), []);
});

test('WO2: nothing that was acknowledged is earlier than what is shown', () => {
  assert.deepEqual(checkWrittenOnce(read(1, 5), [write(1, 5), write(2, 6)], []), []);
  assert.deepEqual(kinds(checkWrittenOnce(read(2, 6), [write(1, 5), write(2, 6)], [])), ['WO2']);
});

test('WO3: copies are the same', () => {
  assert.deepEqual(kinds(checkWrittenOnce(read(1, 5, ['x', 'y']), [write(1, 5)], [])), ['WO3']);
});

test('WO4: what was deleted stays so, but for writes that came after', () => {
  const gone = { key: 'k', beganMs: 9, acked: true };
  assert.deepEqual(kinds(checkWrittenOnce(read(1, 5), [write(1, 5)], [gone])), ['WO4']);
  assert.deepEqual(checkWrittenOnce(read(2, 10), [write(1, 5), write(2, 10)], [gone]), []);
});
