/**
 * Everything of a node between its storage engine and its listeners: the cluster it is a member of, the store, and
 * what moves, hands back and compares data behind them.
 *
 * Opened in the order in which each needs the one before, and nobody is let in before all are there; closed in the
 * reverse, so that what was accepted is finished with everything in place.
 */
import type { Configuration } from '../config/index.ts';
import {
  BackgroundWork,
  Cluster,
  channel,
  clusterOptions,
  clusterPeers,
  type Foreground,
  handoffOptions,
  MoveGate,
  type Partition,
  type PeerRequests,
  type TransferRefusal,
  TransferScheduler,
  tellWhoIsUp,
  type VnodeService,
  type WalkReply,
  type WalkRequest,
  walkCodec,
} from '../core/index.ts';
import { DiskError, type Environment, type Instant, type Network } from '../environment/index.ts';
import {
  AntiEntropy,
  ClusterRegistry,
  DatatypeStore,
  type FeedReply,
  type FeedRequest,
  feedCodec,
  IndexUpkeep,
  type KvObserver,
  KvPartitionStore,
  type LargeValueObserver,
  LargeValueStore,
  LocalKeyValueStore,
  type Placements,
  type ReplicaReply,
  type ReplicaRequest,
  replicaCodec,
  type StorageBackends,
} from '../kv/index.ts';
import type { Sandbox } from '../sandbox/index.ts';
import { assert, type Ending, endInTurn } from '../stdx/index.ts';
import type { GroupCommit } from '../storage/index.ts';
import { antiEntropySettings } from './anti-entropy-settings.ts';
import { backgroundOptions } from './background-options.ts';
import { Departure } from './departure.ts';
import { feedSettings } from './feed-settings.ts';
import { hookSettings } from './hook-settings.ts';
import { keyValueSettings } from './key-value-settings.ts';
import { largeValueSettings } from './large-value-settings.ts';

/** A write that a moving partition's new owner does not confirm within this time has not reached it. */
const forwardTimeoutMs = 5000;
/** Writes remembered for a new owner that could not be reached; beyond them its copy begins anew. */
const missedWrites = { countMax: 10_000, bytesMax: 16 * 1024 * 1024 };
/** A disk with less room than this takes in nothing that it need not. */
const freeBytesMin = 256 * 1024 * 1024;
/** How often a disk is asked for its room. */
const roomCheckMs = 10_000;

export interface ClusteredDatabaseParts {
  readonly configuration: Configuration;
  readonly environment: Environment;
  readonly commit: GroupCommit;
  readonly observer: KvObserver & LargeValueObserver;
  /** Absent: one engine holds all buckets. */
  readonly backends?: StorageBackends | undefined;
  /** What runs commit hooks. */
  readonly hookSandbox?: Sandbox | undefined;
  /** What connects nodes, if it is not the environment's: with TLS. */
  readonly clusterNetwork?: Network;
}

type ReplicaPeers = PeerRequests<ReplicaRequest, ReplicaReply>;
type WalkPeers = PeerRequests<WalkRequest, WalkReply>;
type FeedPeers = PeerRequests<FeedRequest, FeedReply>;

interface Opened {
  readonly cluster: Cluster;
  readonly store: LocalKeyValueStore;
  readonly datatypes: DatatypeStore;
  readonly largeValues: LargeValueStore;
  readonly replicaPeers: ReplicaPeers;
  readonly walkPeers: WalkPeers;
  readonly feedPeers: FeedPeers;
  readonly antiEntropy: AntiEntropy;
  readonly indexUpkeep: IndexUpkeep;
  readonly transfers: TransferScheduler;
  readonly background: BackgroundWork;
  readonly departure: Departure;
}

export class ClusteredDatabase {
  readonly cluster: Cluster;
  readonly store: LocalKeyValueStore;
  readonly datatypes: DatatypeStore;
  readonly largeValues: LargeValueStore;
  readonly replicaPeers: ReplicaPeers;
  readonly walkPeers: WalkPeers;
  readonly feedPeers: FeedPeers;
  readonly antiEntropy: AntiEntropy;
  /** Keeps index entries those of the objects where writes could not. */
  readonly indexUpkeep: IndexUpkeep;
  readonly transfers: TransferScheduler;
  /** Paces what goes on behind requests. */
  readonly background: BackgroundWork;
  readonly departure: Departure;

  private constructor(opened: Opened) {
    this.cluster = opened.cluster;
    this.store = opened.store;
    this.datatypes = opened.datatypes;
    this.largeValues = opened.largeValues;
    this.replicaPeers = opened.replicaPeers;
    this.walkPeers = opened.walkPeers;
    this.feedPeers = opened.feedPeers;
    this.antiEntropy = opened.antiEntropy;
    this.indexUpkeep = opened.indexUpkeep;
    this.transfers = opened.transfers;
    this.background = opened.background;
    this.departure = opened.departure;
  }

