import type { KeyFlag } from './key-definition.ts';
import { type ConfigurationKey, configurationKeys, definitionOf } from './schema.ts';
import type { Reading } from './setting.ts';

export interface FlagDefinition {
  readonly key: ConfigurationKey;
  readonly flag: KeyFlag;
  readonly doc: string;
}

/** The keys that have a flag of their own. */
export function flagDefinitions(): readonly FlagDefinition[] {
  return configurationKeys.flatMap((key) => {
    const { flag, doc } = definitionOf(key);
    return flag === undefined ? [] : [{ key, flag, doc }];
  });
}

/** Reads the values of flags, given by flag name; names that are not flags of the schema are left out. */
export function readFlags(values: ReadonlyMap<string, string>): Reading {
  const settings = flagDefinitions().flatMap(({ key, flag }) => {
    const text = values.get(flag.name);
    return text === undefined ? [] : [{ key, text, origin: { kind: 'flag', flag: flag.name } as const }];
  });
  return { settings, problems: [] };
}
