/**
 * The frame of the single-node database scenarios: rounds in which clients work while a fault does its
 * worst, each followed by peace, in which every key is read and the replicas must agree; then the
 * checkers judge all that clients were ever told.
 */
import { configurationWith, variedConfiguration } from '../../config/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import { NameHash } from '../../kv/coordinator/index.ts';
import {
  type DeleteMode,
  defaultBucketProperties,
  type KeyValueSettings,
  type KvError,
  VersionedObject,
} from '../../kv/index.ts';
import { keyValueSettings } from '../../server/index.ts';
import { assert, byteLiteral } from '../../stdx/index.ts';
import {
  GROUP_COMMIT_LIMITS,
  type GroupCommitLimits,
  type StorageEngine,
  StorageError,
} from '../../storage/index.ts';
import { checkConditionsHold } from '../checkers/conditions-hold.ts';
import { DotsIssuedOnce } from '../checkers/dots-issued-once.ts';
import { DatabaseHistory } from '../checkers/key-history.ts';
import { checkListingComplete } from '../checkers/listing-complete.ts';
import { checkReadsFollowWrites, type ReadRules } from '../checkers/reads-follow-writes.ts';
import { checkReplicasAgree, storedCopies } from '../checkers/replicas-agree.ts';
import { refuseViolations } from '../checkers/violations.ts';
import type { Prng } from '../prng.ts';
import { DatabaseClients, type WorkloadBucket } from '../workloads/database-clients.ts';
import { DatabaseNode } from '../workloads/database-node.ts';
import { drawnLogEngine, type SimulatedEngine, withoutPages } from '../workloads/simulated-engine.ts';
import type { World } from '../world.ts';

export const threeCopies: readonly WorkloadBucket[] = [
  { name: 'siblings', conflicts: 'siblings', nVal: 3 },
  { name: 'latest', conflicts: 'latest', nVal: 3 },
  { name: 'overwrite', conflicts: 'overwrite', nVal: 3 },
];
export const allBuckets: readonly WorkloadBucket[] = [
  ...threeCopies,
  { name: 'one-copy', conflicts: 'siblings', nVal: 1 },
  { name: 'latest-one-copy', conflicts: 'latest', nVal: 1 },
];

export interface DatabaseStory {
  readonly buckets: readonly WorkloadBucket[];
  readonly rounds: number;
  readonly clients: number;
  readonly operations: number;
  /** A run with fewer acknowledged puts says nothing. */
  readonly ackedPutsMin: number;
  readonly keysPerBucket: number;
  readonly pauseMsMean: number;
  readonly valueBytesMax: number;
  readonly timeoutMs?: number;
  readonly rules: ReadRules;
  readonly expectedErrors: readonly KvError['code'][];
  readonly startsMayFail: boolean;
  /** Defaults at the quorums: where replicas differ for long, weaker ones promise nothing. */
  readonly needsQuorums: boolean;
  /** `one` write a batch: replicas of one object fail apart from each other. */
  readonly batches: 'any' | 'one';
  /** Of the memory engine's journal. */
  readonly compacts: boolean;
  /** False: each read is one of the disk. */
  readonly cachesReads: boolean;
  /** `keep`: tombstones are never forgotten. `any`: as the configuration says. */
  readonly tombstones: 'keep' | 'any';
  readonly replicasForget: boolean;
  readonly wrapEngine: (engine: StorageEngine) => StorageEngine;
  /** Strikes while the clients work. What it breaks for longer, `heal` mends. */
  readonly strike: (stage: Stage) => Promise<void>;
  readonly heal: (stage: Stage) => Promise<void>;
}

/** What strikes and heals get to work with. */
export interface Stage {
  readonly world: World;
  readonly node: DatabaseNode;
  readonly clients: DatabaseClients;
  readonly random: Prng;
  /** Where a key of `bucket/key` is kept. */
  readonly replicasOf: (name: string) => readonly Partition[];
}

export const calmStory: DatabaseStory = {
  buckets: allBuckets,
  rounds: 3,
  clients: 5,
  operations: 40,
  ackedPutsMin: 30,
  keysPerBucket: 3,
  pauseMsMean: 2,
  valueBytesMax: 100,
  rules: { clockJumps: false, seenMeansKept: true },
  expectedErrors: [],
  startsMayFail: false,
  needsQuorums: false,
  batches: 'any',
  compacts: true,
  cachesReads: true,
  tombstones: 'any',
  replicasForget: false,
  wrapEngine: (engine) => engine,
  strike: () => Promise.resolve(),
  heal: () => Promise.resolve(),
};

