/**
 * The frame of the scenarios of a whole cluster: clients work while faults strike, then all is mended, the cluster
 * comes to rest, every key is read, and the checkers judge what clients were told and what the disks hold.
 */
import type { Configuration } from '../../config/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import { NameHash } from '../../kv/coordinator/index.ts';
import { type KvError, VersionedObject } from '../../kv/index.ts';
import { assert } from '../../stdx/index.ts';
import { decodeContent } from '../../wire/index.ts';
import { checkConverged } from '../checkers/cluster-converged.ts';
import { DotsIssuedOnce } from '../checkers/dots-issued-once.ts';
import { DatabaseHistory } from '../checkers/key-history.ts';
import { checkListingComplete } from '../checkers/listing-complete.ts';
import { checkReadsFollowWrites } from '../checkers/reads-follow-writes.ts';
import { storedCopies } from '../checkers/replicas-agree.ts';
import { refuseViolations } from '../checkers/violations.ts';
import type { Prng } from '../prng.ts';
import { ClusterClients, type ClusterClientsOptions, usualClients } from '../workloads/cluster-clients.ts';
import {
  type ConfigurationPart,
  quietClusterConfiguration,
  variedClusterConfiguration,
} from '../workloads/cluster-configuration.ts';
import type { ClusterMember } from '../workloads/cluster-member.ts';
import { ClusterStage, type EngineWrapping } from '../workloads/cluster-stage.ts';
import type { WorkloadBucket } from '../workloads/database-clients.ts';
import { addressOf, idOfValue } from '../workloads/numbered-values.ts';
import type { World } from '../world.ts';

/** What a client may hear while nodes die and links break. */
export const faultErrors: readonly KvError['code'][] = [
  'timeout',
  'overload',
  'quorum_unsatisfied',
  'insufficient_vnodes',
  'insufficient_nodes',
  'all_nodes_down',
  'insufficient_vnodes_available',
  'storage',
  'stopping',
];

export interface ClusterStory {
  readonly nodes: number;
  readonly ringSize: number;
  readonly locationOf?: (index: number) => string;
  /** `quiet`: all at its default but for `fixed`. */
  readonly configurations: 'varied' | 'quiet';
  readonly fixed: ConfigurationPart;
  readonly clients: number;
  readonly client: Partial<ClusterClientsOptions>;
  /** Of other clients: what the disks hold of them is compared, too. */
  readonly bucketsBeside?: readonly Pick<WorkloadBucket, 'name' | 'nVal'>[];
  readonly expectedErrors: readonly KvError['code'][];
  readonly startsMayFail: boolean;
  /** As `ClusterStageOptions` has it. */
  readonly isFormed?: boolean;
  readonly haveBackends?: boolean;
  readonly wrapEngine?: EngineWrapping;
  /** Acknowledged puts that make a run worth its name. */
  readonly ackedPutsMin: number;
}

export const calmCluster: ClusterStory = {
  nodes: 3,
  ringSize: 8,
  configurations: 'varied',
  fixed: {},
  clients: 4,
  client: {},
  expectedErrors: [],
  startsMayFail: false,
  ackedPutsMin: 20,
};

/** Background work that was begun ends within this time, and then a disk gets no more writes than that while it is looked at. */
const idleMsMax = 60_000;
const idleLookMs = 200;
const idleWritesMax = 20;
const tombstoneMsMax = 1_200_000;
const workMsMax = 60_000;

/** A cluster at work, and what its clients have been told so far. */
export class ClusterPlay {
  readonly world: World;
  readonly stage: ClusterStage;
  readonly clients: ClusterClients;
  readonly random: Prng;
  readonly configuration: Configuration;
  readonly #story: ClusterStory;
  readonly #history = new DatabaseHistory();
  readonly #dots = new DotsIssuedOnce();
  readonly #hash = new NameHash();
  readonly #working: Promise<void>[] = [];
  #isOver = false;
  #clientsBegun = 0;

