import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkInbox } from './inbox-complete.ts';

const bounds = { pageMax: 2, senders: 1, sides: 1 };
const sent = (name: string, isAcknowledged = true) => ({ user: 'u', name, isAcknowledged });

function checked(
  names: readonly string[],
  ...deliveries: readonly ReturnType<typeof sent>[]
): readonly string[] {
  return checkInbox('u', { names, pages: [names.slice(0, 2), names.slice(2)] }, deliveries, bounds);
}

test('V1: what was acknowledged is there; what was not may be', () => {
  assert.deepEqual(checked(['1_a', '2_b'], sent('1_a'), sent('2_b', false)), []);
  assert.deepEqual(checked(['1_a'], sent('1_a'), sent('2_b', false)), []);
  assert.deepEqual(checked(['2_b'], sent('1_a'), sent('2_b')), ['V1 u: 1_a was delivered and is lost']);
});

test('V2: nothing that nobody sent, the oldest first', () => {
  assert.deepEqual(checked(['1_a', '2_b'], sent('1_a')), ['V2 u: nobody sent 2_b']);
  assert.deepEqual(checked(['9_a', '10_b'], sent('9_a'), sent('10_b')), []);
  assert.deepEqual(checked(['10_b', '9_a'], sent('9_a'), sent('10_b')), ['V2 u: 10_b stands before 9_a']);
});

test('V3: pages are bounded', () => {
  const names = ['1_a', '2_b', '3_c', '4_d', '5_e', '6_f'];
  const pages = [names.slice(0, 2), names.slice(2)];
  const deliveries = names.map((name) => sent(name));
  assert.deepEqual(checkInbox('u', { names, pages }, deliveries, bounds), ['V3 u: page 1 has 4 names']);
  assert.deepEqual(checkInbox('u', { names, pages }, deliveries, { ...bounds, sides: 2 }), []);
});
