/** LevelDB is repaired while the node runs, and what is left is older than what was acknowledged. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { configurationWith } from '../config/index.ts';
import { doubtfulRanges, type PutResult, quorumAll } from '../kv/index.ts';
import { nodeEnvironment, silentLog } from '../runtime/index.ts';
import { byteLiteral, bytesOfText } from '../stdx/index.ts';
import {
  type LevelEngineOptions,
  openLevelDatabase,
  openLevelEngine,
  StorageError,
  WriteBatch,
} from '../storage/index.ts';
import { startNode } from './index.ts';

const ringSize = 8;
const replicas = 3;
/** RpbContent: value, content_type. */
const content = Buffer.from([0x0a, 1, 0x78, 0x12, 10, ...Buffer.from('text/plain')]);

test('A2: after a repair in service no dot is issued twice, and trees and indexes are made anew', async (context) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'hale-repair-'));
  const environment = nodeEnvironment({
    dataDirectory: directory,
    log: silentLog,
    crash: (activity, error) => assert.fail(`${activity}: ${String(error)}`),
  });
  const data = path.join(directory, 'leveldb');
  const older = path.join(directory, 'older');
  let isDamaged = false;
  const open: LevelEngineOptions['open'] = async (...given) => {
    const level = await openLevelDatabase(...given);
    const nativeBatch = () => {
      const batch = level.nativeBatch();
      const write = batch._write.bind(batch);
      batch._write = (options) =>
        isDamaged ? Promise.reject(new Error('Corruption: bad entry in block')) : write(options);
      return batch;
    };
    return { ...level, nativeBatch };
  };
  const repair = async () => {
    rmSync(data, { recursive: true });
    cpSync(older, data, { recursive: true });
    isDamaged = false;
  };
  const engine = await openLevelEngine(
    { directory: data, open, repair, emptiedByRepair: doubtfulRanges },
    environment,
  );
  const configuration = configurationWith({
    'listener.http.internal': 'off',
    'listener.protobuf.internal': 'off',
    'listener.cluster.internal': 'off',
    ring_size: ringSize,
  });
  const node = await startNode(configuration, { environment, version: '0.0.0', engine });
  context.after(async () => {
    await node.stop();
    await environment.close();
    rmSync(directory, { recursive: true });
  });
  const put = async (key: string) => {
    const address = { bucketType: byteLiteral('default'), bucket: bytesOfText('b'), key: bytesOfText(key) };
    const result = await new Promise<PutResult>((resolve) =>
      node.store.put({ ...address, content, returnObject: 'head', w: quorumAll }, resolve),
    );
    assert.ok(result.kind === 'stored' && result.object !== undefined);
    return result.object.clock.entries.map(({ actor, counter }) => ({ actor, counter }));
  };
  const { antiEntropy, indexUpkeep } = node.database;
  const objects = () => antiEntropy.status().partitions.reduce((sum, each) => sum + each.objects, 0);

  await put('k');
  await engine.copyTo(older);
  const [dot, ...others] = await put('k');
  assert.deepEqual([dot?.counter, others], [2, []]);
  await put('lost');
  while (objects() < 2 * replicas) await sleep(5);
  const checks = indexUpkeep.status.checks;

  // Only what works in the background meets the damage: no vnode hears of a write that failed.
  isDamaged = true;
  while (isDamaged) {
    const batch = new WriteBatch();
    batch.delete(Buffer.from([0]));
    await assert.rejects(engine.write(batch, 'os'), StorageError);
    while (engine.health.kind === 'failing') await sleep(5);
  }
  const after = await put('k');
  assert.deepEqual(
    after.map(({ counter }) => counter),
    [1, 1],
    'the older copy, and a dot of a new epoch',
  );
  assert.ok(after.some(({ actor }) => actor !== dot?.actor));
  while (antiEntropy.status().totals.built < ringSize) await sleep(5);
  assert.equal(objects(), replicas, 'the trees are those of what is left');
  while (indexUpkeep.status.checks < checks + ringSize) await sleep(5);
});
