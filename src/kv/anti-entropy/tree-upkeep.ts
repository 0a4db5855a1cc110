/**
 * Drives the making and checking of trees, one partition at a time: first those that have none (after a crash, an
 * acquired partition, a doubt), else the one that was checked longest ago, at a tenth of the pace.
 */
import type { Background } from '../../core/background/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import type { Environment, Instant } from '../../environment/index.ts';
import type { GroupCommit } from '../../storage/index.ts';
import type { ObjectAddress } from '../key-value-store.ts';
import { BackgroundTask } from './background-task.ts';
import { foldPartition } from './partition-fold.ts';
import type { TreeKeeper } from './tree-keeper.ts';

/** After a fold was lost, mostly to a sick disk or to doubt; twice as long each time, up to the second of these. */
const retryMs = 1000;
const retryMsMax = 60_000;
/** The longest sleep, whatever the interval. */
const lookMs = 3_600_000;
/** Checking is not urgent: it takes this part of the pace. */
const verifyShare = 0.1;
/** When what is wanted was due. */
const mostUrgent = Number.MIN_SAFE_INTEGER;

export interface UpkeepSettings {
  /** Objects a second that a fold reads. */
  readonly rebuildPerSecondMax: number;
  /** Each partition's trees are compared with its objects this often. */
  readonly verifyIntervalMs: number;
}

export interface UpkeepTotals {
  /** Trees made anew. */
  built: number;
  /** Checked, and right. */
  verified: number;
  /** Checked, and wrong: replaced. */
  drifted: number;
  objectsFolded: number;
  unreadable: number;
}

export interface UpkeepParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'tasks' | 'random' | 'log'>;
  readonly background: Background;
  readonly commit: GroupCommit;
  readonly keeper: TreeKeeper;
  readonly settings: UpkeepSettings;
  /** A tombstone whose first partition is here, and that has outlived a check: nobody has read it since. */
  readonly lingering: (tombstone: ObjectAddress) => void;
  /** Trees are there that were not, and can be compared. */
  readonly ready: (partition: Partition) => void;
}

interface LostFold {
  readonly againAt: number;
  readonly waitMs: number;
}

export class TreeUpkeep {
  readonly #parts: UpkeepParts;
  readonly #task: BackgroundTask;
  /** When the trees were last made or checked. A partition that is not in it has none, or they came from disk. */
  readonly #checkedAt = new Map<Partition, Instant>();
  readonly totals: UpkeepTotals = { built: 0, verified: 0, drifted: 0, objectsFolded: 0, unreadable: 0 };
  #isFolding = false;
  /** Where the search for the next one begins. */
  #next = 0;
  readonly #suspected = new Set<Partition>();
  /** Partitions whose last fold was lost: they wait, and nobody waits for them. */
  readonly #lost = new Map<Partition, LostFold>();

  constructor(parts: UpkeepParts) {
    this.#parts = parts;
    this.#task = new BackgroundTask('hash-trees', parts.environment);
  }

  start(): void {
    this.#task.start(async () => {
      while (!this.#task.pause.isClosed) await this.#step();
    });
  }

  /** There may be something to build. */
  wake(): void {
    if (!this.#isFolding) this.#task.pause.wake();
  }

  /** An exchange found the trees to be wrong, here or at the other side. */
  verifySoon(partition: Partition): void {
    if (!this.#parts.keeper.isKept(partition)) return;
    this.#suspected.add(partition);
    this.wake();
  }

  checkedAt(partition: Partition): Instant | undefined {
    return this.#checkedAt.get(partition);
  }

  close(): Promise<void> {
    return this.#task.close();
  }

  async #step(): Promise<void> {
    const { environment, settings } = this.#parts;
    const now = environment.clock.now();
    const { due, dueAt } = this.#mostUrgent(now);
    if (due === undefined || dueAt > now) {
      await this.#task.pause.for(Math.min(dueAt - now, lookMs));
      return;
    }
    this.#next = due + 1;
    const isWanted = this.#isWanted(due);
    this.#suspected.delete(due);
    await this.#fold(due, settings.rebuildPerSecondMax * (isWanted ? 1 : verifyShare));
  }

  /** The search goes on behind the last one: after a crash all are wanted, and a look at each for each would add up. */
  #mostUrgent(now: Instant): { readonly due: Partition | undefined; readonly dueAt: number } {
    let due: Partition | undefined;
    let dueAt = Number.POSITIVE_INFINITY;
    const { keeper } = this.#parts;
    const first = keeper.keptFrom(this.#next) ?? keeper.keptFrom(0);
    for (let partition = first; partition !== undefined; ) {
      const at = this.#dueAt(partition, now);
      if (at < dueAt) {
        dueAt = at;
        due = partition;
      }
      if (at === mostUrgent) break;
      partition = keeper.keptFrom(partition + 1) ?? keeper.keptFrom(0);
      if (partition === first) break;
    }
    return { due, dueAt };
  }

  /** It has no trees, or such as an exchange found to be wrong. */
  #isWanted(partition: Partition): boolean {
    return !this.#parts.keeper.isBuilt(partition) || this.#suspected.has(partition);
  }

  /** What is wanted comes before what is checked; what was lost has its time, so that it keeps no other waiting. */
  #dueAt(partition: Partition, now: Instant): number {
    const lost = this.#lost.get(partition);
    const again = lost?.againAt ?? Number.NEGATIVE_INFINITY;
    return Math.max(again, this.#isWanted(partition) ? mostUrgent : this.#checkDueAt(partition, now));
  }

  /** Trees from disk get a time within the interval by lot, so that not all come at once. */
  #checkDueAt(partition: Partition, now: Instant): number {
    const { settings, environment } = this.#parts;
    const known = this.#checkedAt.get(partition);
    if (known !== undefined) return known + settings.verifyIntervalMs;
    const checkedAt = (now - settings.verifyIntervalMs * environment.random.fraction()) as Instant;
    this.#checkedAt.set(partition, checkedAt);
    return checkedAt + settings.verifyIntervalMs;
  }

  async #fold(partition: Partition, objectsPerSecond: number): Promise<void> {
    const { environment, lingering, ready } = this.#parts;
    this.#isFolding = true;
    const result = await foldPartition(
      { ...this.#parts, pause: this.#task.pause },
      partition,
      objectsPerSecond,
    );
    this.#isFolding = false;
    const now = environment.clock.now();
    if (result.kind === 'lost') {
      const waitMs = Math.min(retryMsMax, 2 * (this.#lost.get(partition)?.waitMs ?? retryMs / 2));
      this.#lost.set(partition, { againAt: now + waitMs, waitMs });
      return;
    }
    this.#lost.delete(partition);
    this.totals[result.kind] += 1;
    this.totals.objectsFolded += result.objects;
    this.totals.unreadable += result.unreadable;
    this.#checkedAt.set(partition, now);
    if (result.kind === 'drifted') {
      environment.log.warn('the hash trees of a partition were not what it holds; they were replaced', {
        partition,
      });
    }
    if (result.unreadable > 0) {
      environment.log.warn('objects that cannot be read are left out of the hash trees, and repaired', {
        partition,
        objects: result.unreadable,
      });
    }
    if (result.kind !== 'built') for (const tombstone of result.tombstones) lingering(tombstone);
    if (result.kind !== 'verified') ready(partition);
  }
}
