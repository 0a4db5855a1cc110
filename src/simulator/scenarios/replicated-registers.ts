/**
 * Registers on a replicated log: what clients see must be linearizable under every fault of network and
 * process, also while voters are replaced by nobody but time; and the group must serve again whenever one
 * replica reaches a quorum, however the links are cut (docs/internals/consensus.md has the three cases).
 */
import { foundingState, type PeerId, peerIdOf, type ReplicaOptions } from '../../consensus/index.ts';
import { checkLinearizable, type RegisterOperation } from '../checkers/linearizability.ts';
import { carryOutFaults, networkFaults, processFaults, randomFaultPlan } from '../fault-plan.ts';
import type { Scenario } from '../scenario.ts';
import { serveRegisterReplica } from '../workloads/register-replica.ts';
import { ReplicatedRegisterClient } from '../workloads/replicated-register-client.ts';
import type { World } from '../world.ts';

const clients = 4;
const keys = ['x', 'y', 'z'];
const stormMs = 8000;
const serveAgainMsMax = 60_000;
/** Elections take about one to two timeouts; streams that were cut are found out later. */
const cutMs = 15_000;

export const replicatedRegisters: Scenario = {
  name: 'replicated-registers',
  describe: 'registers on a replicated log are linearizable under crashes, pauses, partitions and slow links',
  run: (world) => runStorm(world, {}),
};

export const leasedRegisters: Scenario = {
  name: 'leased-registers',
  describe: 'the same with reads by lease, and clocks that drift as far as was said',
  run: (world) => runStorm(world, { leaseDriftMax: 0.05 }),
};

export const canaryLocalReads: Scenario = {
  name: 'canary-local-reads',
  describe: 'the same with reads that ask no quorum: must be found',
  mustFail: { withinSeeds: 10, message: /not linearizable/ },
  run: (world) => runStorm(world, {}, true),
};

export const quorumLossLeader: Scenario = {
  name: 'consensus-quorum-loss',
  describe: 'of five, one alone reaches the others, and another one leads: the first takes over',
  run: async (world) => {
    const group = new RegisterGroup(world, 5, {});
    await group.serve('before');
    const middle = group.names.find((name) => name !== group.leader)!;
    await group.whileOnlyLinked(
      group.names.filter((name) => name !== middle).map((name) => [middle, name]),
      async () => {
        await group.serve('cut');
      },
    );
    await group.finish();
  },
};

export const chainOfThree: Scenario = {
  name: 'consensus-chain',
  describe: 'of three in a row, with the leader at one end, nobody unseats anybody, and all is served',
  run: async (world) => {
    const group = new RegisterGroup(world, 3, {});
    await group.serve('before');
    const { leader } = group;
    const [middle, end] = group.names.filter((name) => name !== leader);
    const { elections } = group;
    await group.whileOnlyLinked(
      [
        [leader!, middle!],
        [middle!, end!],
      ],
      async () => {
        await group.serve('cut');
        await world.sleep(cutMs);
        await group.serve('cut still');
      },
    );
    if (group.elections > elections) throw new Error(`${group.elections - elections} needless elections`);
    await group.finish();
  },
};

export const constrainedElection: Scenario = {
  name: 'consensus-constrained-election',
  describe: 'of five, the only one that still reaches a quorum has missed what the others agreed',
  run: async (world) => {
    const group = new RegisterGroup(world, 5, {});
    await group.serve('before');
    const late = group.names.find((name) => name !== group.leader)!;
    const others = group.names.filter((name) => name !== late);
    await group.whileOnlyLinked(
      others.flatMap((a) => others.map((b) => [a, b])),
      async () => {
        for (let i = 0; i < 10; i++) await group.serve(`missed ${i}`);
      },
    );
    const { leader } = group;
    const links = others.filter((name) => name !== leader).map((name) => [late, name]);
    await group.whileOnlyLinked(links, async () => {
      await group.serve('cut');
    });
    await group.finish();
  },
};

export const consensusScenarios: readonly Scenario[] = [
  replicatedRegisters,
  leasedRegisters,
  canaryLocalReads,
  quorumLossLeader,
  chainOfThree,
  constrainedElection,
];

class RegisterGroup {
  readonly names: readonly string[];
  readonly operations: RegisterOperation[] = [];
  readonly #world: World;
  readonly #client: ReplicatedRegisterClient;
  leader: string | undefined;
  elections = 0;
  #served = 0;

