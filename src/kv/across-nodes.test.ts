/** Reads and writes across nodes: the sentences of docs/internals/cluster.md, and bugs that others have had. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ring } from '../core/ring/index.ts';
import { byteLiteral } from '../stdx/index.ts';
import type { DeleteResult, GetResult, PutResult } from './index.ts';
import { quorumAll, quorumCount, quorumOne } from './index.ts';
import { ReplicatedStores, valuesOf } from './replicated-stores.fixture.ts';

const addressOfBucket = { bucketType: byteLiteral('default'), bucket: byteLiteral('b') };
const codeOf = (result: GetResult | PutResult | DeleteResult) =>
  result.kind === 'failed' ? result.error.code : result.kind;

test('a value is on all its replicas and read through any node, and travels once for a read', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const { primaries, others, partitions } = stores.placesOf('k');
    assert.equal(codeOf(await primaries[1].put('k', 'v', { w: quorumAll })), 'stored');
    for (const [i, node] of primaries.entries()) {
      const copy = await node.copy(partitions[i], 'k');
      assert.deepEqual(copy && valuesOf(copy), ['v']);
    }
    for (const node of [...primaries, ...others]) {
      stores.sent.length = 0;
      assert.deepEqual(await node.values('k', { r: quorumAll }), ['v']);
      const replies = stores.sent.map(({ reply }) => reply);
      const expected = primaries.includes(node) ? ['same', 'same'] : ['digest', 'digest', 'object'];
      assert.deepEqual(new Set(replies), new Set(expected), node.id);
      assert.equal(replies.length, expected.length);
    }
  });
});

test('whoever differs is asked for its object, and repaired after the answer, as repair traffic', async () => {
  await ReplicatedStores.run({}, async (stores, ...nodes) => {
    const { primaries, others, partitions } = stores.placesOf('k');
    await primaries[0].put('k', 'old', { w: quorumAll });
    const old = await primaries[0].copy(partitions[0], 'k');
    const read = await primaries[0].get('k');
    assert.ok(read.kind === 'found' && old !== undefined);
    stores.cut(primaries[0], primaries[2]);
    stores.cut(primaries[1], primaries[2]);
    await primaries[0].put('k', 'new', { context: read.object.context });
    stores.heal();
    for (const reader of [others[0], primaries[2]]) {
      stores.sent.length = 0;
      assert.deepEqual(await reader.values('k', { r: quorumAll }), ['new']);
      await stores.world.sleep(100);
      const repairs = stores.sentOf('put').filter(({ route }) => route.traffic === 'repair');
      const local = reader === primaries[2] ? 0 : 1;
      assert.equal(repairs.length, local, 'only who was behind');
      const copy = await primaries[2].copy(partitions[2], 'k');
      assert.deepEqual(copy && valuesOf(copy), ['new']);
      await primaries[2].forget(partitions[2], 'k');
      await primaries[2].repair(partitions[2], 'k', old);
    }
    assert.equal(
      nodes.reduce((sum, { counted }) => sum + counted.repairs, 0),
      2,
    );
  });
});

test('hedging: a late value is asked of another replica, and the slow one costs no more than that', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const { primaries, others } = stores.placesOf('k');
    const [reader] = others;
    await reader.put('k', 'v', { w: quorumAll });
    stores.link(reader, primaries[0]).state = 'silent';
    const startedAt = stores.world.nowMs;
    assert.deepEqual(await reader.values('k'), ['v']);
    assert.equal(reader.counted.hedges, 1);
    assert.ok(stores.world.nowMs - startedAt < 300, `${stores.world.nowMs - startedAt} ms`);
    stores.heal();
    for (let i = 0; i < 20; i += 1) await reader.values('k');
    assert.equal(reader.counted.hedges, 1, 'no hedge while all are quick');
  });
});

test('a fallback that has nothing never turns an existing key into a miss, whatever r is', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const { primaries, others } = stores.placesOf('k');
    await primaries[0].put('k', 'v', { w: quorumAll });
    stores.declareDown(primaries[0]);
    primaries[0].isDown = true;
    // The fallback answers first, from memory of its own; the primaries take their time.
    for (const reader of others) {
      for (const primary of primaries.slice(1)) stores.link(primary, reader).delayMsMax = 100;
    }
    for (const reader of others) {
      for (const r of [quorumOne, quorumCount(2)]) assert.deepEqual(await reader.values('k', { r }), ['v']);
      assert.deepEqual(await reader.values('k', { r: quorumOne, notfoundOk: false }), ['v']);
    }
  });
});

test('R7: a hedge asks nobody who has answered, and no stand-in of such a one makes a fallback evidence', async () => {
  await ReplicatedStores.run({ settings: { hedgeDelayMsMax: 50 } }, async (stores) => {
    const { primaries, others, partitions } = stores.placesOf('k');
    const [reader] = others;
    await primaries[0].put('k', 'v', { w: quorumAll });
    await primaries[1].forget(partitions[1], 'k');
    stores.declareDown(primaries[2]);
    primaries[2].isDown = true;
    // The one copy that can be reached is late; the other primary misses it, and then is gone.
    stores.link(primaries[0], reader).delayMsMax = 100_000;
    const startedAt = stores.world.nowMs;
    const read = reader.values('k', { r: quorumCount(2), timeoutMs: 500 });
    await stores.world.sleep(20);
    stores.link(reader, primaries[1]).state = 'refused';
    await read;
    assert.ok(stores.world.nowMs - startedAt >= 500, 'a primary might still answer');
    const asked = stores.sentOf('get').filter(({ to }) => to === primaries[1].id);
    assert.equal(asked.length, 1);
  });
});

test('who refuses at once does not pass for the nearest: values are asked of those that answer', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const { primaries, others } = stores.placesOf('k');
    const [reader] = others;
    await reader.put('k', 'v', { w: quorumAll });
    const asksRefuser = (): number =>
      stores
        .sentOf('get')
        .filter(
          ({ to, request }) => to === primaries[0].id && !('want' in request && request.want === 'digest'),
        ).length;
    stores.link(reader, primaries[0]).state = 'refused';
    stores.link(reader, primaries[0]).delayMsMax = 0;
    for (const primary of primaries.slice(1)) stores.link(primary, reader).delayMsMax = 10;
    for (let i = 0; i < 40; i += 1)
      assert.deepEqual(await reader.values('k', { sloppyQuorum: false }), ['v']);
    // Until enough is known of it.
    assert.ok(asksRefuser() < 10, `${asksRefuser()}`);
  });
});

test('a write is forwarded once, to a primary, whose result is the one dot', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const { primaries, others, partitions } = stores.placesOf('k');
    const result = await others[0].put('k', 'v', { returnObject: 'body', w: quorumAll });
    assert.ok(result.kind === 'stored' && result.object !== undefined);
    assert.deepEqual(valuesOf(result.object), ['v']);
    assert.equal(result.object.clock.entries.length, 1);
    const forwards = stores.sentOf('coordinate');
    assert.deepEqual(
      forwards.map(({ to }) => to),
      [primaries[0].id],
    );
    const copy = await primaries[2].copy(partitions[2], 'k');
    assert.deepEqual(copy?.bytes, result.object.bytes);
    const silent = await others[0].put('k2', 'v');
    assert.deepEqual(silent, { kind: 'stored', object: undefined, generatedKey: undefined });
  });
});

test('errors of the coordinator come back: conditions, limits, quorums', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const { others } = stores.placesOf('k');
    await others[0].put('k', 'v', { w: quorumAll });
    assert.equal(codeOf(await others[0].put('k', 'w', { ifNoneMatch: true })), 'match_found');
    assert.equal(codeOf(await others[0].put('k', 'x'.repeat(200_000))), 'too_large');
    assert.equal(codeOf(await others[0].put('k', 'w', { w: quorumCount(4) })), 'n_val_violation');
    assert.deepEqual(await others[0].values('k'), ['v']);
    assert.deepEqual(await others[0].delete('k'), { kind: 'deleted' });
    assert.deepEqual(await others[1].values('k'), []);
  });
});

test('R08 coord-forwarded-twice: who gets a forwarded write and cannot coordinate says so, and sends it no further', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const { primaries, others, partitions } = stores.placesOf('k');
    // The first primary believes that it holds nothing of the key any more.
    const first = primaries[0];
    const owners = first.topology.ring.owners.map((owner) => (owner === first.id ? others[1].id : owner));
    first.topology.ring = new (
      first.topology.ring.constructor as typeof import('../core/ring/index.ts').Ring
    )(2, owners);
    assert.equal(codeOf(await others[0].put('k', 'v', { w: quorumCount(2) })), 'stored');
    assert.deepEqual(
      stores.sentOf('coordinate').map(({ from, to, reply }) => [from, to, reply]),
      [
        [others[0].id, first.id, 'declined'],
        [others[0].id, primaries[1].id, 'coordinated'],
      ],
    );
    await stores.world.sleep(100);
    const copy = await primaries[1].copy(partitions[1], 'k');
    assert.equal(copy?.siblingCount, 1);
    assert.equal(copy?.clock.entries.length, 1, 'one dot');
  });
});

test('R09 redirect-retries: a frozen coordinator wakes; the write has two dots at most and is shown once', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const { primaries, others, partitions } = stores.placesOf('k');
    primaries[0].frozen = [];
    const startedAt = stores.world.nowMs;
    const result = await others[0].put('k', 'v', { returnObject: 'body' });
    assert.equal(codeOf(result), 'stored');
    assert.ok(stores.world.nowMs - startedAt < 3200, 'redirected after three seconds');
    const waiting = primaries[0].frozen;
    primaries[0].frozen = undefined;
    for (const serve of waiting) serve();
    await stores.world.sleep(200);
    for (const node of stores.nodes)
      assert.deepEqual(await node.values('k', { r: quorumAll }), ['v'], node.id);
    const copy = await primaries[1].copy(partitions[1], 'k');
    assert.ok(copy !== undefined && copy.siblingCount <= 2);
    // Whoever has read the one has read both.
    const read = await others[1].get('k');
    assert.ok(read.kind === 'found');
    await others[1].put('k', 'next', { context: read.object.context, w: quorumAll });
    for (const node of stores.nodes)
      assert.deepEqual(await node.values('k', { r: quorumAll }), ['next'], node.id);
  });
});

test('R09: a connection that breaks before any answer: another node coordinates; a condition is not tried twice', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const { primaries, others } = stores.placesOf('k');
    // The write arrives, and the answer does not.
    stores.link(primaries[0], others[0]).state = 'silent';
    const conditional = await others[0].put('k', 'v', { ifNoneMatch: true, timeoutMs: 5000 });
    assert.equal(codeOf(conditional), 'timeout', 'it may have happened');
    assert.deepEqual(await others[1].values('k'), ['v'], 'and it has');
    const plain = await others[0].put('k2', 'w');
    assert.equal(codeOf(plain), 'stored');
    stores.heal();
    await stores.world.sleep(100);
    for (const node of stores.nodes) assert.deepEqual(await node.values('k2', { r: quorumAll }), ['w']);
  });
});

test('a coordinator whose copy cannot be read lets another coordinate; alone it says what is wrong', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const { primaries, others } = stores.placesOf('k');
    primaries[0].sick = true;
    assert.equal(codeOf(await primaries[0].put('k', 'v')), 'stored');
    assert.equal(codeOf(await others[0].put('k', 'w')), 'stored');
    primaries[0].sick = false;
    assert.deepEqual(await others[0].values('k'), ['v', 'w']);
  });
});

test('sloppy quorum in need: who cannot be reached is replaced by a fallback, though liveness has not noticed', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const { primaries, others, partitions } = stores.placesOf('k');
    for (const primary of primaries.slice(1)) {
      for (const node of stores.nodes) if (node !== primary) stores.cut(node, primary, 'refused');
    }
    assert.equal(codeOf(await primaries[0].put('k', 'v', { w: quorumAll, dw: quorumAll })), 'stored');
    assert.equal(primaries[0].counted.replacements, 2);
    const held = await Promise.all(
      others.flatMap((node) => partitions.slice(1).map((partition) => node.copy(partition, 'k'))),
    );
    assert.equal(
      held.filter((copy) => copy !== undefined).length,
      2,
      'each fallback holds one partition of the two',
    );
    const strict = await primaries[0].put('k', 'w', { sloppyQuorum: false });
    assert.equal(codeOf(strict), 'quorum_unsatisfied');
    assert.equal(codeOf(await primaries[0].put('k', 'x', { pw: quorumCount(2) })), 'quorum_unsatisfied');
  });
});

test('a node that is cut off from all others answers alone, though liveness has not noticed', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const { primaries, others } = stores.placesOf('k');
    for (const [at, loner] of [primaries[0], others[0]].entries()) {
      const rest = stores.nodes.filter((node) => node !== loner);
      for (const node of rest) stores.cut(loner, node, 'refused');
      assert.equal(codeOf(await loner.put('k', `v${at}`)), 'stored', `at ${at}`);
      assert.ok((await loner.values('k')).includes(`v${at}`), `at ${at}`);
      assert.notEqual(codeOf(await loner.put('k', 'w', { sloppyQuorum: false })), 'stored');
      assert.notEqual(codeOf(await loner.put('k', 'w', { pw: quorumCount(2) })), 'stored');
    }
  });
});

test('F6: who is behind a cut, and coordinates nothing of a key, answers alone soon after liveness has noticed', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const [loner] = stores.placesOf('k').others;
    const rest = stores.nodes.filter((node) => node !== loner);
    for (const node of rest) stores.cut(loner, node);
    stores.world.after(2500, () => {
      for (const { id } of rest) loner.topology.down.add(id);
      stores.changed();
    });
    const begun = stores.world.nowMs;
    assert.equal(codeOf(await loner.put('k', 'v')), 'stored');
    assert.ok(stores.world.nowMs - begun < 3500, `${stores.world.nowMs - begun} ms`);
    assert.deepEqual(await loner.values('k'), ['v']);
  });
});

test('a node that has left, and is refused by the others, neither takes a write alone nor says that nothing is there', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const { primaries, others } = stores.placesOf('k');
    const [gone] = others;
    await primaries[0].put('k', 'v', { w: quorumAll });
    const { ring } = gone.topology;
    const heirs = ring.owners.map((owner) => (owner === gone.id ? primaries[0].id : owner));
    for (const node of stores.nodes) node.topology.ring = new Ring(2, heirs);
    for (const node of stores.nodes) if (node !== gone) stores.cut(gone, node, 'refused');
    assert.equal(codeOf(await gone.put('k', 'lost')), 'timeout');
    assert.notEqual(codeOf(await gone.get('k')), 'notfound');
    assert.deepEqual(await primaries[1].values('k'), ['v']);
  });
});

test('sloppy quorum in need: a fallback takes what a replica cannot store, be it the coordinator', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const { primaries, others } = stores.placesOf('k');
    for (const primary of primaries.slice(0, 2)) primary.sick = true;
    for (const [at, writer] of [...primaries, others[0]].entries()) {
      const key = { w: quorumAll, dw: quorumAll };
      assert.equal(codeOf(await writer.put('k', `v${at}`, key)), 'stored', `at ${at}`);
    }
    const strict = await primaries[2].put('k', 'w', { sloppyQuorum: false });
    assert.notEqual(codeOf(strict), 'stored');
  });
});

test('a read in need asks fallbacks in the place of who cannot be reached, though liveness has not noticed', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const { primaries } = stores.placesOf('k');
    const [reader] = primaries;
    assert.equal(codeOf(await reader.put('k', 'v', { w: quorumAll, dw: quorumAll })), 'stored');
    for (const gone of primaries.slice(1)) {
      for (const node of stores.nodes) if (node !== gone) stores.cut(node, gone, 'refused');
    }
    assert.deepEqual(await reader.values('k'), ['v'], 'its own copy, and the word of a fallback');
    assert.ok(reader.counted.replacements >= 1);
    const { others } = stores.placesOf('k');
    assert.deepEqual(await others[0].values('k'), ['v'], 'the one primary that is left, wherever one asks');
    assert.deepEqual(await others[0].values('none'), []);
    assert.equal(codeOf(await reader.get('k', { sloppyQuorum: false })), 'quorum_unsatisfied');
    assert.equal(codeOf(await reader.get('k', { pr: quorumCount(2) })), 'quorum_unsatisfied');
  });
});

test('a replica that was replaced has no say any more, however often it speaks', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const { primaries } = stores.placesOf('k');
    const [, second, third] = primaries;
    second.store.replicas.handle = (_partition, _request, reply) => {
      reply({ kind: 'failed', error: { code: 'overload' } });
    };
    stores.link(second, primaries[0]).doubled = 1;
    for (const node of stores.nodes) if (node !== third) stores.cut(node, third, 'silent');
    // Two of three are needed: this node's, and the fallback's that stands in for the second.
    assert.equal(codeOf(await primaries[0].put('k', 'v', { timeoutMs: 1000 })), 'stored');
  });
});

test('a replica that has moved is asked again where it is now, when the news arrive', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const { primaries, others, partitions } = stores.placesOf('k');
    await primaries[0].put('k', 'v', { w: quorumAll });
    const [reader, newOwner] = others;
    const owners = reader.topology.ring.owners.with(partitions[0], newOwner.id);
    const object = await primaries[0].copy(partitions[0], 'k');
    assert.ok(object !== undefined);
    await newOwner.repair(partitions[0], 'k', object);
    const real = primaries[0].store.replicas.handle.bind(primaries[0].store.replicas);
    primaries[0].store.replicas.handle = (partition, request, reply) => {
      if (partition === partitions[0]) reply({ kind: 'moved', epoch: 2 });
      else real(partition, request, reply);
    };
    stores.world.after(100, () => {
      reader.topology.ring = new Ring(2, owners);
      reader.topology.changed();
    });
    const startedAt = stores.world.nowMs;
    assert.deepEqual(await reader.values('k', { r: quorumAll }), ['v']);
    assert.ok(stores.world.nowMs - startedAt >= 99, 'it had to wait for the news');
    assert.ok(stores.sent.some(({ to, partition }) => to === newOwner.id && partition === partitions[0]));
  });
});

test('R10 delete-immediate: the tombstone is gone at one replica and slow at another; a create in between wins', async () => {
  await ReplicatedStores.run({ settings: { deleteMode: 'immediate' } }, async (stores) => {
    const { primaries } = stores.placesOf('k');
    await primaries[0].put('k', 'old', { w: quorumAll });
    stores.link(primaries[0], primaries[1]).delayMsMax = 500;
    assert.equal(codeOf(await primaries[0].delete('k', { w: quorumAll })), 'deleted');
    for (let i = 0; i < 20; i += 1) {
      await primaries[0].put('k', `new${i}`);
      await stores.world.sleep(60);
      const values = await primaries[0].values('k', { r: quorumAll });
      assert.ok(values.includes(`new${i}`), `round ${i}: ${values.join()}`);
      await primaries[0].delete('k');
      await stores.world.sleep(stores.world.random.fraction() * 100);
    }
  });
});

test('R11 tombstone-not-reaped: one replica is older when the reap read comes: it is repaired, and all forget', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const { primaries, partitions } = stores.placesOf('k');
    await primaries[0].put('k', 'v', { w: quorumAll });
    stores.cut(primaries[0], primaries[2]);
    assert.equal(codeOf(await primaries[0].delete('k')), 'deleted');
    stores.heal();
    await stores.world.sleep(12_000);
    for (const [i, node] of primaries.entries()) assert.equal(await node.copy(partitions[i], 'k'), undefined);
    assert.equal(
      stores.nodes.reduce((sum, { counted }) => sum + counted.reaped, 0),
      3,
    );
  });
});

test('C8: no tombstone is forgotten while a member is away, holds strays, or a partition of the key moves', async () => {
  for (const unrest of ['away', 'moving', 'fallback'] as const) {
    await ReplicatedStores.run({}, async (stores) => {
      const { primaries, partitions } = stores.placesOf('k');
      await primaries[0].put('k', 'v', { w: quorumAll });
      for (const { topology } of stores.nodes) {
        if (unrest === 'away') topology.isSettled = false;
        if (unrest === 'moving') topology.moving.add(partitions[2]);
        if (unrest === 'fallback') topology.down.add(primaries[2].id);
      }
      await primaries[0].delete('k');
      await stores.world.sleep(1000);
      const tombstone = await primaries[0].copy(partitions[0], 'k');
      assert.equal(tombstone?.isTombstone, true, unrest);
      for (const { topology } of stores.nodes) {
        topology.isSettled = true;
        topology.moving.clear();
        topology.down.clear();
      }
      // One to repair, one to forget.
      for (let read = 0; read < 2; read += 1) {
        await primaries[0].get('k', { r: quorumAll });
        await stores.world.sleep(500);
      }
      await stores.world.sleep(1000);
      for (const [i, node] of primaries.entries()) {
        assert.equal(
          await node.copy(partitions[i], 'k'),
          undefined,
          `${unrest}: forgotten when all is quiet`,
        );
      }
    });
  }
});

test('R15 lww-repair-loop: reads of a bucket without siblings repair once, and then no more', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const { primaries } = stores.placesOf('k');
    await primaries[0].store.setProperties(addressOfBucket, { allow_mult: false, last_write_wins: true });
    await primaries[0].put('k', 'v', { w: quorumAll });
    // A concurrent version at one replica.
    stores.cut(primaries[0], primaries[1]);
    stores.cut(primaries[2], primaries[1]);
    await primaries[1].put('k', 'other', { w: quorumOne, dw: quorumOne });
    stores.heal();
    await primaries[0].get('k', { r: quorumAll });
    await primaries[0].get('k', { r: quorumAll });
    await stores.world.sleep(100);
    stores.sent.length = 0;
    for (let i = 0; i < 100; i += 1) await stores.nodes[i % stores.nodes.length].get('k', { r: quorumAll });
    await stores.world.sleep(100);
    assert.equal(stores.sentOf('put').length, 0);
  });
});

test('R40 pr-from-type: with two primaries down pr=2 is unsatisfied, not a miss', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const { primaries } = stores.placesOf('k');
    await primaries[0].put('k', 'v', { w: quorumAll });
    await primaries[0].store.setProperties(addressOfBucket, { pr: quorumCount(2) });
    stores.declareDown(primaries[1], primaries[2]);
    const result = await primaries[0].get('k');
    assert.deepEqual(result, {
      kind: 'failed',
      error: { code: 'quorum_unsatisfied', quorum: 'pr', wanted: 2, got: 1 },
    });
  });
});

test('R41 pr-pw-counted: answers of primaries are counted, not who was thought to be up', async () => {
  await ReplicatedStores.run({}, async (stores) => {
    const { primaries } = stores.placesOf('k');
    stores.declareDown(primaries[2]);
    stores.cut(primaries[0], primaries[1], 'refused');
    const put = await primaries[0].put('k', 'v', { pw: quorumCount(2), dw: quorumOne });
    assert.deepEqual(put.kind === 'failed' && put.error, {
      code: 'quorum_unsatisfied',
      quorum: 'pw',
      wanted: 2,
      got: 1,
    });
    const get = await primaries[0].get('k', { pr: quorumCount(2) });
    assert.deepEqual(get.kind === 'failed' && get.error, {
      code: 'quorum_unsatisfied',
      quorum: 'pr',
      wanted: 2,
      got: 1,
    });
  });
});

test('strays are bounded: beyond it a fallback refuses, and repairs are not taken either', async () => {
  await ReplicatedStores.run({ settings: { strayBytesMax: 2000 } }, async (stores) => {
    const { primaries, others } = stores.placesOf('k');
    stores.declareDown(...primaries);
    for (const primary of primaries) primary.isDown = true;
    const results: string[] = [];
    for (let i = 0; i < 6; i += 1) results.push(codeOf(await others[0].put('k', 'x'.repeat(700))));
    assert.equal(results[0], 'stored');
    assert.equal(results.at(-1), 'overload');
    for (const node of others) assert.ok(node.store.strays.total <= 2000, `${node.store.strays.total}`);
  });
});

test('strays are bounded while their partition moves, too, but for what comes here', async () => {
  for (const isIncoming of [false, true]) {
    await ReplicatedStores.run({ settings: { strayBytesMax: 2000 } }, async (stores) => {
      const { primaries, others, partitions } = stores.placesOf('k');
      stores.declareDown(...primaries);
      for (const primary of primaries) primary.isDown = true;
      for (const { topology } of others) {
        for (const partition of partitions) topology.moving.add(partition);
        if (isIncoming) for (const partition of partitions) topology.ownMoves.add(partition);
      }
      stores.changed();
      const results: string[] = [];
      for (let i = 0; i < 6; i += 1) results.push(codeOf(await others[0].put('k', 'x'.repeat(700))));
      assert.equal(results.at(-1), isIncoming ? 'stored' : 'overload');
      for (const { topology } of others) topology.ownMoves.clear();
      stores.changed();
      const total = Math.max(...others.map(({ store }) => store.strays.total));
      assert.ok(isIncoming === total > 2000, `what did not come in the end counts: ${total}`);
    });
  }
});
