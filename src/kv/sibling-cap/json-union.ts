/**
 * JSON values as a grow-only data type: any two have a join, which contains both.
 *
 *   objects   by member, joining those that both have
 *   arrays    as sets of their elements, in the order of the elements' text
 *   numbers   the greater · strings the greater, by code units · booleans true if one is
 *   of different kinds the later of: null, boolean, number, string, array, object
 *
 * U1  Joining is commutative, associative and idempotent on canonical texts, and each text has one canonical form.
 * U2  What is in no canonical form here is no JSON of at most `nestingMax` levels, or has a number that would be rounded.
 */
import { hasExactNumbers } from './exact-numbers.ts';

/** Levels of objects and arrays. */
export const nestingMax = 64;

type Json = null | boolean | number | string | readonly Json[] | JsonObject;
interface JsonObject {
  readonly [name: string]: Json;
}

/** The join of JSON texts, in its canonical form; undefined if one of them is none. */
export function unionOfJson(texts: readonly string[]): string | undefined {
  let joined: Json | undefined;
  for (const text of texts) {
    const value = parsed(text);
    if (value === undefined || !isWithinNesting(value, nestingMax) || !hasExactNumbers(text))
      return undefined;
    joined = joined === undefined ? value : join(joined, value);
  }
  return joined === undefined ? undefined : canonical(joined);
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

function isWithinNesting(value: Json, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (levels === 0) return false;
  const members: readonly Json[] = Array.isArray(value) ? (value as readonly Json[]) : Object.values(value);
  return members.every((member) => isWithinNesting(member, levels - 1));
}

function join(a: Json, b: Json): Json {
  const [rankA, rankB] = [rankOf(a), rankOf(b)];
  if (rankA !== rankB) return rankA > rankB ? a : b;
  if (isObject(a) && isObject(b)) return joinedObjects(a, b);
  if (Array.isArray(a) && Array.isArray(b)) return [...a, ...b] as readonly Json[];
  // Of one kind, and comparable.
  return (a as string) > (b as string) ? a : b;
}

function joinedObjects(a: JsonObject, b: JsonObject): JsonObject {
  const members = new Map<string, Json>(Object.entries(a));
  for (const [name, value] of Object.entries(b)) {
    const known = members.get(name);
    members.set(name, known === undefined ? value : join(known, value));
  }
  return Object.fromEntries(members);
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function rankOf(value: Json): number {
  if (value === null) return 0;
  const ranks = ['boolean', 'number', 'string', 'object'];
  return 1 + ranks.indexOf(typeof value) + (isObject(value) ? 1 : 0);
}

/** Members by name, elements once and by their text. */
function canonical(value: Json): string {
  if (Array.isArray(value)) {
    const elements = new Set((value as readonly Json[]).map(canonical));
    return `[${[...elements].sort().join(',')}]`;
  }
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`,
  );
  return `{${members.sort().join(',')}}`;
}
