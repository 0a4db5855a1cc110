/** Single bits flipped anywhere, and torn ends: what the log says of them, exactly. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import type { DiskFile } from '../environment/index.ts';
import { type SimulatedProcess, World } from '../simulator/index.ts';
import { bodyStart, frameHeadBytes } from './frame.ts';
import { segmentHeaderBytes } from './segment-header.ts';
import { WalError } from './wal-error.ts';
import { type WalLimits, walLimits } from './wal-limits.ts';
import { WriteAheadLog } from './write-ahead-log.ts';

const limits: WalLimits = { ...walLimits, preallocatedBytes: 0 };
const texts = ['alpha', 'beta', 'gamma', 'delta'];

async function simulate(body: (node: SimulatedProcess) => Promise<void>): Promise<void> {
  const world = new World({ seed: 1 });
  await world.run(() => body(world.node('a')));
}

function openLog(node: SimulatedProcess): Promise<WriteAheadLog> {
  return WriteAheadLog.open(node.environment, 'log', limits);
}

/** Records 1, then 2 and 3 in one batch, then 4: three groups, of one frame each. */
async function write(log: WriteAheadLog): Promise<void> {
  const [alpha, beta, gamma, delta] = texts.map((text) => Buffer.from(text));
  for (const batch of [[alpha!], [beta!, gamma!], [delta!]]) {
    log.appendBatch(batch, (error) => assert.equal(error, undefined));
    await log.drain();
  }
}

const frame1 = segmentHeaderBytes;
const frame2 = frame1 + bodyStart(1) + 5;
const frame3 = frame2 + bodyStart(2) + 9;
const mark = frame3 + bodyStart(1) + 5;
const end = mark + frameHeadBytes;
const path = 'log/000000000000001.wal';

/** Each record, or 'damaged'. */
function listed(log: WriteAheadLog): string[] {
  const found: string[] = [];
  for (let i = log.firstIndex; i <= log.lastIndex; i++) {
    try {
      found.push(log.read(i).toString());
    } catch (error) {
      assert.ok(error instanceof WalError && error.code === 'damaged');
      found.push('damaged');
    }
  }
  return found;
}

async function flip(node: SimulatedProcess, at: number, bit: number): Promise<void> {
  const { disk } = node.environment;
  const file = await disk.open(path, { create: false });
  const byte = file.read(at, 1);
  byte[0]! ^= 1 << bit;
  await file.write(at, byte);
  await file.close();
}

/** What must be said of a damaged byte: which records are lost with it. */
function lostWith(at: number): { from: number; to: number; lost: number[] } | undefined {
  const bodies = frame2 + bodyStart(2);
  if (at < frame1) return undefined;
  if (at < frame1 + bodyStart(1)) return { from: frame1, to: frame2, lost: [1] };
  if (at < frame2) return { from: frame1 + bodyStart(1), to: frame2, lost: [1] };
  if (at < bodies) return { from: frame2, to: frame3, lost: [2, 3] };
  if (at < bodies + 4) return { from: bodies, to: bodies + 4, lost: [2] };
  if (at < frame3) return { from: bodies + 4, to: frame3, lost: [3] };
  if (at < frame3 + bodyStart(1)) return { from: frame3, to: mark, lost: [4] };
  if (at < mark) return { from: frame3 + bodyStart(1), to: mark, lost: [4] };
  return undefined;
}

