/**
 * The map of fields that are data types, maps among them, with reset-remove. What it holds and how it
 * joins is in `dot-store.ts`; here is what an update of it changes, and what it shows.
 */
import { assert, type ByteString } from '../stdx/index.ts';
import { setDelta, setValue } from './add-wins-set.ts';
import { CausalContext } from './causal-context.ts';
import { counterDelta, counterValue } from './counter.ts';
import {
  type DotStore,
  emptyField,
  FieldMap,
  type FieldState,
  isEmptyField,
  isLiveField,
  resetField,
} from './dot-store.ts';
import { DottedValues } from './dotted-values.ts';
import { flagDelta } from './enable-wins-flag.ts';
import { registerDelta, registerValue } from './lww-register.ts';
import {
  type FieldOperation,
  type MapField,
  type MapFieldType,
  type MapOperation,
  nestingMax,
  type Refusal,
} from './operation.ts';
import { SortedEntries } from './sorted-entries.ts';
import type { UpdateScope } from './update-scope.ts';

export interface MapEntry {
  readonly field: MapField;
  readonly value: FieldValue;
}

export type FieldValue =
  | { readonly type: 'counter'; readonly value: bigint }
  | { readonly type: 'flag'; readonly value: boolean }
  /** By name, then type. */
  | { readonly type: 'map'; readonly value: readonly MapEntry[] }
  /** Undefined if nothing is assigned. */
  | { readonly type: 'register'; readonly value: ByteString | undefined }
  /** In byte order. */
  | { readonly type: 'set'; readonly value: readonly ByteString[] };

/** In the order of the letters by which keys and encodings name them. */
const typeLetters: Readonly<Record<MapFieldType, string>> = {
  counter: 'c',
  flag: 'f',
  map: 'm',
  register: 'r',
  set: 's',
};
const typesByLetter: ReadonlyMap<string, MapFieldType> = new Map(
  (Object.keys(typeLetters) as MapFieldType[]).map((type) => [typeLetters[type], type]),
);

/** A field's name and the letter of its type: what fields are sorted and found by. */
export function fieldKey({ name, type }: MapField): ByteString {
  return (name + typeLetters[type]) as ByteString;
}

/** Undefined if the key ends with no type's letter. */
export function fieldOfKey(key: ByteString): MapField | undefined {
  const type = typesByLetter.get(key.slice(-1));
  return type && { name: key.slice(0, -1) as ByteString, type };
}

export function mapValue(map: FieldMap): readonly MapEntry[] {
  const entries: MapEntry[] = [];
  map.fields.values.forEach((state, i) => {
    if (!isLiveField(state)) return;
    const name = map.fields.keys[i].slice(0, -1) as ByteString;
    entries.push({ field: { name, type: state.store.type }, value: fieldValue(state.store) });
  });
  // Keys put the type behind the name without a separator: the order of a few strange names differs.
  return entries.sort((a, b) => compareNames(a.field, b.field));
}

function compareNames(a: MapField, b: MapField): number {
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  return a.type < b.type ? -1 : 1;
}

function fieldValue(store: DotStore): FieldValue {
  switch (store.type) {
    case 'counter':
      return { type: store.type, value: counterValue(store.tallies) };
    case 'flag':
      return { type: store.type, value: store.enables.isLive };
    case 'map':
      return { type: store.type, value: mapValue(store.map) };
    case 'register':
      return { type: store.type, value: registerValue(store.assignments) };
    case 'set':
      return { type: store.type, value: setValue(store.set) };
  }
}

/** What one request asks of one field. */
interface FieldChange {
  readonly field: MapField;
  /** What to remove from all of it before the operations. */
  readonly removed: CausalContext;
  readonly operations: readonly FieldOperation[];
}

