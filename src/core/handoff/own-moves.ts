/**
 * The partitions that this node gives away, from `copying` to the drop (C3, C4).
 *
 * M1  `verified` is reported only after a complete copy whose snapshot was taken behind the gate, and with no
 *     forward missing.
 * M2  A partition is dropped only in `released`; `dropped` is reported only when its data is gone durably, and
 *     only of the move whose drop it was (R24).
 * M3  A drop that has begun is carried to its end, whatever becomes of its move: until then the store is closed
 *     (`PartitionStore.drop`), and what is left would wipe what comes after it. One that has not is not
 *     begun once its move is over: this may be the only copy that is left, and goes to whoever owns the partition then.
 */
import type { Environment, NodeId } from '../../environment/index.ts';
import type { Partition } from '../ring/index.ts';
import type { ClusterState, Move } from '../topology/index.ts';
import type { HandoffOptions } from './handoff-options.ts';
import type { GateControl } from './move-gate.ts';
import type { TransferOutcome } from './outgoing-transfer.ts';
import { type PartitionStore, PartitionStoreError } from './partition-store.ts';
import type { TransferTask } from './transfer-pool.ts';

/** What a move waits for. Named by (partition, since): a report of an earlier move of the partition means nothing. */
export type MoveReport = 'verified' | 'dropped';

export interface OwnMovesParts {
  readonly self: NodeId;
  readonly environment: Pick<Environment, 'timers' | 'tasks' | 'log'>;
  readonly state: () => ClusterState;
  readonly store: PartitionStore;
  readonly gate: GateControl;
  readonly options: HandoffOptions;
  readonly report: (moves: readonly Move[], what: MoveReport) => void;
  /** The tasks have changed. */
  readonly changed: () => void;
}

type Progress = 'copying' | 'settling' | 'verified' | 'dropping' | 'dropped';

interface OwnMove {
  readonly move: Move;
  progress: Progress;
}

export class OwnMoves {
  readonly #parts: OwnMovesParts;
  readonly #moves = new Map<Partition, OwnMove>();
  #isClosed = false;

  constructor(parts: OwnMovesParts) {
    this.#parts = parts;
  }

  follow(state: ClusterState): void {
    for (const partition of [...this.#moves.keys()]) {
      if (state.moves.get(partition)?.from !== this.#parts.self) this.#moves.delete(partition);
    }
    for (const move of state.moves.values()) {
      if (move.from !== this.#parts.self) continue;
      const known = this.#moves.get(move.partition);
      const isKnown =
        known !== undefined && known.move.since === move.since && known.move.stage === move.stage;
      if (isKnown) continue;
      if (move.stage === 'copying') this.#moves.set(move.partition, { move, progress: 'copying' });
      else if (move.stage === 'released') this.#drop(move);
      else this.#moves.delete(move.partition);
    }
  }

  /** Copies to be made, in the order of partitions. */
  tasks(): TransferTask[] {
    return [...this.#moves.values()]
      .filter(({ progress }) => progress === 'copying')
      .sort((a, b) => a.move.partition - b.move.partition)
      .map((own) => this.#taskOf(own));
  }

  close(): void {
    this.#isClosed = true;
    this.#moves.clear();
  }

  #taskOf(own: OwnMove): TransferTask {
    const { partition, since, to } = own.move;
    return {
      key: `move ${partition} ${since}`,
      purpose: 'move',
      partition,
      source: partition,
      to,
      since,
      begin: () => void this.#parts.gate.beginCopy(partition, since),
      finished: (outcome) => this.#copied(own, outcome),
    };
  }

  #copied(own: OwnMove, outcome: TransferOutcome): void {
    if (!this.#isPresent(own) || own.progress !== 'copying' || outcome.kind !== 'complete') return;
    own.progress = 'settling';
    this.#parts.changed();
    this.#settle(own);
  }

  #settle(own: OwnMove): void {
    if (!this.#isPresent(own) || own.progress !== 'settling') return;
    const { gate, environment, options, report, changed } = this.#parts;
    const { partition, since } = own.move;
    const missed = gate.missedCount(partition, since);
    if (missed === undefined) {
      environment.log.info('too many writes missed the new owner; its copy begins anew', { partition });
      own.progress = 'copying';
      changed();
    } else if (missed > 0) {
      gate.sendMissed(partition, since, () => {
        const delayMs = gate.missedCount(partition, since) === 0 ? 0 : options.retryDelayMs;
        environment.timers.after(delayMs, () => this.#settle(own));
      });
    } else if (gate.propose(partition, since)) {
      own.progress = 'verified';
      report([own.move], 'verified');
    }
  }

  #drop(move: Move): void {
    const own: OwnMove = { move, progress: 'dropping' };
    this.#moves.set(move.partition, own);
    this.#begin(own);
  }

  #begin(own: OwnMove): void {
    this.#parts.environment.tasks.spawn('handoff-drop', () => this.#runDrop(own));
  }

  async #runDrop(own: OwnMove): Promise<void> {
    const { partition } = own.move;
    const { store, environment, options, report } = this.#parts;
    try {
      await store.drop(partition, () => this.#isPresent(own));
    } catch (error) {
      if (!(error instanceof PartitionStoreError)) throw error;
      environment.log.warn('a partition that moved away cannot be dropped; it is tried again', {
        partition,
        reason: error.message,
      });
      environment.timers.after(options.retryDelayMs, () => {
        if (!this.#isClosed) this.#begin(own);
      });
      return;
    }
    if (!this.#isPresent(own)) return;
    own.progress = 'dropped';
    report([own.move], 'dropped');
  }

  #isPresent(own: OwnMove): boolean {
    return !this.#isClosed && this.#moves.get(own.move.partition) === own;
  }
}
