import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkConditionsHold } from './conditions-hold.ts';
import { type Conflicts, KeyHistory, type KeyWrite } from './key-history.ts';

type Told = Pick<KeyWrite, 'id' | 'invokedAt' | 'endedAt'> & Partial<KeyWrite>;

function violations(writes: readonly Told[], conflicts: Conflicts = 'siblings', clockJumps = false): number {
  const history = new KeyHistory('b', 'k', conflicts);
  const usual = { kind: 'put', outcome: 'acked', past: new Set<number>(), readsItself: false } as const;
  for (const write of writes) {
    history.writes.set(write.id, { ...usual, condition: 'none', context: '', ...write });
  }
  return checkConditionsHold(history, clockJumps).length;
}

test('C1: of the writes with one context one is acknowledged', () => {
  const first = { id: 1, invokedAt: 1, endedAt: 3, condition: 'unmodified', context: 'aa' } as const;
  const second = { ...first, id: 2, invokedAt: 2, endedAt: 4 };
  assert.equal(violations([first, second]), 1);
  assert.equal(violations([first, { ...second, context: 'bb' }]), 0);
  assert.equal(violations([first, { ...second, outcome: 'refused' }]), 0);
  assert.equal(violations([first, { ...second, condition: 'none' }]), 0);
});

test('C2: a key is created twice only if it was deleted between', () => {
  const first = { id: 1, invokedAt: 1, endedAt: 2, condition: 'absent' } as const;
  const second = { id: 2, invokedAt: 6, endedAt: 7, condition: 'absent' } as const;
  const deletion = { id: 3, invokedAt: 3, endedAt: 4, kind: 'delete' } as const;
  assert.equal(violations([first, second]), 1);
  assert.equal(violations([first, deletion, second]), 0);
  assert.equal(violations([first, { ...deletion, outcome: 'refused' }, second]), 1);
  assert.equal(violations([first, { ...deletion, invokedAt: 8, endedAt: 9 }, second]), 1);
  assert.equal(violations([first, second], 'latest', true), 0);
});
