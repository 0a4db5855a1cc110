/** How long until a node serves: an empty one, and one that was killed under load with keys in it. */
import { fillKeys } from './load/run-load.ts';
import { patientSettings, startHale } from './servers.ts';

const valueBytes = 1024;

export interface StartSize {
  readonly keys: number;
  readonly repetitions: number;
}

export async function measureStart({ keys, repetitions }: StartSize, node: string): Promise<string> {
  const lines = ['| start | ready after, ms | first durable put after, ms |', '|---|---:|---:|'];
  const empty: Started[] = [];
  for (let repetition = 0; repetition < repetitions; repetition += 1) empty.push(await startOnce(node));
  lines.push(rowOf('empty', empty));
  const killed: Started[] = [];
  for (let repetition = 0; repetition < repetitions; repetition += 1)
    killed.push(await startKilled(keys, node));
  lines.push(
    rowOf(
      `${keys.toLocaleString('en')} keys of ${valueBytes} B at n=3, after kill -9 while they were written`,
      killed,
    ),
  );
  return lines.join('\n');
}

interface Started {
  readonly readyMs: number;
  readonly firstPutMs: number;
}

async function startOnce(node: string, directory?: string): Promise<Started> {
  const startedAt = performance.now();
  const server = await startHale({ node, settings: [], directory });
  const readyMs = performance.now() - startedAt;
  try {
    await putOne(server.ports.http);
    return { readyMs, firstPutMs: performance.now() - startedAt };
  } finally {
    await server.stop();
  }
}

async function startKilled(keys: number, node: string): Promise<Started> {
  const server = await startHale({ node, settings: patientSettings });
  const port = server.ports.pb;
  if (port === undefined) throw new Error('the server has no such port');
  await fillKeys({ port, valueBytes, keys }, server.pids);
  await server.kill();
  return await startOnce(node, server.directory);
}

async function putOne(port: number | undefined): Promise<void> {
  const url = `http://127.0.0.1:${port}/buckets/start/keys/one`;
  const response = await fetch(url, { method: 'PUT', body: 'x', headers: { 'Content-Type': 'text/plain' } });
  if (!response.ok) throw new Error(`HTTP status ${response.status}`);
}

function rowOf(label: string, started: readonly Started[]): string {
  const ready = median(started.map(({ readyMs }) => readyMs));
  const firstPut = median(started.map(({ firstPutMs }) => firstPutMs));
  return `| ${label} | ${ready.toFixed(0)} | ${firstPut.toFixed(0)} |`;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
