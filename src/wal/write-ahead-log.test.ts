import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Disk, DiskError } from '../environment/index.ts';
import { quietDisk, type SimulatedProcess, World } from '../simulator/index.ts';
import { WalError } from './wal-error.ts';
import type { WalLimits } from './wal-limits.ts';
import { WriteAheadLog } from './write-ahead-log.ts';

/** Small, so that a few records fill a segment. */
const limits: WalLimits = {
  recordBytesMax: 600,
  batchBytesMax: 1000,
  groupBytesMax: 800,
  segmentBytesMax: 2500,
  queueBytesMax: 4000,
  readBytesMax: 500,
  preallocatedBytes: 200,
};

async function simulate(seed: number, body: (node: SimulatedProcess, world: World) => Promise<void>) {
  const world = new World({ seed });
  await world.run(() => body(world.node('a'), world));
}

function openLog(node: SimulatedProcess): Promise<WriteAheadLog> {
  return WriteAheadLog.open(node.environment, 'data/log', limits);
}

/** The end of one change, as a promise. */
function ended(change: (done: (error: WalError | undefined) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    change((error) => (error === undefined ? resolve() : reject(error)));
  });
}

function append(log: WriteAheadLog, ...texts: string[]): Promise<void> {
  return ended((done) =>
    log.appendBatch(
      texts.map((text) => Buffer.from(text)),
      done,
    ),
  );
}

/** The whole log by single reads and by ranges, which must agree. */
function listed(log: WriteAheadLog): string[] {
  const single: string[] = [];
  for (let i = log.firstIndex; i <= log.lastIndex; i++) single.push(log.read(i).toString('latin1'));
  const ranged: string[] = [];
  for (let i = log.firstIndex; i <= log.lastIndex; i = log.firstIndex + ranged.length) {
    ranged.push(...log.readRange(i, log.lastIndex + 1).map((record) => record.toString('latin1')));
  }
  assert.deepEqual(ranged, single);
  return single;
}

type Step =
  | { readonly kind: 'append'; readonly sizes: readonly number[] }
  | { readonly kind: 'truncate' | 'drop'; readonly at: number }
  | { readonly kind: 'wait' | 'reopen' | 'kill' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      sizes: fc.array(fc.integer({ min: 0, max: 150 }), { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('truncate' as const, 'drop' as const),
      at: fc.double({ min: 0, max: 1.05, noNaN: true }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('wait' as const, 'reopen' as const, 'kill' as const) }),
  },
);

test('W1, W2: a log agrees with an array after any changes, also when it is opened again', async () => {
  const history = fc.array(step, { minLength: 1, maxLength: 60, size: 'max' });
  await fc.assert(
    fc.asyncProperty(history, (steps) => simulate(1, (node) => checkHistory(node, steps))),
    { numRuns: 150 },
  );
});

async function checkHistory(node: SimulatedProcess, steps: readonly Step[]): Promise<void> {
  let log = await openLog(node);
  const oracle = { first: 1, records: [] as string[] };
  const check = () => {
    assert.equal(log.firstIndex, oracle.first);
    assert.deepEqual(listed(log), oracle.records);
    assert.equal(log.nextIndex, oracle.first + oracle.records.length);
    assert.deepEqual(log.damages, []);
  };
  const done = (error: WalError | undefined) => assert.equal(error, undefined);
  for (const [i, step] of steps.entries()) {
    if (step.kind === 'append') {
      if (log.queuedBytes > 2500) await log.drain();
      const records = step.sizes.map((size) => Buffer.alloc(size, 97 + (i % 26)));
      assert.equal(log.appendBatch(records, done), oracle.first + oracle.records.length);
      oracle.records.push(...records.map((record) => record.toString('latin1')));
    } else if (step.kind === 'truncate') {
      const kept = Math.min(oracle.records.length, Math.floor(step.at * (oracle.records.length + 1)));
      log.truncateFrom(oracle.first + kept, done);
      oracle.records.length = kept;
    } else if (step.kind === 'drop') {
      const dropped = Math.floor(step.at * (oracle.records.length + 3));
      log.dropBefore(oracle.first + dropped, done);
      oracle.first += dropped;
      oracle.records.splice(0, dropped);
    } else {
      await log.drain();
      check();
      if (step.kind === 'reopen') await log.close();
      if (step.kind === 'kill') node.kill();
      if (step.kind !== 'wait') log = await openLog(node);
      check();
    }
  }
  await log.drain();
  check();
  await log.close();
}

test('records of one turn share one write and one sync', () =>
  simulate(1, async (node) => {
    const log = await WriteAheadLog.open(node.environment, 'log');
    const ends: number[] = [];
    for (let i = 1; i <= 32; i++) {
      assert.equal(
        log.append(Buffer.from([i]), () => ends.push(i)),
        i,
      );
    }
    assert.deepEqual(ends, [], 'done is never called from inside append');
    assert.equal(log.lastIndex, 0, 'what is not durable is not shown');
    await log.drain();
    assert.equal(log.stats.syncs, 1);
    assert.equal(log.stats.records, 32);
    assert.deepEqual(
      ends,
      Array.from({ length: 32 }, (_, i) => i + 1),
    );
    await log.close();
  }));

