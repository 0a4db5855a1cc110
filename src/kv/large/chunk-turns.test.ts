import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChunkTurns } from './chunk-turns.ts';

test('one chunk a turn, in the order in which they asked', async () => {
  let ends: (() => void)[] = [];
  const turns = new ChunkTurns({ endOfTurn: (run) => ends.push(run) });
  const went: string[] = [];
  for (const name of ['a', 'b', 'c']) void turns.wait().then(() => went.push(name));
  const counts: number[] = [];
  while (ends.length > 0) {
    assert.equal(ends.length, 1, 'it is asked for once');
    const due = ends;
    ends = [];
    for (const run of due) run();
    for (let settle = 0; settle < 3; settle += 1) await Promise.resolve();
    counts.push(went.length);
  }
  assert.deepEqual(went, ['a', 'b', 'c']);
  assert.deepEqual(counts, [1, 2, 3]);
});
