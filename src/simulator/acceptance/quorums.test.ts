/** Quorums, failing primaries and overload, told of whole clusters: docs/internals/acceptance.md has the rows. */
import assert from 'node:assert/strict';
import { type PutResult, type QuorumName, quorumAll, quorumCount, quorumOne } from '../../kv/index.ts';
import { story } from './told-cluster.fixture.ts';

const two = quorumCount(2);
const three = quorumCount(3);
const four = quorumCount(4);

function unsatisfied(quorum: QuorumName, wanted: number, got: number) {
  return { kind: 'failed', error: { code: 'quorum_unsatisfied', quorum, wanted, got } };
}

story(
  'pr_pw: primaries that stop one by one fail pr and pw, and nothing else',
  { nodes: 5 },
  async (cluster) => {
    const [a, b] = cluster.primariesOf('k');
    const [asked] = cluster.outsidersOf('k');
    await cluster.store(asked!, 'k', 'v', { pw: three });
    cluster.stop(a!);
    await cluster.untilGivenUp(a!);
    assert.deepEqual(await cluster.get(asked!, 'k', { pr: three }), unsatisfied('pr', 3, 2));
    assert.deepEqual(await cluster.put(asked!, 'k', 'w', { pw: three }), unsatisfied('pw', 3, 2));
    assert.equal((await cluster.get(asked!, 'k', { pr: two })).kind, 'found');
    await cluster.store(asked!, 'k', 'x', { pw: two, dw: quorumAll });
    cluster.stop(b!);
    await cluster.untilGivenUp(a!, b!);
    assert.deepEqual(await cluster.get(asked!, 'k', { pr: two }), unsatisfied('pr', 2, 1));
    await cluster.store(asked!, 'k', 'y', { w: quorumAll });
    await cluster.start(a!);
    await cluster.start(b!);
    await cluster.untilSeen();
    await cluster.store(asked!, 'k', 'z', { pw: three });
    assert.equal((await cluster.get(asked!, 'k', { pr: three })).kind, 'found');
  },
);

story('pr_pw: from the properties of a bucket, on every node', { nodes: 5 }, async (cluster) => {
  const [a] = cluster.primariesOf('k');
  const others = cluster.letters.filter((letter) => letter !== a);
  await cluster.setProperties(a!, { pr: three, pw: three });
  await cluster.store(a!, 'k', 'v');
  cluster.stop(a!);
  await cluster.untilGivenUp(a!);
  for (const asked of others) {
    assert.deepEqual(await cluster.get(asked, 'k'), unsatisfied('pr', 3, 2));
    assert.deepEqual(await cluster.put(asked, 'k', 'w'), unsatisfied('pw', 3, 2));
  }
  assert.deepEqual(await cluster.get(others[0]!, 'k', { pr: four }), {
    kind: 'failed',
    error: { code: 'n_val_violation', nVal: 3 },
  });
});

story(
  'pr_pw: a primary that has just lost its power, and nobody knows: a timeout or too few, then the rule',
  { nodes: 5 },
  async (cluster) => {
    const [a] = cluster.primariesOf('k');
    const [asked] = cluster.outsidersOf('k');
    await cluster.store(asked!, 'k', 'v', { pw: three });
    cluster.crash(a!);
    const atOnce = await cluster.put(asked!, 'k', 'w', { pw: three, timeoutMs: 1000 });
    assert.equal(atOnce.kind, 'failed');
    const { code } = (atOnce as Extract<PutResult, { kind: 'failed' }>).error;
    assert.ok(code === 'timeout' || code === 'quorum_unsatisfied', code);
    const read = await cluster.get(asked!, 'k', { pr: three, timeoutMs: 30_000 });
    assert.equal(read.kind, 'failed', 'who stands in for a primary is none');
    await cluster.untilGivenUp(a!);
    assert.deepEqual(await cluster.put(asked!, 'k', 'x', { pw: three }), unsatisfied('pw', 3, 2));
  },
);

story(
  'node_confirms_vs_pw: with two primaries stopped pw=2 fails and node_confirms=2 succeeds',
  { nodes: 5 },
  async (cluster) => {
    const [a, b, c] = cluster.primariesOf('k');
    const [asked] = cluster.outsidersOf('k');
    cluster.stop(a!);
    cluster.stop(b!);
    await cluster.untilGivenUp(a!, b!);
    for (const at of [asked!, c!]) {
      assert.deepEqual(await cluster.put(at, 'k', 'pw', { pw: two }), unsatisfied('pw', 2, 1));
      await cluster.store(at, 'k', 'confirmed', { nodeConfirms: two });
      await cluster.store(at, 'k', 'confirmed', { nodeConfirms: three, w: quorumAll });
      assert.deepEqual(await cluster.put(at, 'k', 'four', { nodeConfirms: four }), {
        kind: 'failed',
        error: { code: 'n_val_violation', nVal: 3 },
      });
    }
  },
);

