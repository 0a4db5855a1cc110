import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { nodeIdOf } from '../../environment/index.ts';
import { nodeEnvironment, silentLog } from '../../runtime/index.ts';
import { World } from '../../simulator/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import type { ClusterCommand } from '../topology/index.ts';
import { openIn, optionsOf, until } from './cluster-node.fixture.ts';
import { Cluster } from './open-cluster.ts';
import { ClusterOpenError } from './restore-journal.ts';

async function simulate(body: (world: World) => Promise<void>): Promise<void> {
  const world = new World({ seed: 7 });
  await world.run(() => body(world));
}

function registering(text: string): ClusterCommand {
  return { kind: 'register', changes: [{ name: byteLiteral('x'), value: Buffer.from(text) }] };
}

function valueAt({ log }: Cluster): string | undefined {
  return log.state.registry.get(byteLiteral('x'))?.value.toString();
}

const seed = { host: 'a', port: 7300 };

test('a fresh node founds a cluster of one, which serves at once', () =>
  simulate(async (world) => {
    const cluster = await openIn(world, 'a');
    const outcome = await cluster.propose(registering('1'), 1000);
    assert.equal(outcome.kind, 'applied');
    assert.ok(world.nowMs < 100, `${world.nowMs} ms`);
    assert.equal(valueAt(cluster), '1');
    assert.deepEqual(
      [...cluster.log.state.members.values()].map(({ status }) => status),
      ['valid'],
    );
    await cluster.close();
  }));

test('a cluster of one does nothing when nothing is asked of it', () =>
  simulate(async (world) => {
    const cluster = await openIn(world, 'a');
    await cluster.propose(registering('1'), 1000);
    await world.sleep(1000);
    const before = world.eventsRun;
    await world.sleep(60_000);
    assert.ok(world.eventsRun - before <= 3, `${world.eventsRun - before} events in a minute`);
    await cluster.close();
  }));

test('after a stop, a kill or a power cut a node is who it was and knows what it knew', () =>
  simulate(async (world) => {
    let cluster = await openIn(world, 'a');
    const { identity } = cluster.log;
    for (const end of ['close', 'kill', 'crash'] as const) {
      await cluster.propose(registering(end), 1000);
      const { epoch } = cluster.log.state;
      if (end === 'close') await cluster.close();
      else world.node('a')[end]();
      cluster = await openIn(world, 'a');
      assert.deepEqual(cluster.log.identity, identity);
      await until(world, 'the log is replayed', () => cluster.log.state.epoch >= epoch);
      assert.equal(valueAt(cluster), end);
    }
  }));

test('the data of another node, or of another ring, is not opened', () =>
  simulate(async (world) => {
    const cluster = await openIn(world, 'a');
    await cluster.close();
    const isCode = (code: string) => (error: unknown) =>
      error instanceof ClusterOpenError && error.code === code;
    await assert.rejects(openIn(world, 'a', { self: nodeIdOf('b') }), isCode('other-node'));
    await assert.rejects(openIn(world, 'a', { ringSize: 32 }), isCode('ring-size'));
    await (await openIn(world, 'a')).close();
  }));

test('a node joins, follows, proposes from afar, and joining again says so', () =>
  simulate(async (world) => {
    const a = await openIn(world, 'a');
    const b = await openIn(world, 'b');
    await b.propose(registering('of its own'), 1000);
    assert.equal((await b.join(seed)).kind, 'joined');
    assert.equal(b.log.state.clusterId, a.log.state.clusterId);
    assert.equal(valueAt(b), undefined, 'its own topology is gone');
    assert.equal(b.log.state.members.get(nodeIdOf('b'))?.status, 'joining');
    assert.equal((await b.propose(registering('from b'), 5000)).kind, 'applied');
    assert.equal(valueAt(b), 'from b', 'P2: who proposed has folded it');
    await until(world, 'a has it', () => valueAt(a) === 'from b');
    assert.equal((await a.propose(registering('from a'), 5000)).kind, 'applied');
    await until(world, 'b has it', () => valueAt(b) === 'from a');
    assert.equal((await b.join(seed)).kind, 'already');
    // And after a crash it is still a member.
    world.node('b').crash();
    const again = await openIn(world, 'b');
    assert.equal(again.log.state.clusterId, a.log.state.clusterId);
    assert.equal((await again.propose(registering('b again'), 5000)).kind, 'applied');
    await again.close();
    await a.close();
  }));

