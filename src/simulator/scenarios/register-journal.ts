/**
 * A journal that must keep what it acked through power cuts, and its canary: the same with the ack
 * sent one step too early. If the canary is not found, nothing that the simulator says counts.
 */
import { checkAckedMeansKept } from '../checkers/acked-means-kept.ts';
import { carryOutFaults, networkFaults, processFaults, randomFaultPlan } from '../fault-plan.ts';
import type { Scenario } from '../scenario.ts';
import { quietDisk } from '../simulated-disk.ts';
import { RegisterClient } from '../workloads/register-client.ts';
import { orderOfOneWriter, runRegisterClients } from '../workloads/register-clients.ts';
import { serveRegisters } from '../workloads/register-journal.ts';
import type { World } from '../world.ts';

const clients = 4;
const writesPerClient = 100;
const keysPerClient = 50;
/** Slow enough that a crash often falls between a write and its sync. */
const syncMs = 2;
const address = { host: 'server', port: 7000 };
const readAttemptsMax = 30;

export const registerJournal: Scenario = {
  name: 'register-journal',
  describe: 'a journal that acks after its sync loses nothing to crashes and cut networks',
  run: (world) => runJournal(world, false),
};

export const canaryAckBeforeSync: Scenario = {
  name: 'canary-ack-before-sync',
  describe: 'the same journal with the ack before the sync: must be found',
  mustFail: { withinSeeds: 10, message: /acked writes were lost/ },
  run: (world) => runJournal(world, true),
};

async function runJournal(world: World, acksBeforeSync: boolean): Promise<void> {
  world.work.atLeast('acked puts', 100);
  world.work.atLeast('faults', 5);
  world.node('server').disk.conditions = { ...quietDisk, syncMs };
  world.node('server').boot((environment) => serveRegisters(environment, { address, acksBeforeSync }));
  const registers = Array.from({ length: clients }, (_, client) => {
    return new RegisterClient(world.node(`client${client}`).environment, address);
  });
  const faults = randomFaultPlan(world.random.fork('faults'), {
    nodes: ['server', 'client0', 'client1'],
    kinds: networkFaults,
    untilMs: 2000,
    gapMsMean: 200,
    durationMsMean: 50,
  });
  const deaths = randomFaultPlan(world.random.fork('deaths'), {
    nodes: ['server'],
    kinds: processFaults,
    untilMs: 2000,
    gapMsMean: 100,
    durationMsMean: 20,
  });
  const [writes] = await Promise.all([
    runRegisterClients(world, {
      clients,
      writesPerClient,
      keysPerClient,
      pauseMsMean: 5,
      put: (client, key, value) => registers[client]!.put(key, value),
    }),
    carryOutFaults(world, faults),
    carryOutFaults(world, deaths),
  ]);
  const finalReads = await readAll(world, registers);
  const lost = checkAckedMeansKept(writes, finalReads, orderOfOneWriter);
  if (lost.length > 0) throw new Error(`acked writes were lost: ${JSON.stringify(lost.slice(0, 5))}`);
}

async function readAll(world: World, registers: readonly RegisterClient[]): Promise<Map<string, number[]>> {
  const reads = new Map<string, number[]>();
  for (let key = 0; key < clients * keysPerClient; key++) {
    const register = registers[Math.floor(key / keysPerClient)]!;
    for (let attempt = 0; !reads.has(String(key)); attempt++) {
      if (attempt === readAttemptsMax) throw new Error('the healed server does not answer');
      const value = await register.get(key);
      if (value === undefined) await world.sleep(1000);
      else reads.set(String(key), value === 0 ? [] : [value]);
    }
  }
  return reads;
}
