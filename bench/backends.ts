/** What does it cost that a node has several storage backends, and what is one in memory or in the log good for? */
import { Buffer } from 'node:buffer';
import { byteLiteral } from '../src/stdx/index.ts';
import { encodeContent, encodeFrame, rpbGetReq, rpbPutReq, rpbSetBucketReq } from '../src/wire/index.ts';
import { FrameClient, type LoopResult, measureLoop } from './load/frame-client.ts';
import { type BenchServer, startHale } from './servers.ts';

const connections = 16;
const keys = 10_000;
const valueBytes = 1024;

const several = [
  'storage_backend=multi',
  'multi_backend.backends=main=leveldb, big=log, fast=memory',
  'buckets.default.n_val=1',
];

/** The server, the backend of the bucket that is asked, if it names one. */
const subjects: readonly (readonly [label: string, settings: readonly string[], backend?: string])[] = [
  ['one engine, LevelDB', ['buckets.default.n_val=1']],
  ['several, the default (LevelDB)', several],
  ['one engine, log', ['storage_backend=log', 'buckets.default.n_val=1']],
  ['several, in the log', several, 'big'],
  ['several, in memory', several, 'fast'],
];

export async function measureBackends(measuredMs: number, node: string): Promise<string> {
  const lines = [
    `${connections} connections, one node, n=1, values of ${valueBytes} B, ${keys} keys; puts are synced where there is a disk.`,
    '',
    '| storage | operation | a second | CPU µs | p50, ms | p99, ms |',
    '|---|---|---:|---:|---:|---:|',
  ];
  for (const [label, settings, backend] of subjects) {
    const server = await startHale({ node, settings });
    try {
      const { put, get } = await measured(server, backend, measuredMs);
      lines.push(rowOf(label, 'put', put), rowOf(label, 'get', get));
    } finally {
      await server.stop();
    }
  }
  return lines.join('\n');
}

async function measured(server: BenchServer, backend: string | undefined, measuredMs: number) {
  const bucket = byteLiteral('bench');
  const clients = await Promise.all(
    Array.from({ length: connections }, () => FrameClient.connect(server.ports.pb!)),
  );
  try {
    if (backend !== undefined) {
      const props = { backend: byteLiteral(backend) };
      await clients[0]!.ask(encodeFrame(rpbSetBucketReq, { bucket, props }));
    }
    const content = encodeContent({
      value: Buffer.alloc(valueBytes, 'x'),
      links: [],
      userMeta: [],
      indexes: [],
      deleted: false,
    });
    const keyOf = (index: number) => byteLiteral(`key${index % keys}`);
    for (let at = 0; at < keys; at += connections) {
      await Promise.all(
        clients.map((client, i) =>
          client.ask(encodeFrame(rpbPutReq, { bucket, key: keyOf(at + i), content })),
        ),
      );
    }
    const options = { pids: () => server.pids, measuredMs };
    const put = await measureLoop(
      clients,
      (client, index) => client.ask(encodeFrame(rpbPutReq, { bucket, key: keyOf(index), content })),
      options,
    );
    const get = await measureLoop(
      clients,
      (client, index) => client.ask(encodeFrame(rpbGetReq, { bucket, key: keyOf(index) })),
      options,
    );
    return { put, get };
  } finally {
    for (const client of clients) client.close();
  }
}

function rowOf(label: string, operation: string, run: LoopResult): string {
  const perSecond = (run.operations / run.seconds).toFixed(0);
  return `| ${[label, operation, perSecond, run.cpuMicros.toFixed(1), run.p50Ms.toFixed(2), run.p99Ms.toFixed(2)].join(' | ')} |`;
}
