import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeIdOf } from '../../environment/index.ts';
import { World } from '../../simulator/index.ts';
import type { Partition } from '../ring/index.ts';
import type { ClusterState, Move, MoveStage } from '../topology/index.ts';
import { ReadyReports } from './ready-reports.ts';

function moveOf(partition: number, stage: MoveStage): [Partition, Move] {
  const ends = { from: nodeIdOf('a'), to: nodeIdOf('b') };
  return [partition as Partition, { partition: partition as Partition, ...ends, stage, since: 7 }];
}

/** What was told at which moment, in milliseconds: the partitions by what they are ready for. */
async function told(
  story: (world: World, reports: ReadyReports, moves: Map<Partition, Move>) => Promise<void>,
) {
  const world = new World({ seed: 1 });
  const messages: string[] = [];
  await world.run(async () => {
    const moves = new Map([1, 2, 3].map((partition) => moveOf(partition, 'released')));
    moves.set(...moveOf(4, 'copying'));
    const start = world.nowMs;
    const reports = new ReadyReports({
      environment: world.node('a').environment,
      state: () => ({ generation: 1, moves }) as unknown as ClusterState,
      tell: ({ what, moves: ready }) => {
        const names = ready.map(({ partition }) => partition).join();
        messages.push(`${Math.round(world.nowMs - start)} ${what} ${names}`);
      },
    });
    await story(world, reports, moves);
    reports.stop();
    await world.sleep(5000);
  });
  return messages;
}

const p = (partition: number): Partition => partition as Partition;

test('what was dropped within a moment is told together', async () => {
  const messages = await told(async (world, reports) => {
    for (const partition of [1, 2, 3]) {
      reports.report([p(partition)], 'dropped');
      reports.changed();
      await world.sleep(20);
    }
    await world.sleep(100);
  });
  assert.deepEqual(messages, ['100 dropped 1,2,3']);
});

test('what a switch waits for is told at once, and all that is ready with it', async () => {
  const messages = await told(async (world, reports) => {
    reports.report([p(1)], 'dropped');
    await world.sleep(20);
    reports.report([p(4)], 'verified');
    await world.sleep(500);
  });
  assert.deepEqual(messages, ['20 verified 4', '20 dropped 1']);
});

test('until the state shows it, it is told again, and then no more', async () => {
  const messages = await told(async (world, reports, moves) => {
    reports.report([p(1), p(2)], 'dropped');
    await world.sleep(1000);
    moves.delete(p(1));
    reports.changed();
    await world.sleep(1000);
    moves.clear();
    reports.changed();
    await world.sleep(3000);
  });
  assert.deepEqual(messages, ['100 dropped 1,2', '1100 dropped 2']);
});
