/**
 * Laws of a few stores under random faults: links that are silent, refuse, are slow, lose replies or say them
 * twice; coordinators that freeze; copies that vanish; liveness that is wrong.
 *
 * L1  A write that was acknowledged is read by everybody after the faults, or was superseded by one that had read it.
 * L2  Nothing is shown twice, whoever coordinated it, and nothing that nobody wrote.
 * L3  Every request is answered, once.
 * L4  When all is quiet and all has been read, replicas hold the same bytes.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quorumAll } from './index.ts';
import { ReplicatedStores, type StoreNode } from './replicated-stores.fixture.ts';

const rounds = Number(process.env.LAW_ROUNDS ?? 40);
const keys = ['a', 'b', 'c', 'd'];

interface Told {
  readonly key: string;
  readonly value: string;
  /** What the writer had read. */
  readonly over: readonly string[];
  isAcked: boolean;
}

class History {
  readonly writes: Told[] = [];
  answers = 0;

  /** Values of the key that must be there: acknowledged, and read by no other write that may have happened. */
  expected(key: string): ReadonlySet<string> {
    const mine = this.writes.filter((write) => write.key === key);
    const read = new Set(mine.flatMap(({ over }) => over));
    return new Set(
      mine.filter(({ isAcked, value }) => isAcked && !read.has(value)).map(({ value }) => value),
    );
  }

  isWritten(key: string, value: string): boolean {
    return this.writes.some((write) => write.key === key && write.value === value);
  }
}

async function client(stores: ReplicatedStores, history: History, who: number, steps: number): Promise<void> {
  const { world } = stores;
  for (let step = 0; step < steps; step += 1) {
    await world.sleep(world.random.fraction() * 400);
    const node = stores.nodes[Math.floor(world.random.fraction() * stores.nodes.length)];
    const key = keys[Math.floor(world.random.fraction() * keys.length)];
    const read = world.random.fraction() < 0.6 ? await node.get(key, { timeoutMs: 2000 }) : undefined;
    const found = read?.kind === 'found' ? read.object : undefined;
    const over = found?.contents().map((content) => content.value.toString()) ?? [];
    assert.equal(new Set(over).size, over.length, 'L2: shown once');
    const told: Told = { key, value: `${who}-${step}`, over, isAcked: false };
    history.writes.push(told);
    const result = await node.put(key, told.value, { context: found?.context, timeoutMs: 4000 });
    history.answers += 1;
    told.isAcked = result.kind === 'stored';
  }
}

async function faults(stores: ReplicatedStores, until: number): Promise<void> {
  const { world } = stores;
  const any = (): StoreNode => stores.nodes[Math.floor(world.random.fraction() * stores.nodes.length)];
  while (world.nowMs < until) {
    await world.sleep(world.random.fraction() * 500);
    const a = any();
    const b = any();
    const dice = world.random.fraction();
    if (dice < 0.2) stores.link(a, b).state = 'silent';
    else if (dice < 0.3) stores.link(a, b).state = 'refused';
    else if (dice < 0.5) Object.assign(stores.link(a, b), { lost: 0.5, doubled: 0.5, delayMsMax: 300 });
    else if (dice < 0.6) a.topology.down.add(b.id);
    else if (dice < 0.7) a.frozen ??= [];
    else if (dice < 0.8) thaw(a);
    else stores.heal();
  }
}

function thaw(node: StoreNode): void {
  const waiting = node.frozen ?? [];
  node.frozen = undefined;
  for (const serve of waiting) serve();
}

/** Every node's copies in partitions that it does not own go to their owners, as hinted handoff brings them. */
async function handOffStrays(stores: ReplicatedStores): Promise<void> {
  for (const key of keys) {
    const { partitions, primaries } = stores.placesOf(key);
    for (const [i, partition] of partitions.entries()) {
      for (const node of stores.nodes) {
        if (node === primaries[i]) continue;
        const copy = await node.copy(partition, key);
        if (copy !== undefined) await primaries[i].repair(partition, key, copy);
      }
    }
  }
}

test('L1–L4: what was acknowledged outlives any mix of faults', async () => {
  let acked = 0;
  let unknown = 0;
  const done = { forwards: 0, replacements: 0, repairs: 0, hedges: 0 };
  for (let seed = 1; seed <= rounds; seed += 1) {
    // Reads of all replicas, and of as many as they need.
    const readEveryoneInterval = seed % 2 === 0 ? 1 : 1000;
    await ReplicatedStores.run(
      { seed, settings: { deleteMode: 'keep', readEveryoneInterval } },
      async (stores) => {
        const history = new History();
        const steps = 12;
        const clients = [0, 1, 2].map((who) => client(stores, history, who, steps));
        await Promise.all([...clients, faults(stores, 4000)]);
        assert.equal(history.answers, 3 * steps, 'L3');
        stores.heal();
        for (const node of stores.nodes) thaw(node);
        await stores.world.sleep(12_000);
        await handOffStrays(stores);
        for (const key of keys) {
          for (const node of stores.nodes) {
            const shown = await node.values(key, { r: quorumAll });
            const why = `seed ${seed} ${key} at ${node.id}`;
            for (const value of history.expected(key))
              assert.ok(shown.includes(value), `L1: ${why} lacks ${value}`);
            assert.equal(new Set(shown).size, shown.length, `L2: ${why}`);
            for (const value of shown)
              assert.ok(history.isWritten(key, value), `L2: ${why} invents ${value}`);
          }
          await stores.world.sleep(1000);
          const { primaries, partitions } = stores.placesOf(key);
          const copies = await Promise.all(
            partitions.map((partition, i) => primaries[i].copy(partition, key)),
          );
          for (const copy of copies)
            assert.deepEqual(copy?.bytes, copies[0]?.bytes, `L4: seed ${seed} ${key}`);
        }
        acked += history.writes.filter(({ isAcked }) => isAcked).length;
        unknown += history.writes.filter(({ isAcked }) => !isAcked).length;
        for (const { counted } of stores.nodes) {
          for (const what of Object.keys(done) as (keyof typeof done)[]) done[what] += counted[what];
        }
      },
    );
  }
  const summary = JSON.stringify({ acked, unknown, ...done });
  assert.ok(acked > rounds * 20 && unknown > 0, summary);
  assert.ok(
    Object.values(done).every((count) => count > rounds / 4),
    `the faults did something: ${summary}`,
  );
});

