/**
 * Can three nodes on this machine take a terabyte of user data a day? That is 11.6 MB/s, three copies of it 34.7, with
 * objects of 10 kB, half of which can be compressed; how the p99 and what the disk holds develop. What an engine has put off
 * when the load ends is weighed as the CPU time that it takes until it rests: its debt.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { svgOf } from './chart.ts';
import { cpuMicros, untilSettled } from './load/run-load.ts';
import { offer } from './offer.ts';
import type { Measured } from './results.ts';
import { type HaleOptions, startHaleCluster } from './servers.ts';

const replicatedBytesPerSecond = 34.7e6;
const n = 3;
const valueBytes = 10_000;
const keys = 20_000;
const connections = 48;
const sliceMs = 1000;
const warmupMs = 5000;
const diskEveryMs = 5000;

export async function measureIngest(measuredMs: number, options: HaleOptions): Promise<Measured> {
  const server = await startHaleCluster(3, options);
  const disk: [number, number][] = [];
  const startedAt = performance.now();
  const sampling = setInterval(() => {
    disk.push([(performance.now() - startedAt) / 1000, bytesUnder(server.directories ?? []) / 2 ** 20]);
  }, diskEveryMs);
  try {
    const perSecond = replicatedBytesPerSecond / n / valueBytes;
    const { pb: port } = server.ports;
    if (port === undefined) throw new Error('the server has no such port');
    const otherPorts = (server.otherPorts ?? []).flatMap(({ pb }) => pb ?? []);
    const phases = [
      { perSecond, forMs: warmupMs },
      { perSecond, forMs: measuredMs },
    ];
    const order = { port, otherPorts, valueBytes, keys, connections, operation: 'put', sliceMs } as const;
    const { slices, whole, disk: alone } = await offer({ ...order, phases }, server.pids);
    const atEnd = cpuMicros(server.pids);
    clearInterval(sampling);
    const diskMiB = bytesUnder(server.directories ?? []) / 2 ** 20;
    await untilSettled(server.pids);
    const debtSeconds = (cpuMicros(server.pids) - atEnd) / 1e6;
    const good = slices.reduce((total, slice) => total + slice.good, 0);
    const offered = slices.reduce((total, slice) => total + slice.offered, 0);
    const cpu = slices.reduce((total, { serverMicros }) => total + serverMicros, 0);
    const seconds = (slices.at(-1)?.atMs ?? 1) / 1000;
    const cells = [
      ((good / seconds) * valueBytes * n) / 1e6,
      (100 * good) / offered,
      whole.p50Micros / 1000,
      whole.p99Micros / 1000,
      whole.p999Micros / 1000,
      alone.p99Ms,
      alone.worstMs,
      cpu / seconds / 1e6,
      disk[Math.floor(disk.length / 2)]?.[1] ?? 0,
      diskMiB,
      debtSeconds,
    ];
    const table = [
      '| replicated MB/s | answered in time, % | p50, ms | p99, ms (≤ 100) | p99.9, ms | the disk alone p99, ms | its worst, ms | cores | on disk half-way, MiB | at the end | debt, CPU s |',
      '|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|',
      `| ${cells.map((cell) => cell.toFixed(1)).join(' | ')} |`,
    ].join('\n');
    const p99 = slices.map(({ atMs, p99Micros }) => [atMs / 1000, p99Micros / 1000] as const);
    const lines = [
      { label: 'p99, ms', points: p99 },
      { label: 'disk, MiB', points: disk },
    ];
    const chart = { title: 'ingest, 34.7 MB/s replicated', xLabel: 'seconds', yLabel: '', lines };
    return { table, svg: svgOf({ ...chart, isLogarithmic: true }) };
  } finally {
    clearInterval(sampling);
    await server.stop();
  }
}

function bytesUnder(directories: readonly string[]): number {
  let bytes = 0;
  for (const directory of directories) {
    for (const entry of readdirSync(directory, { recursive: true })) {
      try {
        const facts = statSync(join(directory, String(entry)));
        if (facts.isFile()) bytes += facts.size;
      } catch {
        // Compacted away meanwhile.
      }
    }
  }
  return bytes;
}
