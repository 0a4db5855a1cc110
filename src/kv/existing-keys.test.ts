/**
 * A key that is there is not called missing: where acknowledged writes are (W8 of docs/internals/put-and-get.md), and what
 * a read does before it says that there is nothing (R7, R9).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Partition } from '../core/ring/index.ts';
import { quorumAll, quorumCount } from './index.ts';
import { ReplicatedStores, type StoreNode, type StoresOptions } from './replicated-stores.fixture.ts';

interface Three {
  readonly stores: ReplicatedStores;
  /** One for which `second` stands in for the node that is gone. */
  readonly key: string;
  readonly partitions: readonly Partition[];
  /** The primaries of the key that are up, in order, and the one that is down. */
  readonly first: StoreNode;
  readonly second: StoreNode;
  readonly gone: StoreNode;
}

/** Three nodes, of which one is dead and known to be: a fallback is a node that is a primary, too. */
function withTwoOfThree(body: (three: Three) => Promise<void>, options: StoresOptions = {}): Promise<void> {
  return ReplicatedStores.run({ nodes: 3, ...options }, async (stores) => {
    for (let number = 0; ; number += 1) {
      const key = `k${number}`;
      const { primaries, partitions } = stores.placesOf(key);
      const [first, second, gone] = primaries as [StoreNode, StoreNode, StoreNode];
      stores.declareDown(gone);
      gone.isDown = true;
      const standIn = second.topology.preferenceList(partitions[0]!, 3).find(({ primary }) => !primary);
      if (standIn?.node === second.id) {
        await body({ stores, key, partitions, first, second, gone });
        return;
      }
      gone.isDown = false;
      stores.heal();
    }
  });
}

function thaw(node: StoreNode): void {
  const waiting = node.frozen ?? [];
  node.frozen = undefined;
  for (const serve of waiting) serve();
}

/** Whether it is over after so many milliseconds. */
async function isOver(
  stores: ReplicatedStores,
  pending: Promise<unknown>,
  afterMs: number,
): Promise<boolean> {
  let isDone = false;
  const watched = pending.then(() => {
    isDone = true;
  });
  watched.catch(() => undefined);
  await stores.world.sleep(afterMs);
  return isDone;
}

async function timed<T>(
  stores: ReplicatedStores,
  act: () => Promise<T>,
): Promise<{ readonly value: T; readonly ms: number }> {
  const startedAt = stores.world.nowMs;
  const value = await act();
  return { value, ms: stores.world.nowMs - startedAt };
}

test('W8: a write waits for the primary that can be reached, though fallbacks have stored it', async () => {
  await withTwoOfThree(async ({ stores, key, partitions, first, second }) => {
    for (const [coordinator, other, partition] of [
      [first, second, partitions[1]!],
      [second, first, partitions[0]!],
    ] as const) {
      other.frozen = [];
      const writing = coordinator.put(key, `by ${coordinator.id}`);
      assert.equal(await isOver(stores, writing, 1500), false);
      thaw(other);
      assert.equal((await writing).kind, 'stored');
      assert.ok((await other.copy(partition, key)) !== undefined, 'acknowledged is on both');
    }
  });
});

test('W8: a primary that cannot be reached, refuses, or is given up by liveness keeps no write waiting', async () => {
  for (const state of ['refused', 'full'] as const) {
    await withTwoOfThree(async ({ stores, key, first, second }) => {
      stores.link(second, first).state = state;
      const { value, ms } = await timed(stores, () => second.put(key, 'v'));
      assert.equal(value.kind, 'stored');
      assert.ok(ms < 100, `${state}: ${ms} ms`);
    });
  }
});

