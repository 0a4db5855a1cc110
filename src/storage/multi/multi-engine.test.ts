import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { environment, KeyModel } from '../log/log-engine.fixture.ts';
import { FaultyDisk, seeded } from '../memory/faulty-disk.fixture.ts';
import { openMemoryEngine } from '../memory/open-memory-engine.ts';
import { PartlyWritten, StorageError, WriteBatch } from '../storage-engine.ts';
import { BackendMoves } from './backend-moves.ts';
import {
  name,
  openBackends,
  quiet,
  sentinel,
  settle,
  TestPlaces,
  UnderOneByte,
} from './multi-engine.fixture.ts';
import type { MultiEngine } from './multi-engine.ts';
import { type BackendDoubt, openMultiEngine } from './open-multi-engine.ts';
import type { BackendRules } from './placements.ts';

const odd = new TestPlaces(2);
const single = new TestPlaces(1);

function batchOf(entries: Readonly<Record<string, string | undefined>>): WriteBatch {
  const batch = new WriteBatch();
  for (const [key, value] of Object.entries(entries)) {
    if (value === undefined) batch.delete(Buffer.from(`\x10${key}`));
    else batch.put(Buffer.from(`\x10${key}`), Buffer.from(value));
  }
  return batch;
}

function read(engine: MultiEngine, key: string): string | undefined {
  return engine.get(Buffer.from(`\x10${key}`))?.toString();
}

/** What each backend holds of buckets, by its name. */
async function held(engine: MultiEngine): Promise<Record<string, string>> {
  const found: [string, string][] = [];
  for (const { name: backend, engine: one } of engine.backends) {
    const cursor = one.scan(odd.bucketEntries);
    const entries = await cursor.next({ entriesMax: 1000, bytesMax: 100_000 });
    await cursor.close();
    found.push([
      backend,
      entries.map(({ key, value }) => `${key.toString('latin1', 1)}=${value.toString()}`).join(' '),
    ]);
  }
  return Object.fromEntries(found);
}

const toBeside: BackendRules = new Map([[name('t1'), 'beside']]);
const toHome: BackendRules = new Map();

test('a bucket that gets another backend moves there, is read throughout, and comes back', async () => {
  const engine = await openBackends({ disk: new FaultyDisk(seeded(1)) }, odd);
  await engine.write(batchOf({ a: '1', b: '2', c: '3', d: '4' }), 'synced');
  await engine.place(toBeside);
  assert.deepEqual(await held(engine), { main: 'a=1 b=2 c=3 d=4', beside: '', fleeting: '' });
  assert.equal(read(engine, 'a'), '1');
  await engine.write(batchOf({ a: 'new', c: undefined, e: 'new' }), 'synced');
  assert.deepEqual(await held(engine), { main: 'b=2 d=4', beside: 'a=new e=new', fleeting: '' });
  await engine.write(batchOf({ c: 'again' }), 'synced');
  await settle(engine, odd, toBeside);
  assert.deepEqual(await held(engine), { main: 'b=2 d=4', beside: 'a=new c=again e=new', fleeting: '' });
  assert.deepEqual([...engine.placements.used], ['beside']);
  await settle(engine, odd, toHome);
  assert.deepEqual(await held(engine), { main: 'a=new b=2 c=again d=4 e=new', beside: '', fleeting: '' });
  assert.deepEqual([...engine.placements.used], []);
  await engine.close();
});

test('the rule of a bucket stands over that of its type, and without one it follows the type', async () => {
  const engine = await openBackends({ disk: new FaultyDisk(seeded(1)) }, odd);
  await engine.write(batchOf({ a: '1', b: '2' }), 'synced');
  await settle(
    engine,
    odd,
    new Map([
      [name('t'), 'fleeting'],
      [name('t1'), 'beside'],
    ]),
  );
  assert.deepEqual(await held(engine), { main: '', beside: 'a=1', fleeting: 'b=2' });
  await settle(engine, odd, new Map([[name('t'), 'fleeting']]));
  assert.deepEqual(await held(engine), { main: '', beside: '', fleeting: 'a=1 b=2' });
  await settle(
    engine,
    odd,
    new Map([
      [name('t'), 'fleeting'],
      [name('t1'), ''],
    ]),
  );
  assert.deepEqual(await held(engine), { main: 'a=1', beside: '', fleeting: 'b=2' });
  await engine.close();
});

