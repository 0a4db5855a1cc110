/** A majority of voters is lost, an operator recovers, and some of the lost come back. */
import { type NodeId, nodeIdOf } from '../../environment/index.ts';
import type { Scenario } from '../scenario.ts';
import { ClusterNodes } from '../workloads/cluster-nodes.ts';
import { RegistryClients } from '../workloads/registry-clients.ts';

const names = ['a', 'b', 'c', 'd', 'e'];
const msMax = 60_000;

export const clusterLogRecover: Scenario = {
  name: 'cluster-log-recover',
  describe: 'two of five voters survive and are recovered; two of the lost come back and can only follow',
  seedsInCheck: 2,
  run: async (world) => {
    world.work.atLeast('refusals to recover', 3);
    world.work.atLeast('recoveries', 1);
    world.work.atLeast('served', 8);
    const nodes = new ClusterNodes(world);
    await nodes.form(names);
    const registry = new RegistryClients(world, nodes);
    await nodes.until('five vote', () => votersAt(nodes, nodes.leader).length === 5, msMax);
    for (const name of names) await registry.serve(name);

    const survivors = shuffled(names, (below) => world.random.below(below)).slice(0, 2);
    const [first, second] = survivors as [string, string];
    const lost = names.filter((name) => !survivors.includes(name));
    await expectRefusal(nodes, first, survivors, /have a leader/);
    for (const name of lost) world.node(name).crash();
    await nodes.until('nobody leads', () => !isLed(nodes, survivors), msMax);
    const cluster = nodes.cluster(first)!;
    const frozen = await cluster.propose({ kind: 'clear' }, 3000);
    if (frozen.kind !== 'unavailable') throw new Error(`a minority agreed: ${frozen.kind}`);
    await expectRefusal(nodes, first, [first, second, lost[0]!], /does not answer/);
    await expectRefusal(nodes, first, [second], /itself must be among/);
    world.work.add('refusals to recover', 3);

    const outcome = await cluster.recover(idsOf(survivors));
    if (outcome.kind !== 'recovered') throw new Error(`not recovered: ${outcome.reason}`);
    world.work.add('recoveries');
    await registry.serve(first);
    await nodes.until('the other survivor follows', () => isIn(nodes, second, outcome.generation), msMax);
    await registry.serve(second);

    // Two of the old five, cut off from the new ones: they have the old log, and no majority of it.
    const [back, alsoBack] = lost as [string, string];
    const heal = world.network.partition([survivors, [back, alsoBack]]);
    for (const name of [back, alsoBack]) world.node(name).restart();
    await nodes.until('they open', () => nodes.opened().length === 4, msMax);
    const stale = await nodes.cluster(back)!.propose({ kind: 'clear' }, 5000);
    if (stale.kind !== 'unavailable') throw new Error(`the old minority agreed: ${stale.kind}`);
    heal();
    const present = [...survivors, back, alsoBack];
    await nodes.until(
      'all follow the new generation',
      () => present.every((name) => isIn(nodes, name, outcome.generation)),
      msMax,
    );
    for (const name of [back, alsoBack]) {
      await nodes.agree(first, { kind: 'mark', node: nodeIdOf(name), status: 'valid' });
    }
    await nodes.until('all are valid', () => nodes.isSettled(present), msMax);
    await nodes.until('more than one vote', () => votersAt(nodes, nodes.leader).length >= 3, msMax);
    for (const name of present) await registry.serve(name);
    // The new group goes on without the one that recovered it.
    world.node(first).crash();
    await registry.serve(second);
    nodes.checkAcked(registry.acknowledged);
  },
};

function votersAt(nodes: ClusterNodes, name: string | undefined): readonly NodeId[] {
  return name === undefined ? [] : (nodes.cluster(name)?.log.status.voters ?? []);
}

function isLed(nodes: ClusterNodes, names: readonly string[]): boolean {
  return names.some((name) => nodes.cluster(name)!.log.isLed);
}

function isIn(nodes: ClusterNodes, name: string, generation: number): boolean {
  return nodes.cluster(name)?.log.state.generation === generation;
}

function idsOf(names: readonly string[]): ReadonlySet<NodeId> {
  return new Set(names.map(nodeIdOf));
}

async function expectRefusal(
  nodes: ClusterNodes,
  at: string,
  survivors: readonly string[],
  reason: RegExp,
): Promise<void> {
  const outcome = await nodes.cluster(at)!.recover(idsOf(survivors));
  if (outcome.kind === 'recovered') throw new Error('recovered though it must not be');
  if (!reason.test(outcome.reason)) throw new Error(`refused for another reason: ${outcome.reason}`);
}

function shuffled<T>(items: readonly T[], below: (count: number) => number): T[] {
  const rest = [...items];
  return items.map(() => rest.splice(below(rest.length), 1)[0]!);
}
