/** The operations of requests to data types. A string is why there is none. */
import type {
  CrdtOperation,
  DatatypeMapField,
  FieldOperation,
  MapFieldType,
  MapOperation,
  SetStep,
} from '../../kv/index.ts';
import { type ByteString, textOfBytes } from '../../stdx/index.ts';
import {
  type dtOp,
  flagOp,
  type MapOp,
  type MapUpdate,
  type MessageOf,
  mapFieldType,
} from '../../wire/index.ts';

type DtOp = MessageOf<typeof dtOp>;

const fieldTypes: ReadonlyMap<number, MapFieldType> = new Map(
  (Object.keys(mapFieldType) as MapFieldType[]).map((type) => [mapFieldType[type], type]),
);

export function operationOf(op: DtOp): CrdtOperation | string {
  const operations: (CrdtOperation | string)[] = [];
  const { counter_op, set_op, map_op, hll_op, gset_op } = op;
  if (counter_op !== undefined) operations.push({ kind: 'counter', increment: counter_op.increment ?? 1n });
  if (set_op !== undefined) operations.push({ kind: 'set', steps: stepsOf(set_op) });
  if (map_op !== undefined) operations.push(mapOperationOf(map_op));
  if (hll_op !== undefined) operations.push({ kind: 'hll', adds: hll_op.adds });
  if (gset_op !== undefined) operations.push({ kind: 'gset', adds: gset_op.adds });
  const [operation, ...more] = operations;
  if (operation === undefined) return 'DtOp without an operation';
  return more.length === 0 ? operation : 'DtOp with several operations';
}

/** Riak's order: all adds, then all removes. */
function stepsOf(set: { readonly adds: readonly ByteString[]; readonly removes: readonly ByteString[] }) {
  const steps: SetStep[] = [];
  if (set.adds.length > 0) steps.push({ kind: 'add', elements: set.adds });
  if (set.removes.length > 0) steps.push({ kind: 'remove', elements: set.removes });
  return steps;
}

/** The codec has bounded how deep maps nest. */
function mapOperationOf({ removes, updates }: MapOp): MapOperation | string {
  const removed: DatatypeMapField[] = [];
  for (const { name, type } of removes) {
    const known = fieldTypes.get(type);
    if (known === undefined) return unknownType(type);
    removed.push({ name, type: known });
  }
  const updated: { field: DatatypeMapField; operation: FieldOperation }[] = [];
  for (const update of updates) {
    const type = fieldTypes.get(update.field.type);
    if (type === undefined) return unknownType(update.field.type);
    const operation = fieldOperationOf(type, update);
    if (typeof operation === 'string') return operation;
    updated.push({ field: { name: update.field.name, type }, operation });
  }
  return { kind: 'map', removes: removed, updates: updated };
}

/** A field's type says which of the operations counts, as in Riak. */
function fieldOperationOf(type: MapFieldType, update: MapUpdate): FieldOperation | string {
  const { counter_op, set_op, register_op, flag_op, map_op } = update;
  switch (type) {
    case 'counter':
      return counter_op === undefined
        ? missing(update, type)
        : { kind: type, increment: counter_op.increment ?? 1n };
    case 'set':
      return set_op === undefined ? missing(update, type) : { kind: type, steps: stepsOf(set_op) };
    case 'register':
      return register_op === undefined ? missing(update, type) : { kind: type, value: register_op };
    case 'flag':
      if (flag_op === flagOp.enable) return { kind: type, enable: true };
      return flag_op === flagOp.disable ? { kind: type, enable: false } : missing(update, type);
    case 'map':
      return map_op === undefined ? missing(update, type) : mapOperationOf(map_op);
  }
}

function missing({ field }: MapUpdate, type: MapFieldType): string {
  return `the update of field ${JSON.stringify(textOfBytes(field.name))} has no operation for a ${type}`;
}

function unknownType(type: number): string {
  return `a field has the unknown type ${type}`;
}
