/** The fields of a map, said once: what they hold, and thereby the types of its values and of its changes. */
import { type Element, text } from './element.ts';

export interface CounterField {
  readonly type: 'counter';
}
export interface FlagField {
  readonly type: 'flag';
}
export interface RegisterField<T> {
  readonly type: 'register';
  readonly element: Element<T>;
}
export interface SetField<T> {
  readonly type: 'set';
  readonly element: Element<T>;
}
export interface MapField<F extends Fields> {
  readonly type: 'map';
  readonly fields: F;
}

export type Field = CounterField | FlagField | RegisterField<unknown> | SetField<unknown> | MapField<Fields>;
export interface Fields {
  readonly [name: string]: Field;
}

export function counter(): CounterField {
  return { type: 'counter' };
}

/** On or off. */
export function flag(): FlagField {
  return { type: 'flag' };
}

/** One value; of several written at once the latest stays. */
export function register(): RegisterField<string>;
export function register<T>(element: Element<T>): RegisterField<T>;
export function register(element: Element<string> = text): RegisterField<string> {
  return { type: 'register', element };
}

export function set(): SetField<string>;
export function set<T>(element: Element<T>): SetField<T>;
export function set(element: Element<string> = text): SetField<string> {
  return { type: 'set', element };
}

/** A map within a map. */
export function map<const F extends Fields>(fields: F): MapField<F> {
  return { type: 'map', fields };
}

/** What is read of a field; a field that nobody has written reads as nothing: 0, off, the empty set. */
export type FieldValue<F extends Field> =
  F extends RegisterField<infer T>
    ? T | undefined
    : F extends SetField<infer T>
      ? ReadonlySet<T>
      : F extends MapField<infer Inner>
        ? MapValue<Inner>
        : F extends CounterField
          ? number
          : boolean;

export type MapValue<F extends Fields> = { readonly [Name in keyof F]: FieldValue<F[Name]> };

export interface CounterChange {
  /** Negative to decrement. */
  readonly increment: number | bigint;
}

export interface SetChange<T> {
  readonly add?: Iterable<T>;
  /** Wins over no addition that this client has not read. */
  readonly remove?: Iterable<T>;
}

export type FieldChange<F extends Field> =
  F extends RegisterField<infer T>
    ? T
    : F extends SetField<infer T>
      ? SetChange<T>
      : F extends MapField<infer Inner>
        ? MapChanges<Inner>
        : F extends CounterField
          ? CounterChange
          : boolean;

/**
 * By field: a register's new value, a flag's new state, `{ increment }`, `{ add, remove }`, the changes of a map. `null`
 * removes the field; what is left out, or undefined, stays.
 */
export type MapChanges<F extends Fields> = {
  readonly [Name in keyof F]?: FieldChange<F[Name]> | null | undefined;
};