test('who may not join is told why', () =>
  simulate(async (world) => {
    const a = await openIn(world, 'a');
    const b = await openIn(world, 'b');
    await b.join(seed);
    const codeOf = async (cluster: Cluster, at = seed): Promise<string> => {
      const outcome = await cluster.join(at);
      await cluster.close();
      return outcome.kind === 'refused' ? outcome.code : outcome.kind;
    };
    assert.equal(await codeOf(await openIn(world, 'c', { ringSize: 32 })), 'ring_size');
    assert.equal(await codeOf(await openIn(world, 'd', { self: nodeIdOf('b') })), 'name_taken');
    assert.equal(await codeOf(await openIn(world, 'e', { listen: undefined })), 'not_listening');
    const others = {
      transport: { ...optionsOf(world.node('f').environment, 'f', 'f').transport, secret: 'x' },
    };
    assert.equal(await codeOf(await openIn(world, 'f', others)), 'secret');
    assert.equal(await codeOf(await openIn(world, 'g'), { host: 'a', port: 9 }), 'unavailable');
    const h = await openIn(world, 'h');
    assert.equal((await a.join({ host: 'h', port: 7300 })).kind, 'refused', 'a has members');
    await h.close();
    assert.equal(await codeOf(a), 'already', 'the seed is a itself');
  }));

test('a crash in the middle of joining leaves a node that can join again', () =>
  simulate(async (world) => {
    const a = await openIn(world, 'a');
    let joins = 0;
    for (let ms = 0; joins < 3; ms += 2) {
      const b = await openIn(world, 'b');
      const own = b.log.state.clusterId;
      const outcome = b.join(seed);
      await Promise.race([outcome, world.sleep(ms)]);
      world.node('b').crash();
      const again = await openIn(world, 'b');
      assert.ok([own, a.log.state.clusterId].includes(again.log.state.clusterId), 'one or the other, whole');
      const kind = (await again.join(seed)).kind;
      assert.ok(kind === 'joined' || kind === 'already', kind);
      if (kind === 'already') joins += 1;
      assert.equal(a.log.state.members.size, 2);
      await again.close();
    }
    await a.close();
  }));

test('a node that moved to another address is found there', () =>
  simulate(async (world) => {
    const a = await openIn(world, 'a');
    const b = await openIn(world, 'b');
    await b.join(seed);
    await b.close();
    const moved = await openIn(world, 'b', { listen: { host: 'b', port: 7999 } });
    const portAt = (cluster: Cluster) => cluster.log.state.members.get(nodeIdOf('b'))?.address.port;
    await until(world, 'a knows', () => portAt(a) === 7999);
    moved.announce({ http: { host: 'b', port: 8098 } });
    await until(world, 'a knows its API', () => a.log.state.members.get(nodeIdOf('b'))?.http?.port === 8098);
    await moved.close();
    await a.close();
  }));

test('real sockets: three nodes agree; the first is ready within 300 ms', async (context) => {
  const environments = ['a', 'b', 'c'].map(() =>
    nodeEnvironment({
      log: silentLog,
      crash: (activity, error) => {
        throw new Error(`crash in ${activity}`, { cause: error });
      },
    }),
  );
  const open = (name: string, i: number): Promise<Cluster> =>
    Cluster.open({
      ...optionsOf(environments[i]!, `${name}@127.0.0.1`, '127.0.0.1'),
      listen: { host: '127.0.0.1', port: 0 },
    });
  const clusters: Cluster[] = [];
  context.after(async () => {
    for (const cluster of clusters) await cluster.close();
    for (const environment of environments) await environment.close();
  });
  const startedAt = performance.now();
  clusters.push(await open('a', 0));
  assert.equal((await clusters[0]!.propose(registering('0'), 1000)).kind, 'applied');
  assert.ok(performance.now() - startedAt < 300, `${performance.now() - startedAt} ms`);
  for (const [i, name] of ['b', 'c'].entries()) {
    const cluster = await open(name, i + 1);
    clusters.push(cluster);
    assert.equal((await cluster.join(clusters[0]!.address!)).kind, 'joined');
  }
  for (const [i, cluster] of clusters.entries()) {
    assert.equal((await cluster.propose(registering(`from ${i}`), 5000)).kind, 'applied');
    assert.equal(valueAt(cluster), `from ${i}`);
  }
});
