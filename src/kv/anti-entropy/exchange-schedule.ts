/**
 * When which two replicas are compared next. A value that is told of outcomes; the driver waits.
 *
 * Every pair comes up once an interval, at a time of its own. A pair comes up sooner when it is new (its peer has come back, a
 * partition was acquired), when its trees have just been built, and when it was found to differ: until it is the same.
 */
import type { Partition } from '../../core/ring/index.ts';
import type { NodeId, Random } from '../../environment/index.ts';
import type { SegmentSet } from '../../merkle/index.ts';
import { Heap, unreachable } from '../../stdx/index.ts';
import type { ReplicaPair } from './exchange-message.ts';

/** A difference counts if it is still there after this: longer than a write is on its way. */
export const settleMs = 1000;
/** After a refusal, or when the peer said nothing. */
const retryMs = 5000;
/** What has become urgent is spread over this. */
const hastenMs = 5000;

export type ExchangeOutcome =
  | { readonly kind: 'same' }
  /** Seen once: to be looked at again. */
  | { readonly kind: 'suspected'; readonly segments: SegmentSet }
  | { readonly kind: 'repaired'; readonly keys: number }
  | { readonly kind: 'refused' };

/** A replica here, and one of the same objects at a peer. */
type PlannedPair = ReplicaPair & { readonly peer: NodeId };

/** With what is known of it. */
export interface ScheduledPair extends PlannedPair {
  dueAt: number;
  isRunning: boolean;
  /** False: it is not this node's any more. */
  isPlanned: boolean;
  suspects: SegmentSet | undefined;
  /** Of the last exchange that came to an end; undefined: none has. */
  comparedAt: number | undefined;
  lastOutcome: ExchangeOutcome['kind'] | undefined;
  keysRepaired: number;
}

/** A pair was to come up at that time, and does unless something was decided since. */
interface Turn {
  readonly pair: ScheduledPair;
  readonly dueAt: number;
}

/** Turns that were overtaken are thrown away when so many times more of them wait than there are pairs. */
const turnsPerPairMax = 4;

export class ExchangeSchedule {
  readonly #intervalMs: number;
  readonly #random: Pick<Random, 'fraction'>;
  /** All of them, by the partition that is here. */
  #pairs = new Map<Partition, ScheduledPair[]>();
  #count = 0;
  readonly #turns = new Heap<Turn>((a, b) => a.dueAt < b.dueAt);

  constructor(intervalMs: number, random: Pick<Random, 'fraction'>) {
    this.#intervalMs = intervalMs;
    this.#random = random;
  }

  get pairs(): readonly ScheduledPair[] {
    return [...this.#pairs.values()].flat();
  }

  /** The pairs that this node is to compare from now on. What is known of those that stay is kept; new ones are urgent. */
  plan(pairs: Iterable<PlannedPair>, now: number): void {
    const before = this.#pairs;
    this.#pairs = new Map();
    this.#count = 0;
    for (const some of before.values()) for (const pair of some) pair.isPlanned = false;
    for (const wanted of pairs) {
      const pair =
        before.get(wanted.near)?.find((known) => isSame(known, wanted)) ?? this.#begin(wanted, now);
      pair.isPlanned = true;
      this.#count += 1;
      const some = this.#pairs.get(pair.near);
      if (some === undefined) this.#pairs.set(pair.near, [pair]);
      else some.push(pair);
    }
    this.#throwOvertaken();
  }

  /** The trees of a partition that is here have just been built: they are compared soon. */
  hasten(near: Partition, now: number): void {
    for (const pair of this.#pairs.get(near) ?? []) {
      const dueAt = now + this.#soon();
      if (dueAt >= pair.dueAt) continue;
      pair.dueAt = dueAt;
      if (!pair.isRunning) this.#turns.push({ pair, dueAt });
    }
    this.#throwOvertaken();
  }

  /** The pair that has been due for longest, which runs until `finished`; undefined: none is due. */
  take(now: number): ScheduledPair | undefined {
    const deadline = this.deadline();
    if (deadline === undefined || deadline > now) return undefined;
    const { pair } = this.#turns.pop()!;
    pair.isRunning = true;
    return pair;
  }

  finished(pair: ScheduledPair, outcome: ExchangeOutcome, now: number): void {
    pair.isRunning = false;
    pair.suspects = outcome.kind === 'suspected' ? outcome.segments : undefined;
    if (outcome.kind !== 'refused') pair.comparedAt = now;
    pair.lastOutcome = outcome.kind;
    if (outcome.kind === 'repaired') pair.keysRepaired += outcome.keys;
    pair.dueAt = now + this.#delayAfter(outcome);
    if (pair.isPlanned) this.#turns.push({ pair, dueAt: pair.dueAt });
  }

  /** When the next pair is due; undefined: there are none that do not run. */
  deadline(): number | undefined {
    for (;;) {
      const turn = this.#turns.first;
      if (turn === undefined) return undefined;
      const { pair, dueAt } = turn;
      if (pair.isPlanned && !pair.isRunning && pair.dueAt === dueAt) return dueAt;
      this.#turns.pop();
    }
  }

  #begin({ first, nVal, near, far, peer }: PlannedPair, now: number): ScheduledPair {
    const pair = fresh({ first, nVal, near, far, peer }, now + this.#soon());
    this.#turns.push({ pair, dueAt: pair.dueAt });
    return pair;
  }

  #throwOvertaken(): void {
    if (this.#turns.size <= turnsPerPairMax * this.#count) return;
    this.#turns.clear();
    for (const pair of this.pairs) {
      if (!pair.isRunning) this.#turns.push({ pair, dueAt: pair.dueAt });
    }
  }

  #soon(): number {
    return Math.min(hastenMs, this.#intervalMs) * this.#random.fraction();
  }

  #delayAfter(outcome: ExchangeOutcome): number {
    switch (outcome.kind) {
      case 'same':
        return this.#intervalMs * (0.75 + 0.5 * this.#random.fraction());
      case 'refused':
        return retryMs * (0.75 + 0.5 * this.#random.fraction());
      case 'suspected':
        return settleMs;
      case 'repaired':
        // What could not be repaired now, or did not need to be, will not be otherwise in a second.
        return outcome.keys > 0 ? settleMs : this.#intervalMs;
      default:
        return unreachable(outcome);
    }
  }
}

function isSame(a: PlannedPair, b: PlannedPair): boolean {
  return (
    a.near === b.near && a.far === b.far && a.first === b.first && a.nVal === b.nVal && a.peer === b.peer
  );
}

function fresh(pair: PlannedPair, dueAt: number): ScheduledPair {
  return {
    ...pair,
    dueAt,
    isRunning: false,
    isPlanned: true,
    suspects: undefined,
    comparedAt: undefined,
    lastOutcome: undefined,
    keysRepaired: 0,
  };
}
