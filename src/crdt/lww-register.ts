/**
 * The last-writer-wins register (Shapiro et al. 2011, §3.2.1): the value that was assigned at the latest
 * wall time shows; of those of one microsecond the one with the greater bytes; of those alike in both the one with the
 * smallest dot, which shows only in what an update leaves.
 *
 * An assignment at an earlier time than the value that shows, as after a clock was set back, is kept
 * behind that value, as Riak ignores it; it shows when a removal concurrent with it takes the later value
 * away. An update leaves at most these two of all values that it found, so that a register is bounded
 * by the number of actors that assign concurrently.
 */
import type { Dot } from '../clocks/index.ts';
import type { ByteString } from '../stdx/index.ts';
import { CausalContext } from './causal-context.ts';
import { DottedValues } from './dotted-values.ts';
import type { RegisterOperation } from './operation.ts';
import type { UpdateScope } from './update-scope.ts';

export interface Assignment extends Dot {
  /** Wall time of the coordinator, in microseconds since the Unix epoch. */
  readonly micros: number;
  readonly value: ByteString;
}

/** Undefined if nothing is assigned. */
export function registerValue(register: DottedValues<Assignment>): ByteString | undefined {
  return latestOf(register.dots)?.value;
}

/** The delta of the operations, at least one, applied in order to `register`. */
export function registerDelta(
  register: DottedValues<Assignment>,
  operations: readonly RegisterOperation[],
  scope: UpdateScope,
): DottedValues<Assignment> {
  const { dot, micros } = scope;
  const { value } = operations[operations.length - 1];
  const latest = latestOf(register.dots);
  const replaced = register.dots.filter((found) => found !== latest || found.micros <= micros);
  return DottedValues.of(
    [{ actor: dot.actor, counter: dot.counter, micros, value }],
    CausalContext.ofDots(replaced),
  );
}

function latestOf(assignments: readonly Assignment[]): Assignment | undefined {
  let latest: Assignment | undefined;
  for (const assignment of assignments) {
    if (latest === undefined || isLater(assignment, latest)) latest = assignment;
  }
  return latest;
}

function isLater(a: Assignment, b: Assignment): boolean {
  return a.micros > b.micros || (a.micros === b.micros && a.value > b.value);
}
