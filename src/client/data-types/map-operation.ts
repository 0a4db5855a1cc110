/** Changes of maps as operations, and what is read of maps, by the fields that the application named. */
import type { CrdtValue, FieldOperation, MapOperation, SetOperation, SetStep } from '../../crdt/index.ts';
import { type ByteString, bytesOfText } from '../../stdx/index.ts';
import { HaleError } from '../hale-error.ts';
import { counterNumber, incrementOf } from './counter-number.ts';
import type { Element } from './element.ts';
import type { CounterChange, Field, Fields, SetChange } from './fields.ts';

type MapEntries = Extract<CrdtValue, { type: 'map' }>['value'];
type StoredField = MapEntries[number]['value'];

/** `path` names the map for people. Throws `invalid_argument` and `invalid_value`. */
export function mapOperationOf(fields: Fields, changes: object, path = 'a map'): MapOperation {
  const removes: MapOperation['removes'][number][] = [];
  const updates: MapOperation['updates'][number][] = [];
  for (const [name, change] of Object.entries(changes)) {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (field === undefined) throw new HaleError('invalid_argument', `${path} has no field "${name}"`);
    if (change === undefined) continue;
    const named = { name: bytesOfText(name), type: field.type };
    if (change === null) removes.push(named);
    else updates.push({ field: named, operation: fieldOperation(field, change, `field "${name}"`) });
  }
  return { kind: 'map', removes, updates };
}

function fieldOperation(field: Field, change: unknown, where: string): FieldOperation {
  switch (field.type) {
    case 'counter':
      return { kind: 'counter', increment: incrementOf(membersOf<CounterChange>(change, where).increment) };
    case 'flag':
      if (typeof change === 'boolean') return { kind: 'flag', enable: change };
      throw new HaleError('invalid_value', `${where} is a flag: true, false, or null to remove it`);
    case 'register':
      return { kind: 'register', value: field.element.encode(change) };
    case 'set':
      return setOperationOf(field.element, membersOf<SetChange<unknown>>(change, where));
    case 'map':
      return mapOperationOf(field.fields, membersOf<object>(change, where), where);
  }
}

function membersOf<T>(change: unknown, where: string): T {
  if (typeof change === 'object' && change !== null) return change as T;
  throw new HaleError('invalid_value', `the change of ${where} is not an object`);
}

export function setOperationOf<T>(
  element: Element<T>,
  { add = [], remove = [] }: SetChange<T>,
): SetOperation {
  const steps: SetStep[] = [];
  const adds = elementsOf(element, add);
  const removes = elementsOf(element, remove);
  if (adds.length > 0) steps.push({ kind: 'add', elements: adds });
  if (removes.length > 0) steps.push({ kind: 'remove', elements: removes });
  return { kind: 'set', steps };
}

export function elementsOf<T>(element: Element<T>, values: Iterable<T>): ByteString[] {
  return Array.from(values, (value) => element.encode(value));
}

/** What is stored under other names or types than `fields` says is left out. */
export function mapValueOf(fields: Fields, entries: MapEntries): Record<string, unknown> {
  const stored = new Map<string, StoredField>();
  for (const { field, value } of entries) stored.set(`${field.type} ${field.name}`, value);
  // Names are the application's own: `fromEntries` makes members of whatever they are.
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]) => {
      const value = stored.get(`${field.type} ${bytesOfText(name)}`);
      return [name, fieldValueOf(field, value)];
    }),
  );
}

/** `stored` is of the field's type. */
function fieldValueOf(field: Field, stored: StoredField | undefined): unknown {
  const value = stored?.value;
  switch (field.type) {
    case 'counter':
      return counterNumber((value as bigint | undefined) ?? 0n);
    case 'flag':
      return value ?? false;
    case 'register':
      return value === undefined ? undefined : field.element.decode(value as ByteString);
    case 'set':
      return setValueOf(field.element, (value as readonly ByteString[] | undefined) ?? []);
    case 'map':
      return mapValueOf(field.fields, (value as MapEntries | undefined) ?? []);
  }
}

export function setValueOf<T>(element: Element<T>, elements: readonly ByteString[]): ReadonlySet<T> {
  return new Set(elements.map((stored) => element.decode(stored)));
}
