/**
 * Does the cost grow as it should: with the size of the ring, the number of keys, and the number of nodes? Of nodes also what
 * travels between them for each operation, counted in a simulated cluster: a machine of two cores is too small to tell.
 */
import { countTraffic, type Traffic } from '../src/simulator/index.ts';
import { fillKeys, untilSettled, weighLoad } from './load/run-load.ts';
import { type BenchServer, patientSettings, startHale, startHaleCluster } from './servers.ts';

const connections = 32;
const valueBytes = 100;
const keysOfRings = 10_000;
const keysOfClusters = 10_000;
/** One of so many keys is read before anything is measured. */
const mergingShare = 4;
/** Code that has just been loaded costs several times what it costs later. */
const warmupMs = 1000;

export async function measureCostByRing(measuredMs: number, node: string): Promise<string> {
  const rows: string[] = [];
  for (const ringSize of [64, 256, 1024]) {
    const settings = [...patientSettings, `ring_size=${ringSize}`];
    const server = await startHale({ node, settings });
    const cells = await cellsOf(server, keysOfRings, measuredMs);
    rows.push(`| ${[`${ringSize} partitions`, ...cells].join(' | ')} |`);
  }
  return tableOf(`${keysOfRings.toLocaleString('en')} keys of ${valueBytes} B, n=3.`, ['ring'], rows);
}

export async function measureCostByKeys(
  counts: readonly number[],
  measuredMs: number,
  node: string,
): Promise<string> {
  const rows: string[] = [];
  for (const keys of counts) {
    const settings = [...patientSettings, 'buckets.default.n_val=1'];
    const server = await startHale({ node, settings });
    const cells = await cellsOf(server, keys, measuredMs);
    rows.push(`| ${[keys.toLocaleString('en'), ...cells].join(' | ')} |`);
  }
  return tableOf(`One node, values of ${valueBytes} B.`, ['keys, n=1'], rows);
}

export async function measureCostByNodes(
  counts: readonly number[],
  measuredMs: number,
  node: string,
): Promise<string> {
  const rows: string[] = [];
  for (const nodes of counts) {
    const server = await startHaleCluster(nodes, { node, settings: patientSettings });
    const cells = await cellsOf(server, keysOfClusters, measuredMs);
    const { get, put } = await countTraffic(nodes);
    rows.push(`| ${[`${nodes}`, ...cells, ...trafficCells(get), ...trafficCells(put)].join(' | ')} |`);
  }
  const words = [
    `${keysOfClusters.toLocaleString('en')} keys of ${valueBytes} B, n=3, all nodes on this machine. Messages and bytes are those between nodes, of a`,
    'simulated cluster in which requests come one at a time through all nodes in turn, answers included, less what a cluster at rest',
    'sends in the same time.',
  ];
  return tableOf(words.join('\n'), ['nodes'], rows, [
    'get, messages',
    'get, bytes',
    'put, messages',
    'put, bytes',
  ]);
}

function trafficCells({ messages, bytes }: Traffic): readonly string[] {
  return [messages.toFixed(1), bytes.toFixed(0)];
}

/** The server is stopped. */
async function cellsOf(server: BenchServer, keys: number, measuredMs: number): Promise<readonly string[]> {
  try {
    const { pb: port } = server.ports;
    if (port === undefined) throw new Error('the server has no such port');
    const otherPorts = (server.otherPorts ?? []).flatMap(({ pb }) => pb ?? []);
    const order = { protocol: 'pb', port, otherPorts, valueBytes, keys, connections } as const;
    await fillKeys(order, server.pids);
    await untilSettled(server.pids);
    // LevelDB merges files that reads find to overlap: the first reads after a load pay for that, and no later ones do.
    await fillKeys({ ...order, keys: Math.ceil(keys / mergingShare) }, server.pids, 'get');
    await untilSettled(server.pids);
    const cells: string[] = [];
    for (const operation of ['get', 'put'] as const) {
      const load = { ...order, operation, pipeline: 1, order: 'uniform', warmupMs } as const;
      const run = await weighLoad({ ...load, measuredMs }, server.pids);
      cells.push(
        (run.serverCpuMicros / run.operations).toFixed(1),
        (run.operations / run.seconds).toFixed(0),
        (run.p99Micros / 1000).toFixed(2),
      );
    }
    return cells;
  } finally {
    await server.stop();
  }
}

function tableOf(
  words: string,
  first: readonly string[],
  rows: readonly string[],
  last: readonly string[] = [],
): string {
  const measured = ['get, CPU µs', 'gets/s', 'get p99, ms', 'put, CPU µs', 'puts/s', 'put p99, ms'];
  const head = [...first, ...measured, ...last];
  const rule = head.map((_, at) => (at === 0 ? '---' : '---:'));
  return [words, '', `| ${head.join(' | ')} |`, `|${rule.join('|')}|`, ...rows].join('\n');
}
