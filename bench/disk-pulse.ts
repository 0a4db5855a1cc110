/**
 * What the disk does to anybody, beside what a server does: a thread that writes a block onto itself, synced, again and again, and
 * tells how long that took. A p99 that the disk alone has is no server's.
 */
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { LatencyHistogram } from './load/latency-histogram.ts';

const blockBytes = 4096;
const everyMs = 10;
const stallMs = 100;

export interface DiskPulseReport {
  readonly p99Ms: number;
  readonly worstMs: number;
  /** Writes that took more than 100 ms. */
  readonly stalls: number;
}

/** Begins; what it resolves to ends it. In the folder for temporary files, where the servers' data is as well. */
export function beginDiskPulse(): { end(): Promise<DiskPulseReport> } {
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL(import.meta.url), { workerData: stop });
  const report = new Promise<DiskPulseReport>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  // Whoever ends it hears of a failure; until then it is nobody's.
  report.catch(() => {});
  return {
    end() {
      Atomics.store(stop, 0, 1);
      Atomics.notify(stop, 0);
      return report;
    },
  };
}

function pulse(stop: Int32Array): DiskPulseReport {
  const directory = mkdtempSync(join(tmpdir(), 'hale-bench-pulse-'));
  const file = openSync(join(directory, 'pulse'), constants.O_RDWR | constants.O_CREAT | constants.O_DSYNC);
  const block = Buffer.alloc(blockBytes, 'p');
  const micros = new LatencyHistogram();
  let worstMs = 0;
  let stalls = 0;
  try {
    // The first one makes the file longer, which takes more.
    writeSync(file, block, 0, blockBytes, 0);
    while (Atomics.wait(stop, 0, 0, everyMs) === 'timed-out') {
      const begunAt = performance.now();
      writeSync(file, block, 0, blockBytes, 0);
      const tookMs = performance.now() - begunAt;
      micros.record(tookMs * 1000);
      worstMs = Math.max(worstMs, tookMs);
      if (tookMs > stallMs) stalls += 1;
    }
  } finally {
    closeSync(file);
    rmSync(directory, { recursive: true });
  }
  return { p99Ms: micros.percentile(0.99) / 1000, worstMs, stalls };
}

if (!isMainThread) parentPort?.postMessage(pulse(workerData as Int32Array));
