import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { SoloTopology } from '../core/topology/index.ts';
import { type Instant, nodeIdOf, type Tasks, type WallMicros } from '../environment/index.ts';
import { byteLiteral } from '../stdx/index.ts';
import { GroupCommit, openMemoryEngine, type StorageEngine, type WriteBatch } from '../storage/index.ts';
import { encodeContent } from '../wire/index.ts';
import { type KeyValueSettings, LocalKeyValueStore, silentObserver } from './index.ts';
import { fixtureSettings } from './key-value-settings.fixture.ts';

const settings: KeyValueSettings = {
  ...fixtureSettings,
  deleteMode: 'keep',
  // All that happens here is one turn of the event loop.
  turnDelayMs: 60_000,
};

const address = { bucketType: byteLiteral('default'), bucket: byteLiteral('b'), key: byteLiteral('k') };
const content = encodeContent({
  value: Buffer.from('v'),
  links: [],
  userMeta: [],
  indexes: [],
  deleted: false,
});

/** A store on a disk that takes time to read, and takes writes for ever once `stuck`; time is ours to move. */
async function slowStore() {
  let nowMs = 0;
  const wakes = new Set<() => void>();
  const disk = { msPerRead: 0, stuck: false };
  const clock = { now: () => nowMs as Instant, wallMicros: () => 1_000_000 as WallMicros };
  const timers = {
    after(_delayMs: number, wake: () => void) {
      wakes.add(wake);
      return { cancel: () => void wakes.delete(wake) };
    },
  };
  const tasks: Tasks = { spawn: (_name, body) => void body(), endOfTurn: (run) => void setImmediate(run) };
  let drawn = 0;
  const random = {
    u32: () => ++drawn,
    fraction: () => 0,
    bytes: (count: number) => Buffer.alloc(count, ++drawn),
  };
  const memory = await openMemoryEngine({}, { tasks, timers });
  const engine: StorageEngine = Object.assign(Object.create(memory), {
    get(key: Buffer) {
      nowMs += disk.msPerRead;
      return memory.get(key);
    },
    scan: memory.scan.bind(memory),
    write: (batch: WriteBatch) => (disk.stuck ? new Promise(() => {}) : memory.write(batch, 'os')),
  });
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const kv = await LocalKeyValueStore.open({
    environment: { clock, timers, tasks, random, log },
    commit: new GroupCommit(engine, tasks),
    topology: new SoloTopology(nodeIdOf('test@127.0.0.1'), 8),
    observer: silentObserver,
    settings,
  });
  const moveTo = (ms: number) => {
    nowMs = Math.max(nowMs, ms);
    for (const wake of [...wakes]) {
      wakes.delete(wake);
      wake();
    }
  };
  return { kv, disk, moveTo };
}

test('a timeout is for the whole request: a write has what its read has left', async () => {
  const { kv, disk, moveTo } = await slowStore();
  await new Promise((resolve) => kv.put({ ...address, content }, resolve));
  Object.assign(disk, { msPerRead: 200, stuck: true });
  const outcomes: string[] = [];
  const told = (request: string) => (result: { kind: string; error?: { code: string } }) =>
    outcomes.push(`${request} ${result.error?.code ?? result.kind}`);
  kv.delete({ ...address, timeoutMs: 2000 }, told('delete'));
  // Read by 600, written by 1200 and never stored.
  moveTo(2100 + 600);
  assert.deepEqual(outcomes, ['delete timeout']);
  kv.put({ ...address, content, ifNoneMatch: true, timeoutMs: 2000 }, told('put'));
  assert.deepEqual(outcomes.at(-1), 'put match_found');
  const other = { ...address, key: byteLiteral('other') };
  kv.put({ ...other, content, ifNoneMatch: true, timeoutMs: 2000 }, told('put'));
  moveTo(6000);
  assert.equal(outcomes.length, 3);
  assert.deepEqual(outcomes.at(-1), 'put timeout');
});
