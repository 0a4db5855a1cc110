import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import type { Tasks } from '../environment/index.ts';
import { GroupCommit, type GroupCommitLimits } from './group-commit.ts';
import { openMemoryEngine } from './memory/open-memory-engine.ts';
import {
  type Durability,
  PartlyWritten,
  type StorageEngine,
  StorageError,
  type WriteBatch,
} from './storage-engine.ts';

const tasks: Tasks = { spawn: (_name, body) => void body(), endOfTurn: (run) => void setImmediate(run) };
const timers = { after: () => ({ cancel: () => {} }) };

interface Flight {
  readonly batch: WriteBatch;
  readonly durability: Durability;
  land(error?: StorageError): void;
}

/** A memory engine whose writes wait until the test lets them land. */
async function held(limits?: GroupCommitLimits): Promise<{ commit: GroupCommit; flights: Flight[] }> {
  const engine = await openMemoryEngine({}, { tasks, timers });
  const flights: Flight[] = [];
  const holding: StorageEngine = Object.assign(Object.create(engine), {
    get: (key: Buffer) => engine.get(key),
    write: (batch: WriteBatch, durability: Durability) =>
      new Promise<void>((resolve, reject) => {
        const land = (error?: StorageError) => {
          if (error === undefined) void engine.write(batch, durability).then(resolve, reject);
          else reject(error);
        };
        flights.push({ batch, durability, land });
      }),
  });
  return { commit: new GroupCommit(holding, tasks, limits), flights };
}

async function turn(): Promise<void> {
  for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve));
}

const done: string[] = [];

function put(
  commit: GroupCommit,
  name: string,
  value: string,
  durability: Durability = 'os',
  into = done,
): void {
  commit.write(
    durability,
    (batch) => batch.put(Buffer.from(name), Buffer.from(value)),
    (error) => into.push(`${name}=${value}: ${error?.code ?? 'ok'}`),
  );
}

function read(commit: GroupCommit, name: string): string | undefined {
  return commit.get(Buffer.from(name))?.toString();
}

test('one turn is one batch; what comes while it is in flight is the next; synced if any asked', async () => {
  const { commit, flights } = await held();
  const log: string[] = [];
  put(commit, 'a', '1', 'os', log);
  put(commit, 'b', '1', 'synced', log);
  assert.equal(flights.length, 0);
  await turn();
  put(commit, 'a', '2', 'os', log);
  put(commit, 'c', '2', 'os', log);
  await turn();
  assert.deepEqual(
    flights.map((flight) => [flight.batch.length, flight.durability]),
    [[2, 'synced']],
  );
  assert.deepEqual([read(commit, 'a'), read(commit, 'b'), read(commit, 'c')], ['2', '1', '2']);
  assert.deepEqual(log, []);
  flights[0]!.land();
  await turn();
  assert.deepEqual(log, ['a=1: ok', 'b=1: ok']);
  assert.equal(read(commit, 'a'), '2');
  assert.deepEqual(
    flights.map((flight) => [flight.batch.length, flight.durability]),
    [
      [2, 'synced'],
      [2, 'os'],
    ],
  );
  const drained = commit.drain();
  flights[1]!.land();
  await drained;
  assert.equal(read(commit, 'a'), '2');
  assert.deepEqual(commit.stats, { batches: 2, writes: 4, bytes: 8, failedBatches: 0 });
});

test('what comes in the turn in which a batch is done is in the next one, whether it came before that or after', async () => {
  const { commit, flights } = await held();
  const log: string[] = [];
  commit.write(
    'os',
    (batch) => batch.put(Buffer.from('a'), Buffer.from('1')),
    () => {
      put(commit, 'd', '1', 'os', log);
      queueMicrotask(() => put(commit, 'e', '1', 'synced', log));
    },
  );
  await turn();
  put(commit, 'b', '1', 'os', log);
  await turn();
  put(commit, 'c', '1', 'os', log);
  flights[0]!.land();
  await turn();
  assert.deepEqual(
    flights.map(({ batch, durability }) => [batch.keys.map(String).join(), durability]),
    [
      ['a', 'os'],
      ['b,c,d,e', 'synced'],
    ],
  );
  flights[1]!.land();
  await commit.drain();
  assert.deepEqual(log, ['b=1: ok', 'c=1: ok', 'd=1: ok', 'e=1: ok']);
});

