import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Timer } from '../../environment/index.ts';
import { BackgroundTask } from './background-task.ts';

const names: string[] = [];
const timers = { after: (): Timer => ({ cancel: () => {} }) };
const tasks = {
  spawn: (name: string, body: () => Promise<void>): void => {
    names.push(name);
    void body();
  },
  endOfTurn: (): void => {},
};

function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

test('a close wakes the work and waits for its end, and nothing begins after it', async () => {
  const task = new BackgroundTask('sweep', { timers, tasks });
  const steps: string[] = [];
  const work = async (): Promise<void> => {
    while (!task.pause.isClosed) {
      steps.push('look');
      await task.pause.for(1000);
    }
    steps.push('end');
  };
  task.start(work);
  task.start(work);
  await settled();
  assert.deepEqual(steps, ['look']);
  await task.close();
  assert.deepEqual(steps, ['look', 'end']);
  task.start(work);
  await settled();
  assert.deepEqual([steps.length, names], [2, ['sweep']]);
});

test('work that is started in the moment of its end runs once more', async () => {
  const task = new BackgroundTask('sweep', { timers, tasks });
  let runs = 0;
  const work = async (): Promise<void> => {
    runs += 1;
    if (runs === 1) task.start(work);
  };
  task.start(work);
  await settled();
  assert.equal(runs, 2);
  task.start(work);
  await settled();
  assert.equal(runs, 3);
  await task.close();
});
