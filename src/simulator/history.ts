/**
 * What happened, as a running hash of everything and a memory of the latest. Two runs of one seed
 * are the same run exactly when their hashes agree; the latest events are for whoever reads a failure.
 *
 * The hash is two 32-bit multiply-xor lanes: it must tell runs apart by accident, not withstand attack.
 */

export interface HistoryEvent {
  readonly atMs: number;
  readonly node: string;
  readonly kind: string;
  readonly detail: string;
}

const recentMax = 400;

export class History {
  #low = 0x811c9dc5 | 0;
  #high = 0x9747b28c | 0;
  readonly #recent: HistoryEvent[] = [];
  #oldest = 0;
  #count = 0;
  readonly #float = new Float64Array(1);
  readonly #words = new Uint32Array(this.#float.buffer);

  get count(): number {
    return this.#count;
  }

  /** Sixteen hexadecimal digits. */
  get hash(): string {
    return hexOf(this.#high) + hexOf(this.#low);
  }

  append(atMs: number, node: string, kind: string, detail: string): void {
    this.#count += 1;
    this.mixNumber(atMs);
    this.#mixText(node);
    this.#mixText(kind);
    this.#mixText(detail);
    const event = { atMs, node, kind, detail };
    if (this.#recent.length < recentMax) this.#recent.push(event);
    else {
      this.#recent[this.#oldest] = event;
      this.#oldest = (this.#oldest + 1) % recentMax;
    }
  }

  /** For what happens too often to remember, such as the time of every event. */
  mixNumber(value: number): void {
    this.#float[0] = value;
    this.#mixWord(this.#words[0]!);
    this.#mixWord(this.#words[1]!);
  }

  /** The latest events, oldest first. */
  recent(): readonly HistoryEvent[] {
    return [...this.#recent.slice(this.#oldest), ...this.#recent.slice(0, this.#oldest)];
  }

  #mixText(text: string): void {
    for (let i = 0; i < text.length; i++) this.#mixWord(text.charCodeAt(i));
    this.#mixWord(0xffff);
  }

  #mixWord(word: number): void {
    this.#low = Math.imul(this.#low ^ word, 0x01000193);
    this.#high = Math.imul((this.#high ^ word) + (this.#low >>> 15), 0x85ebca6b);
  }
}

function hexOf(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}
