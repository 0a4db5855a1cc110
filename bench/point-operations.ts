/**
 * What does a get or a put cost? CPU-microseconds of the server per operation, throughput and latency. The
 * machine is shared and its speed changes from minute to minute, so each run comes right after one of
 * redis-server with the same operation, value size and pipeline, and the ratio of the two is what counts.
 */
import { bucketName, type Operation, type ProtocolName } from './load/protocol.ts';
import { fillKeys, runLoad, untilSettled, type Weighed, weighLoad } from './load/run-load.ts';
import {
  type BenchServer,
  type HaleOptions,
  patientSettings,
  startHale,
  startHaleCluster,
  startRedis,
} from './servers.ts';

const connections = 32;
const valueSizes = [100, 1024];
const pipelines = [1, 16];
/** Until all are connected: it is compiled. */
const redisWarmupMs = 50;

export interface BenchDuration {
  readonly keys: number;
  readonly warmupMs: number;
  /** Each process of a new server is driven for so long with each kind of put, and a quarter of it with gets, before its first row. */
  readonly heatMs: number;
  readonly measuredMs: number;
  readonly repetitions: number;
  /**
   * Also what has no target or says nothing new: HTTP with several requests in flight, and gets where writes are not
   * synced.
   */
  readonly isComplete: boolean;
  /** Rows to measure: their names, as they are reported, must match. All if absent. */
  readonly only?: RegExp | undefined;
}

interface Subject {
  readonly label: string;
  /** What comes after the durability in the names of its rows. */
  readonly suffix: string;
  readonly start: () => Promise<BenchServer>;
  readonly protocols: readonly [ProtocolName, ...ProtocolName[]];
}

const durabilities = ['synced', 'os'] as const;
type BenchDurability = (typeof durabilities)[number];

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

export function haleSubject(label: string, suffix: string, options: HaleOptions): Subject {
  return { label, suffix, start: () => startHale(patient(options)), protocols: ['pb', 'http'] };
}

export function clusterSubject(label: string, suffix: string, size: number, options: HaleOptions): Subject {
  return { label, suffix, start: () => startHaleCluster(size, patient(options)), protocols: ['pb', 'http'] };
}

