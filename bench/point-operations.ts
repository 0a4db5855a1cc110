/**
 * What does a get or a put cost? CPU-microseconds of the server per operation, throughput and latency. The
 * machine is shared and its speed changes from minute to minute, so each run comes right after one of
 * redis-server with the same operation, value size and pipeline, and the ratio of the two is what counts.
 */
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import type { Operation, ProtocolName } from './load/protocol.ts';
import { runLoad, type Weighed, weighLoad } from './load/run-load.ts';
import {
  type BenchServer,
  type HaleOptions,
  redisVersion,
  startHale,
  startHaleCluster,
  startRedis,
} from './servers.ts';

const keys = 100_000;
const connections = 32;
const valueSizes = [100, 1024];
const pipelines = [1, 16];

export interface BenchDuration {
  readonly warmupMs: number;
  readonly measuredMs: number;
  readonly repetitions: number;
  /** Rows to measure: their names, as they are reported, must match. All if absent. */
  readonly only?: RegExp | undefined;
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
  /** The median ratio to the redis runs beside. */
  readonly timesRedis: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly spread: number;
}

export function haleSubject(label: string, options: HaleOptions): Subject {
  return { label, start: () => startHale(options), protocols: ['pb', 'http'] };
}

export function clusterSubject(label: string, size: number, options: HaleOptions): Subject {
  return { label, start: () => startHaleCluster(size, options), protocols: ['pb', 'http'] };
}

/** One row per subject, protocol, operation, size and pipeline; medians over the repetitions. */
export async function measurePointOperations(
  subjects: readonly Subject[],
  duration: BenchDuration,
  report: (line: string) => void,
): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const valueBytes of valueSizes) {
    const redis = await startRedis();
    try {
      await preload(redis, 'redis', valueBytes);
      const reference = new Reference(redis, valueBytes, duration);
      for (const subject of subjects.filter((each) => cellsOf(each, valueBytes, duration).length > 0)) {
        const server = await subject.start();
        try {
          await preload(server, subject.protocols[0], valueBytes);
          for (const cell of cellsOf(subject, valueBytes, duration)) {
            rows.push(await measureCell(cell, server, reference, report));
          }
        } finally {
          await server.stop();
        }
      }
      rows.push(...reference.rows());
    } finally {
      await redis.stop();
    }
  }
  return rows;
}

/** What an operation costs redis-server, measured again beside each run of another server. */
class Reference {
  readonly valueBytes: number;
  readonly duration: BenchDuration;
  readonly #redis: BenchServer;
  readonly #runs = new Map<string, { operation: Operation; pipeline: number; runs: Weighed[] }>();

  constructor(redis: BenchServer, valueBytes: number, duration: BenchDuration) {
    this.#redis = redis;
    this.valueBytes = valueBytes;
    this.duration = duration;
  }

  async measure(operation: Operation, pipeline: number): Promise<number> {
    const base = { protocol: 'redis', port: portOf(this.#redis, 'redis'), keys, connections } as const;
    const order = { ...base, valueBytes: this.valueBytes, operation, pipeline, order: 'uniform' } as const;
    const run = await runLoad({ ...order, ...this.duration }, this.#redis.pids);
    const cell = `${operation} ${pipeline}`;
    const known = this.#runs.get(cell) ?? { operation, pipeline, runs: [] };
    known.runs.push(run);
    this.#runs.set(cell, known);
    return costOf(run);
  }

  rows(): Row[] {
    return [...this.#runs.values()].map(({ operation, pipeline, runs }) => {
      const cell = { subject: 'redis', protocol: 'redis', operation, pipeline } as const;
      return rowOf({ ...cell, valueBytes: this.valueBytes }, runs, 1);
    });
  }
}

async function preload(server: BenchServer, protocol: ProtocolName, valueBytes: number): Promise<void> {
  const order = { protocol, ...portsOf(server, protocol), valueBytes, keys, connections };
  const puts = { operation: 'put', pipeline: 16, order: 'sequential', warmupMs: 0, measuredMs: 0 } as const;
  await runLoad({ ...order, ...puts }, server.pids);
}

function portOf(server: BenchServer, protocol: ProtocolName): number {
  const port = server.ports[protocol];
  if (port === undefined) throw new Error(`${server.name} does not speak ${protocol}`);
  return port;
}

function portsOf(server: BenchServer, protocol: ProtocolName) {
  const otherPorts = (server.otherPorts ?? []).flatMap((ports) => ports[protocol] ?? []);
  return { port: portOf(server, protocol), otherPorts };
}

/** The rows of one server at one size, without those that are not wanted. */
function cellsOf(
  { label, protocols }: Subject,
  valueBytes: number,
  { only }: BenchDuration,
): readonly Cell[] {
  const cells: Cell[] = [];
  for (const protocol of protocols) {
    for (const operation of ['get', 'put'] as const) {
      for (const pipeline of pipelines) {
        const cell = { subject: label, protocol, operation, valueBytes, pipeline };
        if (only === undefined || only.test(nameOf(cell))) cells.push(cell);
      }
    }
  }
  return cells;
}

function nameOf({ subject, protocol, operation, valueBytes, pipeline }: Cell): string {
  return `${subject} ${protocol} ${operation} ${valueBytes} B ×${pipeline}`;
}

async function measureCell(
  cell: Cell,
  server: BenchServer,
  reference: Reference,
  report: (line: string) => void,
): Promise<Row> {
  const { duration } = reference;
  const { protocol, operation, valueBytes, pipeline } = cell;
  const base = { protocol, ...portsOf(server, protocol), valueBytes, keys, connections, ...duration };
  const runs: Weighed[] = [];
  const ratios: number[] = [];
  for (let repetition = 0; repetition < duration.repetitions; repetition += 1) {
    const redisCost = await reference.measure(operation, pipeline);
    const run = await weighLoad({ ...base, operation, pipeline, order: 'uniform' }, server.pids);
    runs.push(run);
    ratios.push(costOf(run) / redisCost);
  }
  const row = rowOf(cell, runs, median(ratios));
  const cost = `${row.cpuPerOperation.toFixed(2)} µs, ${row.timesRedis.toFixed(1)} × redis`;
  report(`${nameOf(cell)}: ${cost}, ${row.perSecond.toFixed(0)}/s`);
  return row;
}

function costOf(run: Weighed): number {
  return run.serverCpuMicros / run.operations;
}

type Cell = Pick<Row, 'subject' | 'protocol' | 'operation' | 'valueBytes' | 'pipeline'>;

function rowOf(cell: Cell, runs: readonly Weighed[], timesRedis: number): Row {
  const costs = runs.map(costOf);
  return {
    ...cell,
    timesRedis,
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

/** A Markdown table. */
export function pointOperationsTable(rows: readonly Row[]): string {
  const lines = [
    '| server | protocol | operation | value | in flight | CPU µs/op | × redis | op/s | p50 µs | p99 µs | p99.9 µs | spread |',
    '|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|',
  ];
  for (const row of rows) {
    const cells = [
      row.subject,
      row.protocol,
      row.operation,
      row.valueBytes,
      row.pipeline,
      row.cpuPerOperation.toFixed(2),
      row.timesRedis.toFixed(1),
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
