/**
 * What does it take to move data? Three nodes with keys, and a fourth joins: how fast, and what it does to who writes
 * meanwhile.
 */
import { rmSync } from 'node:fs';
import type { OfferOrder } from './load/offer-load.ts';
import { runLoad, untilIdle } from './load/run-load.ts';
import { offer } from './offer.ts';
import { type BenchServer, joinHaleCluster, startHaleCluster } from './servers.ts';

const valueBytes = 1024;
const connections = 32;
const foregroundPerSecond = 500;
const idleMs = 10_000;
/** The foreground is looked at in rounds. */
const roundMs = 5000;
const movedMsMax = 15 * 60_000;
/** What a move may do to the p99 of who reads and writes meanwhile. */
const slowerMax = 1.5;

export async function measureHandoff(keys: number, node: string): Promise<string> {
  const options = { node, settings: [] };
  const cluster = await startHaleCluster(3, options);
  try {
    const { pb: port } = cluster.ports;
    if (port === undefined) throw new Error('the server has no such port');
    const otherPorts = (cluster.otherPorts ?? []).flatMap(({ pb }) => pb ?? []);
    const order = { port, otherPorts, valueBytes, keys, connections, operation: 'put' } as const;
    const puts = { protocol: 'pb', pipeline: 16, order: 'sequential', warmupMs: 0, measuredMs: 0 } as const;
    await runLoad({ ...order, ...puts }, cluster.pids);
    await untilIdle(cluster.pids);
    const idle = await p99Of({ ...order, sliceMs: 1000 }, cluster, idleMs);
    const joining = await joined(cluster, { ...order, sliceMs: 1000 }, options);
    const moved = (keys * 3) / 4;
    const cells = [
      keys.toLocaleString('en'),
      joining.seconds.toFixed(1),
      (moved / joining.seconds).toFixed(0),
      ((moved * valueBytes) / joining.seconds / 1e6).toFixed(1),
      idle.toFixed(1),
      joining.p99Ms.toFixed(1),
      `${(joining.p99Ms / idle).toFixed(1)} × (≤ ${slowerMax})`,
    ];
    return [
      '| keys of 1 KiB, n=3 | a fourth node has its share after, s | objects/s | MB/s | p99 before, ms | p99 of the worst 5 s meanwhile, ms | |',
      '|---:|---:|---:|---:|---:|---:|---:|',
      `| ${cells.join(' | ')} |`,
    ].join('\n');
  } finally {
    await cluster.stop();
    for (const directory of cluster.directories ?? []) rmSync(directory, { recursive: true, force: true });
  }
}

async function joined(
  cluster: BenchServer,
  order: Omit<OfferOrder, 'phases'>,
  options: Parameters<typeof joinHaleCluster>[1],
): Promise<{ readonly seconds: number; readonly p99Ms: number }> {
  await using node = await joinHaleCluster(cluster, options);
  const startedAt = performance.now();
  const rounds: number[] = [];
  const url = `http://127.0.0.1:${cluster.ports.http}/admin/v1/cluster`;
  for (;;) {
    rounds.push(await p99Of(order, cluster, roundMs));
    const { members, moves } = (await (await fetch(url)).json()) as {
      readonly members: readonly { readonly partitions: number }[];
      readonly moves: Readonly<Record<string, number>>;
    };
    const owns = members.every(({ partitions }) => partitions > 0);
    const left = Object.values(moves).reduce((sum, count) => sum + count, 0);
    if (owns && left === 0) break;
    if (performance.now() - startedAt > movedMsMax) throw new Error(`${left} moves after ${movedMsMax} ms`);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  // It is a member now, and killing it here would be another question.
  await fetch(`http://127.0.0.1:${node.ports.http}/ping`);
  return { seconds, p99Ms: Math.max(...rounds) };
}

async function p99Of(
  order: Omit<OfferOrder, 'phases'>,
  { pids }: BenchServer,
  forMs: number,
): Promise<number> {
  const { whole } = await offer({ ...order, phases: [{ perSecond: foregroundPerSecond, forMs }] }, pids);
  return whole.p99Micros / 1000;
}
