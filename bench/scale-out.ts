/**
 * What do two nodes of one machine do that one does not? The same load on `hale start` and on `hale start --nodes 2`. The
 * load generator runs on the same cores, so what counts is the work done for each second of the server's CPU time: a node
 * has one core, two nodes have two. That is strict with writes: a node alone uses more than one core, since its engine has
 * threads. What the generator took is shown beside it.
 */
import { fillKeys, type Weighed, weighLoad } from './load/run-load.ts';
import { type BenchServer, type HaleOptions, startHale, startHaleHost } from './servers.ts';

const connections = 64;
const keys = 50_000;
const valueBytes = 100;
const wanted = 1.7;
/** Code that has just been loaded costs several times what it costs later. */
const warmupMs = 2000;

export async function measureScaleOut(measuredMs: number, options: HaleOptions): Promise<string> {
  const one = await measured(() => startHale(options), measuredMs);
  const two = await measured(() => startHaleHost(2, options), measuredMs);
  const lines = [
    '| operation | one node, op/s | CPU µs/op | generator, CPU µs/op | two nodes, op/s | CPU µs/op | generator, CPU µs/op | two cores for two against one for one |',
    '|---|---:|---:|---:|---:|---:|---:|---:|',
  ];
  for (const operation of ['get', 'put'] as const) {
    const [a, b] = [one[operation], two[operation]];
    const times = (2 * costOf(a)) / costOf(b);
    const cells = [
      operation,
      rateOf(a),
      costOf(a).toFixed(1),
      generatorCostOf(a),
      rateOf(b),
      costOf(b).toFixed(1),
      generatorCostOf(b),
      `${times.toFixed(2)} × (wanted: ${wanted})`,
    ];
    lines.push(`| ${cells.join(' | ')} |`);
  }
  return lines.join('\n');
}

async function measured(
  start: () => Promise<BenchServer>,
  measuredMs: number,
): Promise<Readonly<Record<'get' | 'put', Weighed>>> {
  const server = await start();
  try {
    const { pb: port } = server.ports;
    if (port === undefined) throw new Error('the server has no such port');
    const order = { protocol: 'pb', port, valueBytes, keys, connections } as const;
    await fillKeys(order, server.pids);
    const load = { ...order, pipeline: 1, order: 'uniform', warmupMs, measuredMs } as const;
    const get = await weighLoad({ ...load, operation: 'get' }, server.pids);
    const put = await weighLoad({ ...load, operation: 'put' }, server.pids);
    return { get, put };
  } finally {
    await server.stop();
  }
}

function costOf({ serverCpuMicros, operations }: Weighed): number {
  return serverCpuMicros / operations;
}

function generatorCostOf({ generatorCpuMicros, operations }: Weighed): string {
  return (generatorCpuMicros / operations).toFixed(1);
}

function rateOf({ operations, seconds }: Weighed): string {
  return (operations / seconds).toFixed(0);
}