/** Longer than any pause, timer and recovery of the database in these stories. */
const quietMs = 10_000;
const sweepsMax = 4;
/** Longer than the removals of a tombstone take, each with a sync of its own. */
const removalsMs = 100;
/** Of so many reads one asks every replica, or each. Prime, so that over so many rounds each key has its turn. */
const everyoneIntervals = [1, 7];

export async function tellStory(world: World, story: DatabaseStory): Promise<void> {
  const random = world.random.fork('story');
  world.work.atLeast('acked puts', story.ackedPutsMin);
  world.work.atLeast('reads', 60);
  const { settings, ringSize } = variedSettings(random.fork('configuration'), story);
  const node = new DatabaseNode(world, {
    ringSize,
    settings,
    commitLimits: variedLimits(random, story),
    engine: drawnEngine(world, random, story),
    wrapEngine: story.wrapEngine,
    startsMayFail: story.startsMayFail,
  });
  const history = new DatabaseHistory();
  const dots = new DotsIssuedOnce();
  const clients = new DatabaseClients(world, node, history, dots, {
    ...story,
    timeoutMs: story.timeoutMs,
    expectedErrors: new Set([...story.expectedErrors, ...errorsOf(settings)]),
  });
  const replicasOf = placement(node, story.buckets);
  const stage: Stage = { world, node, clients, random: random.fork('strikes'), replicasOf };
  node.boot();
  await node.untilServing();
  await setProperties(node, story.buckets);
  for (let round = 0; round < story.rounds; round++) {
    const running = Array.from({ length: story.clients }, (_, client) =>
      clients.run(world.random.fork(`client ${round} ${client}`), story.operations),
    );
    await Promise.all([...running, story.strike(stage)]);
    await story.heal(stage);
    await findPeace(stage, settings.deleteMode, dots);
    checkProperties(node, story.buckets);
  }
  judge(story, history, clients, dots);
}

function judge(
  story: DatabaseStory,
  history: DatabaseHistory,
  clients: DatabaseClients,
  dots: DotsIssuedOnce,
): void {
  const violations = [...dots.violations];
  for (const key of history.keys) {
    violations.push(
      ...checkReadsFollowWrites(key, story.rules),
      ...checkConditionsHold(key, story.rules.clockJumps),
    );
  }
  for (const listing of clients.listings)
    violations.push(...checkListingComplete(listing, history.keys, story.replicasForget));
  refuseViolations(violations);
}

/** Reads everything until nothing moves any more; then all replicas must hold the same. */
async function findPeace(stage: Stage, deleteMode: DeleteMode, dots: DotsIssuedOnce): Promise<void> {
  const { world, node, clients } = stage;
  await node.untilServing();
  while (node.engine.health.kind === 'failing') await world.sleep(quietMs);
  let violations: readonly string[] = [];
  for (let sweep = 0; sweep < sweepsMax; sweep++) {
    // What only a read of all replicas repairs or forgets has had one then. Rounds right behind each other would repair what is
    // just being forgotten: a read between two of its removals finds a tombstone that one replica lacks.
    for (let round = 0; round < Math.max(...everyoneIntervals); round++) {
      await clients.readAll();
      await world.sleep(removalsMs);
    }
    await world.sleep(quietMs);
    const copies = await node.within(({ engine }) => storedCopies(engine, node.topology.ring.partitions()));
    assert(
      typeof copies !== 'string' && !(copies instanceof StorageError),
      'in peace every copy can be read',
    );
    for (const [name, stored] of copies) {
      for (const { bytes } of stored) dots.saw(name, VersionedObject.decode(bytes));
    }
    violations = checkReplicasAgree(copies, stage.replicasOf, deleteMode === 'keep');
    world.work.add('copies compared', copies.size);
    if (violations.length > 0) continue;
    clients.replicasAgree();
    return;
  }
  refuseViolations(violations);
}