  constructor(world: World, size: number, options: Partial<ReplicaOptions>, readsLocally = false) {
    this.#world = world;
    this.names = Array.from({ length: size }, (_, i) => `replica${i}`);
    const founders: readonly PeerId[] = this.names.map(peerIdOf);
    const initial = foundingState(founders);
    for (const id of founders) {
      world.node(id).boot((environment) =>
        serveRegisterReplica(environment, {
          id,
          initial,
          options: { snapshotLogEntries: 50, trailingEntriesMax: 10, snapshotChunkBytesMax: 64, ...options },
          readsLocally,
          onRole: (from, role) => {
            if (role !== 'leader') return;
            this.leader = from;
            this.elections += 1;
          },
        }),
      );
    }
    this.#client = new ReplicatedRegisterClient(world, 'observer', this.names, this.operations);
    world.work.atLeast('served', 2);
  }

  /** A write is done and read again, within a time in which elections have long ended. */
  async serve(what: string): Promise<void> {
    const until = this.#world.nowMs + serveAgainMsMax;
    this.#served += 1;
    const write = { kind: 'write', key: 'served', value: this.#served } as const;
    let isDone = false;
    while (!isDone && this.#world.nowMs < until) isDone = await this.#client.run(write, serveAgainMsMax);
    if (!isDone) throw new Error(`nothing was served: ${what}`);
    await this.#client.run({ kind: 'read', key: 'served' }, serveAgainMsMax);
    this.#world.work.add('served');
  }

  /** Cuts all links between replicas but those named, while `story` is told. Clients reach all. */
  async whileOnlyLinked(links: readonly (readonly string[])[], story: () => Promise<void>): Promise<void> {
    const isLinked = (a: string, b: string): boolean =>
      links.some((link) => link.includes(a) && link.includes(b));
    const heals: (() => void)[] = [];
    for (const a of this.names) {
      for (const b of this.names) {
        if (a !== b && !isLinked(a, b)) heals.push(this.#world.network.cut(a, b));
      }
    }
    await story();
    for (const heal of heals) heal();
  }

  async finish(): Promise<void> {
    await this.serve('in the end');
    const verdict = checkLinearizable(this.operations);
    if (verdict.kind === 'linearizable') return;
    if (verdict.kind === 'undecided') throw new Error(`too much to check: ${verdict.key}`);
    const { key, operations, explained } = verdict;
    const rest = operations.filter((operation) => !explained.includes(operation));
    throw new Error(`not linearizable: ${key}, beginning with ${JSON.stringify(rest.slice(0, 4))}`);
  }
}

async function runStorm(world: World, options: Partial<ReplicaOptions>, readsLocally = false): Promise<void> {
  world.work.atLeast('faults', 5);
  world.work.atLeast('done', 10);
  const group = new RegisterGroup(world, 3 + 2 * world.random.below(2), options, readsLocally);
  await group.serve('before');
  const plan = (kinds: Parameters<typeof randomFaultPlan>[1]['kinds'], gapMsMean: number, purpose: string) =>
    carryOutFaults(
      world,
      randomFaultPlan(world.random.fork(purpose), {
        nodes: group.names,
        kinds,
        untilMs: stormMs,
        gapMsMean,
        durationMsMean: 800,
      }),
    );
  const drifts = options.leaseDriftMax === undefined ? [] : (['clock-drift'] as const);
  await Promise.all([
    plan([...networkFaults, ...drifts], 700, 'network'),
    plan([...processFaults, 'pause'], 1200, 'processes'),
    ...Array.from({ length: clients }, (_, i) => runClient(world, group, `client${i}`)),
  ]);
  await group.finish();
}

async function runClient(world: World, group: RegisterGroup, name: string): Promise<void> {
  const random = world.random.fork(name);
  const client = new ReplicatedRegisterClient(world, name, group.names, group.operations);
  const until = world.nowMs + stormMs;
  let written = 0;
  while (world.nowMs < until) {
    // Whoever answers, now and then: a replica that follows must know that it does.
    if (random.chance(0.3)) client.roam(random.below(group.names.length));
    const key = random.pick(keys);
    const value = Number(name.slice(-1)) * 1000 + written;
    const kind = random.pick(['read', 'read', 'write', 'compare-and-set'] as const);
    if (kind !== 'read') written += 1;
    const expected = random.below(clients) * 1000 + random.below(Math.max(1, written));
    const request = kind === 'read' ? { kind, key } : { kind, key, value, expected };
    if (await client.run(request, 5000)) world.work.add('done');
    await world.sleep(random.exponential(100));
  }
}
