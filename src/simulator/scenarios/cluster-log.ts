/**
 * The cluster log under faults: what clients see of the registry is linearizable, what was acknowledged stays,
 * nothing is folded twice, no epoch has two states, and after the heal all nodes are the same and serve.
 */
import { defaultClusterLogOptions } from '../../core/index.ts';
import { checkLinearizable } from '../checkers/linearizability.ts';
import { carryOutFaults, diskFaults, networkFaults, processFaults, randomFaultPlan } from '../fault-plan.ts';
import type { Scenario } from '../scenario.ts';
import { ClusterNodes } from '../workloads/cluster-nodes.ts';
import { RegistryClients } from '../workloads/registry-clients.ts';
import type { World } from '../world.ts';

const names = ['a', 'b', 'c', 'd', 'e'];
const clients = 4;
const stormMs = 20_000;
const healMsMax = 60_000;

export const clusterLog: Scenario = {
  name: 'cluster-log',
  describe: 'five nodes agree on a registry under crashes, power cuts, pauses, partitions and slow links',
  seedsInCheck: 2,
  run: async (world) => {
    world.work.atLeast('faults', 10);
    world.work.atLeast('writes', 20);
    world.work.atLeast('served', names.length);
    world.work.atLeast('acknowledged entries found', 20);
    const nodes = new ClusterNodes(world, {
      log: {
        // Snapshots often, and in pieces.
        replica: {
          ...defaultClusterLogOptions.replica,
          snapshotLogEntries: 40,
          trailingEntriesMax: 10,
          snapshotChunkBytesMax: 2048,
        },
        leader: { transferLimit: 8, voterAwayMsMax: 5000, ghostAwayMsMax: 600_000, lookMs: 1000 },
      },
    });
    await nodes.form(names);
    const registry = new RegistryClients(world, nodes);
    const until = world.nowMs + stormMs;
    const plan = (
      kinds: Parameters<typeof randomFaultPlan>[1]['kinds'],
      gapMsMean: number,
      purpose: string,
    ) =>
      carryOutFaults(
        world,
        randomFaultPlan(world.random.fork(purpose), {
          nodes: names,
          kinds,
          untilMs: stormMs,
          gapMsMean,
          durationMsMean: 1500,
        }),
      );
    await Promise.all([
      plan(networkFaults, 1500, 'network'),
      plan([...processFaults, 'pause'], 2000, 'processes'),
      plan(diskFaults, 4000, 'disks'),
      ...Array.from({ length: clients }, (_, i) => registry.run(`client${i}`, until, 200)),
    ]);
    await finish(world, nodes, registry);
  },
};

async function finish(world: World, nodes: ClusterNodes, registry: RegistryClients): Promise<void> {
  await nodes.until('all nodes are open', () => nodes.opened().length === names.length, healMsMax);
  for (const name of names) await registry.serve(name);
  await nodes.until('all nodes have one state', () => nodes.isSettled(names), healMsMax);
  nodes.checkAcked(registry.acknowledged);
  const verdict = checkLinearizable(registry.operations);
  world.work.add('operations', registry.operations.length);
  if (verdict.kind === 'linearizable') return;
  if (verdict.kind === 'undecided') throw new Error(`too much to check: ${verdict.key}`);
  const rest = verdict.operations.filter((operation) => !verdict.explained.includes(operation));
  throw new Error(`not linearizable: ${verdict.key}, beginning with ${JSON.stringify(rest.slice(0, 4))}`);
}
