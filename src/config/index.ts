export { readAssignments } from './assignment.ts';
export { readConfigurationFile } from './configuration-file.ts';
export { readEnvironmentVariables } from './environment-variable.ts';
export { type FlagDefinition, flagDefinitions, readFlags } from './flag.ts';
export type { KeyDefinition, KeyFlag } from './key-definition.ts';
export { nearestName } from './nearest-name.ts';
export { describeKey, describeSchema, effectiveFile, formatValue, generateFile } from './reference.ts';
export { frameOverhead } from './relation.ts';
export { type Resolution, resolveConfiguration } from './resolve-configuration.ts';
export {
  type Configuration,
  type ConfigurationKey,
  configurationKeys,
  configurationWith,
  defaultConfiguration,
  definitionOf,
  isConfigurationKey,
} from './schema.ts';
export { type Origin, type Problem, problemText, type Reading, type Setting } from './setting.ts';
export { usualCacheBytes } from './usual-cache-bytes.ts';
export {
  type BackendKind,
  formatAddress,
  type HostAndPort,
  type Parsed,
  type ValueType,
} from './value-type.ts';
export { variedConfiguration } from './varied-configuration.ts';
