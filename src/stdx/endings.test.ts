import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endInTurn } from './endings.ts';

test('all steps are taken one after the other, and the first failure is told', async () => {
  const taken: string[] = [];
  const step = (name: string, failure?: Error) => async () => {
    taken.push(`${name} begins`);
    await Promise.resolve();
    taken.push(`${name} ends`);
    if (failure !== undefined) throw failure;
  };
  const [first, second] = [new Error('first'), new Error('second')];
  const throws = () => {
    throw second;
  };
  await assert.rejects(endInTurn([step('a', first), throws, step('b')]), first);
  assert.deepEqual(taken, ['a begins', 'a ends', 'b begins', 'b ends']);
  await endInTurn([]);
});
