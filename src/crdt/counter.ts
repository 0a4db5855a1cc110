/**
 * The PN-counter (Shapiro, Preguiça, Baquero and Zawirski, "A comprehensive study of convergent and
 * commutative replicated data types", 2011, §3.1.3): every actor keeps the sum of what it added and of what
 * it took away; the value is the sum over actors. An actor's update replaces its tally of before, so that
 * a counter has one tally for each actor.
 *
 * Within a map a counter can be removed. A removal takes away the tallies that were seen. An actor that
 * increments concurrently has by then replaced its tally by one that holds its older increments too: these
 * come back. No increment is ever lost or counted twice, but of a removed counter the part of actors
 * that incremented concurrently with the removal can return (known of Riak: riak_dt#92, #93, #98).
 */
import type { Dot } from '../clocks/index.ts';
import { CausalContext } from './causal-context.ts';
import { DottedValues } from './dotted-values.ts';
import type { CounterOperation, Refusal } from './operation.ts';
import type { UpdateScope } from './update-scope.ts';

/** What one actor has added and taken away, both from 0 to `tallyMax`. */
export interface Tally extends Dot {
  readonly added: bigint;
  readonly taken: bigint;
}

/** What the encoding holds: eight trillion of the greatest increments of the wire. */
export const tallyMax = 2n ** 106n - 1n;
const incrementMax = 2n ** 63n - 1n;
const incrementMin = -(2n ** 63n);

export function counterValue(counter: DottedValues<Tally>): bigint {
  let value = 0n;
  for (const { added, taken } of counter.dots) value += added - taken;
  return value;
}

/** Undefined: the increment fits into 64 bits with a sign. */
export function checkIncrement(increment: bigint): Refusal | undefined {
  if (increment <= incrementMax && increment >= incrementMin) return undefined;
  return { kind: 'increment_out_of_range', increment };
}

/** The delta of the operations, applied in order to `counter`. */
export function counterDelta(
  counter: DottedValues<Tally>,
  operations: readonly CounterOperation[],
  scope: UpdateScope,
): DottedValues<Tally> | Refusal {
  const { actor, counter: number } = scope.dot;
  const before = counter.dots.filter((tally) => tally.actor === actor);
  let added = 0n;
  let taken = 0n;
  for (const tally of before) {
    added += tally.added;
    taken += tally.taken;
  }
  for (const { increment } of operations) {
    const refusal = checkIncrement(increment);
    if (refusal !== undefined) return refusal;
    if (increment >= 0n) added += increment;
    else taken -= increment;
    // No number of increments comes near; but what is stored may have been put by hand.
    if (added > tallyMax || taken > tallyMax) return { kind: 'increment_out_of_range', increment };
  }
  return DottedValues.of([{ actor, counter: number, added, taken }], CausalContext.ofDots(before));
}
