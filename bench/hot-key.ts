/** What do 32 writers of one key do to it? Throughput, and how large the object gets. */
import { runLoad } from './load/run-load.ts';
import { type BenchServer, startHale, startHaleCluster } from './servers.ts';

const writers = 32;
const valueBytes = 100;

export async function measureHotKey(measuredMs: number, node: string): Promise<string> {
  const lines = [
    '| servers | siblings | puts/s | CPU µs/put | p50, ms | p99, ms | siblings left |',
    '|---|---|---:|---:|---:|---:|---:|',
  ];
  const subjects: readonly (readonly [string, (settings: readonly string[]) => Promise<BenchServer>])[] = [
    ['one node, n=3', (settings) => startHale({ node, settings })],
    ['three nodes, n=3', (settings) => startHaleCluster(3, { node, settings })],
  ];
  for (const [label, start] of subjects) {
    for (const allowMult of [false, true]) {
      const server = await start([`buckets.default.allow_mult=${allowMult}`]);
      try {
        lines.push(await rowOf(label, allowMult, server, measuredMs));
      } finally {
        await server.stop();
      }
    }
  }
  lines.push(
    '',
    'With siblings no writer says what it has read, which is the worst that can be done: each put adds one, until',
    '`object.siblings.maximum` refuses more. The rate with siblings is that of refusals too, once that is reached.',
  );
  return lines.join('\n');
}

async function rowOf(
  label: string,
  allowMult: boolean,
  server: BenchServer,
  measuredMs: number,
): Promise<string> {
  const { pb: port, http } = server.ports;
  if (port === undefined) throw new Error('the server has no such port');
  const otherPorts = (server.otherPorts ?? []).flatMap(({ pb }) => pb ?? []);
  const order = { protocol: 'pb', port, otherPorts, valueBytes, keys: 1, connections: writers } as const;
  const load = { ...order, operation: 'put', pipeline: 1, order: 'uniform', warmupMs: 300 } as const;
  const siblings = allowMult ? 'kept' : 'last write shown';
  try {
    const run = await runLoad({ ...load, measuredMs }, server.pids);
    const cells = [
      label,
      siblings,
      (run.operations / run.seconds).toFixed(0),
      (run.serverCpuMicros / run.operations).toFixed(1),
      (run.p50Micros / 1000).toFixed(2),
      (run.p99Micros / 1000).toFixed(2),
      await siblingCount(http),
    ];
    return `| ${cells.join(' | ')} |`;
  } catch (error) {
    // The generator takes no error for an answer: the bound was reached.
    return `| ${label} | ${siblings} | refused: ${(error as Error).message} | | | | ${await siblingCount(http)} |`;
  }
}

async function siblingCount(http: number | undefined): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${http}/buckets/bench/keys/k0000000000`);
  if (response.status === 200) return '1';
  const names = (await response.text()).trim().split('\n');
  return `${names.length - 1}`;
}
