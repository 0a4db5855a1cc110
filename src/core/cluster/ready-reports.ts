/**
 * What an old owner has done for its moves, told to the leader again and again until the state shows that it was
 * heard: leaders change, and messages are lost.
 */
import type { Environment, Timer } from '../../environment/index.ts';
import type { Partition } from '../ring/index.ts';
import type { ClusterState } from '../topology/index.ts';
import type { ClusterMessage, ReadyFor } from './cluster-message.ts';
import { movesToReport } from './leader-duties.ts';

const againMs = 1000;
/** Nobody waits for a partition that was dropped: those of a moment are one command of the log. */
const gatherMs = 100;
const stageOf = { verified: 'copying', dropped: 'released' } as const;

export interface ReadyReportsParts {
  readonly environment: Pick<Environment, 'timers'>;
  readonly state: () => ClusterState;
  /** To the leader, whoever that is, also if it is this node. */
  readonly tell: (message: Extract<ClusterMessage, { kind: 'ready' }>) => void;
}

export class ReadyReports {
  readonly #parts: ReadyReportsParts;
  /** By partition, the epoch at which the stage began that the report is about. */
  readonly #reports: { readonly [What in ReadyFor]: Map<Partition, number> } = {
    verified: new Map(),
    dropped: new Map(),
  };
  #timer: Timer | undefined;
  #gathering: Timer | undefined;

  constructor(parts: ReadyReportsParts) {
    this.#parts = parts;
  }

  report(partitions: readonly Partition[], what: ReadyFor): void {
    const moves = movesToReport(this.#parts.state(), partitions, stageOf[what]);
    for (const { partition, since } of moves) this.#reports[what].set(partition, since);
    if (what === 'verified') this.#tell();
    else this.#gathering ??= this.#parts.environment.timers.after(gatherMs, () => this.#tell());
  }

  /** The state or the leader has changed. */
  changed(): void {
    const { moves } = this.#parts.state();
    for (const what of ['verified', 'dropped'] as const) {
      for (const [partition, since] of this.#reports[what]) {
        const move = moves.get(partition);
        const isHeard = move === undefined || move.stage !== stageOf[what] || move.since !== since;
        if (isHeard) this.#reports[what].delete(partition);
      }
    }
    if (this.#timer === undefined && this.#gathering === undefined) this.#tell();
  }

  stop(): void {
    this.#cancel();
    this.#reports.verified.clear();
    this.#reports.dropped.clear();
  }

  #tell(): void {
    this.#cancel();
    const { generation } = this.#parts.state();
    for (const what of ['verified', 'dropped'] as const) {
      const moves = [...this.#reports[what]].map(([partition, since]) => ({ partition, since }));
      if (moves.length > 0) this.#parts.tell({ kind: 'ready', what, generation, moves });
    }
    if (this.#reports.verified.size + this.#reports.dropped.size === 0) return;
    this.#timer = this.#parts.environment.timers.after(againMs, () => this.#tell());
  }

  #cancel(): void {
    this.#timer?.cancel();
    this.#gathering?.cancel();
    this.#timer = undefined;
    this.#gathering = undefined;
  }
}
