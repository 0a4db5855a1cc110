/**
 * What of the log and of the hard state is on disk, as far as the owner has confirmed. Writes are
 * numbered and reach the disk in order; an entry that was replaced while its write was under way does
 * not count as stable, whatever that write's confirmation says.
 */
import { assert } from '../../stdx/index.ts';
import type { LogIndex } from './entry.ts';

interface Write {
  readonly sequence: number;
  /** The end of the log after this write, less what has been replaced since. */
  lastIndex: LogIndex;
  readonly hasHardState: boolean;
}

export class Durability {
  #stableIndex: LogIndex;
  #sequence = 0;
  readonly #writes: Write[] = [];

  constructor(stableIndex: LogIndex) {
    this.#stableIndex = stableIndex;
  }

  /** All entries up to here are on disk. */
  get stableIndex(): LogIndex {
    return this.#stableIndex;
  }

  get isSettled(): boolean {
    return this.#writes.length === 0;
  }

  get isHardStateSettled(): boolean {
    return !this.#writes.some((write) => write.hasHardState);
  }

  /** Numbers a write after which the log ends at `lastIndex`. */
  issue(lastIndex: LogIndex, hasHardState: boolean): number {
    this.#sequence += 1;
    this.#writes.push({ sequence: this.#sequence, lastIndex, hasHardState });
    return this.#sequence;
  }

  confirm(sequence: number): void {
    const first = this.#writes.shift();
    assert(first?.sequence === sequence, 'writes are confirmed in the order they were asked for');
    this.#stableIndex = Math.max(this.#stableIndex, first.lastIndex);
  }

  /** The log was cut off before `index`. */
  truncatedFrom(index: LogIndex): void {
    this.#stableIndex = Math.min(this.#stableIndex, index - 1);
    for (const write of this.#writes) write.lastIndex = Math.min(write.lastIndex, index - 1);
  }

  /** The log begins anew behind a snapshot that is still to be written. */
  reset(): void {
    this.#stableIndex = 0;
    for (const write of this.#writes) write.lastIndex = 0;
  }
}
