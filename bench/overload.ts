/**
 * What does a node do with more than it can? One node, durable puts at n=3: first what it can do at most,
 * then 1, 2, 5 and 10 times as much offered by clients that do not wait, then half as much: is it as before?
 *
 * Useful is what was answered within a second of when it was due. The ping shares the event loop with the requests,
 * as heartbeats do, and says how late those would be.
 */
import type { OfferOrder, OfferPhase } from './load/offer-load.ts';
import { residentBytes, untilIdle } from './load/run-load.ts';
import { median, offer, type Sampled } from './offer.ts';
import { type HaleOptions, startHale } from './servers.ts';

const factors = [1, 2, 5, 10];
const valueBytes = 1024;
const keys = 10_000;
const connections = 128;
/** The search for what the node can do: rates from `stepsFrom` a second on. */
const stepFactor = 1.5;
const stepMsUsual = 2000;
const stepSliceMs = 250;
/** While clients connect. */
const stepSlicesLeftOut = 2;
const stepsFrom = 2000;
const stepsTo = 200_000;
/** One may be a stall of the disk. */
const refusedMax = 2;
const warmupPerSecond = 2000;
const warmupMs = 3000;
const sliceMs = 250;
const recoveryMs = 5000;
/** Of a stage, while clients connect and limits settle. */
const settlingMs = 1000;

export async function measureOverload(measuredMs: number, options: HaleOptions): Promise<string> {
  const server = await startHale(options);
  try {
    const port = server.ports.pb;
    const [pid] = server.pids;
    if (port === undefined || pid === undefined) throw new Error('the server has no such port');
    const order = { port, valueBytes, keys, connections, operation: 'put', sliceMs } as const;
    const capacity = await capacityOf(order, server.pids);
    const rows: Stage[] = [];
    for (const factor of factors) {
      await untilIdle(server.pids);
      const phases = [
        { perSecond: capacity * factor, forMs: settlingMs + measuredMs },
        { perSecond: capacity / 2, forMs: recoveryMs },
      ];
      const { slices } = await offer({ ...order, phases }, server.pids);
      rows.push(stageOf(`${factor} ×`, slices, phases, residentBytes(pid)));
    }
    return `${tableOf(capacity, rows)}\n\nRefused by cause: ${await refusals(server.ports.http)}.`;
  } finally {
    await server.stop();
  }
}

/** The most that was answered in time, as what is offered grows by steps until it is refused. */
export async function capacityOf(
  asked: Omit<OfferOrder, 'phases' | 'sliceMs'>,
  pids: readonly number[],
  stepMs = stepMsUsual,
): Promise<number> {
  const order = { ...asked, sliceMs: stepSliceMs };
  await offer({ ...order, phases: [{ perSecond: warmupPerSecond, forMs: warmupMs }] }, pids);
  let best = 0;
  let refusedInARow = 0;
  for (let perSecond = stepsFrom; perSecond < stepsTo; perSecond *= stepFactor) {
    const phases = [{ perSecond, forMs: stepMs }];
    const all = (await offer({ ...order, phases }, pids)).slices;
    // A generator that hardly ran has told of the time in which clients connect, and of no other.
    const slices = all.length > stepSlicesLeftOut ? all.slice(stepSlicesLeftOut) : all;
    const [first, last] = [slices[0], slices.at(-1)];
    if (first === undefined || last === undefined) break;
    const seconds = (last.atMs - first.atMs + stepSliceMs) / 1000;
    const useful = slices.reduce((total, { good }) => total + good, 0) / seconds;
    best = Math.max(best, useful);
    refusedInARow = useful < perSecond / 2 ? refusedInARow + 1 : 0;
    if (refusedInARow === refusedMax) break;
  }
  if (best === 0) throw new Error('nothing was answered in time');
  return best;
}

async function refusals(port: number | undefined): Promise<string> {
  const page = await (await fetch(`http://127.0.0.1:${port}/admin/v1/metrics`)).text();
  const counts = page.matchAll(/^hale_refusals_total\{cause="(\w+)"\} (\d+)$/gm);
  return [...counts].map(([, cause, count]) => `${cause} ${count}`).join(', ');
}

interface Stage {
  readonly label: string;
  readonly offered: number;
  readonly useful: number;
  readonly refused: number;
  readonly unanswered: number;
  /** Cores that the server had. */
  readonly cpuShare: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly pingMs: number;
  readonly resident: number;
  /** After the load has fallen to half of what the node can do; undefined: not within the time. */
  readonly recoveredMs: number | undefined;
}

function stageOf(
  label: string,
  slices: readonly Sampled[],
  [high]: readonly OfferPhase[],
  resident: number,
): Stage {
  const endMs = high!.forMs;
  const measured = slices.filter(({ atMs }) => atMs > settlingMs && atMs <= endMs);
  const seconds = (measured.at(-1)!.atMs - settlingMs) / 1000;
  const sum = (of: (slice: Sampled) => number) => measured.reduce((total, each) => total + of(each), 0);
  const worst = (of: (slice: Sampled) => number) => Math.max(...measured.map(of));
  const after = slices.filter(({ atMs }) => atMs > endMs);
  const sick = after.findLast(({ refused, late, unsent }) => refused + late + unsent > 0);
  const recoveredMs = sick === undefined ? 0 : sick.atMs - endMs;
  return {
    label,
    offered: sum(({ offered }) => offered) / seconds,
    useful: sum(({ good }) => good) / seconds,
    refused: sum(({ refused }) => refused) / seconds,
    unanswered: sum(({ unsent, late }) => unsent + late) / seconds,
    cpuShare: sum(({ serverMicros }) => serverMicros) / seconds / 1e6,
    p50Ms: median(measured.map(({ p50Micros }) => p50Micros)) / 1000,
    p99Ms: worst(({ p99Micros }) => p99Micros) / 1000,
    pingMs: worst(({ pingMsMax }) => pingMsMax),
    resident,
    recoveredMs: sick === after.at(-1) && sick !== undefined ? undefined : recoveredMs,
  };
}

function tableOf(capacity: number, rows: readonly Stage[]): string {
  const peak = Math.max(capacity, ...rows.map(({ useful }) => useful));
  const lines = [
    `The most that was done in time: ${capacity.toFixed(0)} puts/s: this is 1 ×.`,
    '',
    '| load | offered/s | useful/s | of the peak | refused/s | late or unsent/s | cores | useful/s of a core | p50, ms | worst p99, ms | worst ping, ms | resident | as before after, ms |',
    '|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|',
  ];
  for (const row of rows) {
    const cells = [
      row.label,
      row.offered.toFixed(0),
      row.useful.toFixed(0),
      `${((100 * row.useful) / peak).toFixed(0)} %`,
      row.refused.toFixed(0),
      row.unanswered.toFixed(0),
      row.cpuShare.toFixed(2),
      (row.useful / row.cpuShare).toFixed(0),
      row.p50Ms.toFixed(0),
      row.p99Ms.toFixed(0),
      row.pingMs.toFixed(0),
      `${(row.resident / 2 ** 20).toFixed(0)} MiB`,
      row.recoveredMs === undefined ? 'not' : row.recoveredMs.toFixed(0),
    ];
    lines.push(`| ${cells.join(' | ')} |`);
  }
  return lines.join('\n');
}
