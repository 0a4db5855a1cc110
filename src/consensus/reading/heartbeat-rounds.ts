/**
 * Numbered rounds of heartbeats. A round that a quorum has answered proves that its sender was still
 * leader after it began: reads rest on that (Raft §6.4), and so does the lease (§6.4.1).
 *
 * The lease. Whoever answers a round helps nobody else to be elected for `electionTimeoutMs` of its own
 * clock from when it heard it, which was after the round began. With clocks that run at most `drift`
 * faster or slower than true time, that is over no earlier than
 * `electionTimeoutMs * (1 - drift) / (1 + drift)` of the leader's clock after it began.
 */
import type { Instant } from '../../environment/index.ts';

/** Rounds whose beginning is remembered. Forgetting one can only make the lease shorter. */
const roundsMax = 256;

export class HeartbeatRounds {
  /** Ascending. */
  readonly #begun: { readonly round: number; readonly at: Instant }[] = [];
  #round = 0;
  #answered = 0;

  get current(): number {
    return this.#round;
  }

  /** The last that a quorum has answered. */
  get answered(): number {
    return this.#answered;
  }

  get lastBegunAt(): Instant | undefined {
    return this.#begun.at(-1)?.at;
  }

  begin(now: Instant): number {
    this.#round += 1;
    this.#begun.push({ round: this.#round, at: now });
    if (this.#begun.length > roundsMax) this.#begun.shift();
    return this.#round;
  }

  /** A quorum has answered rounds up to this one. May fall when the membership changes. */
  quorumAnswered(round: number): void {
    this.#answered = round;
    while (this.#begun.length > 1 && this.#begun[1]!.round <= round) this.#begun.shift();
  }

  /** Until when, by the leader's clock, no other leader can be elected; undefined if that is unknown. */
  leaseEnd(electionTimeoutMs: number, drift: number): number | undefined {
    const last = this.#begun.findLast(({ round }) => round <= this.#answered);
    if (last === undefined) return undefined;
    return last.at + (electionTimeoutMs * (1 - drift)) / (1 + drift);
  }
}
