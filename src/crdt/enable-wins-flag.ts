/**
 * The enable-wins flag: on as long as an enabling is there that no disabling has removed. A disabling
 * removes the enablings that its client had read, and so loses against concurrent ones.
 */
import type { Dot } from '../clocks/index.ts';
import { CausalContext } from './causal-context.ts';
import { DottedValues } from './dotted-values.ts';
import type { FlagOperation } from './operation.ts';
import { removedByClient, type UpdateScope } from './update-scope.ts';

/** The delta of the operations, applied in order to `flag`. */
export function flagDelta(
  flag: DottedValues<Dot>,
  operations: readonly FlagOperation[],
  scope: UpdateScope,
): DottedValues<Dot> {
  let enabled = false;
  let removed = CausalContext.empty;
  for (const { enable } of operations) {
    if (enable) {
      enabled = true;
      removed = removed.union(CausalContext.ofDots(flag.dots));
    } else {
      // What this very request enabled its client cannot have read.
      if (scope.context === undefined) enabled = false;
      removed = removed.union(removedByClient(flag.dots, scope));
    }
  }
  return DottedValues.of(enabled ? [scope.dot] : [], removed);
}
