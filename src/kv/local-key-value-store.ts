/**
 * A node's `KeyValueStore`: checks requests, resolves bucket properties, and drives reads, writes,
 * deletes and listings through the ring.
 */
import type { Foreground } from '../core/background/index.ts';
import type { WalkReply, WalkRequest } from '../core/coverage/index.ts';
import type { Partition } from '../core/ring/index.ts';
import { noPeers, type VnodeService } from '../core/vnode/index.ts';
import { type ByteString, byteLiteral } from '../stdx/index.ts';
import type { Durability, GroupCommit } from '../storage/index.ts';
import type { Admission } from './admission.ts';
import type { ReplicaRouter } from './anti-entropy/index.ts';
import { BucketPlacements } from './bucket-placements.ts';
import type { BucketProperties, BucketPropertyChanges } from './bucket-properties.ts';
import type { BucketTypeRefusal } from './bucket-type.ts';
import type { BucketTypes } from './bucket-types.ts';
import { chunkType } from './chunk-space.ts';
import { CommitHooks, defaultHookSettings } from './commit-hooks/index.ts';
import { type CoordinatorParts, coordinateGet } from './coordinator/index.ts';
import { Deletes, reapReadTimeoutMs } from './deletes.ts';
import { BucketDrops } from './drops/index.ts';
import { ExpiredNames, ExpirySweep } from './expiry/index.ts';
import { type ChangeFeeds, type FeedEntries, openChangeFeeds } from './feed/index.ts';
import { getResult } from './get-result.ts';
import type { KeyValueParts } from './key-value-parts.ts';
import {
  type BucketAddress,
  type DeleteRequest,
  type DeleteResult,
  type GetRequest,
  type GetResult,
  type KeyValueStore,
  KvFailure,
  type ListOptions,
  type NameStream,
  type ObjectAddress,
  type PutRequest,
  type PutResult,
} from './key-value-store.ts';
import type { KvError } from './kv-error.ts';
import type { KvObserver } from './kv-observer.ts';
import type { VersionedObject } from './object/index.ts';
import { openReplicas, type Replicas } from './open-replicas.ts';
import type { PropertyDamage, PropertyStore } from './property-store.ts';
import { type AssembleObject, PutRequests } from './put-requests.ts';
import { CoverageQueries, IndexQueries, type IndexQuerying, NameListings } from './query/index.ts';
import { quorumAll } from './quorum-value.ts';
import { ReplicaService } from './replica-service.ts';
import { RequestDoor } from './request-door.ts';
import { SerialisedWrites } from './serialised-writes.ts';
import { SiblingMerges } from './sibling-merges.ts';
import { TombstoneSweep } from './tombstone-sweep.ts';
import {
  ObjectKey,
  type ReplicaReply,
  type ReplicaRequest,
  type StrayBytes,
  type TombstoneReaper,
  type VnodeIdentities,
} from './vnode/index.ts';

export class LocalKeyValueStore implements KeyValueStore {
  /** For requests of other nodes. */
  readonly replicas: VnodeService<ReplicaRequest, ReplicaReply>;
  /** What this node holds of partitions that are not its own. */
  readonly strays: StrayBytes;
  readonly reaper: TombstoneReaper;
  /** For listings and index queries of other nodes. */
  readonly walks: VnodeService<WalkRequest, WalkReply>;
  readonly indexes: IndexQuerying;
  readonly feeds: ChangeFeeds;
  readonly feedEntries: FeedEntries;
  readonly placements: BucketPlacements;
  /** For the other kinds of request, which are classes of their own. */
  readonly door: RequestDoor;
  readonly coordinator: CoordinatorParts;
  readonly deletes: Deletes;
  readonly drops: BucketDrops;
  readonly #environment: KeyValueParts['environment'];
  readonly #commit: GroupCommit;
  readonly #identities: VnodeIdentities;
  readonly #properties: PropertyStore;
  readonly #observer: KvObserver;
  readonly #hooks: CommitHooks;
  readonly #merges: SiblingMerges;
  readonly #puts: PutRequests;
  readonly #listings: NameListings;
  readonly #admission: Admission;
  readonly #sweeps: readonly (ExpirySweep | TombstoneSweep)[];
  #assemble: AssembleObject | undefined;
  #closed: Promise<void> | undefined;

