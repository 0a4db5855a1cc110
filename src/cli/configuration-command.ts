/** `hale config …` */
import {
  configurationKeys,
  describeKey,
  describeSchema,
  effectiveFile,
  generateFile,
  isConfigurationKey,
  nearestName,
} from '../config/index.ts';
import { CommandFailure, exitCodes } from './exit-codes.ts';
import { type ConfigurationOptions, loadConfiguration } from './load-configuration.ts';
import type { Terminal } from './terminal.ts';

export function describe(terminal: Terminal, key: string | undefined): void {
  terminal.out(key === undefined ? describeSchema() : describeNamed(key));
}

/** A key, or all keys below a dotted prefix. */
function describeNamed(name: string): string {
  if (isConfigurationKey(name)) return describeKey(name);
  const inside = configurationKeys.filter((key) => key.startsWith(`${name}.`));
  if (inside.length > 0) return inside.map(describeKey).join('\n');
  const near = nearestName(name, configurationKeys);
  const hint = near === undefined ? '' : `; did you mean ${near}?`;
  throw new CommandFailure(exitCodes.usage, `${name} is not a key${hint}`);
}

export function effective(terminal: Terminal, options: ConfigurationOptions): void {
  const { configuration, origins } = loadConfiguration(options);
  terminal.out(effectiveFile(configuration, origins));
}

export function generate(terminal: Terminal, options: ConfigurationOptions): void {
  terminal.out(generateFile(loadConfiguration(options).configuration));
}
