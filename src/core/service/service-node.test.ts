import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configurationWith } from '../../config/index.ts';
import { nodeIdOf } from '../../environment/index.ts';
import { World } from '../../simulator/index.ts';
import { clusterOptions } from './cluster-options.ts';
import { jsonCodec } from './json-codec.ts';
import { MemoryPartitions } from './memory-partitions.ts';
import { ServiceNode, ServiceUnavailableError } from './service-node.ts';

/** Numbers that were added under a name; merging is union. */
interface Added {
  readonly name: string;
  readonly numbers: readonly number[];
}

type Node = ServiceNode<Added, Added>;

const union = (one: Added, other: Added): Added => ({
  name: one.name,
  numbers: [...new Set([...one.numbers, ...other.numbers])].sort((a, b) => a - b),
});
const port = 7300;
const seedAddress = { host: 'a', port };
const waitMs = 60_000;
const seeds = [1, 2];

function open(world: World, name: string): Promise<Node> {
  const { environment, host } = world.node(name);
  const configuration = configurationWith({
    nodename: name,
    ring_size: 16,
    'listener.cluster.internal': { host, port },
    'cluster.secret': 'a secret',
  });
  return ServiceNode.open<Added, Added>({
    cluster: clusterOptions(configuration, environment),
    codec: jsonCodec(),
    replicas: 3,
    serve: (context) => {
      const partitions = new MemoryPartitions<Added>(context, { nameOf: ({ name: of }) => of, merge: union });
      return { vnodes: partitions, store: partitions };
    },
  });
}

/** Adds through whatever nodes are in use, and remembers what was acknowledged. */
class Adder {
  readonly acknowledged = new Map<string, number[]>();
  readonly failures: string[] = [];
  nodes: readonly Node[] = [];
  enough = 2;
  readonly #world: World;
  #next = 0;
  #isStopped = false;
  #running: Promise<void> | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const number = this.#next++;
      const name = `name ${number % 7}`;
      const node = this.nodes[number % this.nodes.length]!;
      try {
        await node.ask(name, { name, numbers: [number] }, { enough: this.enough });
        this.acknowledged.set(name, [...(this.acknowledged.get(name) ?? []), number]);
      } catch (error) {
        if (!(error instanceof ServiceUnavailableError)) throw error;
        this.failures.push(`${number}: ${error.message}`);
      }
      await this.#world.sleep(8);
    }
  }
}

async function assertNothingMissing(adder: Adder, node: Node): Promise<void> {
  for (const [name, numbers] of adder.acknowledged) {
    const answers = await node.ask(name, { name, numbers: [] }, { enough: 2 });
    const found = new Set(answers.flatMap((answer) => answer.numbers));
    const missing = numbers.filter((number) => !found.has(number));
    assert.deepEqual(missing, [], `${name} at ${node.cluster.topology.self}`);
  }
}

async function inWorld(seed: number, body: (world: World) => Promise<void>): Promise<void> {
  const world = new World({ seed });
  await world.run(() => body(world));
}

for (const seed of seeds) {
  test(`1 → 3 → 2 by leaving: no count is lost, none refused (seed ${seed})`, () =>
    inWorld(seed, async (world) => {
      const a = await open(world, 'a');
      const adder = new Adder(world);
      adder.nodes = [a];
      // With everybody up no replica refuses, whatever moves.
      adder.enough = 3;
      adder.start();
      await world.sleep(500);
      const [b, c] = [await open(world, 'b'), await open(world, 'c')];
      await Promise.all([b.join(seedAddress, waitMs), c.join(seedAddress, waitMs)]);
      adder.nodes = [a, b, c];
      await a.settled(waitMs);
      for (const { cluster } of [a, b, c]) {
        const own = cluster.topology.ring.partitionsOf(cluster.topology.self).length;
        assert.ok(own >= 5 && own <= 6, `${own} partitions`);
      }
      await world.sleep(500);
      adder.nodes = [a, b];
      await c.leave(waitMs);
      assert.deepEqual(c.cluster.topology.ring.partitionsOf(nodeIdOf('c')), []);
      await c.close();
      await world.sleep(500);
      await adder.stop();
      assert.deepEqual(adder.failures, []);
      assert.ok([...adder.acknowledged.values()].flat().length > 150);
      await assertNothingMissing(adder, a);
      await assertNothingMissing(adder, b);
      await a.close();
      await b.close();
    }));

  test(`1 → 3 → 2 by a crash: what two replicas acknowledged is made whole again (seed ${seed})`, () =>
    inWorld(seed, async (world) => {
      const a = await open(world, 'a');
      const adder = new Adder(world);
      adder.nodes = [a];
      adder.start();
      const [b, c] = [await open(world, 'b'), await open(world, 'c')];
      await b.join(seedAddress, waitMs);
      await c.join(seedAddress, waitMs);
      await a.settled(waitMs);
      adder.nodes = [a, b];
      await world.sleep(500);
      world.node('c').crash();
      await world.sleep(5000);
      await a.remove(nodeIdOf('c'), waitMs);
      await a.settled(waitMs);
      await b.settled(waitMs);
      await world.sleep(500);
      await adder.stop();
      assert.deepEqual(adder.failures, [], 'two of three are enough');
      await assertNothingMissing(adder, a);
      await assertNothingMissing(adder, b);
      await a.close();
      await b.close();
    }));
}

test('too few answers are told, with what became of the others', () =>
  inWorld(1, async (world) => {
    const a = await open(world, 'a');
    const b = await open(world, 'b');
    await b.join(seedAddress, waitMs);
    await a.settled(waitMs);
    await b.settled(waitMs);
    world.node('b').crash();
    const request = { name: 'name', numbers: [1] };
    await assert.rejects(a.ask('name', request, { enough: 3, timeoutMs: 100 }), ServiceUnavailableError);
    await world.sleep(10_000);
    assert.equal((await a.ask('name', request, { enough: 3 })).length, 3, 'a stands in for b');
    await a.close();
  }));

test('the last node cannot leave', () =>
  inWorld(1, async (world) => {
    const a = await open(world, 'a');
    await assert.rejects(a.leave(1000), /nobody would be left/);
    await a.close();
  }));
