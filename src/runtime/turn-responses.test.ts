import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TurnResponses } from './turn-responses.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test('responses leave in their order when the turn ends; one made meanwhile, with the next', async () => {
  const responses = new TurnResponses();
  const left: string[] = [];
  const late = { leave: () => void left.push('late') };
  responses.add({
    leave: () => {
      left.push('first');
      responses.add(late);
    },
  });
  responses.add({ leave: () => void left.push('second') });
  assert.deepEqual(left, []);
  await turn();
  assert.deepEqual(left, ['first', 'second']);
  await turn();
  assert.deepEqual(left, ['first', 'second', 'late']);
});