test('B1: where one backend fails, the parts of the others are written, and it is said which', async () => {
  const disk = new FaultyDisk(seeded(1));
  const engine = await openBackends({ disk }, odd);
  await settle(engine, odd, toBeside);
  const [main, beside] = engine.backends;
  const failing = (backend = beside!) => {
    const { engine: sick } = backend;
    const write = sick.write.bind(sick);
    Object.assign(sick, { write: () => Promise.reject(new StorageError('io', 'sick')) });
    return () => void Object.assign(sick, { write });
  };
  const outcomeOf = async (batch: WriteBatch, durability: 'os' | 'synced') => {
    const error = await engine.write(batch, durability).catch((reason: unknown) => reason);
    if (error === undefined) return 'written';
    assert.ok(error instanceof StorageError && error.code === 'io');
    return error instanceof PartlyWritten ? batch.keys.map((_, place) => error.isWritten(place)) : 'failed';
  };
  // `b`, `d` and `f` have their place at home, the others beside it.
  for (const durability of ['os', 'synced'] as const) {
    let heal = failing();
    const both = await outcomeOf(batchOf({ a: '1', b: '1', c: '1', d: '1' }), durability);
    assert.deepEqual(both, [false, true, false, true]);
    assert.equal(await outcomeOf(batchOf({ a: '2' }), durability), 'failed');
    assert.equal(await outcomeOf(batchOf({ f: '2' }), durability), 'written');
    heal();
    assert.deepEqual([read(engine, 'a'), read(engine, 'b')], [undefined, '1']);
    heal = failing(main);
    assert.deepEqual(await outcomeOf(batchOf({ e: '3', f: '3' }), durability), [true, false]);
    heal();
    assert.deepEqual([read(engine, 'e'), read(engine, 'f')], ['3', '2']);
    // A record of the node's is written first: without it, nothing.
    const withRecord = batchOf({ a: '4', b: '4' });
    withRecord.put(Buffer.from('\x01fact'), Buffer.from('4'));
    heal = failing(main);
    assert.equal(await outcomeOf(withRecord, durability), 'failed');
    heal();
    assert.equal(read(engine, 'a'), undefined);
    heal = failing();
    assert.deepEqual(await outcomeOf(withRecord, durability), [false, true, true]);
    heal();
    await engine.write(batchOf({ a: undefined, b: undefined, e: undefined, f: undefined }), 'synced');
  }
  await engine.close();
});

test('B2: a record is durable before what may rely on it', async () => {
  for (let seed = 1; seed <= 100; seed++) {
    const fraction = seeded(seed);
    const disk = new FaultyDisk(fraction);
    const engine = await openBackends({ disk }, odd);
    await settle(engine, odd, toBeside);
    disk.callsLeft = Math.floor(fraction() * 12);
    const record = Buffer.from('\x01fact');
    const batch = batchOf({ a: 'relies on it' });
    const alone = new WriteBatch();
    alone.put(record, Buffer.from('1'));
    if (seed % 2 === 0) batch.put(record, Buffer.from('1'));
    const work = async () => {
      if (seed % 2 === 1) await engine.write(alone, 'os');
      await engine.write(batch, fraction() < 0.5 ? 'os' : 'synced');
    };
    await Promise.race([work(), disk.stopped]);
    const again = await openBackends({ disk: disk.crash() }, odd);
    if (read(again, 'a') !== undefined) assert.ok(again.get(record) !== undefined, `seed ${seed}`);
    await again.close();
  }
});

test('B2: what was written before a durable record is durable', async () => {
  for (let seed = 1; seed <= 100; seed++) {
    const disk = new FaultyDisk(seeded(seed));
    const engine = await openBackends({ disk }, odd);
    await settle(engine, odd, toBeside);
    await engine.write(batchOf({ a: '1', b: '2' }), 'os');
    const mark = new WriteBatch();
    mark.put(Buffer.from('\x01mark'), Buffer.from('all before is there'));
    await engine.write(mark, 'synced');
    const again = await openBackends({ disk: disk.crash() }, odd);
    assert.deepEqual([read(again, 'a'), read(again, 'b')], ['1', '2'], `seed ${seed}`);
    await again.close();
  }
});