story(
  'node_confirms_vs_pw: both sides of a partition confirm, and their writes are siblings afterwards',
  { nodes: 5 },
  async (cluster) => {
    await cluster.setProperties('a', { allow_mult: true });
    const [a, b, c] = cluster.primariesOf('k');
    const [d, e] = cluster.outsidersOf('k');
    await cluster.store(a!, 'k', 'before');
    const heal = cluster.cut([a!, d!], [b!, c!, e!]);
    await cluster.stage.until(
      'both sides know',
      () => !sees(a!, b!) && !sees(b!, a!) && !sees(d!, e!) && !sees(e!, d!),
      60_000,
    );
    await cluster.update(a!, 'k', 'left', { nodeConfirms: two });
    await cluster.update(b!, 'k', 'right', { nodeConfirms: two });
    assert.deepEqual(await cluster.values(d!, 'k'), ['left']);
    assert.deepEqual(await cluster.values(e!, 'k'), ['right']);
    heal();
    await cluster.stage.untilQuiet();
    for (const at of cluster.letters) assert.deepEqual(await cluster.values(at, 'k'), ['left', 'right']);

    function sees(one: string, other: string): boolean {
      return cluster.member(one).present.node.database.cluster.topology.isUp(cluster.member(other).id);
    }
  },
);

story(
  'verify_put_opt_node_confirms: three replicas on two nodes cannot be confirmed by three',
  { nodes: 3 },
  async (cluster) => {
    const [a, b] = cluster.primariesOf('k');
    cluster.stop(a!);
    await cluster.untilGivenUp(a!);
    const refused = await cluster.put(b!, 'k', 'v', { nodeConfirms: three });
    assert.deepEqual(refused, unsatisfied('node_confirms', 3, 2));
    await cluster.store(b!, 'k', 'v', { nodeConfirms: two });
    assert.deepEqual(await cluster.get(b!, 'k', { nodeConfirms: three }), {
      kind: 'failed',
      error: { code: 'insufficient_nodes', up: 2, needed: 3 },
    });
  },
);

story(
  'verify_busy_dist_port: a frozen node neither blocks the others nor is missed by reads and writes',
  { nodes: 5 },
  async (cluster) => {
    const [a] = cluster.primariesOf('k');
    const [asked] = cluster.outsidersOf('k');
    const { world } = cluster;
    await cluster.store(asked!, 'k', 'v0');
    cluster.member(a!).process.pause();
    let longestMs = 0;
    for (let i = 1; i <= 20; i++) {
      const beganMs = world.nowMs;
      await cluster.update(asked!, 'k', `v${i}`);
      assert.deepEqual(await cluster.values(asked!, 'k'), [`v${i}`]);
      longestMs = Math.max(longestMs, world.nowMs - beganMs);
      await world.sleep(500);
    }
    assert.ok(longestMs < 5000, `a request took ${longestMs} ms`);
    assert.equal(
      cluster.member(asked!).present.node.database.cluster.topology.isUp(cluster.member(a!).id),
      false,
    );
    cluster.member(a!).process.resume();
    await cluster.untilSeen();
    await cluster.stage.untilQuiet();
    for (const at of cluster.letters) assert.deepEqual(await cluster.values(at, 'k'), ['v20']);
  },
);

story(
  'R42 overload-stuck: beyond the limit requests are refused at once, and once it has drained none is',
  { nodes: 3, fixed: { max_concurrent_requests: 8 } },
  async (cluster) => {
    const { disk } = cluster.member('a').process;
    const usual = disk.conditions;
    disk.conditions = { ...usual, syncMs: 2000 };
    const beganMs = cluster.world.nowMs;
    const refusedMs: number[] = [];
    const results = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const result = await cluster.put('a', `k${i}`, 'v', { w: quorumAll });
        if (result.kind === 'failed' && result.error.code === 'overload') {
          refusedMs.push(cluster.world.nowMs - beganMs);
        }
        return result;
      }),
    );
    assert.ok(refusedMs.length >= 40 - 8 && refusedMs.length < 40, `${refusedMs.length} were refused`);
    assert.ok(Math.max(...refusedMs) < 10, 'at once');
    for (const result of results) {
      if (result.kind === 'failed') assert.equal(result.error.code, 'overload');
    }
    disk.conditions = usual;
    await cluster.world.sleep(3000);
    for (let i = 0; i < 40; i++) await cluster.store('a', `k${i}`, 'after', { w: quorumAll });
  },
);

story(
  'R41 pr-pw-counted: a primary that refuses to store is not counted, though it is up and a fallback is not asked for it',
  { nodes: 5 },
  async (cluster) => {
    const [a, b] = cluster.primariesOf('k');
    const [asked] = cluster.outsidersOf('k');
    await cluster.store(asked!, 'k', 'v', { pw: three });
    cluster.stop(a!);
    await cluster.untilGivenUp(a!);
    const { disk } = cluster.member(b!).process;
    disk.conditions = { ...disk.conditions, syncFailure: 1 };
    const result = await cluster.put(asked!, 'k', 'w', { pw: two, w: quorumOne, dw: quorumOne });
    assert.equal(result.kind, 'failed', JSON.stringify(result));
  },
);
