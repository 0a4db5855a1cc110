/**
 * Is the tail flat? Durable puts and gets at 70 % of what a node can do, offered by clients that do not wait, while it
 * compacts what it was given, and (three nodes) hands partitions over to a fourth that joins in the middle.
 */
import type { Line } from './chart.ts';
import { svgOf } from './chart.ts';
import type { OfferOrder } from './load/offer-load.ts';
import { fillKeys, untilIdle } from './load/run-load.ts';
import { type Offered, offer } from './offer.ts';
import { capacityOf } from './overload.ts';
import type { Measured } from './results.ts';
import {
  type BenchServer,
  type HaleOptions,
  joinHaleCluster,
  startHale,
  startHaleCluster,
} from './servers.ts';

const valueBytes = 1024;
const keys = 100_000;
const connections = 64;
const share = 0.7;
const sliceMs = 1000;
const warmupMs = 5000;
/** What is asked of a tail. */
const p99TimesMax = 5;
const p999TimesMax = 15;
const stallMsMax = 100;

export async function measureTails(measuredMs: number, options: HaleOptions): Promise<Measured> {
  const rows: string[] = [];
  const lines: Line[] = [];
  const measure = async (label: string, start: () => Promise<BenchServer>, during?: During) => {
    for (const operation of ['put', 'get'] as const) {
      // A cluster of its own for each: what happens to it happens once.
      const server = await start();
      try {
        const { perSecond, offered } = await tailOf(server, operation, measuredMs, during);
        rows.push(rowOf(`${label}, ${operation}`, perSecond, offered));
        lines.push({
          label: `${label} ${operation}`,
          points: offered.slices.map(({ atMs, p99Micros }) => [atMs / 1000, p99Micros / 1000] as const),
        });
      } finally {
        await server.stop();
      }
    }
  };
  await measure('one node', () => startHale(options));
  await measure(
    'three nodes, a fourth joins',
    () => startHaleCluster(3, options),
    (server) => joinHaleCluster(server, options),
  );
  const table = [
    `| load | offered/s | answered in time | p50, ms | p99, ms | p99.9, ms | worst, ms | p99 / p50 (≤ ${p99TimesMax}) | p99.9 / p50 (≤ ${p999TimesMax}) | worst ping, ms (≤ ${stallMsMax}) |`,
    '|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|',
    ...rows,
  ].join('\n');
  const chart = { title: 'p99 by second', xLabel: 'seconds', yLabel: 'p99, ms', isLogarithmic: true, lines };
  return { table, svg: svgOf(chart) };
}

/** Something that happens to the server in the middle of the load; what it returns ends with it. */
type During = (server: BenchServer) => Promise<AsyncDisposable>;

async function tailOf(
  server: BenchServer,
  operation: 'get' | 'put',
  measuredMs: number,
  during: During | undefined,
): Promise<{ readonly perSecond: number; readonly offered: Offered }> {
  const { pb: port } = server.ports;
  if (port === undefined) throw new Error('the server has no such port');
  const otherPorts = (server.otherPorts ?? []).flatMap(({ pb }) => pb ?? []);
  const order: Omit<OfferOrder, 'phases'> = {
    ...{ port, otherPorts, valueBytes, keys, connections, operation, sliceMs },
  };
  await fillKeys(order, server.pids);
  await untilIdle(server.pids);
  const perSecond = share * (await capacityOf(order, server.pids));
  await untilIdle(server.pids);
  const phases = [
    { perSecond, forMs: warmupMs },
    { perSecond, forMs: measuredMs },
  ];
  const offering = offer({ ...order, phases }, server.pids);
  if (during === undefined) return { perSecond, offered: await offering };
  await new Promise((resolve) => setTimeout(resolve, warmupMs + measuredMs / 4));
  await using _joined = await during(server);
  return { perSecond, offered: await offering };
}

function rowOf(label: string, perSecond: number, { slices, whole }: Offered): string {
  const { p50Micros, p99Micros, p999Micros, worstMicros } = whole;
  const offered = slices.reduce((total, slice) => total + slice.offered, 0);
  const good = slices.reduce((total, slice) => total + slice.good, 0);
  const ping = Math.max(...slices.map(({ pingMsMax }) => pingMsMax));
  const cells = [
    label,
    perSecond.toFixed(0),
    `${((100 * good) / offered).toFixed(2)} %`,
    ...[p50Micros, p99Micros, p999Micros, worstMicros].map((micros) => (micros / 1000).toFixed(2)),
    (p99Micros / p50Micros).toFixed(1),
    (p999Micros / p50Micros).toFixed(1),
    ping.toFixed(0),
  ];
  return `| ${cells.join(' | ')} |`;
}
