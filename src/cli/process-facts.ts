import * as os from 'node:os';
import type { ProcessFacts } from '../server/index.ts';

const microsecondsPerSecond = 1_000_000;

export function processFacts(): ProcessFacts {
  const { rss, heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  const [minute = 0, fiveMinutes = 0, fifteenMinutes = 0] = os.loadavg();
  return {
    pid: process.pid,
    runtimeVersion: process.versions.node,
    cpuCount: os.availableParallelism(),
    loadAverages: [minute, fiveMinutes, fifteenMinutes],
    machineMemoryTotal: os.totalmem(),
    machineMemoryFree: os.freemem(),
    residentMemory: rss,
    heapTotal,
    heapUsed,
    externalMemory: external,
    bufferMemory: arrayBuffers,
    cpuSeconds: (user + system) / microsecondsPerSecond,
  };
}