test('limits: what does not fit is refused at once, and takes no index', () =>
  simulate(1, async (node) => {
    const log = await openLog(node);
    const never = () => assert.fail('done is not called for what was refused');
    const code = (expected: string) => (error: unknown) =>
      error instanceof WalError && error.code === expected;
    assert.throws(() => log.append(Buffer.alloc(601), never), code('too_large'));
    assert.throws(() => log.appendBatch([Buffer.alloc(500), Buffer.alloc(500)], never), code('too_large'));
    let queued = 0;
    const fill = () => {
      for (;;) {
        log.append(Buffer.alloc(600), () => undefined);
        queued += 1;
      }
    };
    assert.throws(fill, code('overload'));
    assert.ok(log.queuedBytes <= limits.queueBytesMax && log.queuedBytes + 648 > limits.queueBytesMax);
    await log.drain();
    assert.equal(log.queuedBytes, 0);
    assert.equal(log.lastIndex, queued);
    assert.throws(() => log.truncateFrom(queued + 2, never), code('out_of_range'));
    assert.throws(() => log.read(queued + 1), code('out_of_range'));
    assert.throws(() => log.read(0), code('out_of_range'));
    await log.close();
    assert.throws(() => log.append(Buffer.alloc(1), never), code('closed'));
    assert.throws(() => log.read(1), code('closed'));
  }));

test('W8: dropped segments leave the disk; the first index is exact and survives', () =>
  simulate(1, async (node, world) => {
    let log = await openLog(node);
    for (let i = 1; i <= 40; i++) await append(log, `${i}`.repeat(100));
    const before = (await node.environment.disk.list('data/log')).length;
    await ended((done) => log.dropBefore(39, done));
    await world.sleep(1000);
    const after = (await node.environment.disk.list('data/log')).length;
    assert.ok(before >= 3 && after <= 2, `${before} segments, then ${after}`);
    node.crash();
    log = await openLog(node);
    assert.deepEqual([log.firstIndex, log.lastIndex], [39, 40]);
    assert.deepEqual(log.damages, []);
    await ended((done) => log.dropBefore(1000, done));
    await append(log, 'far');
    node.crash();
    log = await openLog(node);
    assert.deepEqual([log.firstIndex, log.lastIndex, log.read(1000).toString()], [1000, 1000, 'far']);
  }));

test('W5, R57: a failed sync is told, and a full segment is given up for good, also if its successor fails and stays behind', () =>
  simulate(1, async (node) => {
    const { environment } = node;
    let isFailing = false;
    const fail = (path: string) => Promise.reject(new DiskError('io', path, 'planted'));
    const disk: Disk = {
      open: (path, options) => environment.disk.open(path, options),
      list: (directory) => environment.disk.list(directory),
      makeDirectory: (path) => environment.disk.makeDirectory(path),
      rename: (from, to) => environment.disk.rename(from, to),
      remove: (path) => (isFailing ? fail(path) : environment.disk.remove(path)),
      syncDirectory: (path) => (isFailing ? fail(path) : environment.disk.syncDirectory(path)),
      freeBytes: () => environment.disk.freeBytes(),
    };
    const log = await WriteAheadLog.open({ ...environment, disk }, 'data/log', limits);
    for (const letter of ['a', 'b']) await append(log, letter.repeat(500));
    isFailing = true;
    await assert.rejects(append(log, 'c'.repeat(600)), { code: 'io' });
    isFailing = false;
    await append(log, 'fits');
    node.crash();
    const again = await openLog(node);
    assert.deepEqual(listed(again), ['a'.repeat(500), 'b'.repeat(500), 'fits']);
  }));

test('W6: a full disk is a clear error for all that waits, and ends with it', () =>
  simulate(3, async (node) => {
    const log = await openLog(node);
    await append(log, 'before');
    node.disk.leaveFreeBytes(0);
    const outcomes = await Promise.allSettled([
      append(log, 'x'.repeat(300)),
      append(log, 'y'.repeat(300)),
      append(log, 'z'.repeat(300)),
    ]);
    for (const outcome of outcomes) {
      assert.ok(outcome.status === 'rejected' && outcome.reason.code === 'full', JSON.stringify(outcome));
    }
    assert.deepEqual(listed(log), ['before'], 'reads go on');
    assert.equal(log.nextIndex, 2);
    node.disk.conditions = quietDisk;
    await append(log, 'after');
    node.crash();
    assert.deepEqual(listed(await openLog(node)), ['before', 'after']);
  }));

test('W2: what failed and a start did not show does not come back at the next one', async () => {
  let removedSegments = 0;
  for (let seed = 1; seed <= 60; seed++) {
    await simulate(seed, async (node) => {
      const before = await openLog(node);
      await append(before, 'kept');
      await before.close();
      const log = await openLog(node);
      node.disk.conditions = { ...quietDisk, syncFailure: 1 };
      await assert.rejects(append(log, 'failed'), { code: 'io' });
      node.disk.conditions = quietDisk;
      removedSegments += (await node.environment.disk.list('data/log')).length === 1 ? 1 : 0;
      node.kill();
      const shown = listed(await openLog(node));
      node.crash();
      assert.deepEqual(listed(await openLog(node)), shown, `seed ${seed}`);
    });
  }
  assert.ok(removedSegments > 0);
});
