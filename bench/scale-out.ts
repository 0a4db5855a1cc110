/**
 * What do two nodes of one machine do that one does not? The same load for each node on `hale start` and on
 * `hale start --nodes 2`. The load generator runs on the same cores, so what counts is the work done for each second of
 * the server's CPU time: a node has one core, two nodes have two. That is strict with writes: a node alone uses more than one
 * core, since its engine has threads. What the generator took is shown beside it, and is in no other column.
 *
 * A closed loop gives a node as much to do at a time as it has connections, and what two nodes do in the same time as one
 * would take as many more of them (Little's law): so each node has its own. What is done at a time is what a turn, a
 * batch and a message between nodes are shared by.
 *
 * Two nodes have work that one has not: what they say to each other. `exchanges` counts a request to the other node and its
 * answer, by arithmetic: of a key's replicas, on two nodes in turn, the node that a client has reached holds half. A put
 * sends to each replica of the other node; a get asks one there, as its quorum needs two nodes, or, at n=1, in every second case.
 * What an exchange costs is what two nodes spend more on an operation, over the exchanges in it.
 */
import { fillKeys, type Weighed, weighLoad } from './load/run-load.ts';
import { type BenchServer, type HaleOptions, startHale, startHaleHost } from './servers.ts';

const connectionsPerNode = 64;
const keys = 50_000;
const valueBytes = 100;
const wanted = 1.7;
const warmupMs = 300;
/** One node and two are measured in turns, since the machine's speed changes. */
const turns = 2;

const operations = ['put', 'get'] as const;
type PointOperation = (typeof operations)[number];

const exchanges: Readonly<Record<number, Readonly<Record<PointOperation, number>>>> = {
  1: { get: 0.5, put: 0.5 },
  3: { get: 1, put: 1.5 },
};

interface Measured {
  readonly one: readonly Weighed[];
  readonly two: readonly Weighed[];
}

export async function measureScaleOut(measuredMs: number, options: HaleOptions): Promise<string> {
  const lines = [
    '| n | operation | one node, op/s | CPU µs/op | generator, CPU µs/op | two nodes, op/s | CPU µs/op | generator, CPU µs/op | exchanges | CPU µs/exchange | two cores for two against one for one |',
    '|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|',
  ];
  for (const n of [1, 3]) {
    const settings = [...options.settings, `buckets.default.n_val=${n}`];
    const measured = await measureBoth(measuredMs / turns, { ...options, settings });
    for (const operation of operations) lines.push(rowOf(n, operation, measured[operation]));
  }
  return lines.join('\n');
}

function rowOf(n: number, operation: PointOperation, { one, two }: Measured): string {
  const [costOfOne, costOfTwo] = [median(one.map(costOf)), median(two.map(costOf))];
  const times = median(one.map((each, turn) => (2 * costOf(each)) / costOf(two[turn]!)));
  const between = exchanges[n]![operation];
  const cells = [
    n,
    operation,
    median(one.map(rateOf)).toFixed(0),
    costOfOne.toFixed(1),
    median(one.map(generatorCostOf)).toFixed(1),
    median(two.map(rateOf)).toFixed(0),
    costOfTwo.toFixed(1),
    median(two.map(generatorCostOf)).toFixed(1),
    between,
    ((costOfTwo - costOfOne) / between).toFixed(0),
    `${times.toFixed(2)} × (wanted: ${wanted})`,
  ];
  return `| ${cells.join(' | ')} |`;
}

async function measureBoth(
  measuredMs: number,
  options: HaleOptions,
): Promise<Readonly<Record<PointOperation, Measured>>> {
  const servers: BenchServer[] = [];
  try {
    servers.push(await startHale(options), await startHaleHost(2, options));
    const [one, two] = servers as [BenchServer, BenchServer];
    // Each key is put and read, so that code that has just been loaded, and costs several times what it costs later, is past
    // that on a machine of any speed.
    for (const server of servers) {
      for (const operation of operations) await fillKeys(orderOf(server, 1), server.pids, operation);
    }
    const measured = {
      get: { one: [] as Weighed[], two: [] as Weighed[] },
      put: { one: [] as Weighed[], two: [] as Weighed[] },
    };
    for (const operation of operations) {
      for (let turn = 0; turn < turns; turn += 1) {
        const load = { pipeline: 1, operation, order: 'uniform', warmupMs, measuredMs } as const;
        measured[operation].one.push(await weighLoad({ ...orderOf(one, 1), ...load }, one.pids));
        measured[operation].two.push(await weighLoad({ ...orderOf(two, 2), ...load }, two.pids));
      }
    }
    return measured;
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}

function orderOf(server: BenchServer, nodes: number) {
  const connections = connectionsPerNode * nodes;
  return { protocol: 'pb', port: portOf(server), valueBytes, keys, connections } as const;
}

function portOf({ name, ports: { pb } }: BenchServer): number {
  if (pb === undefined) throw new Error(`${name} has no such port`);
  return pb;
}

function costOf({ serverCpuMicros, operations: done }: Weighed): number {
  return serverCpuMicros / done;
}

function generatorCostOf({ generatorCpuMicros, operations: done }: Weighed): number {
  return generatorCpuMicros / done;
}

function rateOf({ operations: done, seconds }: Weighed): number {
  return done / seconds;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