  /**
   * Rejects with `StorageError`, `WalError`, `NetworkError`, `ClusterOpenError`, `InsecureListenerError` or
   * `KvFailure`, having closed what it had opened.
   */
  static async open(parts: ClusteredDatabaseParts): Promise<ClusteredDatabase> {
    const { configuration, environment, clusterNetwork } = parts;
    const cluster = await Cluster.open({
      ...clusterOptions(configuration, environment, clusterNetwork),
      isHeld: true,
    });
    const begun: Ending[] = [() => cluster.close()];
    try {
      const database = new ClusteredDatabase(await openOn(cluster, parts, begun));
      cluster.serve();
      return database;
    } catch (error) {
      await endInTurn(begun.reverse()).catch((failure: unknown) => {
        // Why it could not be opened says more than what failed on the way back.
        environment.log.warn('what had been opened could not be closed', { reason: String(failure) });
      });
      throw error;
    }
  }

  /**
   * Refuses new requests, ends those in progress, and says goodbye to the others, whatever fails on the way. The
   * engine stays open. Rejects with the first failure.
   */
  close(): Promise<void> {
    return endInTurn([
      async () => this.background.close(),
      () => this.antiEntropy.stop(),
      () => this.transfers.close(),
      () => this.indexUpkeep.close(),
      () => this.largeValues.close(),
      () => this.store.close(),
      () => this.antiEntropy.close(),
      () => this.replicaPeers.close(),
      () => this.walkPeers.close(),
      () => this.feedPeers.close(),
      () => this.cluster.close(),
    ]);
  }

  /** Falls silent at once, and begins nothing any more: for a node whose state is not to be trusted. */
  async halt(): Promise<void> {
    this.background.close();
    this.replicaPeers.close();
    this.walkPeers.close();
    this.feedPeers.close();
    this.indexUpkeep.stop();
    this.store.feeds.stop();
    this.largeValues.stop();
    const endings = await Promise.allSettled([
      this.cluster.halt(),
      this.antiEntropy.stop(),
      this.transfers.close(),
      this.store.stopSweeps(),
    ]);
    for (const ending of endings) if (ending.status === 'rejected') throw ending.reason;
  }
}

/** `begun`: how to end what was opened, the latest last. */
async function openOn(cluster: Cluster, parts: ClusteredDatabaseParts, begun: Ending[]): Promise<Opened> {
  const { configuration, environment, commit, observer } = parts;
  const { topology, log } = cluster;
  const late = new LateServices();
  const inFlightMax = configuration['cluster.requests.maximum'];
  const replicaPeers = clusterPeers(cluster, {
    environment,
    local: late.replicas,
    codec: replicaCodec,
    on: channel.vnode,
    inFlightMax,
  });
  const walkPeers = clusterPeers(cluster, {
    environment,
    local: late.walks,
    codec: walkCodec,
    on: channel.coverage,
    inFlightMax,
  });
  const feedPeers = clusterPeers(cluster, {
    environment,
    local: late.feeds,
    codec: feedCodec(),
    on: channel.feed,
    inFlightMax,
  });
  begun.push(
    () => replicaPeers.close(),
    () => walkPeers.close(),
    () => feedPeers.close(),
  );
  const gate = new MoveGate<ReplicaRequest>({
    self: topology.self,
    state: log.state,
    forward: (to, partition, request, done) => {
      const route = { timeoutMs: forwardTimeoutMs, traffic: 'foreground', primary: false } as const;
      replicaPeers.send(to, partition, request, route, (reply) => {
        if (reply.kind !== 'accepted') done(reply.kind === 'stored');
      });
    },
    bytesOf: (request) => replicaCodec.requestBytes(request),
    missed: missedWrites,
  });
  const background = new BackgroundWork(environment, late.foreground, backgroundOptions(configuration));
  begun.push(async () => background.close());
  const antiEntropy = await AntiEntropy.open({
    environment,
    background,
    commit,
    topology,
    placements: late.placements,
    settings: antiEntropySettings(configuration),
  });
  const indexUpkeep = await IndexUpkeep.open({
    environment,
    commit,
    topology,
    settings: {
      perSecondMax: configuration['index_check.rate'],
      intervalMs: configuration['index_check.interval'],
    },
  });
  const changes = indexUpkeep.listening(antiEntropy.changes);
  const store = await LocalKeyValueStore.open({
    environment,
    commit,
    topology,
    observer,
    settings: keyValueSettings(configuration),
    peers: replicaPeers,
    walkPeers,
    feedPeers,
    gate,
    changes,
    registry: new ClusterRegistry(log),
    backends: parts.backends,
    serves: (partition) => !gate.isClosed(partition) && !late.isDropping(partition),
    hookSandbox: parts.hookSandbox,
    hookSettings: hookSettings(configuration),
    feedSettings: feedSettings(configuration),
  });
  late.store = store;
  begun.push(() => store.close());
  late.partitions = await KvPartitionStore.open({
    commit,
    vnodes: store.replicas,
    changes,
    strays: store.strays,
    reaper: store.reaper,
    feeds: store.feedEntries,
    ring: () => topology.ring,
    placementOf: (address) => store.placements.of(address),
    // While its partition moves, and of a hint, nobody else would find it.
    damaged: (partition, address) => store.repairCopy(partition, address),
  });
  const { partitions } = late;
  const room = new DiskRoom(environment);
  const departure = new Departure({
    self: topology.self,
    tasks: environment.tasks,
    state: () => log.state,
    tell: (hasStrays) => cluster.liveness.setHasStrays(hasStrays),
  });
  log.onState(() => departure.look());
  background.start();
  const transfers = new TransferScheduler({
    environment,
    background,
    messenger: cluster.messenger,
    log,
    liveness: cluster.liveness,
    store: partitions,
    gate,
    report: (moves, what) =>
      log.reportReady(
        moves.map(({ partition }) => partition),
        what,
      ),
    strays: (hasStrays) => departure.strays(hasStrays),
    isLoaded: () => store.defersHandoff(),
    refuses: () => room.refusal(),
    options: {
      ...handoffOptions(configuration, 0),
      // Buckets and their types may come to have more while the node runs.
      get replicasMax() {
        return Math.max(...store.placements.nVals);
      },
    },
  });
  begun.push(() => transfers.close());
  transfers.open();
  commit.engine.onDoubt?.(() => transfers.doubtStrays());
  begun.push(() => antiEntropy.stop());
  antiEntropy.start({
    messenger: cluster.messenger,
    router: store.router,
    durabilityOf: (address) => store.durabilityOf(address),
    readAll: (address) => store.readAll(address),
  });
  indexUpkeep.start();
  store.onPlacementChange(() => antiEntropy.placementsChanged());
  tellWhoIsUp(cluster, [replicaPeers, walkPeers, feedPeers]);
  const datatypes = new DatatypeStore(store, environment, configuration['datatype.size.maximum']);
  const settings = keyValueSettings(configuration);
  const largeValues = new LargeValueStore({
    environment,
    store,
    engine: commit.engine,
    defaults: settings.bucketDefaults,
    observer,
    settings: largeValueSettings(configuration),
  });
  largeValues.start();
  return {
    cluster,
    store,
    datatypes,
    largeValues,
    replicaPeers,
    walkPeers,
    feedPeers,
    antiEntropy,
    indexUpkeep,
    transfers,
    background,
    departure,
  };
}

