/**
 * Partitions whose owner is gone for good, at the node that is to own them: asks each replica for what it holds,
 * until all that can be reached have sent it (docs/internals/cluster.md, "Moves").
 *
 * B1  `verified` is reported when every source has sent everything, except those that could not be reached for
 *     `rebuildGraceMs`; and, where there are sources, at least one has.
 */
import type { Environment, Instant, NodeId, Timer } from '../../environment/index.ts';
import type { Partition } from '../ring/index.ts';
import type { ClusterState, Move } from '../topology/index.ts';
import type { Messenger } from '../transport/index.ts';
import type { HandoffOptions } from './handoff-options.ts';
import type { MoveReport } from './own-moves.ts';
import { type PartitionStore, PartitionStoreError } from './partition-store.ts';
import { type RebuildSource, rebuildSources } from './rebuild-sources.ts';
import type { OpenTransfer } from './transfer-message.ts';
import { TransferOutbox } from './transfer-outbox.ts';

export interface RebuildsParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'tasks' | 'log'>;
  readonly self: NodeId;
  readonly messenger: Messenger;
  readonly state: () => ClusterState;
  readonly isReachable: (node: NodeId) => boolean;
  readonly store: PartitionStore;
  readonly options: HandoffOptions;
  readonly report: (moves: readonly Move[], what: MoveReport) => void;
}

interface Rebuild {
  readonly move: Move;
  readonly begunAt: Instant;
  readonly sent: Set<Partition>;
  /** When each source was asked last. */
  readonly askedAt: Map<Partition, Instant>;
  isVerified: boolean;
  isCopyingOwn: boolean;
}

export class Rebuilds {
  readonly #parts: RebuildsParts;
  readonly #rebuilds = new Map<Partition, Rebuild>();
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(parts: RebuildsParts) {
    this.#parts = parts;
  }

  follow(state: ClusterState): void {
    const now = this.#parts.environment.clock.now();
    for (const [partition, { move }] of this.#rebuilds) {
      if (state.moves.get(partition)?.since !== move.since) this.#rebuilds.delete(partition);
    }
    for (const move of state.moves.values()) {
      const isOurs = move.from === undefined && move.to === this.#parts.self && move.stage === 'copying';
      if (!isOurs || this.#rebuilds.has(move.partition)) continue;
      this.#rebuilds.set(move.partition, {
        move,
        begunAt: now,
        sent: new Set(),
        askedAt: new Map(),
        isVerified: false,
        isCopyingOwn: false,
      });
    }
    this.advance();
  }

  /** Something arrived whole: of a rebuild perhaps. */
  received(open: OpenTransfer, unreadable: number): void {
    const rebuild = this.#rebuilds.get(open.partition);
    if (open.purpose !== 'rebuild' || rebuild === undefined || rebuild.move.since !== open.since) return;
    if (unreadable === 0) rebuild.sent.add(open.source);
    else {
      // Not again at once: it takes a repair at the source first.
      const { clock } = this.#parts.environment;
      rebuild.askedAt.set(open.source, (clock.now() + this.#parts.options.retryDelayMsMax) as Instant);
    }
    this.advance();
  }

  /** Asks who is to be asked, reports what is done. To be called when somebody can be reached again, too. */
  advance(): void {
    if (this.#isClosed) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    const unfinished = [...this.#rebuilds.values()].filter(({ isVerified }) => !isVerified);
    if (unfinished.length === 0) return;
    for (const rebuild of unfinished) this.#advance(rebuild);
    const { timers } = this.#parts.environment;
    this.#timer = timers.after(this.#parts.options.wantIntervalMs, () => this.advance());
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#rebuilds.clear();
  }

  #advance(rebuild: Rebuild): void {
    const { self, state, isReachable, options, report, environment } = this.#parts;
    const { move, sent } = rebuild;
    const now = environment.clock.now();
    const sources = rebuildSources(state(), move.partition, options.replicasMax);
    const missing = sources.filter(({ source }) => !sent.has(source));
    const reachable = missing.filter(({ owner }) => owner === self || isReachable(owner));
    const waitsForTheRest =
      missing.length > reachable.length && now - rebuild.begunAt < options.rebuildGraceMs;
    const hasNothing = sources.length > 0 && sent.size === 0;
    if (reachable.length === 0 && !waitsForTheRest && !hasNothing) {
      rebuild.isVerified = true;
      report([move], 'verified');
      return;
    }
    for (const from of reachable) this.#ask(rebuild, from, now);
  }

  #ask(rebuild: Rebuild, { source, owner }: RebuildSource, now: Instant): void {
    const { self, messenger, state, options } = this.#parts;
    if (owner === self) {
      this.#copyOwn(rebuild, source);
      return;
    }
    const asked = rebuild.askedAt.get(source);
    if (asked !== undefined && now - asked < options.wantIntervalMs) return;
    rebuild.askedAt.set(source, now);
    const { partition, since } = rebuild.move;
    const { generation, epoch } = state();
    new TransferOutbox(messenger, owner).send({ kind: 'want', partition, source, since, generation, epoch });
  }

  /** From another partition of this node. */
  #copyOwn(rebuild: Rebuild, source: Partition): void {
    if (rebuild.isCopyingOwn) return;
    rebuild.isCopyingOwn = true;
    const { partition } = rebuild.move;
    const { store, options, environment } = this.#parts;
    environment.tasks.spawn('handoff-copy-own', async () => {
      const fold = store.fold(source, { sliceBytes: options.batchBytes, alsoIn: partition });
      try {
        for (let items = await fold.next(); items !== undefined; items = await fold.next()) {
          if (this.#rebuilds.get(partition) !== rebuild) return;
          await store.merge(partition, items, { areKept: true });
        }
        if (fold.unreadable === 0) rebuild.sent.add(source);
      } catch (error) {
        if (!(error instanceof PartitionStoreError)) throw error;
        environment.log.warn('a partition could not be copied to another here', {
          partition,
          reason: error.message,
        });
      } finally {
        await fold.close();
        rebuild.isCopyingOwn = false;
      }
      if (rebuild.sent.has(source)) this.advance();
    });
  }
}
