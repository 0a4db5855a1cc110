/**
 * Members under suspicion, and when each has had its chance to refute. Lifeguard §4.2: a suspicion that nobody
 * confirms lasts long, for its one witness may be the one that is slow; each confirmation shortens it.
 */
import type { Instant, NodeId } from '../../environment/index.ts';
import type { LocalHealth } from './local-health.ts';
import type { MemberTable } from './member-table.ts';
import type { SwimOptions } from './swim-options.ts';

/** Lifeguard's K: so many confirmations bring a suspicion down to its least time. */
const confirmationsWanted = 3;
/** What each of a quiet cluster's messages finds due. */
const nobody: readonly NodeId[] = [];

interface Suspicion {
  startedAt: number;
  /** Another node has judged already. */
  isCondemned: boolean;
}

export class Suspicions {
  readonly #table: MemberTable;
  readonly #health: LocalHealth;
  readonly #options: SwimOptions;
  readonly #byNode = new Map<NodeId, Suspicion>();

  constructor(table: MemberTable, health: LocalHealth, options: SwimOptions) {
    this.#table = table;
    this.#health = health;
    this.#options = options;
  }

  nodes(): IterableIterator<NodeId> {
    return this.#byNode.keys();
  }

  begin(node: NodeId, now: Instant): void {
    this.#byNode.set(node, { startedAt: now, isCondemned: false });
  }

  has(node: NodeId): boolean {
    return this.#byNode.has(node);
  }

  /** False if that was known. */
  condemn(node: NodeId): boolean {
    const suspicion = this.#byNode.get(node)!;
    if (suspicion.isCondemned) return false;
    suspicion.isCondemned = true;
    return true;
  }

  end(node: NodeId): void {
    this.#byNode.delete(node);
  }

  /** This node was away for so long: nobody could refute to it. */
  postpone(byMs: number): void {
    for (const suspicion of this.#byNode.values()) suspicion.startedAt += byMs;
  }

  due(now: Instant): readonly NodeId[] {
    if (this.#byNode.size === 0) return nobody;
    return [...this.#byNode.keys()].filter((node) => this.#deadlineOf(node) <= now);
  }

  deadline(): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (const node of this.#byNode.keys()) earliest = Math.min(earliest, this.#deadlineOf(node));
    return earliest;
  }

  /**
   * The least time to refute: what the option says, and what news needs to go round (SWIM §4.1: a number of
   * rounds that grows with the logarithm of the members).
   */
  get leastMs(): number {
    const { suspicionMs, gossipIntervalMs } = this.#options;
    const rounds = Math.ceil(Math.log2(this.#table.clusterSize + 1));
    return (suspicionMs + rounds * gossipIntervalMs) * this.#health.suspicionFactor;
  }

  #deadlineOf(node: NodeId): number {
    const { startedAt, isCondemned } = this.#byNode.get(node)!;
    const record = this.#table.get(node)!;
    if (record.isRefused) return startedAt + this.#options.refusedMs * this.#health.suspicionFactor;
    const least = this.leastMs;
    if (isCondemned) return startedAt + least;
    const most = least * this.#options.suspicionFactor;
    // In a small cluster there are not so many who could confirm.
    const wanted = Math.min(confirmationsWanted, this.#table.clusterSize - 2);
    if (wanted <= 0) return startedAt + least;
    const confirmations = Math.max(0, record.accusers.length - 1);
    const share = Math.min(1, Math.log(confirmations + 1) / Math.log(wanted + 1));
    return startedAt + most - (most - least) * share;
  }
}