  private constructor(world: World, story: ClusterStory) {
    this.world = world;
    this.#story = story;
    this.random = world.random.fork('play');
    const { ringSize, fixed } = story;
    this.configuration =
      story.configurations === 'quiet'
        ? quietClusterConfiguration({ ring_size: ringSize, ...fixed })
        : variedClusterConfiguration(world.random.fork('configuration'), { ring_size: ringSize, ...fixed });
    this.stage = new ClusterStage(world, { ...story, configuration: this.configuration });
    this.clients = new ClusterClients(world, this.#history, this.#dots, {
      ...usualClients,
      expectedErrors: new Set(story.expectedErrors),
      ...story.client,
    });
    world.work.atLeast('acked puts', story.ackedPutsMin);
    world.work.atLeast('disks compared', 1);
  }

  /** Forms the cluster and sets the properties of the clients' buckets. */
  static async begin(world: World, story: ClusterStory): Promise<ClusterPlay> {
    const play = new ClusterPlay(world, story);
    await play.stage.form();
    await play.#setProperties();
    world.record('stage', 'formed');
    return play;
  }

  /** Clients that ask the nodes which `reachable` gives, until `rest`. */
  work(
    count = this.#story.clients,
    reachable: () => readonly ClusterMember[] = () => this.stage.members,
  ): void {
    for (let i = 0; i < count; i++) {
      this.#clientsBegun += 1;
      const random = this.world.random.fork(`client ${this.#clientsBegun}`);
      this.#working.push(this.clients.run(random, reachable, () => this.#isOver));
    }
  }

  /** Sends the clients home. */
  async stopWork(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#working.splice(0));
    this.#isOver = false;
  }

  /** Where the faults let too little through, clients work on after them until the run is worth its name. */
  async untilWorked(): Promise<void> {
    await this.stage.mend();
    const isEnough = (): boolean => this.world.work.done('acked puts') >= this.#story.ackedPutsMin;
    await this.stage.until('enough puts are acknowledged', isEnough, workMsMax);
  }

  /** Stops the work, mends all, waits for rest, reads every key, and compares what clients were told with the disks. */
  async rest(): Promise<void> {
    await this.stopWork();
    await this.stage.mend();
    await this.stage.untilQuiet();
    this.world.record('stage', 'quiet');
    await this.#checkIdleness();
    await this.#checkDisks();
    this.clients.replicasAgree();
    await this.clients.readAll(this.random, this.stage.members);
    this.judge();
  }

  judge(): void {
    const violations = [...this.#dots.violations];
    for (const key of this.#history.keys) {
      // Stamps of different nodes decide, unless reads are judged in a cluster without faults.
      const clockJumps = !this.clients.options.entersReads;
      const contents = this.#dots.twinsOf(`${key.bucket}/${key.key}`).map((bytes) => decodeContent(bytes));
      const twins = new Set(contents.filter(({ deleted }) => !deleted).map(({ value }) => idOfValue(value)));
      if (twins.size > 0) this.world.work.add('writes with two coordinators', twins.size);
      violations.push(...checkReadsFollowWrites(key, { clockJumps, seenMeansKept: false, twins }));
    }
    for (const listing of this.clients.listings) {
      violations.push(...checkListingComplete(listing, this.#history.keys, false));
    }
    refuseViolations(violations);
  }

  /** Of a key's preference list. */
  replicasOf(name: string): readonly Partition[] {
    const slash = name.indexOf('/');
    const address = addressOf({ bucket: name.slice(0, slash), key: name.slice(slash + 1) });
    const { ring } = this.stage.anyone.present.node.database.cluster.topology;
    const first = ring.partitionOf(this.#hash.of(address, false));
    const bucket = this.#comparedBuckets.find((one) => one.name === address.bucket);
    assert(bucket !== undefined, `the copies of bucket ${address.bucket} are compared`);
    return Array.from({ length: Math.min(bucket.nVal, ring.size) }, (_, step) => ring.after(first, step));
  }

  /** What the disks of the nodes hold that serve. */
  async violationsOnDisk(): Promise<readonly string[]> {
    const nodes = [];
    for (const member of this.stage.members) {
      const copies = await member.within(({ engine, node }) =>
        storedCopies(engine, node.database.cluster.topology.ring.partitions()),
      );
      assert(typeof copies !== 'string', 'in peace every node answers');
      for (const [name, stored] of copies) {
        for (const { bytes } of stored) this.#dots.saw(name, VersionedObject.decode(bytes));
      }
      const own = new Map([...copies].filter(([name]) => this.#isCompared(name)));
      this.world.work.add('disks compared');
      this.world.work.add('copies compared', own.size);
      nodes.push({ node: member.name, copies: own });
    }
    const { ring } = this.stage.anyone.present.node.database.cluster.topology;
    return checkConverged(nodes, {
      ring,
      replicasOf: (name) => this.replicasOf(name),
      tombstonesAreKept: this.configuration.delete_mode === 'keep',
    });
  }

  get #comparedBuckets(): readonly Pick<WorkloadBucket, 'name' | 'nVal'>[] {
    return [...this.clients.options.buckets, ...(this.#story.bucketsBeside ?? [])];
  }

  /** Not what others have whose story compares it. */
  #isCompared(name: string): boolean {
    return this.#comparedBuckets.some((bucket) => name.startsWith(`${bucket.name}/`));
  }

  /** Who has nothing to do soon writes next to nothing: work that goes round in circles shows so. */
  async #checkIdleness(): Promise<void> {
    const end = this.world.nowMs + idleMsMax;
    for (;;) {
      const before = this.stage.members.map(({ process }) => process.disk.writes);
      await this.world.sleep(idleLookMs);
      const busy = this.stage.members.filter(
        ({ process }, i) => process.disk.writes - before[i]! > idleWritesMax,
      );
      if (busy.length === 0) return;
      if (this.world.nowMs > end)
        throw new Error(`idle, and yet they write: ${busy.map(({ name }) => name).join(', ')}`);
    }
  }

  /** Tombstones take their time, since each waits for a sweep that finds it: the rest must be so at once. */
  async #checkDisks(): Promise<void> {
    const end = this.world.nowMs + tombstoneMsMax;
    for (;;) {
      const violations = await this.violationsOnDisk();
      if (violations.length === 0) return;
      const isOnlyLate = violations.every((violation) => violation.startsWith('V3'));
      if (!isOnlyLate || this.world.nowMs > end) refuseViolations(violations);
      await this.clients.readAll(this.random, this.stage.members);
      await this.world.sleep(10_000);
    }
  }

  async #setProperties(): Promise<void> {
    for (const { name, conflicts, nVal } of this.clients.options.buckets) {
      await this.stage.setProperties(name, { n_val: nVal, allow_mult: conflicts === 'siblings' });
    }
  }
}
