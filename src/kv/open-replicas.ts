/** What lies below the requests of a node's store: its vnodes, and the way to those of others. */
import { Deadlines, noPeers, VnodeRouter } from '../core/vnode/index.ts';
import { Admission } from './admission.ts';
import {
  type CoordinatorParts,
  HedgeBudget,
  LargeReadPace,
  NameHash,
  NarrowReads,
  PeerLatencies,
  ReapsUnderWay,
  RepairBudget,
  ReplicaRequests,
} from './coordinator/index.ts';
import { FeedEntries, FeedSignals } from './feed/index.ts';
import type { KeyValueParts } from './key-value-parts.ts';
import { openProperties } from './open-properties.ts';
import type { PropertyStore } from './property-store.ts';
import {
  ExpiryTimes,
  expiryMarginMsDefault,
  KvVnodes,
  ReapedVersions,
  type ReplicaReply,
  type ReplicaRequest,
  StrayBytes,
  TombstoneReaper,
  VnodeIdentities,
} from './vnode/index.ts';

export interface Replicas {
  readonly admission: Admission;
  readonly coordinator: CoordinatorParts;
  readonly expiries: ExpiryTimes;
  readonly feedEntries: FeedEntries;
  readonly feedSignals: FeedSignals;
  readonly identities: VnodeIdentities;
  readonly properties: PropertyStore;
  readonly reaper: TombstoneReaper;
  readonly strays: StrayBytes;
}

/**
 * Loads vnode identities and bucket properties. Rejects with `StorageError`, or with `KvFailure` if properties that
 * this node kept by itself cannot be brought into the cluster's registry.
 */
export async function openReplicas(parts: KeyValueParts): Promise<Replicas> {
  const { environment, commit, topology, observer, settings, changes, gate } = parts;
  const { clock, timers, tasks, random, log } = environment;
  const admission = new Admission({ clock, tasks, commit, observer, settings });
  // Of every partition: any node may have to stand in for any other.
  const identities = await VnodeIdentities.open(topology.ring.partitions(), commit, random, log);
  const properties = await openProperties({
    commit,
    registry: parts.registry,
    defaults: settings.bucketDefaults,
    timeoutMs: settings.requestTimeoutMs,
    log,
    backends: parts.backends,
  });
  const strays = await StrayBytes.open(topology, commit.engine, settings.strayBytesMax);
  const mode = settings.deleteMode;
  const expiry = { clock, marginMs: settings.expiryMarginMs ?? expiryMarginMsDefault };
  const feedSignals = new FeedSignals(timers);
  const feedEntries = await FeedEntries.open({
    commit,
    clock,
    random,
    signals: feedSignals,
    kept: properties,
  });
  const reaped = new ReapedVersions(clock, {
    versionsMax: settings.reapedMax,
    bytesMax: settings.reapedBytesMax,
  });
  const damaged = await reaped.load(commit.engine, topology.ring.partitions());
  if (damaged > 0) log.error('some reaped tombstones are not remembered: damaged', { count: damaged });
  const reaper = new TombstoneReaper({
    commit,
    timers,
    mode,
    topology,
    feeds: feedEntries,
    changes,
    observer,
    log,
    expiry,
    reaped,
  });
  const expiries = new ExpiryTimes(commit.engine);
  const vnodes = new KvVnodes({
    clock,
    commit,
    identities,
    reaper,
    limits: settings,
    observer,
    log,
    strays,
    expiries,
    feeds: feedEntries,
    gate,
    changes,
    serves: parts.serves,
  });
  const deadlines = new Deadlines(clock, timers);
  const router = new VnodeRouter<ReplicaRequest, ReplicaReply>(topology.self, vnodes, parts.peers ?? noPeers);
  const names = new NameHash();
  const latencies = new PeerLatencies();
  topology.onChange(() => latencies.keepOnly((peer) => topology.isUp(peer)));
  const coordinator: CoordinatorParts = {
    clock,
    timers,
    random,
    topology,
    replicas: new ReplicaRequests({ router, topology, clock, deadlines }),
    vnodes,
    deadlines,
    names,
    repairs: new RepairBudget(clock, settings.readRepairsPerSecondMax, () => admission.defersRepair),
    latencies,
    hedges: new HedgeBudget(),
    narrowReads: new NarrowReads(settings.readEveryoneInterval),
    largeReads: new LargeReadPace(deadlines, observer),
    reapsUnderWay: new ReapsUnderWay(clock, names, settings.deleteMode),
    observer,
    settings,
  };
  return {
    admission,
    coordinator,
    expiries,
    feedEntries,
    feedSignals,
    identities,
    properties,
    reaper,
    strays,
  };
}
