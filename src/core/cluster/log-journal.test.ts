import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import type { Entry } from '../../consensus/index.ts';
import { nodeIdOf } from '../../environment/index.ts';
import { World } from '../../simulator/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { defaultClusterLogOptions } from './cluster-log-options.ts';
import { openIn, until } from './cluster-node.fixture.ts';
import { LogJournal } from './log-journal.ts';
import type { Cluster } from './open-cluster.ts';
import { ClusterOpenError } from './restore-journal.ts';

async function simulate(seed: number, body: (world: World) => Promise<void>): Promise<void> {
  const world = new World({ seed });
  await world.run(() => body(world));
}

async function register(cluster: Cluster, value: number): Promise<void> {
  const change = { name: byteLiteral('x'), value: Buffer.from(String(value)) };
  for (let tries = 0; tries < 20; tries++) {
    if ((await cluster.propose({ kind: 'register', changes: [change] }, 5000)).kind === 'applied') return;
  }
  throw new Error('the cluster does not agree');
}

function valueAt({ log }: Cluster): string | undefined {
  return log.state.registry.get(byteLiteral('x'))?.value.toString();
}

/** One bit of what the node wrote into the last segment of its journal; not of the room written ahead. */
async function flipBit(world: World, name: string): Promise<void> {
  const { disk } = world.node(name).environment;
  const segment = (await disk.list('cluster')).toSorted().at(-1)!;
  const file = await disk.open(`cluster/${segment}`, { create: false });
  const bytes = file.read(0, file.size);
  const used = bytes.findLastIndex((byte) => byte !== 0) + 1;
  const at = world.random.below(used);
  await file.write(at, Buffer.from([bytes[at]! ^ (1 << world.random.below(8))]));
  await file.sync();
  await file.close();
}

test('compaction keeps all that counts, and the journal stays small', () =>
  simulate(1, async (world) => {
    const cluster = await openIn(world, 'a');
    const { identity } = cluster.log;
    // Two records an entry: more than may pile up.
    for (let i = 0; i < 30; i++) {
      await Promise.all(Array.from({ length: 100 }, (_, each) => register(cluster, 100 * i + each)));
    }
    const { epoch } = cluster.log.state;
    await cluster.close();
    const journal = await LogJournal.open(world.node('a').environment);
    assert.deepEqual(journal.contents.identity, identity);
    assert.equal(journal.contents.state?.epoch, epoch);
    assert.ok(journal.contents.replica!.persisted.entries.length < 2500, 'entries behind snapshots are gone');
    await journal.close();
  }));

test('a log that takes no more proposals can still be compacted', () =>
  simulate(1, async (world) => {
    await (await openIn(world, 'a')).close();
    const { environment } = world.node('a');
    const warnings: string[] = [];
    const log = { ...environment.log, warn: (message: string) => warnings.push(message) };
    const journal = await LogJournal.open({ ...environment, log });
    const { logBytesMax, proposalBytesMax } = defaultClusterLogOptions.replica;
    const { snapshot } = journal.contents.replica!.persisted;
    const entries = Array.from({ length: logBytesMax / proposalBytesMax }, (_, i): Entry => {
      return {
        kind: 'command',
        index: snapshot.index + 1 + i,
        term: 1,
        bytes: Buffer.alloc(proposalBytesMax),
      };
    });
    const half = entries.length / 2;
    for (const part of [entries.slice(0, half), entries.slice(half)]) {
      journal.writeLog({ hardState: undefined, entries: part }, () => undefined);
    }
    await journal.drain();
    assert.deepEqual(warnings, []);
    await journal.close();
  }));

