import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FaultyDisk } from '../memory/faulty-disk.fixture.ts';
import { RepairMarkFile } from './repair-mark.ts';

test('the mark of a repair, and its removal, survive a power cut once they resolved', async () => {
  const loseAllUnsynced = () => 0;
  const disk = new FaultyDisk(loseAllUnsynced);
  const mark = new RepairMarkFile(disk, 'storage-repair');
  assert.equal(await mark.isSet(), false);
  await mark.set();
  await mark.set();
  const afterSet = disk.crash();
  assert.equal(await new RepairMarkFile(afterSet, 'storage-repair').isSet(), true);
  await mark.clear();
  assert.equal(await new RepairMarkFile(disk.crash(), 'storage-repair').isSet(), false);
});
