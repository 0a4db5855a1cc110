/**
 * More writes than a cluster can carry, at a rate that does not wait for answers: it refuses what is too much at once,
 * goes on with the rest, keeps its memory and its members, and is well again as soon as the rush is over.
 *
 * What is useful is counted for each second of CPU that the nodes had: the machine that runs tests does other things
 * too, and gives them a changing share of itself.
 */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { OfferOrder, OfferReport, OfferSlice } from '../../bench/load/offer-load.ts';
import { type ClusterNode, protobufPort } from './cluster-node.ts';
import { HaleCluster } from './hale-cluster.ts';
import { SeededRun } from './seeded-run.ts';

const run = new SeededRun('cluster-overload');
const size = 3;
const warmupMs = run.size(500, 8000);
/** In the long form more than most machines can do: what has not run often is slow, and no measure. */
const warmupPerSecond = run.size(500, 4000);
const rushMs = run.size(1500, 10_000);
const recoveryMs = run.size(2500, 5000);
/** How often it may take so long: what else the machine does may spoil a calm. */
const calmsMax = run.size(6, 1);
const sliceMs = 250;
/** Puts a second, all nodes together, among which the capacity is looked for. */
const searchFrom = 500;
const searchStep = run.size(3, 1.6);
const searchMax = 60_000;
const searchMs = run.size(500, 3000);
const missesMax = run.size(1, 3);
const multiples = run.isLong ? [1, 2, 5, 10] : [5];
/** The short form shows that nothing breaks; beside other work it is no measurement. */
const goodputShareMin = run.size(2, 90) / 100;
const residentMax = size * 500 * 2 ** 20;

type Offer = Pick<OfferOrder, 'phases'>;

test('at many times its capacity a cluster keeps its goodput, its memory and its members', async (context) => {
  await using cluster = await HaleCluster.start({
    size,
    settings: ['overload.turn_delay=100ms', 'overload.request_delay=250ms'],
  });
  await offer(cluster, { phases: [{ perSecond: warmupPerSecond, forMs: warmupMs }] });
  const { perSecond: capacity, perCore: atCapacity } = await capacityOf(cluster);
  context.diagnostic(`capacity ${Math.round(capacity)} puts/s, ${Math.round(atCapacity)} a second of a core`);
  let peak = atCapacity;
  let last = atCapacity;
  let recoveredMs: number | undefined = 0;
  for (const multiple of multiples) {
    const rush = { perSecond: multiple * capacity, forMs: rushMs };
    const { slices, cpuSeconds } = await offer(cluster, { phases: [rush] });
    const sum = total(slices);
    last = sum.good / cpuSeconds;
    peak = Math.max(peak, last);
    const calm = { perSecond: capacity / 4, forMs: recoveryMs };
    let waits = 0;
    do {
      recoveredMs = recoveryOf((await offer(cluster, { phases: [calm] })).slices);
      waits += 1;
    } while (recoveredMs === undefined && waits < calmsMax);
    context.diagnostic(
      `${multiple}x: offered ${sum.offered}, useful ${sum.good} (${Math.round(last)} a second of a core), ` +
        `refused ${sum.refused}, late ${sum.late}, unsent ${sum.unsent}, slowest ping ${Math.round(sum.pingMsMax)} ms, ` +
        `${Math.round(residentBytes(cluster) / 2 ** 20)} MiB resident, as before after ${recoveredMs ?? 'no'} ms of calm ${waits}`,
    );
    assert.ok(residentBytes(cluster) < residentMax, 'memory is bounded');
    assert.ok(recoveredMs !== undefined, `not as before ${waits * recoveryMs} ms later`);
  }
  assert.ok(last >= goodputShareMin * peak, `${Math.round(last)} of ${Math.round(peak)} a second of a core`);
  await cluster.settled();
  cluster.assertSound();
});

/** The most that was answered in time, as what is offered grows until a good part is not. */
async function capacityOf(cluster: HaleCluster): Promise<{ perSecond: number; perCore: number }> {
  let best = { perSecond: 0, perCore: 0 };
  let misses = 0;
  for (let perSecond = searchFrom; perSecond < searchMax; perSecond *= searchStep) {
    const { slices, cpuSeconds } = await offer(cluster, { phases: [{ perSecond, forMs: searchMs }] });
    const useful = (total(slices).good / searchMs) * 1000;
    if (useful > best.perSecond) best = { perSecond: useful, perCore: total(slices).good / cpuSeconds };
    // One alone may be the machine's, which does other things too.
    misses = useful < perSecond / 2 ? misses + 1 : 0;
    if (misses === missesMax) break;
  }
  assert.ok(best.perSecond > 0, 'something was answered');
  return best;
}

/** A process for each node, so that what makes the load is not what is measured. */
async function offer(
  { nodes }: HaleCluster,
  { phases }: Offer,
): Promise<{ readonly slices: readonly OfferSlice[]; readonly cpuSeconds: number }> {
  const cpu = (): number => nodes.reduce((sum, node) => sum + node.process.cpuSeconds, 0);
  const before = cpu();
  const shares = phases.map(({ perSecond, forMs }) => ({ perSecond: perSecond / nodes.length, forMs }));
  const slices = await Promise.all(nodes.map((node) => offerTo(node, { phases: shares })));
  return { slices: slices.flat(), cpuSeconds: cpu() - before };
}

function offerTo(node: ClusterNode, { phases }: Offer): Promise<readonly OfferSlice[]> {
  const order: OfferOrder = {
    host: node.host,
    port: protobufPort,
    operation: 'put',
    valueBytes: 1024,
    keys: 10_000,
    connections: 32,
    phases,
    sliceMs,
  };
  return new Promise((resolve, reject) => {
    const slices: OfferSlice[] = [];
    const child = fork(fileURLToPath(new URL('../../bench/load/offer-load.js', import.meta.url)), {
      // Not the flags of this test.
      execArgv: [],
    });
    child.on('message', (report: OfferReport) => {
      if (report.kind === 'slice') slices.push(report.slice);
      else {
        child.kill();
        if (report.kind === 'ended') resolve(slices);
        else reject(new Error(`${node.name}: ${report.message}`));
      }
    });
    child.on('error', reject);
    child.send(order);
  });
}

function total(slices: readonly OfferSlice[]) {
  const sum = { offered: 0, good: 0, late: 0, refused: 0, unsent: 0, pingMsMax: 0 };
  for (const slice of slices) {
    sum.offered += slice.offered;
    sum.good += slice.good;
    sum.late += slice.late;
    sum.refused += slice.refused;
    sum.unsent += slice.unsent;
    sum.pingMsMax = Math.max(sum.pingMsMax, slice.pingMsMax);
  }
  return sum;
}

/** Milliseconds until nothing was refused or late any more; undefined: not within the time. */
function recoveryOf(slices: readonly OfferSlice[]): number | undefined {
  const sick = slices.filter(({ refused, late, unsent }) => refused + late + unsent > 0);
  const lastSick = Math.max(0, ...sick.map(({ atMs }) => atMs));
  return lastSick > recoveryMs - 2 * sliceMs ? undefined : Math.round(lastSick);
}

function residentBytes({ nodes }: HaleCluster): number {
  return nodes.reduce((sum, node) => sum + node.process.residentBytes, 0);
}
