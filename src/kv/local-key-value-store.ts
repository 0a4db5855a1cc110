/**
 * A node's `KeyValueStore`: checks requests, resolves bucket properties, and drives reads, writes,
 * deletes and listings through the ring.
 */
import type { VersionVector } from '../clocks/index.ts';
import type { WalkReply, WalkRequest } from '../core/coverage/index.ts';
import type { WriteGate } from '../core/handoff/index.ts';
import type { Partition } from '../core/ring/index.ts';
import type { Topology } from '../core/topology/index.ts';
import {
  Deadlines,
  noPeers,
  type PeerTransport,
  VnodeRouter,
  type VnodeService,
} from '../core/vnode/index.ts';
import type { Environment, Instant } from '../environment/index.ts';
import { assert, type ByteString, byteLiteral, textOfBytes } from '../stdx/index.ts';
import type { Durability, GroupCommit } from '../storage/index.ts';
import { tombstoneContent } from '../wire/index.ts';
import { Admission, type AdmissionSettings } from './admission.ts';
import type { ReplicaRouter, StoredChanges } from './anti-entropy/index.ts';
import { BucketPlacements } from './bucket-placements.ts';
import type { BucketProperties, BucketPropertyChanges } from './bucket-properties.ts';
import type { BucketTypeRefusal } from './bucket-type.ts';
import type { BucketTypes } from './bucket-types.ts';
import {
  type CoordinatorParts,
  type CoordinatorSettings,
  coordinateGet,
  coordinatePut,
  HedgeBudget,
  NameHash,
  PeerLatencies,
  type PreparedWrite,
  RepairBudget,
  ReplicaRequests,
  type WriteOutcome,
} from './coordinator/index.ts';
import { getResult } from './get-result.ts';
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
import { NameListings } from './name-listings.ts';
import type { VersionedObject } from './object/index.ts';
import { openProperties } from './open-properties.ts';
import { PostponedWork } from './postponed-work.ts';
import type { PropertyDamage, PropertyStore } from './property-store.ts';
import { quorumAll } from './quorum-value.ts';
import type { Registry } from './registry.ts';
import { ReplicaService } from './replica-service.ts';
import { addressOnly, checkName, decodeContext, prepareWrite } from './request-checks.ts';
import { generatedKeyLength, uniqueText, vtagLength } from './unique-text.ts';
import { isLive, visibleObject } from './visible-object.ts';
import {
  type DeleteMode,
  KvVnodes,
  ObjectKey,
  type ObjectLimits,
  type ReplicaReply,
  type ReplicaRequest,
  StrayBytes,
  TombstoneReaper,
  VnodeIdentities,
} from './vnode/index.ts';
import { conditionFailure } from './write-condition.ts';

export interface KeyValueSettings extends CoordinatorSettings, AdmissionSettings, ObjectLimits {
  readonly deleteMode: DeleteMode;
  /** Milliseconds for a listing that names no timeout. */
  readonly listTimeoutMs: number;
  /** Bytes that this node holds at most of partitions that it does not own. */
  readonly strayBytesMax: number;
  /** What buckets without properties of their own have. */
  readonly bucketDefaults: BucketProperties;
}

export interface KeyValueParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'tasks' | 'random' | 'log'>;
  readonly commit: GroupCommit;
  readonly topology: Topology;
  readonly observer: KvObserver;
  readonly settings: KeyValueSettings;
  /** The way to other nodes; a node without a cluster has none. */
  readonly peers?: PeerTransport<ReplicaRequest, ReplicaReply>;
  /** What writes pass when partitions move. */
  readonly gate?: WriteGate<ReplicaRequest>;
  /** Told of everything that is stored. */
  readonly changes?: StoredChanges;
  /** Where bucket properties are agreed; absent: in this node's engine. */
  readonly registry?: Registry;
  /** The way to listings of other nodes. */
  readonly walkPeers?: PeerTransport<WalkRequest, WalkReply>;
  /** False: the partition is being dropped: what the engine still holds of it is neither shown nor written to. */
  readonly serves?: (partition: Partition) => boolean;
}