test('W4, W7: a bit of any byte of a closed log may rot: it is found, told exactly, and costs only its own records', () =>
  simulate(async (node) => {
    const log = await openLog(node);
    await write(log);
    await log.close();
    assert.equal((await node.environment.disk.open(path, { create: false })).size, end);
    for (let at = 0; at < end; at++) {
      const bit = at % 8;
      await flip(node, at, bit);
      const damagedLog = await openLog(node);
      const expected = lostWith(at);
      assert.deepEqual(
        listed(damagedLog),
        texts.map((text, i) => (expected?.lost.includes(i + 1) ? 'damaged' : text)),
        `byte ${at}`,
      );
      const told = damagedLog.damages.filter(({ kind }) => kind === 'rot');
      if (expected !== undefined) {
        const { from, to, lost } = expected;
        const damage = { kind: 'rot', file: path, from, to, first: lost[0], last: lost.at(-1) };
        assert.deepEqual(damagedLog.damages, [damage], `byte ${at}`);
      } else if (at < 64 || (at >= 512 && at < 576)) {
        const from = at < 64 ? 0 : 512;
        assert.deepEqual(told, [{ kind: 'rot', file: path, from, to: from + 64, first: 1, last: 0 }]);
      } else {
        assert.deepEqual(told, [], `byte ${at}`);
      }
      node.kill();
      await restore(node, at, bit);
    }
  }));

/** Undoes a flip, and removes what the log wrote since. */
async function restore(node: SimulatedProcess, at: number, bit: number): Promise<void> {
  await flip(node, at, bit);
  const { disk } = node.environment;
  for (const name of await disk.list('log')) if (`log/${name}` !== path) await disk.remove(`log/${name}`);
}

test('W2: a torn end is cut where it tears, wherever that is, and the log goes on', async () => {
  for (let cut = segmentHeaderBytes; cut < mark; cut++) {
    await simulate(async (node) => {
      const log = await openLog(node);
      await write(log);
      node.kill();
      const file: DiskFile = await node.environment.disk.open(path, { create: false });
      await file.truncate(cut);
      const torn = await openLog(node);
      const whole = cut >= frame3 ? 3 : cut >= frame2 ? 1 : 0;
      assert.deepEqual(listed(torn), texts.slice(0, whole), `cut at ${cut}`);
      const isClean = cut === frame2 || cut === frame3;
      assert.deepEqual(
        torn.damages.map(({ kind }) => kind),
        isClean ? [] : ['torn tail'],
        `cut at ${cut}`,
      );
      assert.equal(
        torn.append(Buffer.from('next'), () => undefined),
        whole + 1,
      );
      await torn.drain();
      node.crash();
      const again = await openLog(node);
      assert.deepEqual(listed(again), [...texts.slice(0, whole), 'next'], `cut at ${cut}`);
    });
  }
});

test('R52: a rotten record is told, and those behind it are there', () =>
  simulate(async (node) => {
    const log = await openLog(node);
    await write(log);
    await flip(node, frame1 + bodyStart(1), 0);
    assert.throws(() => log.read(1), { code: 'damaged' }, 'also while the log is open');
    assert.throws(() => log.readRange(1, 5), { code: 'damaged' });
    assert.equal(log.readRange(2, 5).length, 3);
    node.kill();
    const again = await openLog(node);
    assert.deepEqual(listed(again), ['damaged', 'beta', 'gamma', 'delta']);
  }));

test('W9: a read that the device refuses at the end is no torn tail: the log does not open', () =>
  simulate(async (node) => {
    const log = await openLog(node);
    await write(log);
    node.kill();
    node.disk.conditions = { ...node.disk.conditions, readFailure: 1 };
    await assert.rejects(openLog(node), { name: 'WalError', code: 'io' });
    node.disk.conditions = { ...node.disk.conditions, readFailure: 0 };
    assert.deepEqual(listed(await openLog(node)), texts);
  }));

test('a record that contains a frame of its own log is not taken for one', () =>
  simulate(async (node) => {
    const { disk } = node.environment;
    const log = await openLog(node);
    await write(log);
    const copied = (await disk.open(path, { create: false })).read(0, mark);
    log.append(copied, (error) => assert.equal(error, undefined));
    await log.drain();
    await log.close();
    await flip(node, mark + 4, 0);
    const damaged = await openLog(node);
    assert.deepEqual(listed(damaged), [...texts, 'damaged']);
    const to = mark + bodyStart(1) + copied.length;
    assert.deepEqual(damaged.damages, [{ kind: 'rot', file: path, from: mark, to, first: 5, last: 5 }]);
  }));
