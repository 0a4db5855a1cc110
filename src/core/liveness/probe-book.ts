/**
 * Pings that wait for an answer. A probe pings the member, then asks others to (SWIM §3.1), then has failed. A
 * *knock* is a ping alone, to one of whom there is doubt already: nothing follows from its silence.
 */
import type { Instant, NodeId } from '../../environment/index.ts';

export interface Probe {
  readonly sequence: number;
  readonly target: NodeId;
  readonly isKnock: boolean;
  /** When the present stage is over. */
  deadline: number;
  /** Undefined while only the member itself was asked. */
  relays: ReadonlySet<NodeId> | undefined;
  /** Relays that said that it does not answer them either. */
  readonly nacks: Set<NodeId>;
  isRefused: boolean;
  isRefusedToRelay: boolean;
}

export class ProbeBook {
  readonly #bySequence = new Map<number, Probe>();
  readonly #byTarget = new Map<NodeId, Probe>();
  #lastSequence = 0;

  get size(): number {
    return this.#bySequence.size;
  }

  /** Relayed pings take their numbers here too: an ack says nothing but its number. */
  nextSequence(): number {
    this.#lastSequence += 1;
    return this.#lastSequence;
  }

  begin(target: NodeId, deadline: number, isKnock: boolean): Probe {
    this.end(target);
    const probe: Probe = {
      sequence: this.nextSequence(),
      target,
      isKnock,
      deadline,
      relays: undefined,
      nacks: new Set(),
      isRefused: false,
      isRefusedToRelay: false,
    };
    this.#bySequence.set(probe.sequence, probe);
    this.#byTarget.set(target, probe);
    return probe;
  }

  of(target: NodeId): Probe | undefined {
    return this.#byTarget.get(target);
  }

  numbered(sequence: number): Probe | undefined {
    return this.#bySequence.get(sequence);
  }

  end(target: NodeId): void {
    const probe = this.#byTarget.get(target);
    if (probe === undefined) return;
    this.#byTarget.delete(target);
    this.#bySequence.delete(probe.sequence);
  }

  due(now: Instant): Probe[] {
    if (this.deadline() > now) return [];
    return [...this.#bySequence.values()].filter((probe) => probe.deadline <= now);
  }

  postpone(byMs: number): void {
    for (const probe of this.#bySequence.values()) probe.deadline += byMs;
  }

  deadline(): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (const probe of this.#bySequence.values()) earliest = Math.min(earliest, probe.deadline);
    return earliest;
  }
}
