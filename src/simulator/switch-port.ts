/**
 * The port of a switch: a token bucket before a queue that is bounded in bytes, as `tc … tbf rate burst limit` makes
 * one. What does not fit is dropped, and nobody is told (tail drop).
 */
import { assert } from '../stdx/index.ts';

export interface PortConditions {
  readonly bytesPerMs: number;
  /** What an idle port lets pass at once. */
  readonly burstBytes: number;
  /** What may wait in it. */
  readonly limitBytes: number;
}

export class SwitchPort {
  readonly #conditions: PortConditions;
  /** When all that was let in would have left at the port's rate, had it never been idle for longer than a burst. */
  #paidUntilMs = Number.NEGATIVE_INFINITY;
  /** What waits, in the order of its leaving; those before `#head` have left. */
  #waiting: { readonly leavesAtMs: number; readonly bytes: number }[] = [];
  #head = 0;
  #waitingBytes = 0;
  #droppedPackets = 0;
  #admittedBytes = 0;

  constructor(conditions: PortConditions) {
    const { bytesPerMs, burstBytes, limitBytes } = conditions;
    assert(bytesPerMs > 0 && burstBytes >= 0 && limitBytes > 0, 'a port lets something pass');
    this.#conditions = conditions;
  }

  get droppedPackets(): number {
    return this.#droppedPackets;
  }

  get admittedBytes(): number {
    return this.#admittedBytes;
  }

  /** When the packet has left the port; undefined: it was dropped. `nowMs` never goes back. */
  admit(bytes: number, nowMs: number): number | undefined {
    this.#letGo(nowMs);
    const { bytesPerMs, burstBytes, limitBytes } = this.#conditions;
    if (this.#waitingBytes + bytes > limitBytes) {
      this.#droppedPackets += 1;
      return undefined;
    }
    this.#admittedBytes += bytes;
    const idleSinceMs = Math.max(this.#paidUntilMs, nowMs - burstBytes / bytesPerMs);
    this.#paidUntilMs = idleSinceMs + bytes / bytesPerMs;
    const leavesAtMs = Math.max(nowMs, this.#paidUntilMs);
    if (leavesAtMs > nowMs) {
      this.#waiting.push({ leavesAtMs, bytes });
      this.#waitingBytes += bytes;
    }
    return leavesAtMs;
  }

  #letGo(nowMs: number): void {
    for (let first = this.#waiting[this.#head]; first !== undefined && first.leavesAtMs <= nowMs; ) {
      this.#waitingBytes -= first.bytes;
      this.#head += 1;
      first = this.#waiting[this.#head];
    }
    if (this.#head < this.#waiting.length / 2) return;
    this.#waiting = this.#waiting.slice(this.#head);
    this.#head = 0;
  }
}
