/**
 * The composition root: builds a node from its configuration and from what the machine gives.
 *
 * engine → identity → group commit → cluster and database → listeners. Started in this order, so that a listener
 * never accepts what cannot be served; stopped in the reverse, so that nothing that was accepted is lost.
 * What was started before a failure is closed again.
 */
import { type Configuration, configurationKeys, formatValue } from '../config/index.ts';
import { ClusterOpenError, InsecureListenerError } from '../core/index.ts';
import type { Address, Environment, HttpServer, Instant, Network } from '../environment/index.ts';
import { type KeyValueStore, KvFailure, MapReduce, type StorageBackends } from '../kv/index.ts';
import type { OpenSandbox } from '../sandbox/index.ts';
import { assert } from '../stdx/index.ts';
import {
  BackendMoves,
  BackendSizes,
  GroupCommit,
  MultiEngine,
  type StorageEngine,
  StorageError,
} from '../storage/index.ts';
import { WalError } from '../wal/index.ts';
import type { AdminActions } from './admin-api.ts';
import { type Backends, backendFacts, movesFacts } from './backend-facts.ts';
import { bucketTypeRoutes } from './bucket-type-routes.ts';
import { ClientListeners } from './client-listeners.ts';
import { ClusterAdmin } from './cluster-admin/cluster-admin.ts';
import { clusterFacts } from './cluster-admin/cluster-facts.ts';
import { clusterRoutes } from './cluster-admin/cluster-routes.ts';
import { ClusteredDatabase } from './clustered-database.ts';
import { listening } from './listening.ts';
import { mapReduceSettings } from './map-reduce-settings.ts';
import type { NodeFacts, ProcessFacts } from './node-facts.ts';
import { claimIdentity } from './node-identity.ts';
import { NodeMetrics } from './node-metrics.ts';
import { type NodeStatus, nodeStatus } from './node-status.ts';
import { bucketEntries } from './open-backends.ts';
import { openEngine } from './open-engine.ts';
import { type MetricsPage, prometheusText } from './prometheus-text.ts';
import { riakStats, type Stats } from './riak-stats.ts';
import { Scripting } from './scripting.ts';
import { StartError } from './start-error.ts';

/** After connections were cut, what they had asked for gets so long to end. */
const cutOffMsMax = 1000;

export interface NodeParts {
  readonly environment: Environment;
  /** Of the package, for people. */
  readonly version: string;
  /**
   * A path for the operating system to a directory that exists, on which the caller holds a lock until the
   * node has stopped. The memory engine needs none.
   */
  readonly dataDirectory?: string;
  /** Instead of the engine that the configuration names. The node closes it. */
  readonly engine?: StorageEngine;
  /** What connects nodes, if it is not the environment's: with TLS. */
  readonly clusterNetwork?: Network;
  /** Without it `listener.http.internal` must be off. */
  readonly http?: HttpServer;
  /** Absent: JavaScript of users is not run. */
  readonly openSandbox?: OpenSandbox;
  readonly processFacts?: () => ProcessFacts;
  /** What the process may use, if the node is all it does: sizes that are "auto" follow it. Absent: they are small. */
  readonly memoryBytes?: number;
  /** The id of the process that ends when the node has stopped: who asks the node to stop may wait for it. */
  readonly ownProcess?: number;
}

