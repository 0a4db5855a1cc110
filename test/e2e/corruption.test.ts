/**
 * Bits that rot in the files of a stopped node: what is damaged is healed from the other replicas or
 * answered with an error, counted and logged; other bytes than were stored are never served.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { ConnectionLostError, ErrorReply, FrameConnection } from './frame-connection.ts';
import { type HaleProcess, HaleSandbox } from './hale-process.ts';
import { ObjectRequests } from './object-requests.ts';
import { SeededRun, sleep } from './seeded-run.ts';

const run = new SeededRun('corruption');
const rounds = run.size(1, 20);
const keys = 300;
const flips = 15;
const bucket = 'rot';
/** Of a table's bytes, the part that surely is data. */
const dataShare = 0.9;
/** Many small tables, so that compaction meets the damage, and blocks of an entry, so that replicas share none. */
const settings = ['-o', 'leveldb.write_buffer_size=64KB', '-o', 'leveldb.block_size=1KB'];
const valueBytesMin = 1100;
const passes = 3;
const endsMax = 3;
/** Keys whose replicas were all hit. */
const unreadableMax = 1;
const recoveryMsMax = 20_000;

const stored = new Map<string, Buffer>();

test('flipped bits: healed or refused, never served', async (context) => {
  for (let round = 0; round < rounds; round += 1) {
    let isClean = false;
    await context.test(`round ${round + 1}`, async (roundContext) => {
      const sandbox = new HaleSandbox();
      roundContext.after(() => sandbox.close());
      await store(sandbox);
      flipBits(path.join(sandbox.directory, 'data', 'leveldb'));
      roundContext.diagnostic(await heal(sandbox));
      isClean = true;
    });
    if (!isClean) return;
  }
});

/**
 * Damage can end the process: LevelDB's native code asserts the order of keys. The node finds out at a
 * start after that happened twice. A start can also be refused, when it meets damage. So many ends are
 * allowed, and no more.
 */
async function heal(sandbox: HaleSandbox): Promise<string> {
  for (let ends = 0; ; ends += 1) {
    const node = sandbox.hale(['start', '--http', '127.0.0.1:0', '--pb', '127.0.0.1:0', ...settings]);
    try {
      await node.ready();
      return `${await readAll(node)}, ${ends} ends of the process`;
    } catch (error) {
      const isEnd = error instanceof ConnectionLostError || !node.isRunning;
      if (!isEnd || ends === endsMax) throw error;
      const { signal, err } = await node.finished();
      assert.ok(signal === 'SIGABRT' || /^hale: .*Corruption/m.test(err), err);
    }
  }
}

/** Stores all keys, and stops and starts the node, so that all is in tables. */
async function store(sandbox: HaleSandbox): Promise<void> {
  const node = await sandbox.start(...settings);
  {
    using connection = await FrameConnection.connect(node.protobufPort);
    for (let number = 0; number < keys; number += 1) {
      const value = run.bytes(valueBytesMin + run.below(1000));
      stored.set(`k${number}`, value);
      await connection.put(bucket, `k${number}`, value);
    }
  }
  await stop(node);
  await stop(await sandbox.start(...settings));
}

async function stop(node: HaleProcess): Promise<void> {
  node.signal('SIGTERM');
  assert.equal((await node.finished()).code, 0);
}

/** Damages blocks here and there, not the index of a table: that would take the whole table along. */
function flipBits(directory: string): void {
  const tables = readdirSync(directory).filter((name) => name.endsWith('.ldb'));
  assert.ok(tables.length > 0);
  for (let flip = 0; flip < flips; flip += 1) {
    const file = path.join(directory, run.pick(tables));
    const bytes = readFileSync(file);
    const at = run.below(Math.floor(bytes.length * dataShare));
    bytes[at] = bytes[at]! ^ (1 << run.below(8));
    writeFileSync(file, bytes);
  }
}

/** Reads all keys until a pass changes nothing, and writes, which must work in the end. */
async function readAll(node: HaleProcess): Promise<string> {
  using connection = await FrameConnection.connect(node.protobufPort);
  using http = new ObjectRequests(node.url);
  let refused: string[] = [];
  let lost: string[] = [];
  for (let pass = 0; pass < passes; pass += 1) {
    refused = [];
    lost = [];
    for (const [key, value] of stored) {
      const found = await read(connection, key);
      if (found === 'refused') refused.push(key);
      else if (found === undefined) lost.push(key);
      else assert.ok(found.equals(value), `${key}: wrong bytes`);
    }
    await untilWritable(connection);
  }
  const readErrors = await http.metric('hale_replica_read_errors_total');
  const repairs = await http.metric('hale_read_repairs_total');
  const isRepaired = node.err.includes('the database is damaged');
  assert.ok(isRepaired || (readErrors > 0 && repairs > 0), 'the damage was noticed');
  assert.ok(node.loggedErrors.length > 0, 'the damage was logged');
  const unreadable = refused.length + lost.length;
  assert.ok(unreadable <= unreadableMax, `refused ${refused.join(', ')}; lost ${lost.join(', ')}`);
  return (
    `${readErrors} replica reads failed, ${repairs} repaired, ${unreadable} keys had no replica left` +
    `${isRepaired ? ', files repaired' : ''}`
  );
}

/** Damage that a compaction meets stops writes; the engine has to get over it. */
async function untilWritable(connection: FrameConnection): Promise<void> {
  const started = performance.now();
  for (let writes = 0; writes < 20; ) {
    try {
      const value = run.bytes(10_000);
      await connection.put(bucket, 'later', value);
      writes += 1;
    } catch (error) {
      if (!(error instanceof ErrorReply)) throw error;
      assert.ok(performance.now() - started < recoveryMsMax, `still refused: ${error.message}`);
      await sleep(20);
    }
  }
}

async function read(connection: FrameConnection, key: string): Promise<Buffer | 'refused' | undefined> {
  try {
    const { values } = await connection.get(bucket, key);
    assert.ok(values.length <= 1, `${key}: ${values.length} values`);
    return values[0];
  } catch (error) {
    if (!(error instanceof ErrorReply)) throw error;
    return 'refused';
  }
}
