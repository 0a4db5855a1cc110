/** Values of 256 MiB in and out of a node over HTTP: how fast, at what cost, and how much memory the node comes to have. */
import { Buffer } from 'node:buffer';
import { type IncomingMessage, request } from 'node:http';
import { Readable } from 'node:stream';
import { cpuMicros, residentBytes, untilIdle } from './load/run-load.ts';
import { type BenchServer, startHale } from './servers.ts';

const mebibyte = 2 ** 20;
const pieceBytes = 256 * 1024;
const sampleMs = 50;

export async function measureLargeValues(valueBytes: number, node: string): Promise<string> {
  const lines = [
    `Values of ${valueBytes / mebibyte} MiB.`,
    '',
    '| way | at once | MiB/s | CPU ms/MiB | resident at rest, MiB | at most, MiB |',
    '|---|---:|---:|---:|---:|---:|',
  ];
  const server = await startHale({ node, settings: [] });
  try {
    for (const atOnce of [1, 4]) {
      for (const way of ['in', 'out'] as const) lines.push(await rowOf(server, way, atOnce, valueBytes));
    }
  } finally {
    await server.stop();
  }
  lines.push('', 'One node, three replicas of each chunk on its disk, every write synced.');
  return lines.join('\n');
}

async function rowOf(
  server: BenchServer,
  way: 'in' | 'out',
  atOnce: number,
  valueBytes: number,
): Promise<string> {
  const url = `http://127.0.0.1:${server.ports.http}/buckets/large/keys/`;
  const [pid] = server.pids;
  await untilIdle(server.pids);
  const resident = residentBytes(pid!);
  let peak = resident;
  const sampler = setInterval(() => {
    peak = Math.max(peak, residentBytes(pid!));
  }, sampleMs);
  const cpu = cpuMicros(server.pids);
  const begun = performance.now();
  const transfers = Array.from({ length: atOnce }, (_, at) => {
    return way === 'in' ? upload(`${url}${at}`, valueBytes) : download(`${url}${at}`, valueBytes);
  });
  await Promise.all(transfers);
  const seconds = (performance.now() - begun) / 1000;
  const used = cpuMicros(server.pids) - cpu;
  clearInterval(sampler);
  const moved = (atOnce * valueBytes) / mebibyte;
  const cells = [
    way,
    atOnce,
    (moved / seconds).toFixed(0),
    (used / 1000 / moved).toFixed(1),
    Math.round(resident / mebibyte),
    Math.round(peak / mebibyte),
  ];
  return `| ${cells.join(' | ')} |`;
}

function* pieces(bytes: number): Generator<Buffer> {
  for (let at = 0; at < bytes; at += pieceBytes)
    yield Buffer.alloc(Math.min(pieceBytes, bytes - at), at / pieceBytes);
}

function upload(url: string, bytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/octet-stream', 'content-length': bytes };
    const outgoing = request(url, { method: 'PUT', headers }, (incoming) => {
      incoming.resume();
      if (incoming.statusCode === 204) incoming.on('end', resolve);
      else reject(new Error(`the upload was answered ${incoming.statusCode}`));
    });
    outgoing.on('error', reject);
    Readable.from(pieces(bytes)).pipe(outgoing);
  });
}

async function download(url: string, bytes: number): Promise<void> {
  const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
    request(url, resolve).on('error', reject).end();
  });
  let come = 0;
  for await (const piece of incoming as AsyncIterable<Buffer>) come += piece.length;
  if (come !== bytes) throw new Error(`${come} of ${bytes} bytes have come`);
}
