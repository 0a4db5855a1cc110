/**
 * Message tables: a proto2 message as data, from which the codec works and the compiler derives the
 * TypeScript type. Field order in a table is the order on the wire.
 */
import type { Buffer } from 'node:buffer';
import type { ByteString } from '../stdx/index.ts';

/**
 * How a field travels and what it is here. proto2 knows one `bytes`; here `name` is copied out as a
 * `ByteString` (it may key a map and outlive the frame), `slice` is a view into the frame (values, opaque
 * contexts, encoded messages). 64-bit integers are always `bigint`. Enums are `uint32`.
 */
export type ScalarKind = 'uint32' | 'bool' | 'sint64' | 'int64' | 'uint64' | 'float' | 'name' | 'slice';
export type FieldKind = ScalarKind | MessageType<unknown> | LazyMessage<unknown>;
export type FieldLabel = 'required' | 'optional' | 'repeated';

export interface FieldSpec<Kind extends FieldKind = FieldKind, Label extends FieldLabel = FieldLabel> {
  readonly number: number;
  readonly kind: Kind;
  readonly label: Label;
}

/** A message that contains itself is named before it is made. */
export interface LazyMessage<T> {
  readonly lazy: () => MessageType<T>;
}

export interface NamedField extends FieldSpec {
  readonly name: string;
}

declare const decoded: unique symbol;
export interface MessageType<T> {
  readonly name: string;
  /** The frame's code; absent in messages that only occur inside others. */
  readonly code?: number;
  readonly fields: readonly NamedField[];
  /** Index: field number. */
  readonly byNumber: readonly (NamedField | undefined)[];
  readonly [decoded]?: T;
}

/** A message that is a frame of its own. */
export interface FrameType<T> extends MessageType<T> {
  readonly code: number;
}

interface ScalarValues {
  readonly uint32: number;
  readonly bool: boolean;
  readonly sint64: bigint;
  readonly int64: bigint;
  readonly uint64: bigint;
  readonly float: number;
  readonly name: ByteString;
  readonly slice: Buffer;
}

type ValueOf<Kind> = Kind extends keyof ScalarValues
  ? ScalarValues[Kind]
  : Kind extends MessageType<infer T>
    ? T
    : Kind extends LazyMessage<infer T>
      ? T
      : never;

type Fields = Readonly<Record<string, FieldSpec>>;
type NamesWith<F extends Fields, Label> = {
  [Name in keyof F]: F[Name]['label'] extends Label ? Name : never;
}[keyof F];

/** What decoding yields: required fields are there, repeated ones are arrays, optional ones may be absent. */
export type DecodedFields<F extends Fields> = {
  readonly [Name in NamesWith<F, 'required'>]: ValueOf<F[Name]['kind']>;
} & { readonly [Name in NamesWith<F, 'optional'>]?: ValueOf<F[Name]['kind']> | undefined } & {
  readonly [Name in NamesWith<F, 'repeated'>]: readonly ValueOf<F[Name]['kind']>[];
};

/** What encoding takes: as decoded, except that empty repeated fields may be left out, at every depth. */
export type Encodable<T> = T extends string | number | boolean | bigint | undefined
  ? T
  : T extends Uint8Array
    ? Uint8Array
    : T extends readonly (infer Item)[]
      ? readonly Encodable<Item>[]
      : T extends object
        ? {
            readonly [Name in keyof T as T[Name] extends readonly unknown[] ? never : Name]: Encodable<
              T[Name]
            >;
          } & {
            readonly [Name in keyof T as T[Name] extends readonly unknown[] ? Name : never]?: Encodable<
              T[Name]
            >;
          }
        : T;

export type MessageOf<Type> = Type extends MessageType<infer T> ? T : never;

export function required<K extends FieldKind>(number: number, kind: K): FieldSpec<K, 'required'> {
  return { number, kind, label: 'required' };
}

export function optional<K extends FieldKind>(number: number, kind: K): FieldSpec<K, 'optional'> {
  return { number, kind, label: 'optional' };
}

export function repeated<K extends FieldKind>(number: number, kind: K): FieldSpec<K, 'repeated'> {
  return { number, kind, label: 'repeated' };
}

/** A message that occurs only inside others. */
export function nested<F extends Fields>(name: string, fields: F): MessageType<DecodedFields<F>> {
  const named = Object.entries(fields).map(([field, spec]) => ({ name: field, ...spec }));
  const byNumber: (NamedField | undefined)[] = [];
  for (const field of named) byNumber[field.number] = field;
  return { name, fields: named, byNumber };
}

/** A message with a frame code. */
export function frame<F extends Fields>(name: string, code: number, fields: F): FrameType<DecodedFields<F>> {
  return { ...nested(name, fields), code };
}
