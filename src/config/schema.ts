/**
 * The one schema. From it are derived the type of a configuration, the reading of files, environment
 * variables and flags, `hale config describe`, and the generated `hale.conf`. Nothing else defines a key.
 *
 * Names are stable API: Riak's where Riak has the thing. No name is a dotted prefix of another, because a
 * TOML table cannot also be a value; and no two names make the same environment variable.
 */
import type { KeyDefinition } from './key-definition.ts';
import { antiEntropyKeys } from './keys/anti-entropy.ts';
import { backgroundKeys } from './keys/background.ts';
import { bucketKeys } from './keys/bucket.ts';
import { clusterLogKeys } from './keys/cluster-log.ts';
import { datatypeKeys } from './keys/datatype.ts';
import { feedKeys } from './keys/feed.ts';
import { handoffKeys } from './keys/handoff.ts';
import { indexCheckKeys } from './keys/index-check.ts';
import { largeValueKeys } from './keys/large-value.ts';
import { listenerKeys } from './keys/listener.ts';
import { livenessKeys } from './keys/liveness.ts';
import { loggerKeys } from './keys/logger.ts';
import { javascriptKeys, mapReduceKeys } from './keys/map-reduce.ts';
import { nodeKeys } from './keys/node.ts';
import { objectKeys } from './keys/object.ts';
import { requestKeys } from './keys/request.ts';
import { storageKeys } from './keys/storage.ts';
import { transportKeys } from './keys/transport.ts';

export const schema = {
  ...nodeKeys,
  ...listenerKeys,
  ...storageKeys,
  ...objectKeys,
  ...largeValueKeys,
  ...datatypeKeys,
  ...bucketKeys,
  ...requestKeys,
  ...livenessKeys,
  ...transportKeys,
  ...clusterLogKeys,
  ...backgroundKeys,
  ...handoffKeys,
  ...antiEntropyKeys,
  ...indexCheckKeys,
  ...feedKeys,
  ...mapReduceKeys,
  ...javascriptKeys,
  ...loggerKeys,
} as const;

/** The sections of the reference and of a generated file, in their order. */
export const sections: readonly { readonly title: string; readonly keys: readonly ConfigurationKey[] }[] = [
  { title: 'Node', keys: keysOf(nodeKeys) },
  { title: 'Listeners', keys: keysOf(listenerKeys) },
  { title: 'Storage', keys: keysOf(storageKeys) },
  { title: 'Objects', keys: keysOf(objectKeys) },
  { title: 'Large values', keys: keysOf(largeValueKeys) },
  { title: 'Data types', keys: keysOf(datatypeKeys) },
  { title: 'Buckets', keys: keysOf(bucketKeys) },
  { title: 'Requests', keys: keysOf(requestKeys) },
  { title: 'Liveness', keys: keysOf(livenessKeys) },
  { title: 'Between nodes', keys: keysOf(transportKeys) },
  { title: 'The cluster log', keys: keysOf(clusterLogKeys) },
  { title: 'Background work', keys: keysOf(backgroundKeys) },
  { title: 'Handoff', keys: keysOf(handoffKeys) },
  { title: 'Anti-entropy', keys: keysOf(antiEntropyKeys) },
  { title: 'Secondary indexes', keys: keysOf(indexCheckKeys) },
  { title: 'Change feeds', keys: keysOf(feedKeys) },
  { title: 'MapReduce', keys: keysOf(mapReduceKeys) },
  { title: 'JavaScript of users', keys: keysOf(javascriptKeys) },
  { title: 'Logging', keys: keysOf(loggerKeys) },
];

export type ConfigurationKey = keyof typeof schema;

type ValueOf<D> = D extends KeyDefinition<infer T> ? T : never;

/** Every key with its value: durations in milliseconds, sizes in bytes. */
export type Configuration = { readonly [K in ConfigurationKey]: ValueOf<(typeof schema)[K]> };

function keysOf<K extends string>(keys: Readonly<Record<K, unknown>>): readonly K[] {
  return Object.keys(keys) as K[];
}

export const configurationKeys: readonly ConfigurationKey[] = keysOf(schema);

const definitions: ReadonlyMap<string, KeyDefinition<unknown>> = new Map(
  Object.entries(schema) as [string, KeyDefinition<unknown>][],
);

/** The definition of a key that a stranger named. */
export function findKey(name: string): KeyDefinition<unknown> | undefined {
  return definitions.get(name);
}

export function isConfigurationKey(name: string): name is ConfigurationKey {
  return definitions.has(name);
}

export function definitionOf(key: ConfigurationKey): KeyDefinition<unknown> {
  return schema[key] as KeyDefinition<unknown>;
}

export function defaultConfiguration(): Configuration {
  const values = Object.fromEntries(configurationKeys.map((key) => [key, schema[key].default]));
  return values as unknown as Configuration;
}

/** Defaults with some keys set, for tests and for embedding. The caller's values are not checked. */
export function configurationWith(changes: Partial<Configuration>): Configuration {
  return { ...defaultConfiguration(), ...changes };
}