test('W8: a primary that takes requests and does not answer keeps a write waiting for about two seconds', async () => {
  await withTwoOfThree(async ({ stores, key, first, second }) => {
    stores.link(second, first).state = 'silent';
    const { value, ms } = await timed(stores, () => second.put(key, 'v'));
    assert.equal(value.kind, 'stored');
    assert.ok(ms >= 1900 && ms < 2200, `${ms} ms`);
    const strict = await timed(stores, () => second.put(key, 'v', { pw: quorumCount(2), timeoutMs: 3000 }));
    assert.equal(strict.value.kind, 'failed', 'no fallback is a primary');
    assert.ok(strict.ms >= 3000, `${strict.ms} ms`);
  });
});

test('W8: as long as no fallback is needed a slow primary costs nothing', async () => {
  await ReplicatedStores.run({ nodes: 3 }, async (stores) => {
    const [first, second] = stores.placesOf('k').primaries as [StoreNode, StoreNode];
    stores.link(first, second).state = 'silent';
    const { value, ms } = await timed(stores, () => first.put('k', 'v'));
    assert.equal(value.kind, 'stored');
    assert.ok(ms < 100, `${ms} ms`);
  });
});

test('W8: replicas on one node are one node, as long as another may answer', async () => {
  // In a ring of eight some keys have two replicas on one of three nodes.
  await ReplicatedStores.run({ nodes: 3 }, async (stores) => {
    const names = Array.from({ length: 100 }, (_, number) => `k${number}`);
    const shared = names.find((name) => {
      const { primaries } = stores.placesOf(name);
      return primaries[0] === primaries[2] && primaries[0] !== primaries[1];
    });
    assert.ok(shared !== undefined);
    const [twice, once] = stores.placesOf(shared).primaries as [StoreNode, StoreNode];
    once.frozen = [];
    const writing = twice.put(shared, 'v');
    assert.equal(await isOver(stores, writing, 1000), false);
    thaw(once);
    assert.equal((await writing).kind, 'stored');
    once.frozen = [];
    const { value, ms } = await timed(stores, () => twice.put(shared, 'v'));
    assert.equal(value.kind, 'stored');
    assert.ok(ms >= 1900 && ms < 2200, `for as long as patience lasts: ${ms} ms`);
  });
});

test('a write is sent once more to a primary whose connection broke, before a fallback takes its place', async () => {
  await withTwoOfThree(async ({ stores, key, partitions, first, second }) => {
    stores.link(second, first).state = 'refused';
    const writing = second.put(key, 'v');
    stores.link(second, first).state = 'open';
    assert.equal((await writing).kind, 'stored');
    assert.equal(second.counted.replacements, 0);
    assert.ok((await first.copy(partitions[0]!, key)) !== undefined);
  });
});

test('what a node holds as a primary goes before what it holds for others, in reads and in writes', async () => {
  await ReplicatedStores.run({ nodes: 5 }, async (stores) => {
    const { primaries, others, partitions } = stores.placesOf('k');
    const [first, second, third] = primaries as [StoreNode, StoreNode, StoreNode];
    await third.put('k', 'a', { w: quorumAll });
    const gone = [first, second, ...others];
    stores.declareDown(...gone);
    for (const node of gone) node.isDown = true;
    assert.equal((await third.put('k', 'b')).kind, 'stored');
    const copy = await third.copy(partitions[2]!, 'k');
    assert.equal(copy?.clock.entries.length, 1, 'one vnode coordinated both');
    for (const node of gone) node.isDown = false;
    stores.heal();
    await first.put('k', 'c', { w: quorumAll });
    stores.declareDown(...gone);
    assert.deepEqual(await third.values('k'), ['a', 'b', 'c']);
  });
});

test('a stand-in is a node that holds no other replica of the key, if there is one', async () => {
  await ReplicatedStores.run({ nodes: 5 }, async (stores) => {
    const { primaries, partitions } = stores.placesOf('k');
    const [first, second, third] = primaries as [StoreNode, StoreNode, StoreNode];
    stores.link(first, second).state = 'refused';
    stores.link(first, third).state = 'refused';
    assert.equal((await first.put('k', 'v', { w: quorumAll })).kind, 'stored');
    const holders = new Set<string>();
    for (const node of stores.nodes) {
      for (const partition of partitions) {
        if ((await node.copy(partition, 'k')) !== undefined) holders.add(node.id);
      }
    }
    assert.equal(holders.size, 3, [...holders].join());
  });
});

