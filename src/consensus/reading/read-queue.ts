import type { Token } from '../event.ts';
import type { LogIndex } from '../log/entry.ts';

interface WaitingRead {
  readonly token: Token;
  /** The round that must be answered. */
  readonly round: number;
}

interface ReadyRead {
  readonly token: Token;
  readonly index: LogIndex;
}

/**
 * Reads on their way: first until a quorum has answered a round that began after they came, then until
 * what was committed when they came is applied.
 */
export class ReadQueue {
  /** With their commit index; rounds ascend. */
  #waiting: (WaitingRead & { readonly index: LogIndex })[] = [];
  #confirmed: ReadyRead[] = [];

  get size(): number {
    return this.#waiting.length + this.#confirmed.length;
  }

  /** The last round that a read waits for; 0 if none does. */
  get wantedRound(): number {
    return this.#waiting.at(-1)?.round ?? 0;
  }

  add(token: Token, round: number, index: LogIndex): void {
    this.#waiting.push({ token, round, index });
  }

  /** A lease answers it. */
  addConfirmed(token: Token, index: LogIndex): void {
    this.#confirmed.push({ token, index });
  }

  answered(round: number): void {
    while (this.#waiting.length > 0 && this.#waiting[0]!.round <= round) {
      const { token, index } = this.#waiting.shift()!;
      this.#confirmed.push({ token, index });
    }
  }

  takeReady(applied: LogIndex): readonly ReadyRead[] {
    if (this.#confirmed.length === 0) return [];
    const ready = this.#confirmed.filter(({ index }) => index <= applied);
    this.#confirmed = this.#confirmed.filter(({ index }) => index > applied);
    return ready;
  }

  takeAll(): readonly Token[] {
    const tokens = [...this.#confirmed, ...this.#waiting].map(({ token }) => token);
    this.#waiting = [];
    this.#confirmed = [];
    return tokens;
  }
}