  private constructor(parts: KeyValueParts, replicas: Replicas) {
    const { admission, coordinator, expiries, feedEntries, feedSignals, properties } = replicas;
    const { commit, environment, settings } = parts;
    this.coordinator = coordinator;
    this.#environment = environment;
    this.#commit = commit;
    this.#identities = replicas.identities;
    this.#properties = properties;
    this.reaper = replicas.reaper;
    this.strays = replicas.strays;
    this.#observer = parts.observer;
    this.#admission = admission;
    this.door = new RequestDoor(admission, properties, environment.clock, settings.requestTimeoutMs);
    this.deletes = new Deletes(coordinator, this.door, environment, settings, () => admission.defersRepair);
    this.#hooks = new CommitHooks({
      environment,
      sandbox: parts.hookSandbox,
      settings: parts.hookSettings ?? defaultHookSettings,
      observer: parts.observer,
      get: (request, done) => this.get(request, done),
    });
    this.#merges = new SiblingMerges({
      environment,
      coordinator,
      functions: this.#hooks.functions,
      settings,
      isStopping: () => admission.isStopping,
    });
    const serialised = new SerialisedWrites(coordinator, environment, settings.keyQueueMax);
    this.#puts = new PutRequests({
      environment,
      coordinator,
      door: this.door,
      hooks: this.#hooks,
      merges: this.#merges,
      serialised,
      observer: parts.observer,
      assemble: (object, done) => this.#whole(object, done),
    });
    this.replicas = new ReplicaService(coordinator, admission, settings.bucketDefaults, (write, of, done) =>
      serialised.decide(write, of, done),
    );
    this.placements = new BucketPlacements(properties);
    const coverage = new CoverageQueries({
      coordinator,
      placements: this.placements,
      tasks: environment.tasks,
      commit,
      peers: parts.walkPeers ?? noPeers,
      serves: parts.serves ?? (() => true),
      expired: new ExpiredNames(commit.engine, expiries, environment.clock),
    });
    this.walks = coverage.walks;
    const swept = {
      environment,
      engine: commit.engine,
      topology: coordinator.topology,
      names: coordinator.names,
      placementOf: (address: BucketAddress) => this.placements.of(address),
      isLoaded: () => admission.defersRepair,
      readAll: (address: ObjectAddress) => this.readAll(address),
      settings,
    };
    const expirySweep = new ExpirySweep({ ...swept, times: expiries });
    const tombstones = { ...swept, hasRoom: () => this.reaper.hasRoom, observer: parts.observer };
    this.#sweeps =
      settings.deleteMode === 'keep' ? [expirySweep] : [expirySweep, new TombstoneSweep(tombstones)];
    this.feedEntries = feedEntries;
    this.feeds = openChangeFeeds({
      ...parts,
      coordinator,
      door: this.door,
      entries: feedEntries,
      signals: feedSignals,
    });
    this.#listings = new NameListings(coverage, this.#observer, settings.listTimeoutMs);
    this.drops = new BucketDrops({
      ...swept,
      properties,
      coordinator,
      deletes: this.deletes,
      listings: this.#listings,
    });
    this.indexes = new IndexQueries({
      coverage,
      door: this.door,
      observer: this.#observer,
      clock: environment.clock,
      timeoutMs: settings.queryTimeoutMs ?? 0,
    });
  }

  /**
   * Loads vnode identities and bucket properties. Rejects with `StorageError`, or with `KvFailure` if properties that
   * this node kept by itself cannot be brought into the cluster's registry.
   */
  static async open(parts: KeyValueParts): Promise<LocalKeyValueStore> {
    const store = new LocalKeyValueStore(parts, await openReplicas(parts));
    for (const sweep of store.#sweeps) sweep.start();
    store.drops.start();
    return store;
  }

  refuses(work: 'read' | 'write'): boolean {
    return this.#admission.refusal(work, this.#environment.clock.now()) === 'overload';
  }

  get(request: GetRequest, done: (result: GetResult) => void): void {
    const startedAt = this.#environment.clock.now();
    const finish = (result: GetResult) => {
      const durationMs = this.door.left('read', startedAt, result.kind !== 'failed');
      const object = result.kind === 'found' ? result.object : undefined;
      const outcome = result.kind === 'unchanged' ? 'found' : result.kind;
      this.#observer.getFinished(durationMs, outcome, object?.sizeBytes ?? 0, object?.siblingCount ?? 0);
      done(result);
    };
    const properties = this.door.enter('read', request, request.key, startedAt);
    if ('code' in properties) {
      done({ kind: 'failed', error: properties });
      return;
    }
    coordinateGet(this.coordinator, request, properties, (outcome) => {
      const result = getResult(outcome, request, properties, this.#environment.clock);
      if (result.kind === 'found' && result.object.hasManifest) this.#withValues(result, request, finish);
      else finish(result);
      if (properties.siblings_max > 0 && outcome.kind === 'read') {
        this.#merges.saw(request, outcome.object, properties);
      }
    });
  }

  put(request: PutRequest, done: (result: PutResult) => void): void {
    this.#puts.put(request, done);
  }

  /** Values that are kept in chunks are put in their places, unless nobody wants to see them. */
  #withValues(
    result: Extract<GetResult, { readonly kind: 'found' }>,
    { head, leaveChunks }: GetRequest,
    finish: (result: GetResult) => void,
  ): void {
    if (head === true || leaveChunks === true) {
      finish(result);
      return;
    }
    this.#whole(result.object, (whole) => {
      finish('code' in whole ? { kind: 'failed', error: whole } : { kind: 'found', object: whole });
    });
  }

  /** As it is, where nobody puts values together. */
  #whole(object: VersionedObject, done: (whole: VersionedObject | KvError) => void): void {
    if (this.#assemble === undefined) done(object);
    else this.#assemble(object, done);
  }

  /** Says who puts values together that are kept in chunks. Once. */
  assembleWith(assemble: AssembleObject): void {
    this.#assemble = assemble;
  }

  delete(request: DeleteRequest, done: (result: DeleteResult) => void): void {
    const startedAt = this.#environment.clock.now();
    const properties = this.door.enterWrite(request, request.key, startedAt);
    if ('code' in properties) {
      done({ kind: 'failed', error: properties });
      return;
    }
    const finish = (result: DeleteResult) => {
      const durationMs = this.door.left('write', startedAt, result.kind === 'deleted');
      this.#observer.deleteFinished(durationMs, result.kind);
      done(result);
    };
    if (properties.precommit.length === 0) {
      this.deletes.delete(request, properties, startedAt, finish);
      return;
    }
    this.#hooks.beforeDelete(request, properties, (rejection) => {
      if (rejection === undefined) this.deletes.delete(request, properties, startedAt, finish);
      else finish({ kind: 'failed', error: rejection });
    });
  }

  listKeys(address: BucketAddress, options: ListOptions): NameStream {
    this.door.checkLoad();
    const { n_val: n } = this.door.checkBucket(address);
    const { bucketType, bucket } = address;
    return this.#listings.list({ kind: 'keys', bucketType, bucket }, n, options.timeoutMs);
  }

  listBuckets(bucketType: ByteString, options: ListOptions): NameStream {
    this.door.checkLoad();
    this.door.checkBucket({ bucketType, bucket: byteLiteral('any') });
    // As many as the bucket with the fewest replicas has.
    return this.#listings.list({ kind: 'buckets', bucketType }, this.placements.nVals[0]!, options.timeoutMs);
  }

  properties(address: BucketAddress): BucketProperties | undefined {
    return address.bucketType === chunkType ? undefined : this.#properties.of(address);
  }

  async setProperties(address: BucketAddress, changes: BucketPropertyChanges): Promise<void> {
    this.door.checkBucket(address);
    await this.#properties.set(address, changes);
  }

  async resetProperties(address: BucketAddress): Promise<void> {
    this.door.checkBucket(address);
    await this.#properties.reset(address);
  }

  async setTypeProperties(
    bucketType: ByteString,
    changes: BucketPropertyChanges,
  ): Promise<BucketTypeRefusal | undefined> {
    if (this.#admission.isStopping) throw new KvFailure({ code: 'stopping' });
    return this.bucketTypes.update(bucketType, changes);
  }

  get bucketTypes(): BucketTypes {
    return this.#properties.types;
  }

  get propertyDamage(): PropertyDamage {
    return this.#properties.damage;
  }

  /** Requests in progress. */
  get inProgress(): number {
    return this.#admission.inProgress;
  }

  /** Of expired objects and of tombstones. */
  async stopSweeps(): Promise<void> {
    await Promise.all([...this.#sweeps, this.drops].map((sweep) => sweep.close()));
  }

  /** Refuses new requests of clients, and goes on to answer for its replicas. Resolves when none is in progress. */
  turnAway(): Promise<void> {
    return this.#admission.stop();
  }

  /**
   * Refuses new requests, waits for those in progress (each has a deadline), stores nothing for other nodes any more, waits
   * for all writes, and hands the vnodes' ids on. The engine is the caller's to close. Every call returns the same promise.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    // At once: what comes in the same turn is refused.
    const ended = this.#admission.stop();
    await this.feeds.close();
    await ended;
    await this.#merges.close();
    await this.stopSweeps();
    this.deletes.close();
    this.reaper.close();
    this.coordinator.vnodes.close();
    this.coordinator.deadlines.close();
    await this.#commit.drain();
    await this.#identities.closeCleanly();
  }

  /** Tombstones that were forgotten here and are remembered for a while. */
  get reapedVersions(): { readonly count: number; readonly byteLength: number } {
    return { count: this.reaper.remembered, byteLength: this.reaper.rememberedBytes };
  }

  /** Whether handoff should rest for now; to be asked before each of its steps. */
  defersHandoff(): boolean {
    return this.#admission.defersHandoff();
  }

  /** What background work has to know of requests. */
  get foreground(): Foreground {
    return this.#admission;
  }

  /** How many may be in progress at present. */
  get requestLimits(): { readonly reads: number; readonly writes: number } {
    return { reads: this.#admission.limitOf('reads'), writes: this.#admission.limitOf('writes') };
  }

  /** The way to replicas, wherever they are. */
  get router(): ReplicaRouter {
    return this.coordinator.replicas;
  }

  /** Calls `changed` when properties have changed by which objects of some bucket are placed. */
  onPlacementChange(changed: () => void): void {
    this.#properties.onChange(() => {
      if (this.placements.propertiesChanged()) changed();
    });
  }

  durabilityOf(address: BucketAddress): Durability {
    return this.#properties.of(address)?.durability ?? 'synced';
  }

  /** Reads the key at all its replicas, and lets a tombstone be forgotten that is all there is. */
  readAll(address: ObjectAddress): void {
    const properties = this.#properties.of(address);
    if (properties === undefined || this.#admission.isStopping) return;
    const read = { ...address, r: quorumAll, timeoutMs: reapReadTimeoutMs };
    coordinateGet(this.coordinator, read, properties, () => {});
  }

  /** Puts what all replicas of the key hold in the place of this node's damaged copy, which may be a hint. */
  repairCopy(partition: Partition, address: ObjectAddress): void {
    const properties = this.#properties.of(address);
    if (properties === undefined || this.#admission.isStopping) return;
    const read = { ...address, r: quorumAll, timeoutMs: reapReadTimeoutMs };
    coordinateGet(this.coordinator, read, properties, (outcome) => {
      if (outcome.kind !== 'read' || outcome.object === undefined || this.#admission.isStopping) return;
      const key = new ObjectKey(address);
      const { object } = outcome;
      const durability = this.durabilityOf(address);
      const put = { kind: 'put', key, object, durability, purpose: 'repair', announce: false } as const;
      // If it fails the next fold finds the damage again.
      this.replicas.handle(partition, put, () => {});
    });
  }
}
