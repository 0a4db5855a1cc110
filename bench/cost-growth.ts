/** Does the cost grow as it should: with the size of the ring, and with the number of keys? */
import { runLoad, weighLoad } from './load/run-load.ts';
import { type BenchServer, startHale } from './servers.ts';

const connections = 32;
const valueBytes = 100;

export async function measureCostByRing(measuredMs: number, node: string): Promise<string> {
  const keys = 10_000;
  const rows: string[] = [];
  for (const ringSize of [64, 256, 1024]) {
    const server = await startHale({ node, settings: [`ring_size=${ringSize}`] });
    rows.push(await rowOf(`${ringSize} partitions`, server, keys, measuredMs));
  }
  return tableOf('ring', rows);
}

export async function measureCostByKeys(
  counts: readonly number[],
  measuredMs: number,
  node: string,
): Promise<string> {
  const rows: string[] = [];
  for (const keys of counts) {
    const server = await startHale({ node, settings: ['buckets.default.n_val=1'] });
    rows.push(await rowOf(`${keys.toLocaleString('en')} keys`, server, keys, measuredMs));
  }
  return tableOf('keys, n=1', rows);
}

async function rowOf(label: string, server: BenchServer, keys: number, measuredMs: number): Promise<string> {
  const { pb: port } = server.ports;
  try {
    if (port === undefined) throw new Error('the server has no such port');
    const order = { protocol: 'pb', port, valueBytes, keys, connections } as const;
    const puts = { operation: 'put', pipeline: 16, order: 'sequential', warmupMs: 0 } as const;
    await runLoad({ ...order, ...puts, measuredMs: 0 }, server.pids);
    const cells = [label];
    for (const operation of ['get', 'put'] as const) {
      const load = { ...order, operation, pipeline: 1, order: 'uniform', warmupMs: 300 } as const;
      const run = await weighLoad({ ...load, measuredMs }, server.pids);
      cells.push(
        (run.serverCpuMicros / run.operations).toFixed(1),
        (run.operations / run.seconds).toFixed(0),
        (run.p99Micros / 1000).toFixed(2),
      );
    }
    return `| ${cells.join(' | ')} |`;
  } finally {
    await server.stop();
  }
}

function tableOf(first: string, rows: readonly string[]): string {
  return [
    `| ${first} | get, CPU µs | gets/s | p99, ms | put, CPU µs | puts/s | p99, ms |`,
    '|---|---:|---:|---:|---:|---:|---:|',
    ...rows,
  ].join('\n');
}