/** The delta of the operations, applied in order to `map`; `depth` is 1 for the outermost map. */
export function mapDelta(
  map: FieldMap,
  operations: readonly MapOperation[],
  scope: UpdateScope,
  depth = 1,
): FieldMap | Refusal {
  if (depth > nestingMax) return { kind: 'nested_too_deep', nestingMax };
  const changes = new Map<ByteString, FieldChange>();
  for (const { removes, updates } of operations) {
    for (const field of removes) {
      const change = fieldRemoved(map, field, changes, scope);
      if (change === undefined) return { kind: 'field_not_present', field };
      changes.set(fieldKey(field), change);
    }
    for (const { field, operation } of updates) {
      if (field.type !== operation.kind) {
        return { kind: 'type_mismatch', expected: field.type, actual: operation.kind };
      }
      const before = changes.get(fieldKey(field));
      const removed = before?.removed ?? CausalContext.empty;
      changes.set(fieldKey(field), {
        field,
        removed,
        operations: [...(before?.operations ?? []), operation],
      });
    }
  }
  const fields = new Map<ByteString, FieldState>();
  for (const [key, change] of changes) {
    const delta = fieldDelta(map.fields.get(key) ?? emptyField(change.field.type), change, scope, depth);
    if ('kind' in delta) return delta;
    if (!isEmptyField(delta)) fields.set(key, delta);
  }
  return FieldMap.of(SortedEntries.ofMap(fields));
}

/** Undefined if there is nothing to remove and no context that says that there was. */
function fieldRemoved(
  map: FieldMap,
  field: MapField,
  changes: ReadonlyMap<ByteString, FieldChange>,
  scope: UpdateScope,
): FieldChange | undefined {
  const key = fieldKey(field);
  const before = changes.get(key) ?? { field, removed: CausalContext.empty, operations: [] };
  if (scope.context !== undefined) {
    return { ...before, removed: scope.context.minus(scope.removed) };
  }
  const found = map.fields.get(key);
  const isThere = before.removed.isEmpty && found !== undefined && isLiveField(found);
  if (!isThere && before.operations.length === 0) return undefined;
  return { field, removed: scope.seen.minus(scope.removed), operations: [] };
}

function fieldDelta(
  found: FieldState,
  change: FieldChange,
  scope: UpdateScope,
  depth: number,
): FieldState | Refusal {
  const { field, removed, operations } = change;
  if (operations.length === 0) return { ...emptyField(field.type), removed };
  const base = removed.isEmpty ? found : resetField(found, scope.seen, removed);
  const below = removed.isEmpty ? scope : { ...scope, removed: scope.removed.union(removed) };
  const store = storeDelta(base.store, operations, below, depth);
  if ('kind' in store) return store;
  const touches = DottedValues.of([scope.dot], CausalContext.ofDots(base.touches.dots));
  return { touches, store, removed };
}

function storeDelta(
  store: DotStore,
  operations: readonly FieldOperation[],
  scope: UpdateScope,
  depth: number,
): DotStore | Refusal {
  const { type } = store;
  switch (type) {
    case 'counter': {
      const tallies = counterDelta(store.tallies, ofKind(operations, type), scope);
      return 'kind' in tallies ? tallies : { type, tallies };
    }
    case 'flag':
      return { type, enables: flagDelta(store.enables, ofKind(operations, type), scope) };
    case 'register':
      return { type, assignments: registerDelta(store.assignments, ofKind(operations, type), scope) };
    case 'set': {
      const set = setDelta(store.set, ofKind(operations, type), scope);
      return 'kind' in set ? set : { type, set };
    }
    case 'map': {
      const map = mapDelta(store.map, ofKind(operations, type), scope, depth + 1);
      return 'kind' in map ? map : { type, map };
    }
  }
}

/** Operations that were checked to be of the field's type. */
function ofKind<K extends FieldOperation['kind']>(
  operations: readonly FieldOperation[],
  kind: K,
): readonly Extract<FieldOperation, { kind: K }>[] {
  assert(
    operations.every((operation) => operation.kind === kind),
    'a field takes operations of its type',
  );
  return operations as readonly Extract<FieldOperation, { kind: K }>[];
}
