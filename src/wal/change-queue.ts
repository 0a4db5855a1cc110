/** What waits to be written, oldest first, and how much of it there is. */
import type { Frame } from './frame.ts';
import type { WalError } from './wal-error.ts';

/** Called once, never from inside the call that it belongs to. Without an error: durable. */
export type WalDone = (error: WalError | undefined) => void;

export interface Change extends Frame {
  readonly bytes: number;
  readonly done: WalDone;
}

export class ChangeQueue {
  #changes: Change[] = [];
  #bytes = 0;

  /** Not yet taken. */
  get length(): number {
    return this.#changes.length;
  }

  /** Not yet released. */
  get bytes(): number {
    return this.#bytes;
  }

  push(change: Change): void {
    this.#changes.push(change);
    this.#bytes += change.bytes;
  }

  /** The oldest, at least one, up to the first that reaches `bytesMax` with those before it. */
  take(bytesMax: number): readonly Change[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#changes.length && bytes < bytesMax) {
      const next = this.#changes[count]!.bytes;
      if (count > 0 && bytes + next > bytesMax) break;
      bytes += next;
      count += 1;
    }
    const taken = this.#changes;
    this.#changes = taken.splice(count);
    return taken;
  }

  release(changes: readonly Change[]): void {
    for (const { bytes } of changes) this.#bytes -= bytes;
  }
}
