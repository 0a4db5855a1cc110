import { nearestName } from './nearest-name.ts';
import { type ConfigurationKey, configurationKeys } from './schema.ts';
import type { Problem, Reading, Setting } from './setting.ts';

export const environmentPrefix = 'HALE_';

/** `listener.http.internal` → `HALE_LISTENER_HTTP_INTERNAL` */
export function environmentVariableOf(key: ConfigurationKey): string {
  return environmentPrefix + key.replaceAll('.', '_').toUpperCase();
}

/**
 * Reads the variables that start with `HALE_`. Those in `reserved` mean something else to the caller;
 * any other that is no key is a problem, for a setting that is silently ignored is the worst kind.
 */
export function readEnvironmentVariables(
  variables: Iterable<readonly [name: string, value: string | undefined]>,
  reserved: ReadonlySet<string>,
): Reading {
  const keyOfVariable = new Map(configurationKeys.map((key) => [environmentVariableOf(key), key]));
  const settings: Setting[] = [];
  const problems: Problem[] = [];
  for (const [variable, text] of variables) {
    if (text === undefined || !variable.startsWith(environmentPrefix) || reserved.has(variable)) continue;
    const key = keyOfVariable.get(variable);
    const origin = { kind: 'environment', variable } as const;
    if (key !== undefined) {
      settings.push({ key, text, origin });
      continue;
    }
    const near = nearestName(variable, [...keyOfVariable.keys(), ...reserved]);
    const hint = near === undefined ? '' : `; did you mean ${near}?`;
    problems.push({ origin, rule: `is no variable of Hale${hint}` });
  }
  return { settings, problems };
}
