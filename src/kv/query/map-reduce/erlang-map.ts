/** The map functions of Riak's module `riak_kv_mapreduce`, which clients call by name. */
import { type ByteString, byteLiteral, byteStringOf } from '../../../stdx/index.ts';
import { type Content, decodeTerm, type Term } from '../../../wire/index.ts';
import type { VersionedObject } from '../../object/index.ts';
import { type Item, ItemError, jsonItem, type KeyItem, parsedJson, termItem } from './item.ts';
import { jsonOfObject } from './object-json.ts';

export interface MapSubject {
  readonly item: KeyItem;
  /** Undefined: there is nothing, or it was deleted. */
  readonly object: VersionedObject | undefined;
  /** A delete is remembered. */
  readonly isDeleted: boolean;
}

/** Throws `ItemError`, whose message is Erlang's name of the mistake. */
export type MapFunction = (subject: MapSubject, arg: Term | undefined) => readonly Item[];

export const erlangMapFunctions: ReadonlyMap<string, MapFunction> = new Map<string, MapFunction>([
  ['map_identity', identity],
  ['map_object_value', (subject, arg) => valuesOf(subject, arg, (content) => [byteStringOf(content.value)])],
  ['map_object_value_list', (subject, arg) => valuesOf(subject, arg, listOf)],
]);

function identity({ item, object }: MapSubject): readonly Item[] {
  if (object === undefined) return [{ ...item, kind: 'not_found' }];
  return [jsonItem(jsonOfObject(item.address, object))];
}

function valuesOf(
  subject: MapSubject,
  arg: Term | undefined,
  of: (content: Content) => readonly Term[],
): readonly Item[] {
  const { object } = subject;
  if (object === undefined) return missing(subject, arg);
  return object.contents().flatMap((content) => (content.deleted ? [] : of(content).map(termItem)));
}

const erlangBinary = byteLiteral('application/x-erlang-binary');

/** The value is a list: a term if it says so, else JSON. */
function listOf(content: Content): readonly Term[] {
  const value =
    content.contentType === erlangBinary
      ? decodeTerm(content.value)
      : parsedJson(content.value.toString('utf8'));
  if (!Array.isArray(value)) throw new ItemError('badarg');
  return value as readonly Term[];
}

/** A key that the client named, and that never was, is a mistake unless the argument says what to do. */
function missing({ item, isDeleted }: MapSubject, arg: Term | undefined): readonly Item[] {
  const word = typeof arg === 'string' ? (arg as string) : undefined;
  if (word === 'filter_notfound') return [];
  if (word === 'include_notfound') return [{ ...item, kind: 'not_found' }];
  if (word === 'include_keydata') return [termItem(item.keyData ?? null)];
  const substitute =
    arg instanceof Map ? (arg as ReadonlyMap<ByteString, Term>).get(byteLiteral('sub')) : undefined;
  if (substitute !== undefined) return [termItem(substitute)];
  if (isDeleted || item.isFound) return [];
  throw new ItemError('function_clause');
}
