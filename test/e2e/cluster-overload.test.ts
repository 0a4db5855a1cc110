/**
 * More requests than a cluster can carry, at a rate that does not wait for answers: it refuses what is too much at once,
 * goes on with the rest, keeps its memory, and is well again as soon as the rush is over.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConnectionLostError, ErrorReply, type FrameConnection } from './frame-connection.ts';
import { HaleCluster } from './hale-cluster.ts';
import { SeededRun, sleep } from './seeded-run.ts';

const run = new SeededRun('cluster-overload');
const size = 3;
const keys = 1000;
const value = Buffer.alloc(1000, 'v');
const connectionsPerNode = run.size(4, 16);
const phaseMs = run.size(1500, 10_000);
const multiples = run.isLong ? [1, 2, 5, 10] : [1, 10];
const tickMs = 5;
/** An answer that comes later is of no use to whoever asked. */
const usefulMs = 1000;
/** The short form shares the machine with who knows what; it shows that nothing breaks. */
const goodputShareMin = run.size(30, 90) / 100;
const residentGrowthMax = 600 * 2 ** 20;
const recoveryMsMax = 5000;
/** Beyond it this process, which makes the load, would be what is measured. */
const waitingMax = 60_000;

interface Phase {
  useful: number;
  late: number;
  refused: number;
  /** Requests that this process could not make. */
  unsent: number;
}

test('at many times its capacity a cluster keeps its goodput, its memory and its members', async (context) => {
  await using cluster = await HaleCluster.start({
    size,
    settings: ['overload.turn_delay=100ms', 'overload.request_delay=250ms'],
  });
  const connections = (
    await Promise.all(
      cluster.nodes.flatMap((node) => Array.from({ length: connectionsPerNode }, () => node.connect())),
    )
  ).flat();
  try {
    for (let key = 0; key < keys; key += 1) await connections[0]!.put('rush', `k${key}`, value);
    const capacity = await closedLoop(connections);
    context.diagnostic(`capacity ${Math.round(capacity)} requests/s`);
    const residentBefore = residentBytes(cluster);
    let peak = 0;
    let last = 0;
    for (const multiple of multiples) {
      const phase = await openLoop(connections, multiple * capacity);
      const goodput = (phase.useful / phaseMs) * 1000;
      peak = Math.max(peak, goodput);
      last = goodput;
      context.diagnostic(
        `${multiple}x: goodput ${Math.round(goodput)}/s, ${phase.refused} refused, ${phase.late} late, ` +
          `${phase.unsent} unsent, ${Math.round(residentBytes(cluster) / 2 ** 20)} MiB resident`,
      );
    }
    const recovered = await untilQuick(connections[0]!);
    context.diagnostic(`quick again after ${Math.round(recovered)} ms`);
    assert.ok(last >= goodputShareMin * peak, `${Math.round(last)} of ${Math.round(peak)}/s`);
    assert.ok(residentBytes(cluster) - residentBefore < residentGrowthMax, 'memory is bounded');
    assert.ok(recovered < recoveryMsMax, `${recovered} ms`);
    await cluster.settled();
    cluster.assertSound();
  } finally {
    for (const connection of connections) connection[Symbol.dispose]();
  }
});

function residentBytes(cluster: HaleCluster): number {
  return cluster.nodes.reduce((sum, node) => sum + node.process.residentBytes, 0);
}

/** One in five is a write. */
function request(connection: FrameConnection): Promise<unknown> {
  const key = `k${run.below(keys)}`;
  return run.chance(20) ? connection.put('rush', key, value) : connection.get('rush', key);
}

/** Requests a second, each sent when the one before it was answered; several on a connection. */
async function closedLoop(connections: readonly FrameConnection[]): Promise<number> {
  const started = performance.now();
  let answered = 0;
  const worker = async (connection: FrameConnection): Promise<void> => {
    while (performance.now() - started < phaseMs) {
      await request(connection).catch(ignoreRefusal);
      answered += 1;
    }
  };
  await Promise.all(connections.flatMap((connection) => [0, 1, 2, 3].map(() => worker(connection))));
  return answered / ((performance.now() - started) / 1000);
}

/** So many a second, whether they are answered or not. Resolves when all are. */
async function openLoop(connections: readonly FrameConnection[], perSecond: number): Promise<Phase> {
  const phase: Phase = { useful: 0, late: 0, refused: 0, unsent: 0 };
  const started = performance.now();
  const open = new Set<Promise<void>>();
  let due = 0;
  let sent = 0;
  for (let elapsed = 0; elapsed < phaseMs; elapsed = performance.now() - started) {
    due = Math.floor((elapsed / 1000) * perSecond);
    for (; sent < due; sent += 1) {
      if (open.size >= waitingMax) {
        phase.unsent += due - sent;
        sent = due;
        break;
      }
      const asking = ask(connections[sent % connections.length]!, phase).finally(() => open.delete(asking));
      open.add(asking);
    }
    await sleep(tickMs);
  }
  await Promise.all(open);
  return phase;
}

async function ask(connection: FrameConnection, phase: Phase): Promise<void> {
  const started = performance.now();
  try {
    await request(connection);
    if (performance.now() - started <= usefulMs) phase.useful += 1;
    else phase.late += 1;
  } catch (error) {
    ignoreRefusal(error);
    phase.refused += 1;
  }
}

function ignoreRefusal(error: unknown): void {
  if (error instanceof ConnectionLostError || !(error instanceof ErrorReply)) throw error;
  assert.match(error.message, /overload/i);
}

/** How long until ten requests in a row are answered at once. */
async function untilQuick(connection: FrameConnection): Promise<number> {
  const started = performance.now();
  for (let quick = 0; quick < 10; ) {
    const asked = performance.now();
    const isAnswered = await request(connection).then(
      () => true,
      (error: unknown) => {
        ignoreRefusal(error);
        return false;
      },
    );
    quick = isAnswered && performance.now() - asked < 200 ? quick + 1 : 0;
    if (performance.now() - started > 2 * recoveryMsMax) break;
  }
  return performance.now() - started;
}