/** What needs the store, and is needed to open it. Nobody is let in before it is there. */
class LateServices {
  store: LocalKeyValueStore | undefined;
  partitions: KvPartitionStore | undefined;

  readonly replicas: VnodeService<ReplicaRequest, ReplicaReply> = {
    handle: (partition, request, reply) => this.#opened.replicas.handle(partition, request, reply),
  };

  readonly walks: VnodeService<WalkRequest, WalkReply> = {
    handle: (partition, request, reply) => this.#opened.walks.handle(partition, request, reply),
  };

  readonly feeds: VnodeService<FeedRequest, FeedReply> = {
    handle: (partition, request, reply) => this.#opened.feeds.answers.handle(partition, request, reply),
  };

  /** Before anybody is let in nobody is disturbed. */
  readonly foreground: Foreground = {
    isQuiet: (now) => this.store?.foreground.isQuiet(now) ?? true,
    takeTimes: () => this.store?.foreground.takeTimes() ?? [],
    countSlow: (fromMs) => this.store?.foreground.countSlow(fromMs),
  };

  readonly placements: Placements;

  constructor() {
    const opened = (): LocalKeyValueStore => this.#opened;
    this.placements = {
      of: (address) => opened().placements.of(address),
      get nVals() {
        return opened().placements.nVals;
      },
      get revision() {
        return opened().placements.revision;
      },
    };
  }

  isDropping(partition: Partition): boolean {
    return this.partitions?.isDropping(partition) === true;
  }

  get #opened(): LocalKeyValueStore {
    assert(this.store !== undefined, 'the store is open before anybody is let in');
    return this.store;
  }
}

/** Whether the disk has room for what other nodes hand over; asked for seldom, and known at once. */
class DiskRoom {
  readonly #environment: Pick<Environment, 'disk' | 'clock' | 'tasks' | 'log'>;
  #isScarce = false;
  #checkedAt: Instant | undefined;

  constructor(environment: Pick<Environment, 'disk' | 'clock' | 'tasks' | 'log'>) {
    this.#environment = environment;
  }

  refusal(): TransferRefusal | undefined {
    const { clock, tasks } = this.#environment;
    if (this.#checkedAt === undefined || clock.now() - this.#checkedAt >= roomCheckMs) {
      this.#checkedAt = clock.now();
      tasks.spawn('disk room', () => this.#check());
    }
    return this.#isScarce ? { code: 'full', reason: 'the disk is nearly full' } : undefined;
  }

  async #check(): Promise<void> {
    const { disk, log } = this.#environment;
    try {
      this.#isScarce = (await disk.freeBytes()) < freeBytesMin;
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      log.warn('the free space of the disk is not known', { reason: error.message });
    }
  }
}