test('R01 kv679-amnesia: a coordinator that has lost its copy goes on under a new epoch, and the write is read by all', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const { primaries, partitions } = stores.placesOf('k');
    for (let i = 0; i < 3; i += 1) {
      const read = await primaries[0].get('k');
      const context = read.kind === 'found' ? read.object.context : undefined;
      await primaries[0].put('k', `old${i}`, { context, w: quorumAll });
    }
    await primaries[0].forget(partitions[0], 'k');
    assert.equal((await primaries[0].put('k', 'new')).kind, 'stored');
    for (const node of stores.nodes) {
      const values = await node.values('k', { r: quorumAll });
      assert.ok(values.includes('new'), `${node.id}: ${values.join()}`);
    }
    await stores.world.sleep(100);
    for (const [i, node] of primaries.entries()) {
      const copy = await node.copy(partitions[i], 'k');
      assert.ok(copy?.contents().some((content) => content.value.toString() === 'new'));
    }
  });
});

test('R02 kv679-fallback: a coordinator repaired with a copy older than what it wrote does not write that again', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const { primaries, others, partitions } = stores.placesOf('k');
    const [a, b, c] = primaries;
    // The first write reaches fallbacks alone, the next two the other primaries.
    await a.put('k', 'x1', { w: quorumAll });
    const first = await a.copy(partitions[0], 'k');
    assert.ok(first !== undefined);
    await others[0].repair(partitions[1], 'k', first);
    for (const value of ['x2', 'x3']) {
      const read = await a.get('k');
      assert.ok(read.kind === 'found');
      await a.put('k', value, { context: read.object.context, w: quorumAll });
    }
    await a.forget(partitions[0], 'k');
    await a.repair(partitions[0], 'k', first);
    stores.cut(a, b);
    stores.cut(a, c);
    for (const node of stores.nodes) node.topology.down.add(b.id).add(c.id);
    assert.equal((await a.put('k', 'y', { context: first.context })).kind, 'stored');
    stores.heal();
    await stores.world.sleep(100);
    for (const node of stores.nodes) {
      const values = await node.values('k', { r: quorumAll });
      assert.ok(values.includes('y') && values.includes('x3'), `${node.id}: ${values.join()}`);
    }
  });
});

test('R03 kv679-fb2: a coordinator that hears of own writes beyond its copy starts anew, though it did not coordinate', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const { primaries, others, partitions } = stores.placesOf('k');
    const [p1, p2] = primaries;
    const [f1, f2] = others;
    await p1.put('k', 'p1:1', { w: quorumAll });
    const one = await p1.copy(partitions[0], 'k');
    assert.ok(one !== undefined);
    await f1.repair(partitions[1], 'k', one);
    for (const value of ['p1:2', 'p1:3']) {
      const read = await p1.get('k');
      assert.ok(read.kind === 'found');
      await p1.put('k', value, { context: read.object.context, w: quorumAll });
    }
    const three = await p1.copy(partitions[0], 'k');
    assert.ok(three !== undefined);
    await f2.repair(partitions[1], 'k', three);
    // All primaries lose the key; what p2 writes meanwhile comes to p1, then the first version.
    for (const [i, node] of primaries.entries()) await node.forget(partitions[i], 'k');
    stores.cut(p1, p2);
    stores.cut(p2, primaries[2]);
    await p2.put('k', 'p2:1', { timeoutMs: 500 });
    stores.heal();
    const other = await p2.copy(partitions[1], 'k');
    assert.ok(other !== undefined);
    await p1.repair(partitions[0], 'k', other);
    await p2.repair(partitions[1], 'k', one);
    const merged = await p2.copy(partitions[1], 'k');
    assert.ok(merged !== undefined);
    await p1.repair(partitions[0], 'k', merged);
    const read = await p1.get('k');
    assert.ok(read.kind === 'found');
    assert.equal((await p1.put('k', 'acked', { context: read.object.context, w: quorumAll })).kind, 'stored');
    await p2.repair(partitions[1], 'k', three);
    for (const node of stores.nodes) {
      const values = await node.values('k', { r: quorumAll });
      assert.ok(values.includes('acked'), `${node.id}: ${values.join()}`);
    }
  });
});
