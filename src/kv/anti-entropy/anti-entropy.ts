/**
 * Anti-entropy of a node: hash trees of all partitions it owns, kept with every write, and exchanges with the other
 * replicas that find and repair what reads and hints have missed (D11; Dynamo §4.7). docs/internals/anti-entropy.md
 * tells how it works and what holds.
 *
 * Its life: `open` before anything is written; `changes` goes to the vnodes; `start` when requests can be routed;
 * `stop` before the store closes; `close` when all writes are done and the engine is still open.
 */
import type { Background } from '../../core/background/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import type { Topology } from '../../core/topology/index.ts';
import type { Messenger } from '../../core/transport/index.ts';
import type { Environment, NodeId, Timer } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import { type Durability, type GroupCommit, type StorageEngine, StorageError } from '../../storage/index.ts';
import type { ObjectAddress } from '../key-value-store.ts';
import { partitionsRange } from '../vnode/index.ts';
import { ExchangeAnswers } from './answer-exchange.ts';
import type { AntiEntropyStatus } from './anti-entropy-status.ts';
import type { ReplicaPair } from './exchange-message.ts';
import { ExchangePeers } from './exchange-peers.ts';
import { ExchangeSchedule } from './exchange-schedule.ts';
import { PartitionTrees } from './partition-trees.ts';
import { Pause } from './pause.ts';
import type { Placements } from './placements.ts';
import type { ReplicaRouter } from './repair-key.ts';
import { RepairPace } from './repair-pace.ts';
import { type ExchangeParts, type ExchangeTotals, runExchange } from './run-exchange.ts';
import { saveTrees, takeSavedTrees } from './saved-trees.ts';
import { SegmentListings } from './segment-listing.ts';
import type { StoredChanges } from './stored-changes.ts';
import { TreeKeeper } from './tree-keeper.ts';
import { TreeUpkeep, type UpkeepSettings } from './tree-upkeep.ts';

/** Between two starts of exchanges: at most 50 a second. */
const exchangeGapMs = 20;

/**
 * Buckets with more replicas are left to reads and hints: every two replicas of a list are a pair, and whoever sets
 * properties must not be able to fill the memory with them.
 */
export const comparedReplicasMax = 8;

export interface AntiEntropySettings extends UpkeepSettings {
  /** False: no trees, no exchanges, and `building` to who asks. */
  readonly isActive: boolean;
  /** Every two replicas of a preference list are compared this often. */
  readonly intervalMs: number;
  /** Exchanges at once that this node begins. */
  readonly exchangesMax: number;
  /** Keys a second that this node's exchanges repair. */
  readonly repairsPerSecondMax: number;
}

export interface AntiEntropyParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'tasks' | 'random' | 'log'>;
  readonly background: Background;
  readonly commit: GroupCommit;
  readonly topology: Topology;
  /** Asked for the first time when the first change is observed, or at `start`. */
  readonly placements: Placements;
  readonly settings: AntiEntropySettings;
}

/** What exchanges need of the node, beside trees. */
export interface ExchangeAccess {
  readonly messenger: Messenger;
  readonly router: ReplicaRouter;
  /** As the object's bucket has it. */
  readonly durabilityOf: (address: ObjectAddress) => Durability;
  /** Reads the key at all its replicas: if all hold nothing but a tombstone, that read lets it be forgotten (C8). */
  readonly readAll: (address: ObjectAddress) => void;
}

interface PlanBasis {
  readonly owners: readonly NodeId[];
  readonly nodes: readonly NodeId[];
  readonly up: string;
}

