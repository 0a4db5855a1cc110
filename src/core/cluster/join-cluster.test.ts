import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { nodeIdOf } from '../../environment/index.ts';
import { World } from '../../simulator/index.ts';
import { byteStringOf } from '../../stdx/index.ts';
import type { ProposeOutcome } from './cluster-log.ts';
import { openIn, until } from './cluster-node.fixture.ts';

async function simulate(seed: number, body: (world: World) => Promise<void>): Promise<void> {
  const world = new World({ seed });
  await world.run(() => body(world));
}

const at = (host: string) => ({ host, port: 7300 });

test('two joins at once: one is done, the other is told so', () =>
  simulate(1, async (world) => {
    const a = await openIn(world, 'a');
    const b = await openIn(world, 'b');
    const outcomes = await Promise.all([b.join(at('a')), b.join(at('a'))]);
    assert.deepEqual(outcomes.map(({ kind }) => kind).sort(), ['joined', 'unavailable']);
    // The state of the cluster goes on from there, and nothing of it is taken back.
    assert.equal(
      (await b.propose({ kind: 'stage', change: { kind: 'join', node: b.log.self } }, 5000)).kind,
      'applied',
    );
    assert.equal((await b.join(at('a'))).kind, 'already');
    await b.close();
    await a.close();
  }));

test('two nodes that name each other as seeds end up in one cluster', async () => {
  for (let seed = 1; seed <= 10; seed++) {
    await simulate(seed, async (world) => {
      const open = (name: string, other: string) => openIn(world, name, { seeds: [at(other)] });
      const [a, b] = await Promise.all([open('a', 'b'), open('b', 'a')]);
      const isOne = (): boolean =>
        a.log.state.clusterId === b.log.state.clusterId &&
        a.log.state.members.size === 2 &&
        b.log.state.members.size === 2;
      await until(world, `seed ${seed}: one cluster`, isOne);
      const outcome = await a.propose({ kind: 'mark', node: nodeIdOf('a'), status: 'valid' }, 5000);
      assert.notEqual(outcome.kind, 'unavailable', `seed ${seed}: it has a leader`);
      await Promise.all([a.close(), b.close()]);
    });
  }
});

test('P3: what was proposed in the cluster of one does not happen in the cluster that is joined', async () => {
  for (let seed = 1; seed <= 5; seed++) {
    await simulate(seed, async (world) => {
      const a = await openIn(world, 'a');
      const b = await openIn(world, 'b');
      const own = b.log.state.clusterId;
      const proposals: Promise<ProposeOutcome>[] = [];
      const joining = b.join(at('a'));
      while (b.log.state.clusterId === own) {
        const name = byteStringOf(Buffer.from(`fact ${proposals.length}`));
        const changes = [{ name, value: Buffer.from('1'), expected: 0 }];
        proposals.push(b.propose({ kind: 'register', changes }, 5000));
        await world.sleep(0.5);
      }
      assert.equal((await joining).kind, 'joined');
      await world.sleep(6000);
      assert.deepEqual([...a.log.state.registry.keys(), ...b.log.state.registry.keys()], [], `seed ${seed}`);
      const outcomes = await Promise.all(proposals);
      const reason = 'this node has joined another cluster';
      assert.ok(outcomes.some((outcome) => outcome.kind === 'unavailable' && outcome.reason === reason));
      await b.close();
      await a.close();
    });
  }
});

test('a join whose record the disk refuses has not happened, and the next one works', () =>
  simulate(2, async (world) => {
    const a = await openIn(world, 'a');
    const b = await openIn(world, 'b');
    const { disk } = world.node('b');
    const { conditions } = disk;
    const own = b.log.state.clusterId;
    disk.conditions = { ...conditions, writeFailure: 1 };
    const outcome = await b.join(at('a'));
    assert.equal(outcome.kind, 'unavailable', JSON.stringify(outcome));
    assert.equal(b.log.state.clusterId, own);
    disk.conditions = conditions;
    await world.sleep(3000);
    assert.equal(b.log.identity.clusterId, own);
    assert.equal((await b.join(at('a'))).kind, 'joined');
    await b.close();
    await a.close();
  }));

test('a stop in the middle of a join ends both, and nothing goes on behind', async () => {
  for (let ms = 0; ms < 12; ms++) {
    await simulate(3, async (world) => {
      const a = await openIn(world, 'a');
      const b = await openIn(world, 'b');
      const joining = b.join(at('a'));
      await world.sleep(ms);
      await b.close();
      const { kind } = await joining;
      assert.ok(kind === 'joined' || kind === 'unavailable', kind);
      await a.close();
      await world.sleep(30_000);
      const before = world.eventsRun;
      await world.sleep(60_000);
      assert.ok(world.eventsRun - before <= 3, `${ms}: ${world.eventsRun - before} events in a minute`);
    });
  }
});
