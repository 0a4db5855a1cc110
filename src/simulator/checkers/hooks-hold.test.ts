import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkHooksHeld, checkShown, type HookedWrite } from './hooks-hold.ts';

function write(changes: Partial<HookedWrite> = {}): HookedWrite {
  return { id: 1, key: 'key1', kind: 'pass', outcome: 'acked', deleted: 'no', ...changes };
}

const none: ReadonlyMap<number, number> = new Map();
const there: ReadonlySet<string> = new Set(['key1', 'kept1']);
const nothing: ReadonlySet<string> = new Set();

test('K1, K2: what is shown passed its hooks, and was refused by none', () => {
  const value = { id: 1, kind: 'pass', seals: ['guard', 'sign'] } as const;
  assert.equal(checkShown(write(), value), undefined);
  assert.equal(checkShown(write({ outcome: 'unknown' }), value), undefined);
  assert.match(checkShown(undefined, value)!, /K1/);
  assert.match(checkShown(write({ id: 2 }), value)!, /K1/);
  assert.match(checkShown(write(), { ...value, seals: ['sign', 'guard'] })!, /K1/);
  assert.match(checkShown(write({ kind: 'change' }), value)!, /K1/);
  assert.equal(
    checkShown(write({ kind: 'change' }), { ...value, seals: ['guard', 'change', 'sign'] }),
    undefined,
  );
  assert.match(checkShown(write({ kind: 'refuse', outcome: 'unknown' }), value)!, /K2/);
  assert.match(checkShown(write({ outcome: 'refused' }), value)!, /K2/);
});

test('K2, K3: nothing refused is acknowledged, and nothing acknowledged is lost', () => {
  assert.deepEqual(checkHooksHeld([write()], there, none), []);
  assert.match(checkHooksHeld([write({ kind: 'throw' })], nothing, none)[0]!, /K2/);
  assert.match(checkHooksHeld([write()], nothing, none)[0]!, /K3 key1 is lost/);
  assert.deepEqual(checkHooksHeld([write({ deleted: 'unknown' })], nothing, none), []);
  assert.deepEqual(checkHooksHeld([write({ deleted: 'acked' })], nothing, none), []);
  assert.match(checkHooksHeld([write({ deleted: 'acked' })], there, none)[0]!, /K3/);
  assert.match(checkHooksHeld([write({ key: 'kept1', deleted: 'unknown' })], nothing, none)[0]!, /K3/);
  assert.match(checkHooksHeld([write({ key: 'kept1', deleted: 'acked' })], there, none)[0]!, /K3/);
});

test('K4: a post-commit hook is told at most once, of what may have been stored', () => {
  assert.deepEqual(checkHooksHeld([write()], there, new Map([[1, 1]])), []);
  assert.match(checkHooksHeld([write()], there, new Map([[1, 2]]))[0]!, /K4/);
  const refused = [write({ outcome: 'refused' })];
  assert.match(checkHooksHeld(refused, nothing, new Map([[1, 1]]))[0]!, /K4/);
});