export class AntiEntropy {
  readonly #parts: AntiEntropyParts;
  readonly #keeper: TreeKeeper;
  readonly #upkeep: TreeUpkeep;
  readonly #schedule: ExchangeSchedule;
  readonly #listings: SegmentListings;
  readonly #totals: ExchangeTotals = {
    exchanges: 0,
    differing: 0,
    refused: 0,
    keysListed: 0,
    keysRepaired: 0,
    keysVanished: 0,
    keysFailed: 0,
  };
  /** Of the placements that trees from disk were made by, until `start` has compared it. */
  #savedRevision: string | undefined;
  /** Of the exchanges that run. */
  readonly #pauses = new Set<Pause>();
  #peers: ExchangePeers | undefined;
  #exchangeParts: Omit<ExchangeParts, 'pause'> | undefined;
  #readAll: (address: ObjectAddress) => void = () => {};
  #timer: Timer | undefined;
  #idle: (() => void) | undefined;
  /** What exchanges were planned by: who owns what, who these are, and which of them were up. */
  #plannedBy: PlanBasis = { owners: [], nodes: [], up: '' };
  #stopped: Promise<void> | undefined;

  private constructor(parts: AntiEntropyParts) {
    const { environment, background, commit, topology, placements, settings } = parts;
    this.#parts = parts;
    this.#keeper = new TreeKeeper(
      () => topology.ring,
      placements,
      () => this.#upkeep.wake(),
    );
    this.#upkeep = new TreeUpkeep({
      environment,
      background,
      commit,
      keeper: this.#keeper,
      settings,
      lingering: (tombstone) => this.#readAll(tombstone),
      ready: (partition) => this.#hasten(partition),
    });
    this.#schedule = new ExchangeSchedule(settings.intervalMs, environment.random);
    this.#listings = new SegmentListings(commit, () => topology.ring, placements);
  }

  /** Takes up what a clean stop left. Before the first write. Rejects with `StorageError`. */
  static async open(parts: AntiEntropyParts): Promise<AntiEntropy> {
    const { commit, topology, environment, settings } = parts;
    const antiEntropy = new AntiEntropy(parts);
    let isDoubted = false;
    commit.engine.onDoubt?.(() => {
      isDoubted = true;
      antiEntropy.#keeper.doubtAll();
    });
    const owned = topology.ring.partitionsOf(topology.self);
    // Taken even if it is not used: a mark that stayed would be believed after other writes.
    const taken = await takeSavedTrees(commit, topology.ring.size, owned, environment.log);
    const saved = isDoubted ? undefined : taken;
    if (!settings.isActive) return antiEntropy;
    antiEntropy.#savedRevision = saved?.revision;
    // Trees of nothing need not be made: a fold of each partition would be most of an empty node's first second.
    const isEmpty = saved === undefined && (await holdsNothing(commit.engine));
    for (const partition of owned) {
      antiEntropy.#keeper.keep(partition, isEmpty ? new PartitionTrees() : saved?.trees.get(partition));
    }
    return antiEntropy;
  }

  /** For the vnodes: told of every committed change. */
  get changes(): StoredChanges {
    return this.#keeper;
  }

  /** Begins to build trees, to answer, and to compare. Once. */
  start(access: ExchangeAccess): void {
    assert(this.#peers === undefined, 'it starts once');
    const { environment, topology, placements, settings } = this.#parts;
    const keeper = this.#keeper;
    const verify = (partition: Partition) => this.#upkeep.verifySoon(partition);
    const answers = new ExchangeAnswers({
      environment,
      topology,
      placements,
      keeper,
      listings: this.#listings,
      verify,
    });
    this.#peers = new ExchangePeers(
      access.messenger,
      environment.timers,
      environment.log,
      (from, request, answer) => answers.answer(from, request, answer),
    );
    if (!settings.isActive) return;
    if (this.#savedRevision !== undefined && this.#savedRevision !== placements.revision) keeper.doubtAll();
    this.#readAll = access.readAll;
    this.#exchangeParts = {
      environment,
      topology,
      placements,
      keeper,
      listings: this.#listings,
      peers: this.#peers,
      router: access.router,
      pace: new RepairPace(environment.clock, settings.repairsPerSecondMax),
      totals: this.#totals,
      durabilityOf: access.durabilityOf,
      tombstone: access.readAll,
      verify,
    };
    topology.onChange(() => this.#topologyChanged());
    this.#planExchanges();
    this.#upkeep.start();
  }

  /** The n_val or the key function of some bucket or type has changed: all trees are made anew. */
  placementsChanged(): void {
    if (!this.#parts.settings.isActive) return;
    this.#keeper.doubtAll();
    if (this.#exchangeParts !== undefined) this.#planExchanges();
  }

  status(): AntiEntropyStatus {
    const now = this.#parts.environment.clock.now();
    const ago = (at: number | undefined) => (at === undefined ? undefined : Math.max(0, now - at));
    return {
      isActive: this.#parts.settings.isActive,
      partitions: this.#keeper.partitions.map((partition) => ({
        partition,
        state: this.#keeper.isBuilt(partition) ? 'built' : 'building',
        objects: this.#keeper.builtTrees(partition)?.entries ?? 0,
        checkedAgoMs: ago(this.#upkeep.checkedAt(partition)),
      })),
      exchanges: this.#schedule.pairs.map((pair) => ({
        first: pair.first,
        nVal: pair.nVal,
        partition: pair.near,
        peer: pair.peer,
        peerPartition: pair.far,
        comparedAgoMs: ago(pair.comparedAt),
        outcome: pair.lastOutcome,
        isRunning: pair.isRunning,
        keysRepaired: pair.keysRepaired,
      })),
      totals: { ...this.#totals, ...this.#upkeep.totals },
    };
  }

  /** Ends exchanges and folds; resolves when none runs. Trees still follow what is written. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /** Saves the trees for the next start. When no write is queued or will be; the engine is still open. */
  async close(): Promise<void> {
    await this.stop();
    const { commit, topology, placements, settings, environment } = this.#parts;
    if (!settings.isActive) return;
    const trees = new Map(
      this.#keeper.partitions.flatMap((partition) => {
        const built = this.#keeper.builtTrees(partition);
        return built === undefined ? [] : [[partition, built] as const];
      }),
    );
    try {
      const saved = { revision: placements.revision, trees };
      await saveTrees(commit, topology.ring.size, environment.random, saved);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      environment.log.warn('hash trees could not be saved; the next start makes them anew', {
        reason: error.message,
      });
    }
  }

  async #stop(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#peers?.close();
    for (const pause of this.#pauses) pause.close();
    await this.#upkeep.close();
    if (this.#pauses.size > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  /** Most changes are of moves that have not come to their switch: nothing follows from them. */
  #topologyChanged(): void {
    const { ring } = this.#parts.topology;
    const { owners, nodes, up } = this.#plannedBy;
    if (ring.owners !== owners || this.#upAmong(nodes) !== up) this.#planExchanges();
  }

  #upAmong(nodes: readonly NodeId[]): string {
    return nodes.filter((node) => this.#parts.topology.isUp(node)).join();
  }

  /**
   * Keeps trees of what this node owns, and plans the exchanges that are its own. Those with a node that has come back,
   * or of a partition that was acquired, are new, and so begin soon.
   */
  #planExchanges(): void {
    if (this.#stopped !== undefined) return;
    const { topology, environment } = this.#parts;
    const { ring, self } = topology;
    const nodes = [...new Set(ring.owners)];
    this.#plannedBy = { owners: ring.owners, nodes, up: this.#upAmong(nodes) };
    const now = environment.clock.now();
    for (const partition of ring.partitions()) {
      const isOwned = ring.ownerOf(partition) === self;
      if (isOwned && !this.#keeper.isKept(partition)) this.#keeper.keep(partition);
      if (!isOwned && this.#keeper.isKept(partition)) this.#keeper.drop(partition);
    }
    this.#schedule.plan(this.#pairs(), now);
    this.#upkeep.wake();
    this.#rearm();
  }

  /** Of two replicas of a list, the one that comes first in it asks. */
  #pairs(): readonly (ReplicaPair & { readonly peer: NodeId })[] {
    const { topology, placements } = this.#parts;
    const { ring, self } = topology;
    const pairs: (ReplicaPair & { readonly peer: NodeId })[] = [];
    for (const near of ring.partitionsOf(self)) {
      for (const nVal of placements.nVals) {
        if (nVal > comparedReplicasMax) continue;
        const n = Math.min(nVal, ring.size);
        for (let position = 0; position < n; position += 1) {
          const first: Partition = ring.after(near, ring.size - position);
          for (let step = position + 1; step < n; step += 1) {
            const far = ring.after(first, step);
            const peer = ring.ownerOf(far);
            if (topology.isUp(peer)) pairs.push({ first, nVal, near, far, peer });
          }
        }
      }
    }
    return pairs;
  }

  #hasten(near: Partition): void {
    this.#schedule.hasten(near, this.#parts.environment.clock.now());
    this.#rearm();
  }

  /** Sets the one timer to the next pair that is due. */
  #rearm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const { settings, environment } = this.#parts;
    if (this.#stopped !== undefined || this.#exchangeParts === undefined) return;
    if (this.#pauses.size >= settings.exchangesMax) return;
    const deadline = this.#schedule.deadline();
    if (deadline === undefined) return;
    const delayMs = Math.max(exchangeGapMs, deadline - environment.clock.now());
    this.#timer = environment.timers.after(delayMs, () => this.#begin());
  }

  #begin(): void {
    const { environment } = this.#parts;
    const parts = this.#exchangeParts;
    const pair = this.#schedule.take(environment.clock.now());
    if (pair !== undefined && parts !== undefined) {
      const pause = new Pause(environment.timers);
      this.#pauses.add(pause);
      environment.tasks.spawn('anti-entropy-exchange', async () => {
        const outcome = await runExchange({ ...parts, pause }, pair);
        this.#schedule.finished(pair, outcome, environment.clock.now());
        this.#pauses.delete(pause);
        if (this.#pauses.size === 0) this.#idle?.();
        this.#rearm();
      });
    }
    this.#rearm();
  }
}

/** No partition has anything: what cannot be read may be something. Rejects with `StorageError`. */
async function holdsNothing(engine: StorageEngine): Promise<boolean> {
  let isDamaged = false;
  const corrupt = (): void => {
    isDamaged = true;
  };
  const cursor = engine.scan(partitionsRange, { keysOnly: true, entriesExpected: 1, corrupt });
  try {
    return (await cursor.next({ entriesMax: 1, bytesMax: 1 })).length === 0 && !isDamaged;
  } finally {
    await cursor.close();
  }
}