function placement(node: DatabaseNode, buckets: readonly WorkloadBucket[]): Stage['replicasOf'] {
  const hash = new NameHash();
  return (name) => {
    const slash = name.indexOf('/');
    const address = {
      bucketType: byteLiteral('default'),
      bucket: byteLiteral(name.slice(0, slash)),
      key: byteLiteral(name.slice(slash + 1)),
    };
    const first = node.topology.ring.partitionOf(hash.of(address, false));
    const nVal = buckets.find((bucket) => bucket.name === address.bucket)?.nVal ?? 0;
    return Array.from({ length: nVal }, (_, step) => node.topology.ring.after(first, step));
  };
}

async function setProperties(node: DatabaseNode, buckets: readonly WorkloadBucket[]): Promise<void> {
  for (const { name, conflicts, nVal } of buckets) {
    const address = { bucketType: byteLiteral('default'), bucket: byteLiteral(name) };
    const result = await node.ask<true>((store, done, { tasks }) => {
      tasks.spawn('properties', async () => {
        await store.setProperties(address, {
          n_val: nVal,
          allow_mult: conflicts === 'siblings',
          last_write_wins: conflicts === 'overwrite',
        });
        done(true);
      });
    });
    assert(result === true, 'properties are set before faults begin');
  }
}

function checkProperties(node: DatabaseNode, buckets: readonly WorkloadBucket[]): void {
  for (const { name, nVal } of buckets) {
    const address = { bucketType: byteLiteral('default'), bucket: byteLiteral(name) };
    assert(node.propertiesOf(address)?.n_val === nVal, `bucket ${name} keeps its properties`);
  }
}

/** The configuration at its edges, without what only listeners, more nodes or forgetful promises mean. */
function variedSettings(
  random: Prng,
  { needsQuorums, buckets, tombstones }: DatabaseStory,
): { readonly settings: KeyValueSettings; readonly ringSize: number } {
  const standard = configurationWith({});
  const varied = variedConfiguration((count) => random.below(count));
  const settings = keyValueSettings({
    ...varied,
    durability: 'synced',
    read_repair_limit: standard.read_repair_limit,
    request_timeout: standard.request_timeout,
    list_timeout: standard.list_timeout,
    delete_mode: tombstones === 'keep' ? 'keep' : varied.delete_mode,
    max_concurrent_requests: random.chance(0.1) ? varied.max_concurrent_requests : 1000,
    'object.size.maximum': standard['object.size.maximum'],
    // Who remembers little forgets few tombstones, and all are to be forgotten in the end.
    'tombstone.reaped.maximum': standard['tombstone.reaped.maximum'],
    'tombstone.reaped.size.maximum': standard['tombstone.reaped.size.maximum'],
    'read_everyone.interval': random.pick(everyoneIntervals),
    'buckets.default.node_confirms': 0,
  });
  const nVal = Math.max(...buckets.map((bucket) => bucket.nVal));
  const usual = { ...defaultBucketProperties, n_val: nVal };
  return {
    settings: needsQuorums ? { ...settings, bucketDefaults: usual } : settings,
    ringSize: random.pick([8, 8, 64, 256]),
  };
}

/** Either that keeps its data on the disk. */
function drawnEngine(world: World, random: Prng, story: DatabaseStory): SimulatedEngine {
  const compactionDeadBytesMin = story.compacts ? random.pick([2_000, 50_000, 1_000_000]) : 2 ** 40;
  const ofEngine = world.random.fork('engine');
  const drawn = ofEngine.chance(0.5) ? 'memory' : 'log';
  if ((world.engine ?? drawn) === 'memory') return { kind: 'memory', compactionDeadBytesMin };
  const engine = drawnLogEngine(ofEngine);
  return story.cachesReads ? engine : withoutPages(engine);
}

/** A value that a crash left on few replicas does not meet a quorum to which "not found" does not count. */
function errorsOf({ bucketDefaults }: KeyValueSettings): readonly KvError['code'][] {
  return bucketDefaults.notfound_ok ? [] : ['quorum_unsatisfied'];
}

function variedLimits(random: Prng, { batches }: DatabaseStory): GroupCommitLimits {
  const batchBytesMax = batches === 'one' ? 1 : random.pick([1, 500, GROUP_COMMIT_LIMITS.batchBytesMax]);
  return { ...GROUP_COMMIT_LIMITS, batchBytesMax };
}
