/**
 * What an update knows of its surroundings: its name, its time, what its replica has seen, and what its
 * client had read.
 */
import type { Dot } from '../clocks/index.ts';
import { CausalContext } from './causal-context.ts';

export interface UpdateScope {
  /** Names all that this update puts anywhere. */
  readonly dot: Dot;
  /** Wall time of the coordinator in microseconds. */
  readonly micros: number;
  /** What the replica had seen before this update. */
  readonly seen: CausalContext;
  /** What this update removes of all that is here and below, by a removal of a field above. */
  readonly removed: CausalContext;
  /** What the client had read, if it said so; none of it is of the actor's later than `seen`. */
  readonly context: CausalContext | undefined;
}

/**
 * What a removal removes of the values at one leaf: those that the client had read, together with what
 * it had read and this replica has not seen yet; without a context all that is here.
 */
export function removedByClient(values: readonly Dot[], scope: UpdateScope): CausalContext {
  const { context, seen, removed } = scope;
  if (context === undefined) return CausalContext.ofDots(values);
  const present = CausalContext.ofDots(values.filter((dot) => context.covers(dot)));
  return present.union(context.minus(seen).minus(removed));
}
