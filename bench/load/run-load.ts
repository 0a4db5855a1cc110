/** Runs one order in a load generator of its own and weighs the server's CPU time meanwhile. */
import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { LoadOrder, LoadReport, LoadResult } from './generate-load.ts';

const generator = fileURLToPath(new URL('./generate-load.js', import.meta.url));
const ticksPerSecond = 100;

export interface Weighed extends LoadResult {
  /** CPU time of the server's processes, user and system, while measuring. */
  readonly serverCpuMicros: number;
}

/** CPU time that processes have used, all threads, in µs; resolution 10 ms. */
export function cpuMicros(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in parentheses may hold spaces: count fields after it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return (ticks * 1_000_000) / ticksPerSecond;
}

export function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const line = status.split('\n').find((candidate) => candidate.startsWith('VmRSS:'));
  return Number.parseInt(line?.replace(/\D+/g, '') ?? '0', 10) * 1024;
}

const idleCheckMs = 200;
/** Of one process: one tick of the clock that CPU time is counted in. */
const idleMicrosMax = 1_000_000 / ticksPerSecond;
const idleWaitMsMax = 20_000;

/** Resolves when the processes use next to no CPU: what a store puts off (compaction) is done, or takes too long. */
export async function untilIdle(pids: readonly number[]): Promise<void> {
  for (let waitedMs = 0; waitedMs < idleWaitMsMax; waitedMs += idleCheckMs) {
    const before = cpuMicros(pids);
    await new Promise((resolve) => setTimeout(resolve, idleCheckMs));
    if (cpuMicros(pids) - before <= idleMicrosMax * pids.length) return;
  }
}

const settledChecks = 6;
const settleWaitMsMax = 60_000;

/** As `untilIdle`, but for more than a second on end: behind a load, between whose compactions a server rests. */
export async function untilSettled(pids: readonly number[]): Promise<void> {
  const givenUpAt = performance.now() + settleWaitMsMax;
  for (let idle = 0; idle < settledChecks && performance.now() < givenUpAt; ) {
    const before = cpuMicros(pids);
    await new Promise((resolve) => setTimeout(resolve, idleCheckMs));
    idle = cpuMicros(pids) - before <= idleMicrosMax * pids.length ? idle + 1 : 0;
  }
}

/**
 * A server is idle before a run and weighed until it is idle again, so that a put pays for the compaction it
 * leaves behind and a get does not pay for the puts before it.
 */
export async function weighLoad(order: LoadOrder, serverPids: readonly number[]): Promise<Weighed> {
  await untilIdle(serverPids);
  const run = await runLoad(order, serverPids);
  const before = cpuMicros(serverPids);
  await untilIdle(serverPids);
  return { ...run, serverCpuMicros: run.serverCpuMicros + cpuMicros(serverPids) - before };
}

/** Puts, or gets, every key once, over so few connections that a crowded machine refuses none. */
export async function fillKeys(
  order: Pick<LoadOrder, 'port' | 'otherPorts' | 'valueBytes' | 'keys'> &
    Partial<Pick<LoadOrder, 'protocol'>>,
  serverPids: readonly number[],
  operation: LoadOrder['operation'] = 'put',
): Promise<void> {
  const load = { protocol: order.protocol ?? 'pb', operation, order: 'sequential' } as const;
  const pace = { connections: 8, pipeline: 16, warmupMs: 0, measuredMs: 0 };
  await runLoad({ ...order, ...load, ...pace }, serverPids);
}

export function runLoad(order: LoadOrder, serverPids: readonly number[]): Promise<Weighed> {
  return new Promise((resolve, reject) => {
    const child = fork(generator);
    let before = cpuMicros(serverPids);
    child.on('message', (report: LoadReport) => {
      switch (report.kind) {
        case 'started':
          before = cpuMicros(serverPids);
          return;
        case 'ended':
          resolve({ ...report.result, serverCpuMicros: cpuMicros(serverPids) - before });
          child.kill();
          return;
        case 'failed':
          reject(new Error(report.message));
          child.kill();
      }
    });
    child.on('error', reject);
    child.on('exit', (code) => {
      if (code !== null && code !== 0) reject(new Error(`the load generator ended with ${code}`));
    });
    child.send(order);
  });
}
