/**
 * Replies that wait for clients to take them, of all connections together. Each connection is bounded by itself, but a
 * crowd of them is not. Once there is too much, whoever holds most and takes nothing is cut off, so that clients which do
 * not read cannot keep those from being answered that do.
 */

export interface ReplyHolder {
  /** How long its peer has taken nothing. */
  readonly stalledMs: number;
  /** Drops what it holds, and says so by `changed`. */
  cutOff(): void;
}

/** So long a peer may take nothing while there is no room. */
export const stalledMsMin = 30_000;
/** Of so many that find no room one looks for who holds it for nothing: being refused must cost next to nothing. */
const refusalsPerLook = 64;

export class UntakenReplies {
  readonly #bytesMax: number;
  readonly #bytesOf = new Map<ReplyHolder, number>();
  #bytes = 0;
  #refusals = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** What `holder` holds now. */
  changed(holder: ReplyHolder, bytes: number): void {
    this.#bytes += bytes - (this.#bytesOf.get(holder) ?? 0);
    if (bytes === 0) this.#bytesOf.delete(holder);
    else this.#bytesOf.set(holder, bytes);
  }

  /** Whether more may be produced. Makes room, if somebody holds some for nothing. */
  hasRoom(): boolean {
    if (this.#bytes <= this.#bytesMax) return true;
    if (this.#refusals % refusalsPerLook === 0) this.#largestStalled()?.cutOff();
    this.#refusals += 1;
    return this.#bytes <= this.#bytesMax;
  }

  #largestStalled(): ReplyHolder | undefined {
    let largest: ReplyHolder | undefined;
    let most = 0;
    for (const [holder, bytes] of this.#bytesOf) {
      if (bytes <= most || holder.stalledMs < stalledMsMin) continue;
      largest = holder;
      most = bytes;
    }
    return largest;
  }
}
