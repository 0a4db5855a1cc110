/**
 * How many durable records a second does the write-ahead log take, and what does one cost? 1-KiB records from
 * 32 writers, each with some in flight. Beside it, what the disk itself gives: one write and one sync of as
 * many bytes as an average group, in a loop.
 */
import { Buffer } from 'node:buffer';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLog, type WriteAheadLog, walLimits } from '../src/wal-entry.ts';

const recordBytes = 1024;
const subjects: readonly Subject[] = [
  { writers: 1, inFlight: 1, preallocatedBytes: 0 },
  { writers: 1, inFlight: 1, preallocatedBytes: walLimits.preallocatedBytes },
  { writers: 32, inFlight: 1, preallocatedBytes: walLimits.preallocatedBytes },
  { writers: 32, inFlight: 16, preallocatedBytes: walLimits.preallocatedBytes },
  { writers: 32, inFlight: 64, preallocatedBytes: walLimits.preallocatedBytes },
];
/** Records that stay: older ones are dropped meanwhile, as a user of a log does. */
const keptRecords = 200_000;

interface Subject {
  readonly writers: number;
  readonly inFlight: number;
  /** Groups of more than 16 KiB do not use it. */
  readonly preallocatedBytes: number;
}

interface Measured {
  readonly records: number;
  readonly groups: number;
  readonly seconds: number;
  readonly cpuMicros: number;
  readonly latencies: number[];
}

interface Row extends Measured {
  readonly subject: Subject;
  readonly bareSyncMicros: number;
}

export async function measureWal(measuredMs: number): Promise<string> {
  const rows: Row[] = [];
  for (const subject of subjects) {
    const directory = fs.mkdtempSync(join(tmpdir(), 'hale-bench-wal-'));
    try {
      const measured = await measureLog(directory, subject, measuredMs);
      const groupBytes = Math.round((measured.records / measured.groups) * recordBytes);
      const bareSyncMicros = measureBareSync(join(directory, 'bare'), groupBytes, measuredMs / 4);
      rows.push({ ...measured, subject, bareSyncMicros });
    } finally {
      fs.rmSync(directory, { recursive: true });
    }
  }
  return tableOf(rows);
}

async function measureLog(directory: string, subject: Subject, measuredMs: number): Promise<Measured> {
  const { writers, inFlight, preallocatedBytes } = subject;
  await using opened = await openLog(directory, { ...walLimits, preallocatedBytes });
  const { log } = opened;
  await write(log, writers * inFlight, measuredMs / 4);
  return await write(log, writers * inFlight, measuredMs);
}

async function write(log: WriteAheadLog, inFlight: number, measuredMs: number): Promise<Measured> {
  const record = Buffer.alloc(recordBytes, 1);
  const latencies: number[] = [];
  const cpuBefore = process.cpuUsage();
  const groupsBefore = log.stats.groups;
  const start = performance.now();
  let records = 0;
  let failure: Error | undefined;
  const append = (): void => {
    const startedAt = performance.now();
    log.append(record, (error) => {
      failure ??= error;
      records += 1;
      const now = performance.now();
      if (records % 16 === 0) latencies.push(now - startedAt);
      if (now - start < measuredMs && failure === undefined) append();
    });
  };
  const dropping = setInterval(() => {
    log.dropBefore(Math.max(log.firstIndex, log.lastIndex - keptRecords), (error) => {
      failure ??= error;
    });
  }, 100);
  for (let i = 0; i < inFlight; i++) append();
  await log.drain();
  while (log.queuedBytes > 0) await log.drain();
  clearInterval(dropping);
  if (failure !== undefined) throw failure;
  const { user, system } = process.cpuUsage(cpuBefore);
  const seconds = (performance.now() - start) / 1000;
  return { records, groups: log.stats.groups - groupsBefore, seconds, cpuMicros: user + system, latencies };
}

/** Median microseconds of one write and one sync, without a log. */
function measureBareSync(path: string, bytes: number, measuredMs: number): number {
  const file = fs.openSync(path, 'w');
  const block = Buffer.alloc(bytes, 1);
  const times: number[] = [];
  const start = performance.now();
  for (let offset = 0; performance.now() - start < measuredMs; offset += bytes) {
    const startedAt = performance.now();
    fs.writeSync(file, block, 0, bytes, offset);
    fs.fdatasyncSync(file);
    times.push(performance.now() - startedAt);
  }
  fs.closeSync(file);
  return 1000 * quantile(times, 0.5);
}

function quantile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(fraction * sorted.length))] ?? Number.NaN;
}

function tableOf(rows: readonly Row[]): string {
  const lines = [
    '| writers | in flight each | preallocated | records/s | CPU µs/record | records/group | p50 ms | p99 ms | group µs | bare write + sync µs | share of what the disk gives |',
    '|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|',
  ];
  for (const { subject, records, groups, seconds, cpuMicros, latencies, bareSyncMicros } of rows) {
    const cells = [
      subject.writers,
      subject.inFlight,
      subject.preallocatedBytes > 0 ? 'yes' : 'no',
      (records / seconds).toFixed(0),
      (cpuMicros / records).toFixed(2),
      (records / groups).toFixed(1),
      quantile(latencies, 0.5).toFixed(2),
      quantile(latencies, 0.99).toFixed(2),
      ((1e6 * seconds) / groups).toFixed(0),
      bareSyncMicros.toFixed(0),
      `${((100 * bareSyncMicros * groups) / (1e6 * seconds)).toFixed(0)} %`,
    ];
    lines.push(`| ${cells.join(' | ')} |`);
  }
  return lines.join('\n');
}
