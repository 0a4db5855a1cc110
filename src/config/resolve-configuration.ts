/**
 * Puts sources together: default < file < environment < flags. Either every setting is right and there
 * is a configuration, or there is the whole list of problems and none.
 */
import { nearestName } from './nearest-name.ts';
import { relations } from './relation.ts';
import {
  type Configuration,
  type ConfigurationKey,
  configurationKeys,
  defaultConfiguration,
  findKey,
  isConfigurationKey,
} from './schema.ts';
import type { Origin, Problem, Reading } from './setting.ts';
import { type BackendKind, backendKind, isBackendName } from './value-type.ts';

export type Resolution =
  | {
      readonly kind: 'resolved';
      readonly configuration: Configuration;
      /** Where each value comes from. */
      readonly origins: ReadonlyMap<ConfigurationKey, Origin>;
    }
  | { readonly kind: 'refused'; readonly problems: readonly Problem[] };

/** `readings` from the weakest source to the strongest; within one, the last setting of a key wins. */
export function resolveConfiguration(readings: readonly Reading[]): Resolution {
  const problems = readings.flatMap((reading) => reading.problems);
  const values = new Map<ConfigurationKey, unknown>(
    Object.entries(defaultConfiguration()) as [ConfigurationKey, unknown][],
  );
  const origins = new Map<ConfigurationKey, Origin>(
    configurationKeys.map((key) => [key, { kind: 'default' }]),
  );
  const texts = new Map<ConfigurationKey, string>();
  for (const { key, text, origin } of readings.flatMap((reading) => reading.settings)) {
    const named = namedBackend(key);
    if (named !== undefined) {
      const kind = backendKind.parse(text);
      const before = values.get(backendsKey) as ReadonlyMap<string, BackendKind>;
      if (kind.kind === 'ok') values.set(backendsKey, new Map([...before, [named, kind.value]]));
      else problems.push({ origin, key, text, rule: `must be ${backendKind.rule}` });
      origins.set(backendsKey, origin);
      continue;
    }
    if (!isConfigurationKey(key)) {
      problems.push({ origin, key, rule: `is not a key${suggestion(key)}` });
      continue;
    }
    const { type } = findKey(key)!;
    const parsed = type.parse(text);
    if (parsed.kind === 'bad') {
      problems.push({ origin, key, text, rule: `must be ${type.rule}` });
      continue;
    }
    values.set(key, parsed.value);
    texts.set(key, text);
    origins.set(key, origin);
  }
  // Every key of the schema has a value that its own type parsed, or its default.
  const configuration = Object.fromEntries(values) as unknown as Configuration;
  for (const relation of relations) {
    if (relation.holds(configuration)) continue;
    problems.push(brokenRelation(relation.keys, relation.rule, origins, texts));
  }
  return problems.length > 0 ? { kind: 'refused', problems } : { kind: 'resolved', configuration, origins };
}

const backendsKey = 'multi_backend.backends';

/** The name in Riak's `multi_backend.NAME.storage_backend`. */
function namedBackend(key: string): string | undefined {
  const name = /^multi_backend\.([^.]+)\.storage_backend$/.exec(key)?.[1];
  return name !== undefined && isBackendName(name) ? name : undefined;
}

function suggestion(key: string): string {
  const near = nearestName(key, configurationKeys);
  return near === undefined ? '; `hale config describe` lists them' : `; did you mean ${near}?`;
}

/** Blames the first key where a person set it; where only the other was set, blames that one's line. */
function brokenRelation(
  [first, second]: readonly [ConfigurationKey, ConfigurationKey],
  rule: string,
  origins: ReadonlyMap<ConfigurationKey, Origin>,
  texts: ReadonlyMap<ConfigurationKey, string>,
): Problem {
  const blamed = texts.has(first) || !texts.has(second) ? first : second;
  const text = texts.get(blamed);
  const sentence = blamed === first ? rule : `with it, ${first} ${rule}`;
  const problem = { origin: origins.get(blamed)!, key: blamed, rule: sentence };
  return text === undefined ? problem : { ...problem, text };
}
