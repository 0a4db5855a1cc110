/**
 * One snapshot of a database for all cursors that are opened while nothing is committed: a query opens one for each of
 * its partitions in one turn, and a native snapshot costs as much as half an iterator.
 *
 * A cursor sees every batch that had been told as written when it was opened. So the engine says `changed` before it tells.
 */
import type { LevelDatabase, NativeSnapshot } from './level-database.ts';

export class SharedSnapshots {
  readonly #database: Pick<LevelDatabase, 'snapshot'>;
  #current: SharedSnapshot | undefined;

  constructor(database: Pick<LevelDatabase, 'snapshot'>) {
    this.#database = database;
  }

  /** Each that is taken is released once. */
  take(): SharedSnapshot {
    if (this.#current?.isClosed !== false) this.#current = new SharedSnapshot(this.#database.snapshot());
    this.#current.use();
    return this.#current;
  }

  changed(): void {
    this.#current = undefined;
  }
}

export class SharedSnapshot {
  readonly native: NativeSnapshot;
  #users = 0;
  #isClosed = false;

  constructor(native: NativeSnapshot) {
    this.native = native;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  use(): void {
    this.#users += 1;
  }

  /** The last one closes it. */
  async release(): Promise<void> {
    this.#users -= 1;
    if (this.#users > 0) return;
    this.#isClosed = true;
    await this.native.close();
  }
}