/** The read after a delete, which lets its tombstone be forgotten, waits this long at most. */
const reapReadTimeoutMs = 60_000;
/** Deletes whose reap read has not begun. Beyond this the next read of the key does it. */
const reapReadsMax = 10_000;

export class LocalKeyValueStore implements KeyValueStore {
  /** For requests of other nodes. */
  readonly replicas: VnodeService<ReplicaRequest, ReplicaReply>;
  /** What this node holds of partitions that are not its own. */
  readonly strays: StrayBytes;
  /** For listings of other nodes. */
  readonly walks: VnodeService<WalkRequest, WalkReply>;
  readonly placements: BucketPlacements;
  readonly #coordinator: CoordinatorParts;
  readonly #environment: KeyValueParts['environment'];
  readonly #commit: GroupCommit;
  readonly #identities: VnodeIdentities;
  readonly #properties: PropertyStore;
  readonly #observer: KvObserver;
  readonly #settings: KeyValueSettings;
  readonly #reaper: TombstoneReaper;
  readonly #reapReads: PostponedWork;
  readonly #listings: NameListings;
  readonly #admission: Admission;
  #closed: Promise<void> | undefined;

  private constructor(
    parts: KeyValueParts,
    identities: VnodeIdentities,
    properties: PropertyStore,
    reaper: TombstoneReaper,
    strays: StrayBytes,
    coordinator: CoordinatorParts,
    admission: Admission,
  ) {
    const { commit, environment, settings } = parts;
    this.#coordinator = coordinator;
    this.#environment = environment;
    this.#commit = commit;
    this.#identities = identities;
    this.#properties = properties;
    this.#reaper = reaper;
    this.strays = strays;
    this.#reapReads = new PostponedWork(environment.timers, reapReadsMax);
    this.#observer = parts.observer;
    this.#settings = settings;
    this.#admission = admission;
    this.replicas = new ReplicaService(coordinator, admission, settings.bucketDefaults);
    this.placements = new BucketPlacements(properties);
    this.#listings = new NameListings({
      coordinator,
      placements: this.placements,
      tasks: environment.tasks,
      engine: commit.engine,
      timeoutMs: settings.listTimeoutMs,
      peers: parts.walkPeers ?? noPeers,
      serves: parts.serves ?? (() => true),
    });
    this.walks = this.#listings.walks;
  }

  /**
   * Loads vnode identities and bucket properties. Rejects with `StorageError`, or with `KvFailure` if properties that
   * this node kept by itself cannot be brought into the cluster's registry.
   */
  static async open(parts: KeyValueParts): Promise<LocalKeyValueStore> {
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
    });
    const strays = await StrayBytes.open(topology, commit.engine, settings.strayBytesMax);
    const mode = settings.deleteMode;
    const reaper = new TombstoneReaper({ commit, timers, mode, topology, changes, observer, log });
    const vnodes = new KvVnodes({
      commit,
      identities,
      reaper,
      limits: settings,
      observer,
      log,
      strays,
      gate,
      changes,
      serves: parts.serves,
    });
    const deadlines = new Deadlines(clock, timers);
    const router = new VnodeRouter<ReplicaRequest, ReplicaReply>(
      topology.self,
      vnodes,
      parts.peers ?? noPeers,
    );
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
      names: new NameHash(),
      repairs: new RepairBudget(clock, settings.readRepairsPerSecondMax, () => admission.defersRepair),
      latencies,
      hedges: new HedgeBudget(),
      observer,
      settings,
    };
    return new LocalKeyValueStore(parts, identities, properties, reaper, strays, coordinator, admission);
  }

  refuses(work: 'read' | 'write'): boolean {
    return this.#admission.refusal(work, this.#environment.clock.now()) === 'overload';
  }

  get(request: GetRequest, done: (result: GetResult) => void): void {
    const startedAt = this.#environment.clock.now();
    const finish = (result: GetResult) => {
      const durationMs = this.#left('read', startedAt, result.kind !== 'failed');
      const object = result.kind === 'found' ? result.object : undefined;
      const outcome = result.kind === 'unchanged' ? 'found' : result.kind;
      this.#observer.getFinished(durationMs, outcome, object?.sizeBytes ?? 0, object?.siblingCount ?? 0);
      done(result);
    };
    const properties = this.#enter('read', request, request.key, startedAt);
    if ('code' in properties) {
      done({ kind: 'failed', error: properties });
      return;
    }
    coordinateGet(this.#coordinator, request, properties, (outcome) => {
      finish(getResult(outcome, request, properties));
    });
  }

  put(request: PutRequest, done: (result: PutResult) => void): void {
    const startedAt = this.#environment.clock.now();
    const generatedKey =
      request.key === undefined ? uniqueText(this.#environment.random, generatedKeyLength) : undefined;
    const address: ObjectAddress = {
      bucketType: request.bucketType,
      bucket: request.bucket,
      key: request.key ?? generatedKey ?? byteLiteral(''),
    };
    const properties = this.#enterWrite(address, address.key, startedAt);
    if ('code' in properties) {
      done({ kind: 'failed', error: properties });
      return;
    }
    const finish = (result: PutResult, object: VersionedObject | undefined) => {
      const durationMs = this.#left('write', startedAt, result.kind === 'stored');
      this.#observer.putFinished(durationMs, result.kind, object?.sizeBytes ?? 0, object?.siblingCount ?? 0);
      done(result);
    };
    const { random, clock } = this.#environment;
    const write = prepareWrite(request, address, uniqueText(random, vtagLength), clock.wallMicros());
    if ('code' in write) {
      finish({ kind: 'failed', error: write }, undefined);
      return;
    }
    this.#checkThenWrite(write, properties, (outcome) => {
      if (outcome.kind !== 'written') {
        finish(failureOf(outcome), undefined);
        return;
      }
      const shown = write.wantsObject ? outcome.object : undefined;
      const object = shown === undefined ? undefined : visibleObject(shown, properties);
      finish({ kind: 'stored', object, generatedKey }, outcome.object);
    });
  }

  delete(request: DeleteRequest, done: (result: DeleteResult) => void): void {
    const startedAt = this.#environment.clock.now();
    const properties = this.#enterWrite(request, request.key, startedAt);
    if ('code' in properties) {
      done({ kind: 'failed', error: properties });
      return;
    }
    const finish = (result: DeleteResult) => {
      const durationMs = this.#left('write', startedAt, result.kind === 'deleted');
      this.#observer.deleteFinished(durationMs, result.kind);
      done(result);
    };
    if (request.context !== undefined && request.context.length > 0) {
      const context = decodeContext(request.context);
      if (context === undefined) finish({ kind: 'failed', error: { code: 'bad_context' } });
      else this.#writeTombstone(request, context, properties, finish);
      return;
    }
    const { r, pr, rw, timeoutMs, sloppyQuorum, nVal } = request;
    const read: GetRequest = { ...addressOnly(request), r: r ?? rw, pr, timeoutMs, sloppyQuorum, nVal };
    coordinateGet(this.#coordinator, read, properties, (outcome) => {
      if (outcome.kind === 'failed') finish(outcome);
      else if (!isLive(outcome.object, properties)) finish({ kind: 'notfound' });
      else {
        const rest = { ...request, timeoutMs: this.#timeLeft(timeoutMs, startedAt) };
        this.#writeTombstone(rest, outcome.object.clock, properties, finish);
      }
    });
  }

  listKeys(address: BucketAddress, options: ListOptions): NameStream {
    this.#checkLoad();
    const { n_val: n } = this.#checkBucket(address);
    const { bucketType, bucket } = address;
    return this.#listings.list({ kind: 'keys', bucketType, bucket }, n, options.timeoutMs);
  }

  listBuckets(bucketType: ByteString, options: ListOptions): NameStream {
    this.#checkLoad();
    this.#checkBucket({ bucketType, bucket: byteLiteral('any') });
    // As many as the bucket with the fewest replicas has.
    return this.#listings.list({ kind: 'buckets', bucketType }, this.placements.nVals[0]!, options.timeoutMs);
  }

  properties(address: BucketAddress): BucketProperties | undefined {
    return this.#properties.of(address);
  }

  async setProperties(address: BucketAddress, changes: BucketPropertyChanges): Promise<void> {
    this.#checkBucket(address);
    await this.#properties.set(address, changes);
  }

  async resetProperties(address: BucketAddress): Promise<void> {
    this.#checkBucket(address);
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

  /**
   * Refuses new requests, waits for those in progress (each has a deadline) and for all writes, and
   * hands the vnodes' ids on. The engine is the caller's to close. Every call returns the same promise.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#admission.stop();
    this.#reapReads.close();
    this.#reaper.close();
    this.#coordinator.deadlines.close();
    await this.#commit.drain();
    await this.#identities.closeCleanly();
  }

  /** Whether handoff should rest for now; to be asked before each of its steps. */
  defersHandoff(): boolean {
    return this.#admission.defersHandoff();
  }

  /** Requests that may be in progress at present. */
  limitOf(kind: 'reads' | 'writes'): number {
    return this.#admission.limitOf(kind);
  }

  /** The way to replicas, wherever they are. */
  get router(): ReplicaRouter {
    return this.#coordinator.replicas;
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
    coordinateGet(this.#coordinator, read, properties, () => {});
  }

  /** Puts what all replicas of the key hold in the place of this node's damaged copy, which may be a hint. */
  repairCopy(partition: Partition, address: ObjectAddress): void {
    const properties = this.#properties.of(address);
    if (properties === undefined || this.#admission.isStopping) return;
    const read = { ...address, r: quorumAll, timeoutMs: reapReadTimeoutMs };
    coordinateGet(this.#coordinator, read, properties, (outcome) => {
      if (outcome.kind !== 'read' || outcome.object === undefined || this.#admission.isStopping) return;
      const key = new ObjectKey(address);
      const { object } = outcome;
      const durability = this.durabilityOf(address);
      const put = { kind: 'put', key, object, durability, purpose: 'repair', announce: false } as const;
      // If it fails the next fold finds the damage again.
      this.replicas.handle(partition, put, () => {});
    });
  }

  /** Admits a request, or says why not. Every admitted request calls `#left` once. */
  #enter(
    work: 'read' | 'write',
    address: BucketAddress,
    key: ByteString,
    now: Instant,
  ): BucketProperties | KvError {
    const refusal = this.#admission.refusal(work, now);
    if (refusal !== undefined) return { code: refusal };
    const badName = checkName('bucket', address.bucket) ?? checkName('key', key);
    if (badName !== undefined) return badName;
    const properties = this.#propertiesOf(address);
    if (!('code' in properties)) this.#admission.enter(work, now);
    return properties;
  }

  #enterWrite(address: BucketAddress, key: ByteString, now: Instant): BucketProperties | KvError {
    const damage = this.#properties.damageOf(address);
    if (damage !== undefined) return { code: 'storage', reason: damage };
    return this.#enter('write', address, key, now);
  }

  /** Returns the milliseconds that the request took. */
  #left(work: 'read' | 'write', startedAt: Instant, succeeded: boolean): number {
    const now = this.#environment.clock.now();
    const tookMs = now - startedAt;
    this.#admission.leave(work, succeeded ? tookMs : undefined, now);
    return tookMs;
  }

  /** A listing is many reads. */
  #checkLoad(): void {
    const refusal = this.#admission.refusal('read', this.#environment.clock.now());
    if (refusal !== undefined) throw new KvFailure({ code: refusal });
  }

  #propertiesOf(address: BucketAddress): BucketProperties | KvError {
    const badType = checkName('type', address.bucketType);
    if (badType !== undefined) return badType;
    const properties = this.#properties.of(address);
    return properties ?? { code: 'unknown_bucket_type', bucketType: textOfBytes(address.bucketType) };
  }

  #checkBucket(address: BucketAddress): BucketProperties {
    if (this.#admission.isStopping) throw new KvFailure({ code: 'stopping' });
    const properties = checkName('bucket', address.bucket) ?? this.#propertiesOf(address);
    if ('code' in properties) throw new KvFailure(properties);
    return properties;
  }

  /** A condition is read at a quorum first, then checked again where the write is made. */
  #checkThenWrite(
    write: PreparedWrite,
    properties: BucketProperties,
    done: Parameters<typeof coordinatePut>[3],
  ): void {
    if (write.condition === 'none') {
      coordinatePut(this.#coordinator, write, properties, done);
      return;
    }
    const startedAt = this.#environment.clock.now();
    const { timeoutMs, sloppyQuorum, nVal } = write.options;
    const read = { ...write.address, timeoutMs, sloppyQuorum, nVal };
    coordinateGet(this.#coordinator, read, properties, (outcome) => {
      const refusal =
        outcome.kind === 'failed' ? outcome.error : conditionFailure(write, outcome.object, properties);
      if (refusal === undefined) {
        const options = { ...write.options, timeoutMs: this.#timeLeft(timeoutMs, startedAt) };
        coordinatePut(this.#coordinator, { ...write, options }, properties, done);
      } else done({ kind: 'failed', error: refusal });
    });
  }

  /** For the second phase of a request: milliseconds, at least one. */
  #timeLeft(timeoutMs: number | undefined, startedAt: Instant): number {
    const spentMs = this.#environment.clock.now() - startedAt;
    return Math.max(1, (timeoutMs || this.#settings.requestTimeoutMs) - spentMs);
  }

  #writeTombstone(
    request: DeleteRequest,
    context: VersionVector,
    properties: BucketProperties,
    done: (result: DeleteResult) => void,
  ): void {
    const { random, clock } = this.#environment;
    const { w, dw, pw, rw, nodeConfirms, sloppyQuorum, nVal, timeoutMs, syncOnWrite } = request;
    const write: PreparedWrite = {
      address: addressOnly(request),
      options: { w: w ?? rw, dw, pw, nodeConfirms, sloppyQuorum, nVal, timeoutMs, syncOnWrite },
      context,
      content: tombstoneContent(uniqueText(random, vtagLength), clock.wallMicros()),
      condition: 'none',
      asis: false,
      wantsObject: false,
      isForwarded: false,
    };
    coordinatePut(this.#coordinator, write, properties, (outcome) => {
      if (outcome.kind !== 'written') {
        done(failureOf(outcome));
        return;
      }
      done({ kind: 'deleted' });
      if (nVal === undefined) this.#reapSoon(write.address, properties);
    });
  }

  /** Reads the key at all replicas: a read that finds only the tombstone everywhere lets it be forgotten. */
  #reapSoon(address: ObjectAddress, properties: BucketProperties): void {
    if (this.#settings.deleteMode === 'keep') return;
    this.#reapReads.postpone(this.#settings.tombstonePauseMs, () => {
      if (this.#admission.defersRepair) return;
      const read = { ...address, r: quorumAll, timeoutMs: reapReadTimeoutMs };
      coordinateGet(this.#coordinator, read, properties, () => {});
    });
  }
}

/** Only a write that came from another node can be declined. */
function failureOf(outcome: Exclude<WriteOutcome, { kind: 'written' }>) {
  assert(outcome.kind === 'failed', 'a write of a client is coordinated somewhere, or fails');
  return outcome;
}
