/** Who leaves, is removed, or comes anew: docs/internals/acceptance.md has the rows. */
import assert from 'node:assert/strict';
import type { GetResult } from '../../kv/index.ts';
import { assertAllThere, idOf, names, storeAll } from './stored-names.fixture.ts';
import { addressOf, story } from './told-cluster.fixture.ts';

story(
  'verify_leave: who leaves, by its own word or by that of another, hands over all and is no member any more',
  { nodes: 5 },
  async (cluster) => {
    await storeAll(cluster, 'c');
    for (const [leaver, by] of [
      ['b', 'b'],
      ['d', 'a'],
    ] as const) {
      const member = cluster.member(leaver);
      await cluster.untilHealthy();
      await cluster.operate(by, (admin) => admin.stage({ kind: 'leave', node: member.id }));
      const answer = await cluster.operate(by, (admin) =>
        admin.commit({ planOf: undefined, isForced: false }),
      );
      assert.ok(typeof answer !== 'string', `refused: ${answer as string}`);
      await cluster.stage.until(
        `${leaver} holds nothing`,
        () => cluster.ownedBy(leaver).length === 0,
        600_000,
      );
      await cluster.stage.until(
        'it knows',
        () => member.serving?.node.database.cluster.log.isRemoved ?? true,
        60_000,
      );
      if (member.isServing) assert.equal((await cluster.disk(leaver)).size, 0, 'it has dropped its data');
      await cluster.stage.untilGone(member);
      await cluster.stage.untilSettled();
      assert.equal(cluster.stage.state().members.has(member.id), false);
      await assertAllThere(cluster);
    }
  },
);

story(
  'verify_leave: who is removed for good is rebuilt from the others, and never let in again',
  { nodes: 4 },
  async (cluster) => {
    await storeAll(cluster, 'a');
    const member = cluster.member('d');
    cluster.stop('d');
    await cluster.untilGivenUp('d');
    await cluster.stage.change([{ kind: 'remove', node: member.id }]);
    await cluster.stage.until(
      'its partitions are rebuilt',
      () => cluster.stage.state().moves.size === 0 && !cluster.stage.state().members.has(member.id),
      600_000,
    );
    member.process.restart();
    await cluster.stage.untilServing([member]);
    const isRefused = await cluster.stage.join(member, cluster.member('a')).then(
      () => false,
      (error: Error) => /may not join/.test(error.message),
    );
    assert.ok(isRefused, 'its instance was removed with its data');
    cluster.stage.retire(member);
    await cluster.stage.untilQuiet();
    await assertAllThere(cluster);
  },
);

story(
  'verify_rejoin: a node leaves, comes back and joins anew while clients write; every acknowledged write is there',
  { nodes: 4 },
  async (cluster) => {
    const acked = new Map<string, string>();
    let isOver = false;
    const writer = (async () => {
      for (let i = 0; !isOver || i < 100; i++) {
        const key = `k${i % 50}`;
        const result = await cluster.put(['b', 'c', 'd'][i % 3]!, key, `${key} ${i}`);
        assert.equal(result.kind, 'stored', JSON.stringify(result));
        acked.set(key, `${key} ${i}`);
        await cluster.world.sleep(20);
      }
    })();
    const a = cluster.member('a');
    await cluster.stage.change([{ kind: 'leave', node: a.id }]);
    await cluster.stage.untilGone(a);
    // Who has left comes back with a new data directory, which makes it another.
    const e = await cluster.boot();
    await cluster.join(e);
    await cluster.stage.change([{ kind: 'join', node: idOf(cluster, e) }]);
    await cluster.stage.untilSettled();
    isOver = true;
    await writer;
    assert.equal(acked.size, 50);
    await cluster.stage.untilQuiet();
    for (const [key, value] of acked) {
      for (const primary of cluster.primariesOf(key)) {
        assert.deepEqual(await cluster.replica(primary, key), [value]);
      }
    }
  },
);

story(
  'R26 forward-until-removed: gets and puts at every node, the leaving one too, all through a leave',
  { nodes: 4, seeds: [1, 4, 9, 36] },
  async (cluster) => {
    await storeAll(cluster, 'b');
    const leaver = cluster.member('a');
    await cluster.stage.change([{ kind: 'leave', node: leaver.id }]);
    let answered = 0;
    for (let i = 0; cluster.stage.state(cluster.member('b')).members.has(leaver.id); i++) {
      const name = names[i % names.length]!;
      for (const at of cluster.letters) {
        if (!cluster.member(at).isServing) continue;
        const read = await cluster
          .member(at)
          .ask<GetResult>((store, done) => store.get(addressOf(name), done));
        // Its process ends when it has nothing left to do.
        if (typeof read === 'string') continue;
        // It has handed over everything, and turns its clients away before it is struck off.
        if (at === 'a' && read.kind === 'failed' && read.error.code === 'stopping') continue;
        assert.equal(read.kind, 'found', `${name} at ${at}: ${JSON.stringify(read)}`);
        answered += 1;
      }
    }
    assert.ok(answered > 20, `${answered} gets during the leave`);
    await cluster.stage.untilGone(leaver);
    await assertAllThere(cluster);
  },
);
