/** Runs a load that does not wait in a process of its own, and says slice by slice what came of it. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beginDiskPulse, type DiskPulseReport } from './disk-pulse.ts';
import type { LatencySummary, OfferEnd, OfferOrder, OfferReport, OfferSlice } from './load/offer-load.ts';
import { cpuMicros } from './load/run-load.ts';

export interface Sampled extends OfferSlice {
  /** CPU time that the server had in the slice. */
  readonly serverMicros: number;
}

export interface Offered {
  readonly slices: readonly Sampled[];
  /** Without the first phase, if there are several. */
  readonly whole: LatencySummary;
  /** The disk meanwhile, for whoever else writes to it. */
  readonly disk: DiskPulseReport;
}

/** `until`: ends the load before its time. */
export async function offer(
  order: OfferOrder,
  pids: readonly number[],
  until?: Promise<unknown>,
): Promise<Offered> {
  const pulse = beginDiskPulse();
  try {
    const loaded = await load(order, pids, until);
    return { ...loaded, disk: await pulse.end() };
  } catch (cause) {
    await pulse.end();
    throw cause;
  }
}

function load(
  order: OfferOrder,
  pids: readonly number[],
  until: Promise<unknown> | undefined,
): Promise<Omit<Offered, 'disk'>> {
  return new Promise((resolve, reject) => {
    const slices: Sampled[] = [];
    let cpu = cpuMicros(pids);
    const child = fork(fileURLToPath(new URL('load/offer-load.js', import.meta.url)));
    child.on('message', (report: OfferReport) => {
      if (report.kind === 'slice') {
        const before = cpu;
        cpu = cpuMicros(pids);
        slices.push({ ...report.slice, serverMicros: cpu - before });
      } else if (report.kind === 'ended') resolve({ slices, whole: report.whole });
      else reject(new Error(report.message));
      if (report.kind !== 'slice') child.kill();
    });
    child.on('error', reject);
    child.send(order);
    const end = (): void => {
      if (child.connected) child.send('end' satisfies OfferEnd);
    };
    until?.then(end, end);
  });
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