/** The write reached `first` and the fallback, and not `second`, through which it is read. */
async function writtenBesideSecond({ key, partitions, first, second }: Three): Promise<void> {
  assert.equal((await first.put(key, 'v', { w: quorumAll })).kind, 'stored');
  for (const partition of partitions) await second.forget(partition, key);
}

test('R9: a primary that did not take the question for a moment is asked again before the key is called missing', async () => {
  for (const state of ['refused', 'full'] as const) {
    await withTwoOfThree(async (three) => {
      const { stores, first, second } = three;
      await writtenBesideSecond(three);
      for (const notfoundOk of [true, false]) {
        const { key, partitions } = three;
        for (const partition of partitions) await second.forget(partition, key);
        stores.link(second, first).state = state;
        stores.world.after(300, () => {
          stores.link(second, first).state = 'open';
        });
        const shown = await second.values(key, { notfoundOk });
        // With `notfoundOk: false` a failure that cannot be replaced is one of the read.
        const expected = state === 'full' && !notfoundOk ? ['failed: overload'] : ['v'];
        assert.deepEqual(shown, expected, state);
        await stores.world.sleep(1000);
        const isRepaired = (await second.copy(partitions[1]!, key)) !== undefined;
        assert.equal(isRepaired, shown[0] === 'v', 'who missed it is repaired');
      }
    });
  }
});

test('R9: of two that are asked again, the one that has the newer version is heard, though the other was faster', async () => {
  await ReplicatedStores.run({ nodes: 5 }, async (stores) => {
    const { primaries, others, partitions } = stores.placesOf('k');
    const [first, second, third] = primaries as [StoreNode, StoreNode, StoreNode];
    await first.put('k', 'a', { w: quorumAll });
    for (const other of [first, third]) stores.link(second, other).state = 'refused';
    assert.equal((await second.put('k', 'b')).kind, 'stored');
    for (const other of [first, third]) stores.link(second, other).state = 'open';
    const forget = async (...nodes: StoreNode[]): Promise<void> => {
      for (const node of nodes) for (const partition of partitions) await node.forget(partition, 'k');
    };
    const [toFirst, toSecond] = [stores.link(third, first), stores.link(third, second)];
    for (const [after, timeoutMs] of [
      ['open', 5000],
      ['silent', 5000],
      ['silent', 200],
    ] as const) {
      await forget(...others, third);
      toFirst.state = 'refused';
      toSecond.state = 'refused';
      stores.world.after(20, () => {
        toFirst.state = 'open';
        toSecond.state = after;
      });
      const { value, ms } = await timed(stores, () => third.values('k', { timeoutMs }));
      if (after === 'open') assert.deepEqual(value, ['a', 'b']);
      else assert.ok(value.includes('a'), 'who says nothing is not waited for to the end');
      assert.ok(ms < 500, `${ms} ms`);
      await stores.world.sleep(1000);
    }
  });
});

