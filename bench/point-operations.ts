/**
 * What does a get or a put cost? CPU-microseconds of the server per operation, throughput and latency,
 * beside redis-server in the same run: the machine is shared, so ratios count.
 */
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import type { Operation, ProtocolName } from './load/protocol.ts';
import { runLoad, type Weighed, weighLoad } from './load/run-load.ts';
import { type BenchServer, type HaleOptions, redisVersion, startHale, startRedis } from './servers.ts';

const keys = 100_000;
const connections = 32;
const valueSizes = [100, 1024];
const pipelines = [1, 16];

export interface BenchDuration {
  readonly warmupMs: number;
  readonly measuredMs: number;
  readonly repetitions: number;
}

interface Subject {
  readonly label: string;
  readonly start: () => Promise<BenchServer>;
  readonly protocols: readonly [ProtocolName, ...ProtocolName[]];
}

export interface Row {
  readonly subject: string;
  readonly protocol: ProtocolName;
  readonly operation: Operation;
  readonly valueBytes: number;
  readonly pipeline: number;
  readonly cpuPerOperation: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly spread: number;
}

export function haleSubject(label: string, options: HaleOptions): Subject {
  return { label, start: () => startHale(options), protocols: ['pb', 'http'] };
}

const redisSubject: Subject = { label: 'redis', start: startRedis, protocols: ['redis'] };

/** One row per subject, protocol, operation, size and pipeline; medians over the repetitions. */
export async function measurePointOperations(
  subjects: readonly Subject[],
  duration: BenchDuration,
  report: (line: string) => void,
): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const valueBytes of valueSizes) {
    for (const subject of [redisSubject, ...subjects]) {
      const server = await subject.start();
      try {
        await preload(server, subject.protocols[0], valueBytes);
        for (const protocol of subject.protocols) {
          rows.push(...(await measureServer(subject.label, server, protocol, valueBytes, duration, report)));
        }
      } finally {
        await server.stop();
      }
    }
  }
  return rows;
}

async function preload(server: BenchServer, protocol: ProtocolName, valueBytes: number): Promise<void> {
  const order = { protocol, port: portOf(server, protocol), valueBytes, keys, connections };
  const puts = { operation: 'put', pipeline: 16, order: 'sequential', warmupMs: 0, measuredMs: 0 } as const;
  await runLoad({ ...order, ...puts }, server.pids);
}

function portOf(server: BenchServer, protocol: ProtocolName): number {
  const port = server.ports[protocol];
  if (port === undefined) throw new Error(`${server.name} does not speak ${protocol}`);
  return port;
}

async function measureServer(
  subject: string,
  server: BenchServer,
  protocol: ProtocolName,
  valueBytes: number,
  duration: BenchDuration,
  report: (line: string) => void,
): Promise<readonly Row[]> {
  const base = { protocol, port: portOf(server, protocol), valueBytes, keys, connections, ...duration };
  const rows: Row[] = [];
  for (const operation of ['get', 'put'] as const) {
    for (const pipeline of pipelines) {
      const runs: Weighed[] = [];
      for (let repetition = 0; repetition < duration.repetitions; repetition += 1) {
        runs.push(await weighLoad({ ...base, operation, pipeline, order: 'uniform' }, server.pids));
      }
      const row = rowOf(subject, protocol, operation, valueBytes, pipeline, runs);
      rows.push(row);
      const cost = row.cpuPerOperation.toFixed(2);
      report(
        `${subject} ${protocol} ${operation} ${valueBytes} B ×${pipeline}: ${cost} µs, ${row.perSecond.toFixed(0)}/s`,
      );
    }
  }
  return rows;
}

function rowOf(
  subject: string,
  protocol: ProtocolName,
  operation: Operation,
  valueBytes: number,
  pipeline: number,
  runs: readonly Weighed[],
): Row {
  const costs = runs.map((run) => run.serverCpuMicros / run.operations);
  return {
    subject,
    protocol,
    operation,
    valueBytes,
    pipeline,
    cpuPerOperation: median(costs),
    perSecond: median(runs.map((run) => run.operations / run.seconds)),
    p50: median(runs.map((run) => run.p50Micros)),
    p99: median(runs.map((run) => run.p99Micros)),
    p999: median(runs.map((run) => run.p999Micros)),
    spread: (Math.max(...costs) - Math.min(...costs)) / median(costs),
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** A Markdown table with the ratio to redis at the same size, operation and pipeline. */
export function pointOperationsTable(rows: readonly Row[]): string {
  const redisCost = new Map<string, number>();
  const cell = (row: Row) => `${row.operation} ${row.valueBytes} ${row.pipeline}`;
  for (const row of rows) if (row.subject === 'redis') redisCost.set(cell(row), row.cpuPerOperation);
  const lines = [
    '| server | protocol | operation | value | in flight | CPU µs/op | × redis | op/s | p50 µs | p99 µs | p99.9 µs | spread |',
    '|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|',
  ];
  for (const row of rows) {
    const ratio = row.cpuPerOperation / (redisCost.get(cell(row)) ?? Number.NaN);
    const cells = [
      row.subject,
      row.protocol,
      row.operation,
      row.valueBytes,
      row.pipeline,
      row.cpuPerOperation.toFixed(2),
      ratio.toFixed(2),
      row.perSecond.toFixed(0),
      row.p50.toFixed(0),
      row.p99.toFixed(0),
      row.p999.toFixed(0),
      `${(row.spread * 100).toFixed(0)} %`,
    ];
    lines.push(`| ${cells.join(' | ')} |`);
  }
  return lines.join('\n');
}

/** What the numbers belong to. */
export function benchHeading(nodeVersion: string): string {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`;
  return `commit ${commit}, ${machine}, Node ${nodeVersion}, redis ${redisVersion() ?? 'absent'}`;
}
