import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Partition } from '../ring/index.ts';
import { StrayLedger } from './stray-ledger.ts';

test('S1: what was found to be empty is looked at again when storage may have brought something back', () => {
  const told: boolean[] = [];
  const ledger = new StrayLedger((hasStrays) => told.push(hasStrays));
  const [foreign, held] = [1 as Partition, 2 as Partition];
  ledger.follow(['owner', 'foreign', 'foreign']);
  for (const partition of [foreign, held]) ledger.found(partition, ledger.markOf(partition)!, true);
  assert.deepEqual(told, [false]);
  ledger.note(held);
  ledger.doubt();
  assert.deepEqual([ledger.unchecked(), ledger.partitions()], [[foreign], [held]]);
  const mark = ledger.markOf(foreign)!;
  ledger.doubt();
  ledger.found(foreign, mark, true);
  assert.deepEqual(ledger.unchecked(), [foreign], 'a look that began before is of no account');
  assert.deepEqual(told, [false, true]);
});