export interface HaleNode extends AsyncDisposable {
  readonly name: string;
  readonly store: KeyValueStore;
  /** The cluster it is a member of, and what goes on behind the store. */
  readonly database: ClusteredDatabase;
  /** Runs jobs here, over all of the cluster's objects. */
  readonly mapReduce: MapReduce;
  /** What operators ask of the cluster. */
  readonly admin: ClusterAdmin;
  /** Where it listens; undefined for listeners that are off. */
  readonly httpAddress: Address | undefined;
  readonly protobufAddress: Address | undefined;
  status(): NodeStatus;
  stats(): Stats;
  /** Not for simulations: the first call in a process loads a module, which takes real time. */
  metrics(): Promise<MetricsPage>;
  /**
   * Drains and closes: accepts nothing new, lets requests in progress end within `drain_timeout`, syncs, and
   * closes the engine. Every call returns the same promise.
   */
  stop(): Promise<void>;
  /**
   * Ends the node as it is, as the end of its process would: for one that met a bug, whose requests and
   * writes may never end. Instead of `stop`, or while that goes on.
   */
  halt(): Promise<void>;
  /** Resolves when the node has stopped, whoever asked for it. */
  readonly stopped: Promise<void>;
}

/** Rejects with `StartError`, having closed all that it had opened. */
export async function startNode(configuration: Configuration, parts: NodeParts): Promise<HaleNode> {
  const node = new RunningNode(configuration, parts);
  try {
    await node.start();
    return node;
  } catch (error) {
    await node.stop();
    throw startErrorOf(error);
  }
}

function startErrorOf(error: unknown): unknown {
  if (error instanceof StorageError) {
    return new StartError(error.code === 'locked' ? 'locked' : 'data', error.message, { cause: error });
  }
  if (error instanceof ClusterOpenError || error instanceof WalError || error instanceof KvFailure) {
    return new StartError('data', error.message, { cause: error });
  }
  if (error instanceof InsecureListenerError) {
    return new StartError('configuration', error.message, { cause: error });
  }
  return error;
}

class RunningNode implements HaleNode {
  readonly name: string;
  readonly stopped: Promise<void>;
  readonly #configuration: Configuration;
  readonly #parts: NodeParts;
  readonly #metrics: NodeMetrics;
  readonly #startedAt: Instant;
  readonly #scripting: Scripting;
  #mapReduce: MapReduce | undefined;
  #engine: StorageEngine | undefined;
  #commit: GroupCommit | undefined;
  #backends: Backends | undefined;
  #database: ClusteredDatabase | undefined;
  #admin: ClusterAdmin | undefined;
  #listeners: ClientListeners | undefined;
  #stopping: Promise<void> | undefined;
  #resolveStopped: () => void = () => undefined;

  constructor(configuration: Configuration, parts: NodeParts) {
    this.name = configuration.nodename;
    this.#configuration = configuration;
    this.#parts = parts;
    this.#metrics = new NodeMetrics(parts.environment.timers);
    this.#startedAt = parts.environment.clock.now();
    this.#scripting = new Scripting(configuration, parts.openSandbox);
    this.stopped = new Promise((resolve) => {
      this.#resolveStopped = resolve;
    });
  }

  get store(): KeyValueStore {
    return this.database.store;
  }

