/** The frame of the scenarios of data types: clients update them while faults strike, then all is mended, and what every node shows is judged. */
import { NameHash } from '../../kv/coordinator/index.ts';
import { assert, byteLiteral } from '../../stdx/index.ts';
import { checkConverged } from '../checkers/cluster-converged.ts';
import { checkDatatypeAtRest } from '../checkers/datatypes-hold.ts';
import { storedCopies } from '../checkers/replicas-agree.ts';
import { refuseViolations } from '../checkers/violations.ts';
import type { Prng } from '../prng.ts';
import type { ClusterMember } from '../workloads/cluster-member.ts';
import type { ClusterStage } from '../workloads/cluster-stage.ts';
import { addressOf, type DatatypeClients, datatypeBuckets } from '../workloads/datatype-clients.ts';
import type { World } from '../world.ts';

const nVal = 3;
const readAgainMs = 200;
const restMsMax = 1_200_000;

export class DatatypeStory {
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
      const own = new Map([...copies].filter(([name]) => isOfDatatypes(name)));
      this.#world.work.add('copies compared', own.size);
      nodes.push({ node: member.name, copies: own });
    }
    const { ring } = this.#stage.anyone.present.node.database.cluster.topology;
    const replicasOf = (name: string) => {
      const first = ring.partitionOf(this.#hash.of(addressOf({ key: name }), false));
      return Array.from({ length: Math.min(nVal, ring.size) }, (_, step) => ring.after(first, step));
    };
    return checkConverged(nodes, { ring, replicasOf, tombstonesAreKept: this.#tombstonesAreKept });
  }
}

/** Others may have buckets of their own beside. */
function isOfDatatypes(name: string): boolean {
  return datatypeBuckets.some((bucket) => name.startsWith(`${bucket.name}/`));
}