test('R12: while one primary is silent, those are asked that are back, though others stand in for them', async () => {
  await ReplicatedStores.run({ nodes: 5 }, async (stores) => {
    const { primaries, others } = stores.placesOf('k');
    const [first, second, third] = primaries as [StoreNode, StoreNode, StoreNode];
    const reader = others[0]!;
    await first.put('k', 'v', { w: quorumAll });
    const link = stores.link(reader, first);
    const read = async (held: readonly StoreNode[], request: Parameters<StoreNode['values']>[1]) => {
      stores.declareDown(second, third);
      reader.topology.held.clear();
      for (const { id } of held) reader.topology.held.add(id);
      link.state = 'silent';
      const { value, ms } = await timed(stores, () => reader.values('k', { timeoutMs: 1000, ...request }));
      link.state = 'open';
      await stores.world.sleep(2000);
      for (const partition of stores.placesOf('k').partitions) {
        for (const other of others) await other.forget(partition, 'k');
      }
      return ms < 500 ? value : [...value, 'late'];
    };
    const late = ['failed: timeout', 'late'];
    assert.deepEqual(await read([second, third], {}), ['v']);
    assert.deepEqual(await read([second], {}), late, 'one node is no quorum of two');
    assert.deepEqual(await read([second], { r: quorumCount(1) }), ['v']);
    const byPr = await read([second, third], { pr: quorumCount(1) });
    assert.deepEqual(byPr, ['failed: quorum_unsatisfied', 'late'], 'pr asks for a primary of the list');
    assert.deepEqual(await read([], {}), late);
  });
});

test('R9: a primary that answers, though liveness holds it back, is asked before the key is called missing', async () => {
  await withTwoOfThree(async (three) => {
    const { stores, key, first, second } = three;
    await writtenBesideSecond(three);
    stores.declareDown(first);
    assert.deepEqual(await second.values(key), [], 'nobody is left to ask');
    second.topology.held.add(first.id);
    assert.deepEqual(await second.values(key), ['v']);
  });
});

test('R9: one that liveness calls dead is waited for shortly, four times, though it says nothing', async () => {
  await withTwoOfThree(async (three) => {
    const { stores, key, first, second } = three;
    await writtenBesideSecond(three);
    stores.declareDown(first);
    second.topology.held.add(first.id);
    stores.link(second, first).state = 'silent';
    const { value, ms } = await timed(stores, () => second.values(key));
    assert.deepEqual(value, []);
    assert.ok(ms > 1500 && ms < 2500, `${ms} ms`);
  });
});

test('R9: a read always answers: by the client’s deadline, by liveness, after a few times', async () => {
  await withTwoOfThree(async (three) => {
    const { stores, key, first, second } = three;
    await writtenBesideSecond(three);
    const link = stores.link(second, first);
    link.state = 'refused';
    const lost = await timed(stores, () => second.values(key));
    assert.deepEqual(lost.value, []);
    assert.ok(lost.ms >= 700 && lost.ms < 1000, `${lost.ms} ms`);
    const hasty = await timed(stores, () => second.values(key, { timeoutMs: 100 }));
    assert.deepEqual(hasty.value, ['failed: timeout'], 'who knows better was about to be asked');
    assert.ok(hasty.ms < 150, `${hasty.ms} ms`);
    link.state = 'silent';
    const unheard = await timed(stores, () => second.values(key, { timeoutMs: 1000 }));
    assert.deepEqual(unheard.value, ['failed: timeout'], 'all that was heard are misses of who stands in');
    link.state = 'full';
    assert.deepEqual(await second.values(key), ['failed: overload'], 'it is there, and has too much to do');
    link.state = 'refused';
    const reading = timed(stores, () => second.values(key));
    await stores.world.sleep(100);
    stores.declareDown(first);
    assert.ok((await reading).ms < 200, 'given up by liveness');
  });
});

test('R9: a miss that enough primaries tell of is one at once, and nobody is asked twice', async () => {
  await ReplicatedStores.run({ nodes: 5 }, async (stores) => {
    const { primaries } = stores.placesOf('k');
    const [first, second, third] = primaries as [StoreNode, StoreNode, StoreNode];
    stores.link(first, third).state = 'refused';
    for (const reader of [first, second]) {
      stores.sent.length = 0;
      const { value, ms } = await timed(stores, () => reader.values('k'));
      assert.deepEqual(value, []);
      assert.ok(ms < 50, `${ms} ms`);
      await stores.world.sleep(1000);
      assert.ok(stores.sentOf('get').length <= 4, `${stores.sentOf('get').length} questions`);
    }
  });
});
