/**
 * What each bucket property may hold, as one table: the JSON form of both APIs is parsed, checked and
 * printed from it. Reasons are the atoms that Riak's programs match on.
 */
import {
  type BucketProperties,
  type BucketPropertyChanges,
  type CommitHook,
  defaultBucketProperties,
  type JsonValue,
  type ModFun,
  type PropertyProblem,
} from './bucket-properties.ts';
import { hookProblems } from './commit-hooks/index.ts';
import { type QuorumValue, quorumCount, quorumOfWord, quorumToJson } from './quorum-value.ts';
import { type MergePolicy, mergePolicyProblems, siblingsMaxMax } from './sibling-cap/index.ts';

/** Bounds what one bucket may hold in memory on every node. */
export const customPropertiesMax = 64;
export const hooksMax = 64;
export const nValMax = 64;
/** A century and some. */
export const ttlSecondsMax = 2 ** 32 - 1;

const hllPrecisionMin = 4;
const hllPrecisionMax = 16;

type Parsed<T> = { readonly value: T } | { readonly reason: string };

interface Rule<T> {
  readonly parse: (json: JsonValue) => Parsed<T>;
  readonly print: (value: T) => JsonValue;
}

type Ruled = Omit<BucketProperties, 'custom'>;

const flag: Rule<boolean> = {
  parse: (json) => (typeof json === 'boolean' ? { value: json } : { reason: 'not_boolean' }),
  print: (value) => value,
};

function integer(min: number, max: number): Rule<number> {
  return {
    parse: (json) =>
      typeof json === 'number' && Number.isInteger(json) && json >= min && json <= max
        ? { value: json }
        : { reason: 'not_integer' },
    print: (value) => value,
  };
}

function quorum(min: 0 | 1): Rule<QuorumValue> {
  return {
    parse(json) {
      if (typeof json === 'string') {
        const word = quorumOfWord(json);
        return word === undefined ? { reason: 'not_valid_quorum' } : { value: word };
      }
      const valid = typeof json === 'number' && Number.isInteger(json) && json >= min && json <= nValMax;
      return valid ? { value: quorumCount(json) } : { reason: 'not_valid_quorum' };
    },
    print: quorumToJson,
  };
}

function oneOf<T extends string>(words: readonly T[], reason: string): Rule<T> {
  return {
    parse(json) {
      const word = words.find((candidate) => candidate === json);
      return word === undefined ? { reason } : { value: word };
    },
    print: (value) => value,
  };
}

function modFunOf(json: JsonValue): ModFun | undefined {
  const { mod, fun } = membersOf(json);
  return typeof mod === 'string' && typeof fun === 'string' ? { mod, fun } : undefined;
}

const modFun: Rule<ModFun> = {
  parse(json) {
    const value = modFunOf(json);
    return value === undefined ? { reason: 'not_modfun' } : { value };
  },
  print: (value) => ({ mod: value.mod, fun: value.fun }),
};

const mergePolicy: Rule<MergePolicy> = {
  parse(json) {
    if (json === 'none' || json === 'lww' || json === 'union') return { value: json };
    const { name } = membersOf(json);
    return typeof name === 'string' ? { value: { name } } : { reason: 'not_merge_policy' };
  },
  print: (value) => (typeof value === 'string' ? value : { name: value.name }),
};

const hooks: Rule<readonly CommitHook[]> = {
  parse(json) {
    if (!Array.isArray(json) || json.length > hooksMax) return { reason: 'not_list' };
    const value: CommitHook[] = [];
    for (const element of json as readonly JsonValue[]) {
      const { name } = membersOf(element);
      const hook = typeof name === 'string' ? { name } : modFunOf(element);
      if (hook === undefined) return { reason: 'not_hook' };
      value.push(hook);
    }
    return { value };
  },
  print: (value) => value.map((hook) => ({ ...hook })),
};

/** In the order in which properties are shown. */
const rules: { readonly [P in keyof Ruled]: Rule<Ruled[P]> } = {
  allow_mult: flag,
  basic_quorum: flag,
  big_vclock: integer(1, 1_000_000),
  chash_keyfun: modFun,
  conditional: oneOf(['checked', 'serialised'], 'not_conditional'),
  durability: oneOf(['synced', 'os'], 'not_durability'),
  dvv_enabled: flag,
  dw: quorum(0),
  feed: flag,
  last_write_wins: flag,
  linkfun: modFun,
  merge_policy: mergePolicy,
  n_val: integer(1, nValMax),
  node_confirms: quorum(0),
  notfound_ok: flag,
  old_vclock: integer(1, 2 ** 31),
  postcommit: hooks,
  pr: quorum(0),
  precommit: hooks,
  pw: quorum(0),
  r: quorum(1),
  rw: quorum(1),
  siblings_max: integer(0, siblingsMaxMax),
  small_vclock: integer(1, 1_000_000),
  sync_on_write: oneOf(['backend', 'one', 'all'], 'not_sync_on_write'),
  ttl: integer(0, ttlSecondsMax),
  w: quorum(1),
  write_once: flag,
  young_vclock: integer(1, 2 ** 31),
};

