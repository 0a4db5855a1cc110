/**
 * Removals. The database removes what a context has seen, so whoever removes reads first; what is not there needs no
 * removing, and without a context the database would refuse it.
 */
import type { CrdtOperation, FieldOperation, MapOperation, SetOperation } from '../../crdt/index.ts';

export function hasRemovals(operation: CrdtOperation | FieldOperation): boolean {
  switch (operation.kind) {
    case 'set':
      return operation.steps.some(({ kind }) => kind === 'remove');
    case 'map':
      return (
        operation.removes.length > 0 || operation.updates.some((update) => hasRemovals(update.operation))
      );
    // To disable a flag is to remove what has enabled it.
    case 'flag':
      return !operation.enable;
    default:
      return false;
  }
}

/** Undefined: nothing is left to do. */
export function withoutRemovals<O extends CrdtOperation | FieldOperation>(operation: O): O | undefined {
  if (!hasRemovals(operation)) return operation;
  if (operation.kind === 'set') return withoutSetRemovals(operation) as O | undefined;
  return operation.kind === 'map' ? (withoutMapRemovals(operation) as O | undefined) : undefined;
}

function withoutSetRemovals(operation: SetOperation): SetOperation | undefined {
  const steps = operation.steps.filter(({ kind }) => kind === 'add');
  return steps.length === 0 ? undefined : { ...operation, steps };
}

function withoutMapRemovals(operation: MapOperation): MapOperation | undefined {
  const updates = operation.updates.flatMap((update) => {
    const rest = withoutRemovals(update.operation);
    return rest === undefined ? [] : [{ ...update, operation: rest }];
  });
  return updates.length === 0 ? undefined : { kind: 'map', removes: [], updates };
}
