/**
 * Keeps what is kept beside objects in step with them where a write could not (D1): partitions are checked one after
 * another, at a pace.
 *
 * X1  A partition about which there is doubt is checked soon: a batch failed there, or what was replaced was damaged.
 * X2  A database that was written by a version without index entries is checked whole, once; an empty one is not.
 * X3  Every partition is checked again each `intervalMs`: whatever else may befall a disk.
 * X4  After a repair of the database all of it is checked soon; in the next life, if this one ends before.
 * X5  An operator may ask for all of it at any time.
 */
import { Buffer } from 'node:buffer';
import type { Partition } from '../../core/ring/index.ts';
import type { Topology } from '../../core/topology/index.ts';
import type { Environment, Instant } from '../../environment/index.ts';
import { type GroupCommit, StorageError } from '../../storage/index.ts';
import { BackgroundTask, type StoredChanges } from '../anti-entropy/index.ts';
import type { VersionedObject } from '../object/index.ts';
import { nodeFactKey, type ObjectKey, partitionRange, stateOfFact } from '../vnode/index.ts';
import { type CheckResult, checkEntries } from './check-entries.ts';

export interface IndexUpkeepSettings {
  /** Objects and entries a second that a check reads. */
  readonly perSecondMax: number;
  readonly intervalMs: number;
}

export interface IndexUpkeepParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'tasks' | 'random' | 'log'>;
  readonly commit: GroupCommit;
  readonly topology: Topology;
  readonly settings: IndexUpkeepSettings;
}

export interface IndexUpkeepStatus {
  /** Partitions that wait for a check that does not wait for its time. */
  readonly waiting: number;
  readonly checks: number;
  readonly objects: number;
  readonly added: number;
  readonly removed: number;
}

/** Says that all that was written before index entries were kept has been checked. */
export const indexesCheckedFact = nodeFactKey('index-entries');
const completeValue = Buffer.from('1');
/** After a check that the disk did not let end. */
const retryMs = 1000;
/** The longest sleep, whatever the interval. */
const lookMs = 3_600_000;

export class IndexUpkeep {
  readonly #parts: IndexUpkeepParts;
  readonly #task: BackgroundTask;
  readonly #waiting = new Set<Partition>();
  readonly #checkedAt = new Map<Partition, Instant>();
  readonly #totals = { checks: 0, objects: 0, added: 0, removed: 0 };
  /** The whole database has to be checked before `indexesCheckedFact` may be written. */
  #owesFact = false;
  #isChecking = false;

  private constructor(parts: IndexUpkeepParts) {
    this.#parts = parts;
    this.#task = new BackgroundTask('index-upkeep', parts.environment);
  }

  /** Before anything is written. Rejects with `StorageError`. */
  static async open(parts: IndexUpkeepParts): Promise<IndexUpkeep> {
    const upkeep = new IndexUpkeep(parts);
    parts.commit.engine.onDoubt?.(() => upkeep.#doubtAll());
    if (stateOfFact(parts.commit.engine, indexesCheckedFact) !== 'there') {
      upkeep.#owesFact = true;
      if (!(await isEmpty(parts))) upkeep.checkAll();
    }
    return upkeep;
  }

  get status(): IndexUpkeepStatus {
    return { waiting: this.#waiting.size, ...this.#totals };
  }

  /** Passes on what a store tells, and hears what it doubts. */
  listening(changes: StoredChanges): StoredChanges {
    return new DoubtsHeard(changes, (partition) => this.doubt(partition));
  }

  doubt(partition: Partition): void {
    this.#waiting.add(partition);
    this.#wake();
  }

  /** The repair has taken the fact away. */
  #doubtAll(): void {
    this.#owesFact = true;
    this.checkAll();
  }

  checkAll(): void {
    for (const partition of this.#parts.topology.ring.partitions()) this.#waiting.add(partition);
    this.#wake();
  }

  start(): void {
    this.#task.start(async () => {
      while (!this.#task.pause.isClosed) await this.#step();
    });
  }

  /** Begins nothing any more. */
  stop(): void {
    this.#task.stop();
  }

  close(): Promise<void> {
    return this.#task.close();
  }

  #wake(): void {
    if (!this.#isChecking) this.#task.pause.wake();
  }

  async #step(): Promise<void> {
    for (const partition of this.#waiting) {
      this.#waiting.delete(partition);
      await this.#check(partition);
      return;
    }
    if (this.#owesFact) {
      await this.#pay();
      return;
    }
    const { clock } = this.#parts.environment;
    const now = clock.now();
    let due: Partition | undefined;
    let dueAt = Number.POSITIVE_INFINITY;
    for (const partition of this.#owned()) {
      const at = this.#dueAt(partition, now);
      if (at >= dueAt) continue;
      dueAt = at;
      due = partition;
    }
    if (due !== undefined && dueAt <= now) await this.#check(due);
    else await this.#task.pause.for(Math.min(dueAt - now, lookMs));
  }

