/**
 * Is the tail flat? Durable puts and gets at 70 % of what a node holds for seconds while it is offered more, by clients
 * that do not wait, while it compacts what it was given, compares its hash trees every few seconds, and (three nodes)
 * hands partitions over to a fourth that joins in the middle.
 *
 * A stall is a ping that took more than 100 ms: pings share the event loop with requests, and wait for nothing else. What the
 * generator itself did not run, on a crowded machine, is in them too; its own worst is beside them.
 */
import type { Line } from './chart.ts';
import { svgOf } from './chart.ts';
import type { OfferOrder } from './load/offer-load.ts';
import { fillKeys, untilSettled } from './load/run-load.ts';
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
const connections = 64;
const share = 0.7;
const sliceMs = 1000;
const warmupMs = 3000;
/** A peak is what is held for so many steps of the search for it. */
const peakSteps = 5;
const exchanges = 'anti_entropy.interval=5s';
/** What is asked of a tail. */
const p99TimesMax = 5;
const p999TimesMax = 15;
const stallMsMax = 100;

export interface TailsSize {
  readonly keys: number;
  readonly measuredMs: number;
  /** Of each step of the search for the peak. */
  readonly stepMs: number;
}

export async function measureTails(size: TailsSize, options: HaleOptions): Promise<Measured> {
  const rows: string[] = [];
  const lines: Line[] = [];
  const settings = [exchanges, ...options.settings];
  const subjects: readonly Subject[] = [
    { label: 'one node', start: () => startHale({ ...options, settings }) },
    {
      label: 'three nodes, a fourth joins',
      start: () => startHaleCluster(3, { ...options, settings }),
      during: (server) => joinHaleCluster(server, { ...options, settings }),
    },
  ];
  for (const { label, start, during } of subjects) {
    for (const operation of ['put', 'get'] as const) {
      // A cluster of its own for each: what happens to it happens once.
      const server = await start();
      try {
        const { perSecond, offered } = await tailOf(server, operation, size, during);
        rows.push(rowOf(`${label}, ${operation}`, perSecond, offered));
        lines.push({
          label: `${label} ${operation}`,
          points: offered.slices.map(({ atMs, p99Micros }) => [atMs / 1000, p99Micros / 1000] as const),
        });
      } finally {
        await server.stop();
      }
    }
  }
  const minutes = (size.measuredMs / 60_000).toFixed(1);
  const table = [
    `${size.keys.toLocaleString('en')} keys of ${valueBytes} B, half of which can be compressed; ${minutes} minutes each, hash trees compared every 5 s.`,
    '',
    `| load | offered/s | answered in time | p50, ms | p99, ms | p99.9, ms | worst, ms | p99 / p50 (≤ ${p99TimesMax}) | p99.9 / p50 (≤ ${p999TimesMax}) | stalls over ${stallMsMax} ms | worst ping, ms | generator's own worst, ms | the disk alone p99, ms | its stalls |`,
    '|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|',
    ...rows,
  ].join('\n');
  const chart = { title: 'p99 by second', xLabel: 'seconds', yLabel: 'p99, ms', isLogarithmic: true, lines };
  return { table, svg: svgOf(chart) };
}

interface Subject {
  readonly label: string;
  readonly start: () => Promise<BenchServer>;
  /** Something that happens to the server in the middle of the load; what it returns ends with it. */
  readonly during?: (server: BenchServer) => Promise<AsyncDisposable>;
}

async function tailOf(
  server: BenchServer,
  operation: 'get' | 'put',
  { keys, measuredMs, stepMs }: TailsSize,
  during: Subject['during'],
): Promise<{ readonly perSecond: number; readonly offered: Offered }> {
  const { pb: port } = server.ports;
  if (port === undefined) throw new Error('the server has no such port');
  const otherPorts = (server.otherPorts ?? []).flatMap(({ pb }) => pb ?? []);
  const order: Omit<OfferOrder, 'phases'> = {
    ...{ port, otherPorts, valueBytes, keys, connections, operation, sliceMs },
  };
  await fillKeys(order, server.pids);
  await untilSettled(server.pids);
  const perSecond = share * (await peakOf(order, server.pids, stepMs));
  await untilSettled(server.pids);
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

/** What is answered in time while more is offered than can be, for longer than a burst lasts. */
async function peakOf(
  order: Omit<OfferOrder, 'phases'>,
  pids: readonly number[],
  stepMs: number,
): Promise<number> {
  const perSecond = await capacityOf(order, pids, stepMs);
  const forMs = peakSteps * stepMs;
  const { slices } = await offer({ ...order, phases: [{ perSecond, forMs }] }, pids);
  const measured = slices.filter(({ atMs }) => atMs > sliceMs);
  const good = measured.reduce((total, slice) => total + slice.good, 0);
  return good / (((measured.at(-1)?.atMs ?? 0) - (measured[0]?.atMs ?? 0) + sliceMs) / 1000);
}

/** The time before the clients had settled is left out. */
function rowOf(label: string, perSecond: number, { slices, whole, disk }: Offered): string {
  const { p50Micros, p99Micros, p999Micros, worstMicros } = whole;
  const measured = slices.filter(({ atMs }) => atMs > warmupMs + sliceMs);
  const offered = measured.reduce((total, slice) => total + slice.offered, 0);
  const good = measured.reduce((total, slice) => total + slice.good, 0);
  const stalls = measured.filter(({ pingMsMax }) => pingMsMax > stallMsMax).length;
  const worstOf = (values: readonly number[]): string => Math.max(0, ...values).toFixed(0);
  const cells = [
    label,
    perSecond.toFixed(0),
    `${((100 * good) / offered).toFixed(2)} %`,
    ...[p50Micros, p99Micros, p999Micros, worstMicros].map((micros) => (micros / 1000).toFixed(2)),
    (p99Micros / p50Micros).toFixed(1),
    (p999Micros / p50Micros).toFixed(1),
    `${stalls} of ${measured.length} s`,
    worstOf(measured.map(({ pingMsMax }) => pingMsMax)),
    worstOf(measured.map(({ ownMsMax }) => ownMsMax)),
    disk.p99Ms.toFixed(1),
    `${disk.stalls}`,
  ];
  return `| ${cells.join(' | ')} |`;
}