  get database(): ClusteredDatabase {
    assert(this.#database !== undefined, 'the node has started');
    return this.#database;
  }

  get mapReduce(): MapReduce {
    assert(this.#mapReduce !== undefined, 'the node has started');
    return this.#mapReduce;
  }

  get admin(): ClusterAdmin {
    assert(this.#admin !== undefined, 'the node has started');
    return this.#admin;
  }

  get httpAddress(): Address | undefined {
    return this.#listeners?.http?.address;
  }

  get protobufAddress(): Address | undefined {
    return this.#listeners?.protobuf?.address;
  }

  async start(): Promise<void> {
    const configuration = this.#configuration;
    const { environment, engine, dataDirectory, clusterNetwork, memoryBytes } = this.#parts;
    const { nodename, ring_size } = configuration;
    this.#engine = engine ?? (await openEngine(configuration, dataDirectory, environment, memoryBytes));
    await claimIdentity(this.#engine, { nodename, ring_size }, environment.log);
    if (this.#engine instanceof MultiEngine)
      this.#backends = openedBackends(this.#engine, this.#parts, configuration);
    this.#commit = new GroupCommit(this.#engine, environment.tasks);
    const commit = this.#commit;
    const clusterAddress = configuration['listener.cluster.internal'];
    this.#database = await listening(clusterAddress, 'listener.cluster.internal', () =>
      ClusteredDatabase.open({
        configuration,
        environment,
        commit,
        backends: this.#backends && storageBackends(this.#backends),
        observer: this.#metrics,
        hookSandbox: this.#scripting.hooks,
        ...(clusterNetwork === undefined ? {} : { clusterNetwork }),
      }),
    );
    this.#mapReduce = new MapReduce({
      environment,
      store: this.store,
      indexes: this.database.store.indexes,
      settings: mapReduceSettings(configuration),
      sandbox: this.#scripting.jobs,
      observer: this.#metrics,
    });
    this.#admin = new ClusterAdmin({
      environment,
      database: this.#database,
      engine: this.#engine,
      version: this.#parts.version,
      settings: {
        handoffRateMax: configuration['handoff.rate.maximum'],
        replicas: configuration['buckets.default.n_val'],
      },
    });
    this.#metrics.start();
    this.#backends?.sizes.start();
    this.#listeners = new ClientListeners({
      nodeName: this.name,
      configuration,
      environment,
      http: this.#parts.http,
      database: this.#database,
      mapReduce: this.#mapReduce,
      metrics: this.#metrics,
      stats: () => this.stats(),
      adminActions: this.#adminActions(),
    });
    await this.#listeners.open();
    this.database.departure.onLeave(() => this.#turnClientsAway());
    // Other members learn where the APIs of this node are.
    this.#database.cluster.announce(this.#listeners.announced);
  }

  /** For a node that has left: its clients find another. It goes on to take part until the cluster has struck it off. */
  async #turnClientsAway(): Promise<void> {
    this.#parts.environment.log.info('everything is handed over; clients are turned away');
    const listeners = this.#listeners;
    this.#listeners = undefined;
    this.database.store.feeds.end();
    const drainMs = this.#configuration.drain_timeout;
    if (listeners !== undefined && !(await this.#endsWithin(listeners.close(), drainMs))) listeners.destroy();
    // An application that has the node within itself has no listener: struck off, it would miss what is there.
    await this.#endsWithin(this.database.store.turnAway(), drainMs);
  }

  #adminActions(): AdminActions {
    return {
      cluster: new Map([...clusterRoutes(this.admin), ...bucketTypeRoutes(this.database.store)]),
      status: () => this.status(),
      configuration: () =>
        Object.fromEntries(configurationKeys.map((key) => [key, formatValue(key, this.#configuration)])),
      metrics: () => this.metrics(),
      stop: () => {
        this.#parts.environment.tasks.spawn('admin-stop', () => this.stop());
        return { state: 'stopping', pid: this.#parts.ownProcess };
      },
    };
  }

  status(): NodeStatus {
    return nodeStatus(this.#facts());
  }

  stats(): Stats {
    return riakStats(this.#facts());
  }

  metrics(): Promise<MetricsPage> {
    return prometheusText(this.#facts());
  }

  #facts(): NodeFacts {
    const { environment, version, processFacts } = this.#parts;
    const health = this.#engine?.health;
    return {
      name: this.name,
      version,
      state: this.#stopping === undefined ? 'running' : 'stopping',
      uptimeMs: environment.clock.now() - this.#startedAt,
      ringSize: this.#configuration.ring_size,
      members:
        this.#database === undefined ? [this.name] : [...this.#database.cluster.log.state.members.keys()],
      cluster: this.#database === undefined ? undefined : clusterFacts(this.#database),
      storageBackend: this.#engine?.name ?? this.#configuration.storage_backend,
      storageFailure: health?.kind === 'failing' ? health.error.message : undefined,
      storageGauges: this.#engine?.gauges?.() ?? [],
      ...(this.#backends === undefined
        ? {}
        : { backends: backendFacts(this.#backends), storageMoves: movesFacts(this.#backends) }),
      propertyDamage: this.#database?.store.propertyDamage ?? { buckets: 0, unknown: 0 },
      requestsInProgress: this.#database?.store.inProgress ?? 0,
      requestLimits: this.#database?.store.requestLimits,
      http: this.#listeners?.http,
      protobuf: this.#listeners?.protobuf,
      metrics: this.#metrics,
      ...(this.#database === undefined
        ? {}
        : {
            largeValues: this.#database.largeValues.inProgress,
            datatypeCache: this.#database.datatypes.cache,
            indexCheck: this.#database.indexUpkeep.status,
            background: this.#database.background,
          }),
      scripting: this.#scripting.facts(this.#mapReduce?.running ?? 0),
      ...(this.#database === undefined ? {} : kvFactsOf(this.#database)),
      commits: this.#commit?.stats ?? { batches: 0, writes: 0, bytes: 0, failedBatches: 0 },
      process: processFacts?.(),
    };
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  halt(): Promise<void> {
    const halting = this.#halt();
    this.#stopping ??= halting;
    return halting;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** The engine first: whatever the bug has left behind must not be stored. */
  async #halt(): Promise<void> {
    const closings = this.#engine === undefined ? [] : [this.#engine.close()];
    if (this.#backends !== undefined) closings.push(this.#backends.moves.stop(), this.#backends.sizes.stop());
    if (this.#database !== undefined) closings.push(this.#database.halt());
    closings.push(this.#scripting.close());
    this.#metrics.stop();
    if (this.#listeners !== undefined) {
      closings.push(this.#listeners.close());
      this.#listeners.destroy();
    }
    try {
      await Promise.all(closings);
    } finally {
      this.#resolveStopped();
    }
  }

  async #stop(): Promise<void> {
    try {
      await this.#drainOrCutOff();
    } catch (error) {
      await this.#database?.halt();
      throw error;
    } finally {
      this.#metrics.stop();
      await this.#backends?.moves.stop();
      await this.#backends?.sizes.stop();
      await this.#engine?.close();
      this.#resolveStopped();
    }
  }

  async #drainOrCutOff(): Promise<void> {
    const listeners = this.#listeners;
    const draining = this.#drain(listeners);
    if (await this.#endsWithin(draining, this.#configuration.drain_timeout)) return;
    this.#parts.environment.log.warn('requests in progress were cut off');
    listeners?.destroy();
    await this.#endsWithin(draining, cutOffMsMax);
  }

  /** Requests that came over a listener may still need the store, so that is closed last. */
  async #drain(listeners: ClientListeners | undefined): Promise<void> {
    // These answers would never end.
    await this.#database?.store.feeds.close();
    await listeners?.close();
    await this.#database?.close();
    await this.#scripting.close();
  }

  /** False: `work` takes longer, and goes on. */
  #endsWithin(work: Promise<void>, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const timer = this.#parts.environment.timers.after(timeoutMs, () => resolve(false));
      work.then(
        () => {
          timer.cancel();
          resolve(true);
        },
        (error: unknown) => {
          timer.cancel();
          reject(error);
        },
      );
    });
  }
}

function openedBackends(
  engine: MultiEngine,
  { environment }: NodeParts,
  configuration: Configuration,
): Backends {
  const places = bucketEntries(configuration);
  return {
    engine,
    moves: new BackendMoves(engine, places, environment),
    sizes: new BackendSizes(engine, places, environment),
  };
}

function storageBackends({ engine, moves }: Backends): StorageBackends {
  return { all: engine.backends, place: (rules) => moves.want(rules) };
}

function kvFactsOf({ store: { feeds, drops, reapedVersions } }: ClusteredDatabase) {
  return {
    feeds: feeds.statistics,
    reapedVersions,
    drops: { inProgress: drops.inProgress.length, removed: drops.removed },
  };
}