  #owned(): readonly Partition[] {
    const { ring, self } = this.#parts.topology;
    return ring.partitions().filter((partition) => ring.ownerOf(partition) === self);
  }

  /** What was not checked in this life gets a time within the interval by lot, so that not all come at once. */
  #dueAt(partition: Partition, now: Instant): number {
    const { intervalMs } = this.#parts.settings;
    const known = this.#checkedAt.get(partition);
    if (known !== undefined) return known + intervalMs;
    const checkedAt = (now - intervalMs * this.#parts.environment.random.fraction()) as Instant;
    this.#checkedAt.set(partition, checkedAt);
    return checkedAt + intervalMs;
  }

  async #check(partition: Partition): Promise<void> {
    const { commit, environment, settings } = this.#parts;
    const rest = async (entries: number): Promise<boolean> => {
      await this.#task.pause.for((entries / settings.perSecondMax) * 1000);
      return !this.#task.pause.isClosed;
    };
    this.#isChecking = true;
    let result: CheckResult | undefined;
    try {
      result = await checkEntries({ commit, rest }, partition);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      const { message: reason } = error;
      environment.log.warn('index entries could not be checked; it is tried again', { partition, reason });
      this.#waiting.add(partition);
    }
    this.#isChecking = false;
    this.#checkedAt.set(partition, environment.clock.now());
    if (result === undefined) await this.#task.pause.for(retryMs);
    else this.#count(partition, result);
  }

  #count(partition: Partition, { objects, added, removed }: CheckResult): void {
    const totals = this.#totals;
    totals.checks += 1;
    totals.objects += objects;
    totals.added += added;
    totals.removed += removed;
    if (added + removed === 0) return;
    this.#parts.environment.log.warn('index entries were not those of the objects; they were corrected', {
      partition,
      added,
      removed,
    });
  }

  /** X2: says that nothing is owed any more. If that fails it is only checked again. */
  #pay(): Promise<void> {
    this.#owesFact = false;
    return new Promise((resolve) => {
      this.#parts.commit.write(
        'os',
        (batch) => batch.put(indexesCheckedFact, completeValue),
        () => resolve(),
      );
    });
  }
}

/** Holds nothing of any partition, for certain. */
async function isEmpty({ commit, topology }: IndexUpkeepParts): Promise<boolean> {
  const partitions = topology.ring.partitions();
  const { from } = partitionRange(partitions[0]!);
  const { to } = partitionRange(partitions.at(-1)!);
  let isDamaged = false;
  const corrupt = (): void => {
    isDamaged = true;
  };
  const cursor = commit.engine.scan(
    { from: from!, to: to! },
    { keysOnly: true, entriesExpected: 1, corrupt },
  );
  try {
    return (await cursor.next({ entriesMax: 1, bytesMax: 1 })).length === 0 && !isDamaged;
  } finally {
    await cursor.close();
  }
}

class DoubtsHeard implements StoredChanges {
  readonly #changes: StoredChanges;
  readonly #doubted: (partition: Partition) => void;

  constructor(changes: StoredChanges, doubted: (partition: Partition) => void) {
    this.#changes = changes;
    this.#doubted = doubted;
  }

  observe(
    partition: Partition,
    key: ObjectKey,
    before: VersionedObject | undefined,
    after: VersionedObject | undefined,
  ): void {
    this.#changes.observe(partition, key, before, after);
  }

  doubt(partition: Partition): void {
    this.#changes.doubt(partition);
    this.#doubted(partition);
  }
}
