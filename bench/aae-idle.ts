/**
 * What does anti-entropy cost when nothing differs? Three nodes that nobody asks anything: empty, and with all their replicas of
 * so many keys. The difference is what keys cost that are at rest: trees that are compared once an interval, and nothing else.
 */
import { rmSync } from 'node:fs';
import { cpuMicros, fillKeys, untilIdle } from './load/run-load.ts';
import { startHaleCluster } from './servers.ts';

const valueBytes = 100;
/** The machine may do other things too, and who fills does not stop at a refusal. */
const patience = ['overload.turn_delay=10s', 'overload.request_delay=30s'];
/** What a fill leaves behind: compaction, hints, a first comparison of every pair. */
const restMs = 10_000;
const shareMax = 0.01;

export async function measureAaeIdle(keys: number, watchedMs: number, node: string): Promise<string> {
  const cluster = await startHaleCluster(3, { node, settings: ['durability=os', ...patience] });
  const { pids } = cluster;
  try {
    const { pb: port, http } = cluster.ports;
    if (port === undefined || http === undefined) throw new Error('the server has no such port');
    const shareOfCore = async (): Promise<number> => {
      await untilIdle(pids);
      await sleep(restMs);
      const before = cpuMicros(pids);
      const startedAt = performance.now();
      await sleep(watchedMs);
      return (cpuMicros(pids) - before) / ((performance.now() - startedAt) * 1000) / pids.length;
    };
    const empty = await shareOfCore();
    const otherPorts = (cluster.otherPorts ?? []).flatMap(({ pb }) => pb ?? []);
    await fillKeys({ port, otherPorts, valueBytes, keys }, pids);
    const full = await shareOfCore();
    const compared = await pairsFoundSame(http, watchedMs);
    if (compared === 0) throw new Error('nothing was compared meanwhile');
    const cells = [
      keys.toLocaleString('en'),
      percent(empty),
      percent(full),
      `${percent(full - empty)} (≤ ${percent(shareMax)})`,
      compared,
    ];
    return [
      '| keys at each node | a node without keys | with them | for the keys | pairs that one node compared meanwhile |',
      '|---:|---:|---:|---:|---:|',
      `| ${cells.join(' | ')} |`,
      '',
      'Shares of one core, of the CPU time that the processes had.',
    ].join('\n');
  } finally {
    await cluster.stop();
    for (const directory of cluster.directories ?? []) rmSync(directory, { recursive: true, force: true });
  }
}

/** Pairs of replicas that this node compared within the last `ms`. */
async function pairsFoundSame(http: number, ms: number): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${http}/admin/v1/aae/status`);
  const { exchanges } = (await answer.json()) as {
    readonly exchanges: readonly { readonly outcome?: string; readonly comparedAgoMs?: number }[];
  };
  return exchanges.filter(
    ({ outcome, comparedAgoMs }) => outcome === 'same' && comparedAgoMs !== undefined && comparedAgoMs <= ms,
  ).length;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}
