import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Partition } from '../../core/ring/index.ts';
import { nodeIdOf } from '../../environment/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { ObjectKey } from '../vnode/index.ts';
import { Pause } from './pause.ts';
import { repairKey } from './repair-key.ts';

const timers = { after: () => ({ cancel: () => {} }) };
const key = new ObjectKey({
  bucketType: byteLiteral('default'),
  bucket: byteLiteral('b'),
  key: byteLiteral('k'),
});
const replica = (partition: number) => {
  return { partition: partition as Partition, node: nodeIdOf(`n${partition}@h`), primary: true };
};

test('a repair whose replica does not answer ends when the node stops, and asks nobody after that', async () => {
  const pause = new Pause(timers);
  let asked = 0;
  const router = {
    send: () => {
      asked += 1;
    },
  };
  const repairing = repairKey({ router, pause }, key, replica(0), replica(1), 'synced');
  pause.close();
  assert.deepEqual(await repairing, { kind: 'failed', isTombstone: false });
  assert.equal(asked, 1);
  const late = await repairKey({ router, pause }, key, replica(0), replica(1), 'synced');
  assert.equal(late.kind, 'failed');
  assert.equal(asked, 1);
});
