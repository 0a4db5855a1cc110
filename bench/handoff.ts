/**
 * What does it take to move data? Three nodes with keys: one loses its disk, and an empty node takes its place; then another
 * one joins. How fast, and what does it do to who writes meanwhile?
 */
import { rmSync } from 'node:fs';
import { svgOf } from './chart.ts';
import type { OfferOrder } from './load/offer-load.ts';
import { fillKeys, untilSettled } from './load/run-load.ts';
import { type Offered, offer } from './offer.ts';
import type { Measured } from './results.ts';
import { type BenchServer, joinHaleCluster, replaceLastNode, startHaleCluster } from './servers.ts';

const valueBytes = 1024;
const connections = 32;
const nodes = 3;
const foregroundPerSecond = 500;
const sliceMs = 500;
/** While clients connect. */
const settlingMs = 1000;
const idleMs = 8000;
const lookMs = 200;
const movedMsMax = 15 * 60_000;
/** What a move may do to the p99 of who writes meanwhile. */
const slowerMax = 1.5;

interface Move {
  readonly label: string;
  readonly objects: number;
  readonly seconds: number;
  readonly before: Offered;
  readonly during: Offered;
}

export async function measureHandoff(keys: number, node: string): Promise<Measured> {
  const options = { node, settings: [] };
  const cluster = await startHaleCluster(nodes, options);
  try {
    const alive = (cluster.nodes ?? []).slice(0, -1);
    const [port, ...otherPorts] = alive.flatMap(({ ports }) => ports.pb ?? []);
    if (port === undefined) throw new Error('the server has no such port');
    const order = { port, otherPorts, valueBytes, keys, connections, operation: 'put', sliceMs } as const;
    await fillKeys(order, cluster.pids);
    await untilSettled(cluster.pids);
    const pids = alive.flatMap((each) => each.pids);
    const before = await foreground(order, pids);
    await cluster.nodes!.at(-1)!.kill();
    await using substitute = await replaceLastNode(cluster, options);
    const rebuild = await untilMoved('a replica rebuilt', keys, cluster, order, pids, before);
    await untilSettled([...pids, ...substitute.pids]);
    const again = await foreground(order, pids);
    await using _newcomer = await joinHaleCluster(cluster, options);
    const share = Math.round((keys * nodes) / (nodes + 1));
    const join = await untilMoved('a node joins', share, cluster, order, pids, again);
    return tableOf([rebuild, join]);
  } finally {
    await cluster.stop();
    for (const directory of cluster.directories ?? []) rmSync(directory, { recursive: true, force: true });
  }
}

function foreground(
  order: Omit<OfferOrder, 'phases'>,
  pids: readonly number[],
  until?: Promise<unknown>,
): Promise<Offered> {
  const forMs = until === undefined ? idleMs : movedMsMax;
  const phases = [settlingMs, forMs].map((ms) => ({ perSecond: foregroundPerSecond, forMs: ms }));
  return offer({ ...order, phases }, pids, until);
}

async function untilMoved(
  label: string,
  objects: number,
  cluster: BenchServer,
  order: Omit<OfferOrder, 'phases'>,
  pids: readonly number[],
  before: Offered,
): Promise<Move> {
  const startedAt = performance.now();
  const moved = untilNothingMoves(cluster);
  const during = await foreground(order, pids, moved);
  await moved;
  return { label, objects, seconds: (performance.now() - startedAt) / 1000, before, during };
}

async function untilNothingMoves(cluster: BenchServer): Promise<void> {
  const url = `http://127.0.0.1:${cluster.ports.http}/admin/v1/cluster`;
  for (const givenUpAt = performance.now() + movedMsMax; ; ) {
    const { members, moves } = (await (await fetch(url)).json()) as {
      readonly members: readonly { readonly partitions: number }[];
      readonly moves: Readonly<Record<string, number>>;
    };
    const left = Object.values(moves).reduce((sum, count) => sum + count, 0);
    if (left === 0 && members.every(({ partitions }) => partitions > 0)) return;
    if (performance.now() > givenUpAt) throw new Error(`${left} moves after ${movedMsMax} ms`);
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

function tableOf(moves: readonly Move[]): Measured {
  const lines = moves.map(({ label, objects, seconds, before, during }) => {
    const [idle, moving] = [before.whole.p99Micros / 1000, during.whole.p99Micros / 1000];
    const cells = [
      label,
      objects.toLocaleString('en'),
      seconds.toFixed(1),
      (objects / seconds).toFixed(0),
      ((objects * valueBytes) / seconds / 1e6).toFixed(1),
      idle.toFixed(1),
      moving.toFixed(1),
      `${(moving / idle).toFixed(1)} × (≤ ${slowerMax})`,
      Math.max(...during.slices.map(({ pingMsMax }) => pingMsMax)).toFixed(0),
      `${before.disk.p99Ms.toFixed(1)}, ${during.disk.p99Ms.toFixed(1)}`,
    ];
    return `| ${cells.join(' | ')} |`;
  });
  const table = [
    `Objects of ${valueBytes} B, n=3, at the default limits, while ${foregroundPerSecond} puts a second are offered to two nodes. The third node is dead when`,
    'the time of the first row begins; its substitute is an empty node. The disk alone: 4 KiB written onto themselves, synced, every 10 ms.',
    '',
    '| what | objects | s | objects/s | MB/s | put p99 before, ms | meanwhile, ms | | worst ping, ms | p99 of the disk alone, before and meanwhile, ms |',
    '|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|',
    ...lines,
  ].join('\n');
  const chart = {
    title: 'put p99 while data moves',
    xLabel: 'seconds',
    yLabel: 'p99, ms',
    isLogarithmic: true,
  };
  const drawn = moves.map(({ label, during }) => ({
    label,
    points: during.slices.map(({ atMs, p99Micros }) => [atMs / 1000, p99Micros / 1000] as const),
  }));
  return { table, svg: svgOf({ ...chart, lines: drawn }) };
}