test('B3 to B5: crashes and failures while a bucket moves to and fro: batches whole, nothing acknowledged lost', async () => {
  const choices: readonly BackendRules[] = [toHome, new Map([[name('t0'), 'beside']])];
  let moved = 0;
  let failed = 0;
  for (let seed = 1; seed <= 40; seed++) {
    const fraction = seeded(seed);
    let disk = new FaultyDisk(fraction);
    const model = new KeyModel(fraction);
    for (let life = 0; life < 4; life++) {
      const engine = await openBackends({ disk }, single);
      await model.check(new UnderOneByte(engine), `seed ${seed}, life ${life}`);
      disk.callsLeft = 10 + Math.floor(fraction() * 150);
      if (seed % 3 === 0) disk.failures = 0.03;
      const moves = new BackendMoves(engine, single, quiet);
      const mapped = new UnderOneByte(engine);
      const work = async () => {
        for (let n = 0; n < 40; n++) {
          if (fraction() < 0.2) moves.want(choices[Math.floor(fraction() * 2)]!);
          const isRange = fraction() < 0.1;
          const change = isRange ? model.range() : model.batch();
          const writing =
            'batch' in change ? mapped.write(change.batch, 'synced') : mapped.deleteRange(change);
          await writing.then(change.acknowledge, (error: unknown) => {
            assert.ok(error instanceof StorageError, String(error));
            failed += 1;
          });
          if (fraction() < 0.5) await turn();
          if (engine.health.kind === 'healthy')
            model.checkReads(mapped, `seed ${seed}, life ${life}, write ${n}`);
        }
      };
      await Promise.race([work(), disk.stopped]);
      disk.callsLeft = 0;
      void moves.stop();
      moved += engine.moved;
      disk = disk.crash();
    }
    const engine = await openBackends({ disk }, single);
    await model.check(new UnderOneByte(engine), `seed ${seed}, at the end`);
    await engine.close();
  }
  assert.ok(moved > 300, `${moved} entries were moved`);
  assert.ok(failed > 10, `${failed} writes failed`);
});

test('a backend that holds entries cannot be left out of the configuration, an emptied one can', async () => {
  const disk = new FaultyDisk(seeded(1));
  const engine = await openBackends({ disk }, odd);
  await engine.write(batchOf({ a: '1' }), 'synced');
  await settle(engine, odd, toBeside);
  await engine.close();
  const alone = async () => {
    const main = await openMemoryEngine({ journal: { disk, directory: 'main' } }, environment);
    const backends = [{ name: 'renamed', engine: main, isVolatile: false }];
    return openMultiEngine({ backends, places: odd, sentinel, doubted: async () => {}, ...quiet });
  };
  await assert.rejects(alone(), /the backend "beside" \(log\) holds data of this node/);
  const whole = await openBackends({ disk }, odd);
  assert.equal(read(whole, 'a'), '1');
  await settle(whole, odd, toHome);
  await whole.close();
  const rest = await alone();
  assert.equal(read(rest, 'a'), '1');
  await rest.close();
});

test('what a backend has lost is told at the next start, once', async () => {
  const disk = new FaultyDisk(seeded(1));
  const engine = await openBackends({ disk }, odd);
  await settle(engine, odd, toBeside);
  await engine.close();
  const doubts: BackendDoubt[] = [];
  await (await openBackends({ disk, doubts }, odd)).close();
  assert.deepEqual(doubts, []);
  for (const file of await disk.list('beside')) await disk.remove(`beside/${file}`);
  await (await openBackends({ disk, doubts }, odd)).close();
  assert.deepEqual(doubts, ['repaired']);
  const third = await openBackends({ disk, doubts }, odd);
  assert.deepEqual(doubts, ['repaired']);
  await settle(third, odd, new Map([[name('t1'), 'fleeting']]));
  await third.close();
  await (await openBackends({ disk, doubts }, odd)).close();
  assert.deepEqual(doubts, ['repaired', 'emptied']);
});

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