/** Properties that Riak lacks: shown where they are not as they would be without being set. */
const unlikeRiaks: ReadonlySet<string> = new Set([
  'conditional',
  'durability',
  'feed',
  'merge_policy',
  'siblings_max',
  'ttl',
]);

/** Properties that are shown but cannot be set: a program that reads, edits and writes back sends them too. */
const readOnly: ReadonlySet<string> = new Set(['name', 'active', 'claimant']);

const ruleOf: ReadonlyMap<string, Rule<unknown>> = new Map(
  Object.entries(rules) as unknown as [string, Rule<unknown>][],
);

/** The quorum properties and the n_val they must not exceed are checked where a request uses them, as Riak does. */
export function parsePropertyChanges(
  json: JsonValue,
): { readonly changes: BucketPropertyChanges } | { readonly problems: readonly PropertyProblem[] } {
  const changes = new Map<string, unknown>();
  const custom = new Map<string, JsonValue>();
  const problems: PropertyProblem[] = [];
  for (const [property, value] of Object.entries(membersOf(json))) {
    if (readOnly.has(property)) continue;
    const rule = ruleOf.get(property);
    if (rule === undefined) {
      custom.set(property, value);
      continue;
    }
    const parsed = rule.parse(value);
    if ('reason' in parsed) problems.push({ property, reason: parsed.reason });
    else changes.set(property, parsed.value);
  }
  if (custom.size > customPropertiesMax) problems.push({ property: 'custom', reason: 'too_many' });
  if (custom.size > 0) changes.set('custom', custom);
  if (problems.length > 0) return { problems };
  return { changes: Object.fromEntries(changes) as BucketPropertyChanges };
}

const datatypes: ReadonlySet<JsonValue> = new Set(['counter', 'set', 'gset', 'map', 'hll']);

/** Checks what single properties cannot show. `merged` is the bucket's properties after the change. */
export function checkCombination(merged: BucketProperties): readonly PropertyProblem[] {
  const problems: PropertyProblem[] = [];
  if (merged.last_write_wins && merged.dvv_enabled) {
    problems.push({ property: 'last_write_wins', reason: 'not_with_dvv_enabled' });
  }
  problems.push(...kindProblems(merged), ...hookProblems(merged), ...mergePolicyProblems(merged));
  if (merged.custom.size > customPropertiesMax) problems.push({ property: 'custom', reason: 'too_many' });
  return problems;
}

/** Of properties that say what kind of values a bucket has. */
function kindProblems({ custom, allow_mult, ttl, write_once }: BucketProperties): readonly PropertyProblem[] {
  const problems: PropertyProblem[] = [];
  const datatype = custom.get('datatype');
  if (datatype !== undefined) {
    if (!datatypes.has(datatype)) problems.push({ property: 'datatype', reason: 'not_datatype' });
    if (!allow_mult) problems.push({ property: 'allow_mult', reason: 'needed_by_datatype' });
    // An update is no write of the whole: it could not say when all of it ends.
    if (write_once) problems.push({ property: 'write_once', reason: 'not_with_datatype' });
    if (ttl !== 0) problems.push({ property: 'ttl', reason: 'not_with_datatype' });
  }
  const consistent = custom.get('consistent') ?? false;
  if (typeof consistent !== 'boolean') problems.push({ property: 'consistent', reason: 'not_boolean' });
  else if (consistent) problems.push({ property: 'consistent', reason: 'not_supported_yet' });
  const precision = custom.get('hll_precision') ?? hllPrecisionMin;
  const isPrecision = typeof precision === 'number' && Number.isInteger(precision);
  if (!isPrecision || precision < hllPrecisionMin || precision > hllPrecisionMax) {
    problems.push({ property: 'hll_precision', reason: 'not_hll_precision' });
  }
  return problems;
}

/** The JSON form of both APIs, `name` first. A property that Riak does not have is shown only when it was changed. */
export function propertiesToJson(properties: BucketProperties, name?: string): Record<string, JsonValue> {
  const shown = new Map<string, JsonValue>();
  if (name !== undefined) shown.set('name', name);
  for (const [property, rule] of ruleOf) {
    const value = properties[property as keyof Ruled];
    if (unlikeRiaks.has(property) && value === defaultBucketProperties[property as keyof Ruled]) continue;
    shown.set(property, rule.print(value));
  }
  for (const [property, value] of properties.custom) shown.set(property, value);
  return Object.fromEntries(shown);
}

/** One property as JSON, whatever its value. Undefined: Hale does not know it. */
export function propertyToJson(properties: BucketProperties, property: string): JsonValue | undefined {
  return ruleOf.get(property)?.print(properties[property as keyof Ruled]);
}

function membersOf(json: JsonValue): { readonly [name: string]: JsonValue } {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
    ? (json as { readonly [name: string]: JsonValue })
    : {};
}
