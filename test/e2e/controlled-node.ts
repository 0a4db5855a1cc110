/**
 * `hale start` for tests of the cluster itself: the same node, which takes orders on its standard input, one JSON
 * object a line, and answers each on its standard output.
 */
import { createInterface } from 'node:readline';
import { Command } from 'commander';
import { loadConfiguration } from '../../src/cli/load-configuration.ts';
import { processFacts } from '../../src/cli/process-facts.ts';
import { formatAddress } from '../../src/config/index.ts';
import { type ClusterState, commitPlanned, planChanges } from '../../src/core/index.ts';
import type { NodeId } from '../../src/environment/index.ts';
import { lockDataDirectory, NodeHttpServer, nodeEnvironment, openLog } from '../../src/runtime/index.ts';
import { type HaleNode, httpServerLimits, startNode } from '../../src/server/index.ts';
import type { ClusterOrder, ClusterView, OrderAnswer } from './cluster-order.ts';

const proposeMsMax = 10_000;

const { o } = new Command()
  .option('-o <KEY=VALUE>', '', collect, [])
  .parse()
  .opts<{ o: readonly string[] }>();
const { configuration } = loadConfiguration({ assignments: o, flags: new Map() });
const log = openLog({ level: 'info', format: 'json', fields: { node: configuration.nodename } });
const lock = lockDataDirectory(configuration.platform_data_dir, configuration.nodename);
const crash = (activity: string, error: unknown): never => {
  process.stderr.write(
    `hale: crashed in ${activity}: ${error instanceof Error ? error.stack : String(error)}\n`,
  );
  process.exit(1);
};
const environment = nodeEnvironment({ dataDirectory: lock.directory, log, crash });
const node = await startNode(configuration, {
  environment,
  version: 'test',
  http: new NodeHttpServer(environment.log, httpServerLimits(configuration)),
  processFacts,
  ownProcess: process.pid,
  dataDirectory: lock.directory,
});
process.on('SIGTERM', () => void node.stop());
const { protobufAddress, httpAddress } = node;
process.stdout.write(`  protocol buffers  ${formatAddress(protobufAddress!)}\n`);
process.stdout.write(`  http              http://${formatAddress(httpAddress!)}\nready\n`);
const orders = createInterface({ input: process.stdin });
orders.on('line', (line) => void obey(line));
// Nobody gives orders any more: the test was killed.
orders.on('close', () => process.exit(1));
await node.stopped;
orders.removeAllListeners('close').close();
await environment.close();
lock.release();

function collect(value: string, previous: readonly string[]): readonly string[] {
  return [...previous, value];
}

async function obey(line: string): Promise<void> {
  const { id, ...order } = JSON.parse(line) as ClusterOrder & { readonly id: number };
  const answer = await answerTo(order, node);
  process.stdout.write(`answer ${JSON.stringify({ id, answer })}\n`);
}

async function answerTo(order: ClusterOrder, { database }: HaleNode): Promise<OrderAnswer> {
  const { cluster } = database;
  switch (order.kind) {
    case 'join':
      return { ...(await cluster.join(order.seed)) };
    case 'stage':
      return { ...(await cluster.propose({ kind: 'stage', change: order.change }, proposeMsMax)) };
    case 'mark':
      return { ...(await cluster.propose(order, proposeMsMax)) };
    case 'commit': {
      const outcome = planChanges(cluster.log.state, { bytesOf: new Map(), bytesPerSecond: 1, replicas: 3 });
      if (outcome.kind === 'refused') return outcome;
      const { plan } = outcome;
      const applied = await cluster.propose(commitPlanned(plan, order.isForced), proposeMsMax);
      return { ...applied, moves: plan.moves.length };
    }
    case 'view':
      return { kind: 'view', view: viewOf(node, cluster.log.state) };
  }
}

function viewOf({ database }: HaleNode, state: ClusterState): ClusterView {
  const { liveness, log: clusterLog } = database.cluster;
  const nodes = [...state.members.keys()];
  const isOther = (member: NodeId): boolean => member !== clusterLog.self;
  return {
    clusterId: state.clusterId,
    generation: state.generation,
    epoch: state.epoch,
    members: Object.fromEntries([...state.members].map(([name, { status }]) => [name, status])),
    owned: Object.fromEntries(
      nodes.map((name) => [name, state.owners.filter((owner) => owner === name).length]),
    ),
    moves: [...state.moves.values()].map(({ partition, from, to, stage }) => ({
      partition,
      from,
      to,
      stage,
    })),
    reachability: Object.fromEntries(nodes.map((name) => [name, liveness.reachability(name)])),
    withStrays: nodes.filter((name) => isOther(name) && liveness.hasStrays(name)),
    strayPartitions: database.transfers.strayPartitions(),
    transfers: database.transfers.transfers(),
    leader: clusterLog.leader,
    voters: clusterLog.status.voters,
    isRemoved: clusterLog.isRemoved,
  };
}
