/**
 * Counters, sets, maps, grow-only sets and sketches are updated through any node, while nodes die, are cut off and
 * stall, and then join and leave. After the heal all replicas are equal, and every value is what its clients were told:
 * DT1–DT7 of `checkers/datatypes-hold.ts`.
 *
 * Bugs that were planted by hand, and how many seeds found them: an update that is forwarded to a second coordinator when
 * the first is silent (6); contexts of clients ignored (1); a replica that takes a delta's version without what the delta
 * adds, or joins it to another version than it was made from (1, by differing copies); siblings of which only the last
 * is shown (1). Deletes are of some sets only: how a delete and a concurrent update meet is judged by DT4 alone.
 */
import { NameHash } from '../../kv/coordinator/index.ts';
import { assert, byteLiteral } from '../../stdx/index.ts';
import { checkConverged } from '../checkers/cluster-converged.ts';
import { checkDatatypeAtRest } from '../checkers/datatypes-hold.ts';
import { storedCopies } from '../checkers/replicas-agree.ts';
import { refuseViolations } from '../checkers/violations.ts';
import { carryOutFaults, randomFaultPlan } from '../fault-plan.ts';
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import { changePlaces } from '../workloads/change-places.ts';
import { quietClusterConfiguration, variedClusterConfiguration } from '../workloads/cluster-configuration.ts';
import type { ClusterMember } from '../workloads/cluster-member.ts';
import { ClusterStage } from '../workloads/cluster-stage.ts';
import { addressOf, DatatypeClients, datatypeBuckets } from '../workloads/datatype-clients.ts';
import type { World } from '../world.ts';
import { faultErrors } from './cluster-story.ts';

const nVal = 3;
const readAgainMs = 200;
const restMsMax = 1_200_000;

class DatatypeStory {
  readonly #world: World;
  readonly #stage: ClusterStage;
  readonly #clients: DatatypeClients;
  readonly #random: Prng;
  readonly #hash = new NameHash();
  readonly #working: Promise<void>[] = [];
  readonly #tombstonesAreKept: boolean;
  #isOver = false;
  #begun = 0;

  constructor(world: World, stage: ClusterStage, clients: DatatypeClients, tombstonesAreKept: boolean) {
    this.#world = world;
    this.#stage = stage;
    this.#clients = clients;
    this.#random = world.random.fork('story');
    this.#tombstonesAreKept = tombstonesAreKept;
  }