test('a failed batch fails its writes and no others, and leaves the view', async () => {
  const { commit, flights } = await held();
  const log: string[] = [];
  put(commit, 'a', 'failed', 'synced', log);
  await turn();
  put(commit, 'b', 'kept', 'synced', log);
  commit.write(
    'os',
    (batch) => batch.delete(Buffer.from('c')),
    () => log.push('delete'),
  );
  assert.equal(read(commit, 'c'), undefined);
  flights[0]!.land(new StorageError('full', 'no space'));
  await turn();
  assert.deepEqual(log, ['a=failed: full']);
  assert.equal(read(commit, 'a'), undefined);
  assert.equal(read(commit, 'b'), 'kept');
  flights[1]!.land();
  await commit.drain();
  assert.deepEqual(log, ['a=failed: full', 'b=kept: ok', 'delete']);
  assert.equal(commit.stats.failedBatches, 1);
});

test('that the last batch failed is known until one with something in it is written', async () => {
  const { commit, flights } = await held();
  const land = async (error?: StorageError): Promise<void> => {
    await turn();
    flights.shift()?.land(error);
    await turn();
  };
  put(commit, 'a', '1');
  assert.equal(commit.hasFailed, false);
  await land(new StorageError('io', 'the disk refuses'));
  assert.equal(commit.hasFailed, true);
  commit.write(
    'os',
    () => {},
    () => {},
  );
  await land();
  assert.equal(commit.hasFailed, true, 'nothing was asked of the disk');
  put(commit, 'a', '2');
  await land(new PartlyWritten(new StorageError('io', 'one of two disks refuses'), () => false));
  assert.equal(commit.hasFailed, false, 'the other takes something');
});

test('limits: a full batch takes no more, and overloaded tells when to stop admitting', async () => {
  const { commit, flights } = await held({ pendingBytesMax: 300, batchBytesMax: 100 });
  for (let i = 0; i < 4; i++) put(commit, `k${i}`, 'x'.repeat(60));
  assert.equal(commit.overloaded, false);
  put(commit, 'k4', 'x'.repeat(60));
  assert.equal(commit.overloaded, true);
  for (let i = 0; i < 3; i++) {
    await turn();
    flights[i]!.land();
  }
  await commit.drain();
  assert.deepEqual(
    flights.map((flight) => flight.batch.length),
    [2, 2, 1],
  );
  assert.equal(commit.overloaded, false);
});

test('a fill that throws leaves nothing behind; a done that writes again is in a later batch', async () => {
  const { commit, flights } = await held();
  const fill = (batch: WriteBatch) => {
    batch.put(Buffer.from('bad'), Buffer.from('1'));
    throw new Error('fill failed');
  };
  assert.throws(() => commit.write('os', fill, () => assert.fail('done was called')), /fill failed/);
  await Promise.race([commit.drain(), turn().then(() => assert.fail('there is nothing to drain'))]);
  const log: string[] = [];
  commit.write(
    'os',
    (batch) => batch.put(Buffer.from('a'), Buffer.from('1')),
    () => put(commit, 'b', '2', 'os', log),
  );
  await turn();
  flights[0]!.land();
  await turn();
  flights[1]!.land();
  await commit.drain();
  assert.deepEqual(log, ['b=2: ok']);
  assert.equal(read(commit, 'bad'), undefined);
  await commit.drain();
});

test('of a batch that was partly written each call hears of its own writes', async () => {
  const { commit, flights } = await held();
  const heard: string[] = [];
  const write = (name: string, keys: readonly string[]) =>
    commit.write(
      'os',
      (batch) => {
        for (const key of keys) batch.put(Buffer.from(key), Buffer.from(name));
      },
      (error) => heard.push(`${name}: ${error?.code ?? 'ok'}`),
    );
  write('first', ['a', 'b']);
  write('second', ['c']);
  write('none', []);
  write('third', ['d', 'e']);
  write('fourth', ['f']);
  await turn();
  assert.equal(flights.length, 1);
  flights[0]!.land(new PartlyWritten(new StorageError('io', 'sick'), (place) => ![1, 2, 4].includes(place)));
  await turn();
  assert.deepEqual(heard, ['first: io', 'second: io', 'none: ok', 'third: io', 'fourth: ok']);
});
