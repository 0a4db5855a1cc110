import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkExpiredAtRest, checkReadOfExpiring, type ExpiringWrite } from './expiry-holds.ts';

const write = (id: number, changes: Partial<ExpiringWrite> = {}): [number, ExpiringWrite] => [
  id,
  { id, key: 'k', endsSoon: false, expires: false, outcome: 'acked', past: [], ...changes },
];
const rest = (...ids: number[]) => [
  { key: 'k', wallMicros: 100, shown: ids.map((id) => ({ id, expiresAtMicros: undefined })) },
];
const kinds = (violations: readonly string[]) => violations.map((violation) => violation.slice(0, 2));

test('E1: what is shown has not ended, and says when it does', () => {
  const writes = new Map([write(1), write(2, { expires: true })]);
  const read = (id: number, expiresAtMicros: number | undefined) =>
    checkReadOfExpiring({ key: 'k', wallMicros: 100, shown: [{ id, expiresAtMicros }] }, writes);
  assert.deepEqual(read(1, undefined), []);
  assert.deepEqual(read(2, 101), []);
  for (const bad of [read(2, 100), read(2, undefined), read(1, 101), read(3, undefined)]) {
    assert.deepEqual(kinds(bad), ['E1']);
  }
});

test('E2: nothing that has ended is there, nor what it had replaced', () => {
  const ended = write(2, { expires: true, endsSoon: true, past: [1] });
  assert.deepEqual(checkExpiredAtRest(rest(), new Map([write(1), ended])), []);
  assert.deepEqual(kinds(checkExpiredAtRest(rest(2), new Map([write(1), ended]))), ['E2']);
  assert.deepEqual(kinds(checkExpiredAtRest(rest(1), new Map([write(1), ended]))), ['E2']);
  const unsure = write(2, { expires: true, endsSoon: true, past: [1], outcome: 'unknown' });
  for (const shown of [rest(), rest(1)]) {
    assert.deepEqual(checkExpiredAtRest(shown, new Map([write(1), unsure])), [], 'nobody can say');
  }
});

test('E3: what has not ended is there', () => {
  assert.deepEqual(kinds(checkExpiredAtRest(rest(), new Map([write(1)]))), ['E3']);
  assert.deepEqual(checkExpiredAtRest(rest(), new Map([write(1, { outcome: 'unknown' })])), []);
  const refused = write(2, { outcome: 'refused', past: [1] });
  assert.deepEqual(kinds(checkExpiredAtRest(rest(), new Map([write(1), refused]))), ['E3']);
});