  /** Makes the bucket types, and waits until every node has them. */
  async prepare(): Promise<void> {
    for (const { name, type } of datatypeBuckets) {
      const bucketType = byteLiteral(name);
      const refusal = await this.#stage.anyone.within(async ({ node }) => {
        const { bucketTypes } = node.database.store;
        const created = await bucketTypes.create(bucketType, {
          n_val: nVal,
          custom: new Map([['datatype', type]]),
        });
        return created ?? (await bucketTypes.activate(bucketType));
      });
      assert(refusal === undefined, `the type ${name} is made: ${JSON.stringify(refusal)}`);
      const isKnown = ({ present }: ClusterMember) =>
        present.node.database.store.bucketTypes.get(bucketType)?.status === 'active';
      await this.#stage.until(`all know ${name}`, () => this.#stage.members.every(isKnown), 60_000);
    }
  }

  /** Clients that ask the nodes which `nodes` gives, until `rest`. */
  work(count: number, nodes: () => readonly ClusterMember[]): void {
    for (let i = 0; i < count; i += 1) {
      this.#begun += 1;
      const random = this.#world.random.fork(`client ${this.#begun}`);
      this.#working.push(this.#clients.run(random, nodes, () => this.#isOver));
    }
  }

  /** Whom the clients ask. */
  readonly reachable = (): readonly ClusterMember[] => this.#stage.settledOrDownMembers;

  /** Sends the clients home, mends all, waits for rest, and judges the disks and what every node shows. */
  async rest(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#working.splice(0));
    this.#isOver = false;
    await this.#stage.mend();
    await this.#stage.untilQuiet();
    await this.#checkDisks();
    for (const key of this.#clients.keys) {
      for (const member of this.#stage.members) {
        let read = await this.#clients.fetch(member, key);
        while (read === undefined) {
          await this.#world.sleep(readAgainMs);
          read = await this.#clients.fetch(member, key);
        }
        refuseViolations(checkDatatypeAtRest(read, key));
        this.#world.work.add('values judged');
      }
    }
  }

  /** Tombstones take their time: the rest must be so at once. */
  async #checkDisks(): Promise<void> {
    const end = this.#world.nowMs + restMsMax;
    for (;;) {
      const violations = await this.#violationsOnDisks();
      if (violations.length === 0) return;
      const isOnlyLate = violations.every((violation) => violation.startsWith('V3'));
      if (!isOnlyLate || this.#world.nowMs > end) refuseViolations(violations);
      for (const key of this.#clients.keys) {
        await this.#clients.fetch(this.#random.pick(this.#stage.members), key);
      }
      await this.#world.sleep(10_000);
    }
  }

  async #violationsOnDisks(): Promise<readonly string[]> {
    const nodes = [];
    for (const member of this.#stage.members) {
      const copies = await member.within(({ engine, node }) =>
        storedCopies(engine, node.database.cluster.topology.ring.partitions()),
      );
      assert(typeof copies !== 'string', 'in peace every node answers');
      this.#world.work.add('copies compared', copies.size);
      nodes.push({ node: member.name, copies });
    }
    const { ring } = this.#stage.anyone.present.node.database.cluster.topology;
    const replicasOf = (name: string) => {
      const first = ring.partitionOf(this.#hash.of(addressOf({ key: name }), false));
      return Array.from({ length: Math.min(nVal, ring.size) }, (_, step) => ring.after(first, step));
    };
    return checkConverged(nodes, { ring, replicasOf, tombstonesAreKept: this.#tombstonesAreKept });
  }
}

async function datatypes(world: World): Promise<void> {
  const random = world.random.fork('scenario');
  world.work.atLeast('acked updates', 50);
  world.work.atLeast('acked removals', 5);
  world.work.atLeast('values judged', 20);
  world.work.atLeast('copies compared', 10);
  const deleteMode = random.pick(['keep', 'immediate', 3000] as const);
  const fixed = {
    ring_size: random.pick([8, 16, 32]),
    delete_mode: deleteMode,
    tombstone_pause: 100,
    'datatype.size.maximum': 5 * 2 ** 20,
    'datatype.cache.maximum': random.pick([0, 100_000, 32 * 2 ** 20]),
  };
  const configuration = random.chance(0.5)
    ? quietClusterConfiguration(fixed)
    : variedClusterConfiguration(world.random.fork('configuration'), fixed);
  const nodes = random.pick([3, 4, 5]);
  const stage = new ClusterStage(world, { nodes, configuration, startsMayFail: true });
  await stage.form();
  const clients = new DatatypeClients(world, {
    keysPerType: random.pick([1, 2]),
    pauseMsMean: random.pick([50, 100]),
    timeoutMs: 5000,
    deletes: random.chance(0.3),
    expectedErrors: new Set(faultErrors),
  });
  const story = new DatatypeStory(world, stage, clients, deleteMode === 'keep');
  await story.prepare();

  story.work(4, story.reachable);
  const plan = randomFaultPlan(random, {
    nodes: stage.names,
    kinds: [
      'kill',
      'crash',
      'pause',
      'partition',
      'one-way-cut',
      'slow-link',
      'reset-connections',
      'failing-sync',
    ],
    untilMs: 8000,
    faultsMin: 3,
    gapMsMean: 1000,
    durationMsMean: 1500,
  });
  await carryOutFaults(world, plan);
  await story.rest();

  story.work(3, story.reachable);
  await changePlaces(stage, random);
  await story.rest();
}

export const clusterDatatypes: Scenario = {
  name: 'cluster-datatypes',
  describe: 'data types under faults: replicas converge, no acknowledged update is lost, none counts twice',
  run: datatypes,
};