function patient(options: HaleOptions): HaleOptions {
  return { ...options, settings: [...patientSettings, ...options.settings] };
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
      await preload(redis, 'redis', valueBytes, duration.keys);
      const reference = new Reference(redis, valueBytes, duration);
      for (const subject of subjects.filter((each) => cellsOf(each, valueBytes, duration).length > 0)) {
        const server = await subject.start();
        try {
          await preload(server, subject.protocols[0], valueBytes, duration.keys);
          await heat(server, cellsOf(subject, valueBytes, duration), duration);
          await untilSettled(server.pids);
          for (const durability of durabilities) {
            const cells = cellsOf(subject, valueBytes, duration).filter(
              (cell) => cell.durability === durability,
            );
            if (cells.length === 0) continue;
            if (durability !== 'synced') await setDurability(server, durability);
            rows.push(...(await measureInTurns(cells, server, reference, report)));
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

/**
 * The preload only inserts. What else the rows will do runs here until V8 has compiled it: a row is so short that it would be
 * measured half interpreted, and those that come first the most.
 */
async function heat(
  server: BenchServer,
  cells: readonly SubjectCell[],
  { keys, heatMs }: BenchDuration,
): Promise<void> {
  const kinds = new Map(cells.map((cell) => [`${cell.protocol} ${cell.operation}`, cell]));
  for (const { protocol, operation, valueBytes } of kinds.values()) {
    const pipeline = protocol === 'pb' ? Math.max(...pipelines) : 1;
    const order = {
      protocol,
      ...portsOf(server, protocol),
      valueBytes,
      keys,
      connections,
      pipeline,
    } as const;
    const warmupMs = (operation === 'put' ? heatMs : heatMs / 4) * server.pids.length;
    await runLoad({ ...order, operation, order: 'uniform', warmupMs, measuredMs: 1 }, server.pids);
  }
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
    const { keys } = this.duration;
    const base = { protocol: 'redis', port: portOf(this.#redis, 'redis'), keys, connections } as const;
    const order = { ...base, valueBytes: this.valueBytes, operation, pipeline, order: 'uniform' } as const;
    const measuredMs = this.duration.measuredMs / 2;
    const run = await runLoad({ ...order, warmupMs: redisWarmupMs, measuredMs }, this.#redis.pids);
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

async function preload(
  server: BenchServer,
  protocol: ProtocolName,
  valueBytes: number,
  keys: number,
): Promise<void> {
  await fillKeys({ protocol, ...portsOf(server, protocol), valueBytes, keys }, server.pids);
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
  { label, suffix, protocols }: Subject,
  valueBytes: number,
  { only, isComplete }: BenchDuration,
): readonly SubjectCell[] {
  const cells: SubjectCell[] = [];
  for (const durability of durabilities) {
    for (const protocol of protocols) {
      for (const operation of ['get', 'put'] as const) {
        if (!isComplete && durability === 'os' && operation === 'get') continue;
        for (const pipeline of pipelines) {
          if (!isComplete && protocol === 'http' && pipeline > 1) continue;
          const subject = `${label} ${durability}${suffix}`;
          const cell = { subject, durability, protocol, operation, valueBytes, pipeline };
          if (only === undefined || only.test(nameOf(cell))) cells.push(cell);
        }
      }
    }
  }
  return cells;
}

/** Of the bucket: the keys that are there serve both kinds of rows. */
async function setDurability(server: BenchServer, durability: BenchDurability): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${portOf(server, 'http')}/buckets/${bucketName}/props`, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ props: { durability } }),
  });
  if (!response.ok) throw new Error(`durability ${durability}: HTTP status ${response.status}`);
}

function nameOf({ subject, protocol, operation, valueBytes, pipeline }: Cell): string {
  return `${subject} ${protocol} ${operation} ${valueBytes} B ×${pipeline}`;
}

/** One run of each cell, then the next of each: so that rows that are compared were measured in the same minutes, of a server as warm. */
async function measureInTurns(
  cells: readonly SubjectCell[],
  server: BenchServer,
  reference: Reference,
  report: (line: string) => void,
): Promise<readonly Row[]> {
  const measured = cells.map((cell) => ({ cell, runs: [] as Weighed[], ratios: [] as number[] }));
  for (let repetition = 0; repetition < reference.duration.repetitions; repetition += 1) {
    for (const { cell, runs, ratios } of measured) {
      const redisCost = await reference.measure(cell.operation, cell.pipeline);
      const run = await measureCell(cell, server, reference.duration);
      runs.push(run);
      ratios.push(costOf(run) / redisCost);
    }
  }
  return measured.map(({ cell, runs, ratios }) => {
    const { subject, protocol, operation, valueBytes, pipeline } = cell;
    const row = rowOf({ subject, protocol, operation, valueBytes, pipeline }, runs, median(ratios));
    const cost = `${row.cpuPerOperation.toFixed(2)} µs, ${row.timesRedis.toFixed(1)} × redis`;
    report(`${nameOf(cell)}: ${cost}, ${row.perSecond.toFixed(0)}/s`);
    return row;
  });
}

function measureCell(
  { protocol, operation, valueBytes, pipeline }: Cell,
  server: BenchServer,
  { keys, warmupMs, measuredMs }: BenchDuration,
): Promise<Weighed> {
  const base = {
    protocol,
    ...portsOf(server, protocol),
    valueBytes,
    keys,
    connections,
    warmupMs,
    measuredMs,
  };
  return weighLoad({ ...base, operation, pipeline, order: 'uniform' }, server.pids);
}

function costOf(run: Weighed): number {
  return run.serverCpuMicros / run.operations;
}

type Cell = Pick<Row, 'subject' | 'protocol' | 'operation' | 'valueBytes' | 'pipeline'>;

interface SubjectCell extends Cell {
  readonly durability: BenchDurability;
}

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
