/** Pings on behalf of others (SWIM §3.1: `ping-req`). */
import type { Instant, NodeId } from '../../environment/index.ts';

export interface RelayDuty {
  readonly asker: NodeId;
  readonly askerSequence: number;
  readonly target: NodeId;
  /** By then the asker hears a nack. */
  deadline: number;
}

/** Beyond so many at once others are not helped: they will ask someone else next time. */
const dutiesMax = 256;
const none: readonly RelayDuty[] = [];

export class RelayDuties {
  /** By the number of the ping. */
  readonly #bySequence = new Map<number, RelayDuty>();

  get isFull(): boolean {
    return this.#bySequence.size >= dutiesMax;
  }

  begin(sequence: number, duty: RelayDuty): void {
    this.#bySequence.set(sequence, duty);
  }

  /** The duty that an ack from `from` fulfils. */
  fulfil(sequence: number, from: NodeId): RelayDuty | undefined {
    const duty = this.#bySequence.get(sequence);
    if (duty === undefined || duty.target !== from) return undefined;
    this.#bySequence.delete(sequence);
    return duty;
  }

  /** Duties that can be given up, for their target refuses. */
  refused(target: NodeId): readonly RelayDuty[] {
    return this.#takeWhere((duty) => duty.target === target);
  }

  due(now: Instant): readonly RelayDuty[] {
    return this.#takeWhere((duty) => duty.deadline <= now);
  }

  postpone(byMs: number): void {
    for (const duty of this.#bySequence.values()) duty.deadline += byMs;
  }

  deadline(): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (const duty of this.#bySequence.values()) earliest = Math.min(earliest, duty.deadline);
    return earliest;
  }

  #takeWhere(isWanted: (duty: RelayDuty) => boolean): readonly RelayDuty[] {
    if (this.#bySequence.size === 0) return none;
    const taken: RelayDuty[] = [];
    for (const [sequence, duty] of this.#bySequence) {
      if (!isWanted(duty)) continue;
      this.#bySequence.delete(sequence);
      taken.push(duty);
    }
    return taken;
  }
}
