/** What must hold of many machines together, whatever the network does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SwimNetwork } from './swim-network.fixture.ts';

const seeds = [1, 2, 3, 4];

function settled(count: number, seed: number, loss = 0): SwimNetwork {
  const network = new SwimNetwork(count, { seed });
  network.runUntil(() => network.areAllAlive && network.isSettled, 20_000);
  network.loss = loss;
  network.run(3000);
  network.sightings.length = 0;
  return network;
}

test('a dead member is found by all, in two to four seconds', () => {
  const times: number[] = [];
  for (const count of [2, 3, 5, 12, 40]) {
    for (const seed of seeds) {
      const network = settled(count, seed);
      const [victim] = network.nodes;
      const from = network.now;
      network.crash(victim!);
      times.push(network.runUntil(() => network.views(victim!).every((view) => view === 'dead'), 5000));
      const first = Math.min(...network.deathsSeen().map(({ atMs }) => atMs)) - from;
      assert.ok(first >= 2050, `${first} ms: too soon, a pause of two seconds would be a death`);
      assert.deepEqual(
        network.deathsSeen().filter(({ of }) => of !== victim),
        [],
      );
    }
  }
  const mean = times.reduce((sum, ms) => sum + ms) / times.length;
  assert.ok(mean < 3000, `${mean} ms on average`);
});

test('a member that was killed is found in less than a second: its machine refuses', () => {
  for (const count of [2, 3, 5, 12]) {
    for (const seed of seeds) {
      const network = settled(count, seed);
      const [victim] = network.nodes;
      network.kill(victim!);
      network.runUntil(() => network.views(victim!).every((view) => view === 'dead'), 1000);
      network.restart(victim!);
      network.runUntil(() => network.areAllAlive, 2000);
      network.runUntil(() => network.isSettled, 5000);
      assert.deepEqual(
        network.deathsSeen().filter(({ of }) => of !== victim),
        [],
      );
    }
  }
});

test('a pause of two seconds kills nobody; who slept through its own death comes back', () => {
  for (const count of [2, 3, 5, 20]) {
    for (const seed of seeds) {
      const network = settled(count, seed);
      const [sleeper] = network.nodes;
      for (let i = 0; i < 3; i += 1) {
        network.pause(sleeper!);
        network.run(2000);
        network.resume(sleeper!);
        network.run(1000 + 137 * i);
      }
      network.runUntil(() => network.areAllAlive, 3000);
      assert.deepEqual(network.deathsSeen(), [], `of ${count}, seed ${seed}`);
      network.pause(sleeper!);
      network.run(30_000);
      assert.ok(network.views(sleeper!).every((view) => view === 'dead'));
      network.resume(sleeper!);
      network.runUntil(() => network.areAllAlive, 3000);
      assert.ok(!network.deathsSeen().some(({ by }) => by === sleeper), 'who wakes condemns nobody');
    }
  }
});

test('one-way cuts: who is cut off from one is alive to all others', () => {
  for (const seed of seeds) {
    const network = settled(6, seed);
    const [a, b] = network.nodes;
    network.cut(a!, b!);
    network.runUntil(() => network.swim(a!).reachability(b!) === 'dead', 15_000);
    network.runUntil(() => network.swim(b!).reachability(a!) === 'dead', 15_000);
    network.run(10_000);
    const others = network.deathsSeen().filter(({ by, of }) => ![a, b].includes(by) || ![a, b].includes(of));
    assert.deepEqual(others, []);
    network.heal();
    network.runUntil(() => network.areAllAlive, 2000);
  }
});

test('a node that hears nobody accuses all, and kills nobody', () => {
  for (const seed of seeds) {
    const network = settled(6, seed);
    const [deaf] = network.nodes;
    for (const node of network.nodes) if (node !== deaf) network.cut(node, deaf!);
    network.run(40_000);
    const killed = network.deathsSeen().filter(({ by, of }) => by !== deaf && of !== deaf);
    assert.deepEqual(killed, []);
    network.heal();
    network.runUntil(() => network.areAllAlive && network.isSettled, 12_000);
  }
});

test('a partition that heals: both sides see each other again, and nobody dies to its own side', () => {
  for (const seed of seeds) {
    const network = settled(9, seed);
    const side = network.nodes.slice(0, 3);
    network.partition(side);
    network.run(20_000);
    for (const node of network.nodes) {
      for (const other of network.nodes) {
        if (node === other) continue;
        const expected = side.includes(node) === side.includes(other) ? 'alive' : 'dead';
        assert.equal(network.swim(node).reachability(other), expected, `${other} to ${node}`);
      }
    }
    network.heal();
    network.runUntil(() => network.areAllAlive && network.isSettled, 5000);
    network.run(5000);
    const withinASide = network.deathsSeen().filter(({ by, of }) => side.includes(by) === side.includes(of));
    assert.deepEqual(withinASide, []);
  }
});

test('law: what a member says of itself reaches everyone, however lossy the network', () => {
  for (const loss of [0, 0.1, 0.3]) {
    for (const seed of seeds) {
      const network = settled(30, seed, loss);
      const [speaker] = network.nodes;
      network.tell(speaker!, { kind: 'attributes', attributes: 0 });
      const heard = (): boolean => network.nodes.every((node) => !network.swim(node).hasStrays(speaker!));
      const tookMs = network.runUntil(heard, 20_000);
      if (loss === 0) assert.ok(tookMs <= 1500, `${tookMs} ms`);
    }
  }
});

test('law: with every twentieth message lost nobody is dead, and with every fifth hardly ever', () => {
  let deadMs = 0;
  let watchedMs = 0;
  for (const seed of seeds.slice(0, 3)) {
    const network = settled(12, seed, 0.05);
    network.run(40_000);
    assert.deepEqual(network.deathsSeen(), []);
    network.loss = 0.2;
    for (let i = 0; i < 400; i += 1) {
      network.run(100);
      for (const node of network.nodes) {
        deadMs += 100 * network.views(node).filter((view) => view === 'dead').length;
        watchedMs += 100 * network.views(node).length;
      }
    }
    network.loss = 0;
    network.runUntil(() => network.areAllAlive && network.isSettled, 15_000);
  }
  assert.ok(deadMs / watchedMs < 0.002, `dead for ${((100 * deadMs) / watchedMs).toFixed(3)} % of the time`);
});

test('an overloaded node, deaf for half a second again and again, dies to nobody', () => {
  for (const seed of seeds) {
    const network = settled(5, seed);
    const [busy] = network.nodes;
    for (let i = 0; i < 40; i += 1) {
      network.pause(busy!);
      network.run(400 + ((i * 77) % 500));
      network.resume(busy!);
      network.run(50);
    }
    assert.deepEqual(network.deathsSeen(), []);
    network.runUntil(() => network.areAllAlive, 3000);
  }
});

test('a member that says goodbye is dead to all at once, and back with its next life', () => {
  for (const seed of seeds) {
    const network = settled(8, seed);
    const [leaver] = network.nodes;
    network.tell(leaver!, { kind: 'leave' });
    network.crash(leaver!);
    network.runUntil(() => network.views(leaver!).every((view) => view === 'dead'), 300);
    network.run(5000);
    network.restart(leaver!);
    network.runUntil(() => network.areAllAlive && network.isSettled, 3000);
    assert.deepEqual(
      network.deathsSeen().filter(({ of }) => of !== leaver),
      [],
    );
  }
});

test('in every life a member may hold strays until it has said otherwise', () => {
  for (const seed of seeds) {
    const network = settled(6, seed);
    const [node, ...others] = network.nodes;
    const hasStrays = (): boolean[] => others.map((other) => network.swim(other).hasStrays(node!));
    network.tell(node!, { kind: 'attributes', attributes: 0 });
    network.runUntil(() => hasStrays().every((has) => !has), 2000);
    network.kill(node!);
    network.restart(node!);
    network.runUntil(() => hasStrays().every((has) => has), 2000);
  }
});

test('who was away learns of everything it missed, more than fits into a message', () => {
  const network = settled(60, 1);
  const [late, ...others] = network.nodes;
  network.crash(late!);
  network.run(20_000);
  for (const node of others) network.tell(node, { kind: 'attributes', attributes: 0 });
  for (const node of others.slice(0, 5)) network.crash(node);
  network.run(30_000);
  network.restart(late!);
  network.runUntil(() => network.isSettled, 5000);
  for (const node of others.slice(0, 5)) assert.equal(network.swim(late!).reachability(node), 'dead');
  for (const node of others) assert.ok(!network.swim(late!).hasStrays(node));
});

test('what an idle node sends does not grow with the cluster', () => {
  const bytesPerSecond = [10, 100].map((count) => {
    const network = settled(count, 1);
    network.run(5000);
    const before = network.bytesSent;
    network.run(10_000);
    return (network.bytesSent - before) / count / 10;
  });
  const [small, large] = bytesPerSecond as [number, number];
  assert.ok(large < 1.05 * small && large < 100, bytesPerSecond.join());
});

test('the same seed gives the same run', () => {
  const runs = [1, 2].map(() => {
    const network = settled(10, 5, 0.2);
    network.crash(network.nodes[3]!);
    network.run(10_000);
    return network.sightings;
  });
  assert.ok(runs[0]!.length > 0);
  assert.deepEqual(runs[0], runs[1]);
});