test('J4: a record that rotted is missed when the journal begins anew after a failed write', async () => {
  const outcomes = { whole: 0, 'another name': 0 };
  for (let seed = 0; seed < 16; seed++) {
    await simulate(seed, async (world) => {
      const isAlone = seed % 2 === 0;
      const a = await openIn(world, 'a');
      const b = isAlone ? undefined : await openIn(world, 'b');
      const c = isAlone ? undefined : await openIn(world, 'c');
      if (b !== undefined && c !== undefined) {
        for (const joining of [b, c]) {
          assert.equal((await joining.join({ host: 'a', port: 7300 })).kind, 'joined');
          await a.propose({ kind: 'stage', change: { kind: 'join', node: joining.log.self } }, 5000);
        }
        const { generation, epoch } = a.log.state;
        const planOf = { generation, epoch };
        const owners = a.log.state.owners.map((_, i) => nodeIdOf('abc'[i % 3]!));
        await a.propose({ kind: 'commit', planOf, owners, isForced: false }, 5000);
        await until(world, 'all vote', () => a.log.status.voters.length === 3);
      }
      const harmed = b ?? a;
      for (let i = 0; i < 20; i++) await register(a, i);
      await until(world, 'it follows', () => valueAt(harmed) === '19');
      const { replica } = harmed.log.status;
      const { disk } = world.node(isAlone ? 'a' : 'b');
      const { conditions } = disk;
      await flipBit(world, isAlone ? 'a' : 'b');
      disk.conditions = { ...conditions, writeFailure: 1 };
      void a.propose({ kind: 'register', changes: [] }, 100);
      await world.sleep(1500);
      disk.conditions = conditions;
      await register(a, 99);
      await until(world, 'it follows again', () => valueAt(harmed) === '99');
      outcomes[harmed.log.status.replica === replica ? 'whole' : 'another name'] += 1;
      const { identity } = harmed.log;
      await harmed.close();
      const again = await openIn(world, isAlone ? 'a' : 'b');
      assert.deepEqual(again.log.identity, identity);
      await until(world, 'it knows after a start', () => valueAt(again) === '99');
      await again.close();
      await c?.close();
      if (!isAlone) await a.close();
    });
  }
  assert.ok(outcomes.whole > 0 && outcomes['another name'] > 0, JSON.stringify(outcomes));
});

test('J4: whatever bit rots, a node of three comes back whole, or says what is damaged, also the one that founded it', async () => {
  const outcomes = { whole: 0, 'another name': 0, refused: 0 };
  for (let seed = 0; seed < 60; seed++) {
    await simulate(seed, async (world) => {
      const a = await openIn(world, 'a');
      const b = await openIn(world, 'b');
      assert.equal((await b.join({ host: 'a', port: 7300 })).kind, 'joined');
      const c = await openIn(world, 'c');
      assert.equal((await c.join({ host: 'a', port: 7300 })).kind, 'joined');
      for (const node of ['b', 'c'].map(nodeIdOf)) {
        assert.equal(
          (await a.propose({ kind: 'stage', change: { kind: 'join', node } }, 5000)).kind,
          'applied',
        );
      }
      const { generation, epoch, owners } = a.log.state;
      const dealt = owners.map((_, i) => nodeIdOf('abc'[i % 3]!));
      const planOf = { generation, epoch };
      await a.propose({ kind: 'commit', planOf, owners: dealt, isForced: false }, 5000);
      await until(world, 'three vote', () => a.log.status.voters.length === 3);
      for (let i = 0; i < 5; i++) await register(a, i);
      await until(world, 'b follows', () => valueAt(b) === '4');
      const [name, harmed, other] = seed % 2 === 0 ? (['b', b, a] as const) : (['a', a, b] as const);
      const { replica } = harmed.log.status;
      const told = a.log.acked.get(nodeIdOf(name))!;
      await harmed.close();
      await flipBit(world, name);
      try {
        const again = await openIn(world, name);
        assert.ok(again.log.state.epoch >= told, 'J2: what it said it follows, it follows');
        await register(again, 100 + seed);
        assert.equal(valueAt(again), String(100 + seed));
        outcomes[again.log.status.replica === replica ? 'whole' : 'another name'] += 1;
        await again.close();
      } catch (error) {
        if (!(error instanceof ClusterOpenError)) throw error;
        assert.equal(error.code, 'damaged');
        outcomes.refused += 1;
      }
      await world.sleep(10_000);
      for (const node of [other, c]) assert.ok(!node.log.isRemoved, `${name} strikes nobody off`);
      await c.close();
      await other.close();
    });
  }
  assert.ok(
    outcomes['another name'] > 5 && outcomes.whole > 0 && outcomes.refused > 0,
    JSON.stringify(outcomes),
  );
});
