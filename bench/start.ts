/**
 * How long until a node serves: an empty one, one that was stopped, and one that was killed under load with keys in it, with
 * either engine. CPU is what the machine's other work does not change.
 */
import { cpuMicros, fillKeys } from './load/run-load.ts';
import { patientSettings, startHale } from './servers.ts';

const valueBytes = 1024;
const engines = ['leveldb', 'log'] as const;

export interface StartSize {
  readonly keys: number;
  readonly repetitions: number;
}

/** Each start with `keys` is the first after `kill -9` at the end of their load. */
export async function measureStart({ keys, repetitions }: StartSize, node: string): Promise<string> {
  const lines = [
    '| start | ready after, ms | first durable put after, ms | CPU until ready, ms |',
    '|---|---:|---:|---:|',
  ];
  lines.push(rowOf('empty', await repeated(repetitions, () => startOnce(node, []))));
  lines.push(rowOf('again, after a stop in order', await repeated(repetitions, () => startAgain(node))));
  for (const engine of engines) {
    const killed = await repeated(repetitions, () => startKilled(node, engine, keys));
    const label = `${keys.toLocaleString('en')} keys of ${valueBytes} B at n=3 in ${engine}, after kill -9 while they were written`;
    lines.push(rowOf(label, killed));
  }
  return lines.join('\n');
}

interface Started {
  readonly readyMs: number;
  readonly firstPutMs: number;
  readonly cpuMs: number;
}

async function repeated(times: number, start: () => Promise<Started>): Promise<readonly Started[]> {
  const all: Started[] = [];
  for (let repetition = 0; repetition < times; repetition += 1) all.push(await start());
  return all;
}

async function startOnce(node: string, settings: readonly string[], directory?: string): Promise<Started> {
  const startedAt = performance.now();
  const server = await startHale({ node, settings, directory });
  const readyMs = performance.now() - startedAt;
  const cpuMs = cpuMicros(server.pids) / 1000;
  try {
    await putOne(server.ports.http);
    return { readyMs, cpuMs, firstPutMs: performance.now() - startedAt };
  } finally {
    await server.stop();
  }
}

async function startAgain(node: string): Promise<Started> {
  const server = await startHale({ node, settings: [] });
  await server.end();
  return await startOnce(node, [], server.directory);
}

async function startKilled(node: string, engine: string, keys: number): Promise<Started> {
  const settings = [`storage_backend=${engine}`];
  const server = await startHale({ node, settings: [...settings, ...patientSettings] });
  const port = server.ports.pb;
  if (port === undefined) throw new Error('the server has no such port');
  await fillKeys({ port, valueBytes, keys }, server.pids);
  await server.kill();
  return await startOnce(node, settings, server.directory);
}

async function putOne(port: number | undefined): Promise<void> {
  const url = `http://127.0.0.1:${port}/buckets/start/keys/one`;
  const response = await fetch(url, { method: 'PUT', body: 'x', headers: { 'Content-Type': 'text/plain' } });
  if (!response.ok) throw new Error(`HTTP status ${response.status}`);
}

function rowOf(label: string, started: readonly Started[]): string {
  const of = (value: (one: Started) => number): string => median(started.map(value)).toFixed(0);
  const cells = [of(({ readyMs }) => readyMs), of(({ firstPutMs }) => firstPutMs), of(({ cpuMs }) => cpuMs)];
  return `| ${label} | ${cells.join(' | ')} |`;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
