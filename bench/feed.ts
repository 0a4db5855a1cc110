/** What does a change feed cost the writes of its bucket, and how soon does its reader hear of them? */
import { Buffer } from 'node:buffer';
import { bytesOfText, textOfBytes } from '../src/stdx/index.ts';
import {
  decodeMessage,
  encodeContent,
  encodeFrame,
  haleFeedReq,
  haleFeedResp,
  rpbPutReq,
  rpbSetBucketReq,
} from '../src/wire/index.ts';
import { FrameClient, type LoopResult, measureLoop } from './load/frame-client.ts';
import { LatencyHistogram } from './load/latency-histogram.ts';
import { startHale, startHaleCluster } from './servers.ts';

const connections = 8;
const nodes = 3;
/** After the last put, for what is still to be told. */
const tailMs = 2000;

interface Lag {
  readonly told: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export async function measureFeed(measuredMs: number, node: string): Promise<string> {
  const rows = [
    ...(await rowsOf('one node, n=3', await startHale({ node, settings: [] }), measuredMs)),
    ...(await rowsOf('three nodes', await startHaleCluster(nodes, { node, settings: [] }), measuredMs)),
  ];
  return [
    `${connections} connections, values of 100 B, new keys; the reader is in the process that writes. Told: from the put's begin to the event.`,
    '',
    '| cluster | put | CPU µs | puts/s | p50, ms | p99, ms | events | told p50, ms | told p99, ms |',
    '|---|---|---:|---:|---:|---:|---:|---:|---:|',
    ...rows,
  ].join('\n');
}

async function rowsOf(
  cluster: string,
  server: Awaited<ReturnType<typeof startHale>>,
  measuredMs: number,
): Promise<string[]> {
  try {
    const port = server.ports.pb!;
    const clients = await Promise.all(Array.from({ length: connections }, () => FrameClient.connect(port)));
    const options = { pids: () => server.pids, measuredMs };
    const rows: string[] = [];
    const plain = await measureLoop(clients, (client, index) => client.ask(put('plain', index)), options);
    rows.push(rowOf(cluster, 'plain', plain));
    await clients[0]!.ask(
      encodeFrame(rpbSetBucketReq, { bucket: bytesOfText('unread'), props: { feed: true } }),
    );
    const unread = await measureLoop(clients, (client, index) => client.ask(put('unread', index)), options);
    rows.push(rowOf(cluster, 'with a feed that nobody reads', unread));
    for (const [label, bucket, writers] of [
      ['with a feed that is read', 'read', clients],
      ['the same, one at a time', 'calm', clients.slice(0, 1)],
    ] as const) {
      const { run, lag } = await followed(port, bucket, writers, options);
      rows.push(rowOf(cluster, label, run, lag));
    }
    for (const client of clients) client.close();
    return rows;
  } finally {
    await server.stop();
  }
}

async function followed(
  port: number,
  bucket: string,
  writers: readonly FrameClient[],
  options: Parameters<typeof measureLoop>[2],
): Promise<{ readonly run: LoopResult; readonly lag: Lag }> {
  const reader = await FrameClient.connect(port);
  await writers[0]!.ask(encodeFrame(rpbSetBucketReq, { bucket: bytesOfText(bucket), props: { feed: true } }));
  const begunAt = new Map<string, number>();
  const histogram = new LatencyHistogram();
  let hasBegun = (): void => {};
  const begun = new Promise<void>((resolve) => {
    hasBegun = resolve;
  });
  const following = reader.ask(encodeFrame(haleFeedReq, { bucket: bytesOfText(bucket) }), (body) => {
    const { events, done } = decodeMessage(haleFeedResp, body);
    const now = performance.now();
    for (const { key } of events) {
      const name = key === undefined ? '' : textOfBytes(key);
      const at = begunAt.get(name);
      begunAt.delete(name);
      if (at !== undefined) histogram.record((now - at) * 1000);
    }
    hasBegun();
    return done === true;
  });
  // It ends when this closes it.
  following.catch(() => undefined);
  await begun;
  const run = await measureLoop(
    writers,
    (client, index) => {
      begunAt.set(`key ${index}`, performance.now());
      return client.ask(put(bucket, index));
    },
    options,
  );
  const until = performance.now() + tailMs;
  while (begunAt.size > 0 && performance.now() < until)
    await new Promise((resolve) => setTimeout(resolve, 20));
  reader.close();
  if (begunAt.size > 0) throw new Error(`${begunAt.size} puts were not told`);
  const lag = {
    told: histogram.total,
    p50Ms: histogram.percentile(0.5) / 1000,
    p99Ms: histogram.percentile(0.99) / 1000,
  };
  return { run, lag };
}

function rowOf(cluster: string, label: string, run: LoopResult, lag?: Lag): string {
  const { operations, seconds, cpuMicros, p50Ms, p99Ms } = run;
  const cells = [
    cluster,
    label,
    cpuMicros.toFixed(0),
    (operations / seconds).toFixed(0),
    p50Ms.toFixed(2),
    p99Ms.toFixed(2),
    lag === undefined ? '' : lag.told.toLocaleString('en'),
    lag === undefined ? '' : lag.p50Ms.toFixed(2),
    lag === undefined ? '' : lag.p99Ms.toFixed(2),
  ];
  return `| ${cells.join(' | ')} |`;
}

function put(bucket: string, index: number): Buffer {
  const value = Buffer.alloc(100, index & 0xff);
  const content = encodeContent({ value, links: [], userMeta: [], indexes: [], deleted: false });
  return encodeFrame(rpbPutReq, { bucket: bytesOfText(bucket), key: bytesOfText(`key ${index}`), content });
}
