/**
 * What do the engines cost by themselves, without requests around them: LevelDB and our own log, the same keys, batches
 * and disk. CPU of the process and of its threads, compaction and collection included; latency of a synced batch;
 * memory for each key; how long an engine takes to open what was written when its process was killed.
 */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EngineOrder, EngineReport } from './load/engine-run.ts';

const engines = ['leveldb', 'log'] as const;
const valueSizes = [100, 1024];
const script = fileURLToPath(new URL('./load/engine-run.js', import.meta.url));

export async function measureEngines(keys: number, measuredMs: number, node: string): Promise<string> {
  const lines = [
    '| engine | value | get, CPU µs | put `os` | put synced | synced batch of 32, p50 µs | p99 | longest stall, ms | memory for each key, bytes | resident | open after kill -9, ms |',
    '|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|',
  ];
  for (const valueBytes of valueSizes) {
    for (const engine of engines) {
      const directory = mkdtempSync(join(tmpdir(), 'hale-bench-engine-'));
      try {
        const order = { engine, directory, keys, valueBytes, measuredMs };
        const first = await runEngine({ ...order, isRestart: false }, node);
        const { openMs } = await runEngine({ ...order, isRestart: true }, node);
        lines.push(rowOf(engine, valueBytes, first, openMs));
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    }
  }
  return [`${keys.toLocaleString('en')} keys.`, '', ...lines].join('\n');
}

/** In a process of its own, which is killed when it has told. */
function runEngine(order: EngineOrder, node: string): Promise<EngineReport> {
  return new Promise((resolve, reject) => {
    const child = fork(script, { execPath: node, execArgv: ['--expose-gc'] });
    child.once('message', (told: { readonly report?: EngineReport; readonly error?: string }) => {
      child.once('exit', () => {
        if (told.report === undefined) reject(new Error(told.error));
        else resolve(told.report);
      });
      child.kill('SIGKILL');
    });
    child.once('error', reject);
    child.send(order);
  });
}

function rowOf(engine: string, valueBytes: number, report: EngineReport, openMs: number): string {
  const { cost, syncedMicros, stallMs, heapPerKey, residentBytes } = report;
  const cells = [
    engine,
    valueBytes,
    cost.get.toFixed(2),
    cost.put.toFixed(2),
    cost.putSynced.toFixed(2),
    syncedMicros.p50.toFixed(0),
    syncedMicros.p99.toFixed(0),
    stallMs.toFixed(0),
    heapPerKey.toFixed(1),
    `${(residentBytes / 2 ** 20).toFixed(0)} MiB`,
    openMs.toFixed(0),
  ];
  return `| ${cells.join(' | ')} |`;
}
