/** Gathers the sources of the configuration from the machine: file, environment, flags. */
import { readFileSync } from 'node:fs';
import {
  problemText,
  type Reading,
  type Resolution,
  readAssignments,
  readConfigurationFile,
  readEnvironmentVariables,
  readFlags,
  resolveConfiguration,
} from '../config/index.ts';
import { CommandFailure, exitCodes } from './exit-codes.ts';

export interface ConfigurationOptions {
  /** Of `--config`. Without it `HALE_CONFIG`, then `hale.conf` in the working directory if there is one. */
  readonly file?: string | undefined;
  /** Arguments of `-o`. */
  readonly assignments: readonly string[];
  /** By flag name, dashes included. */
  readonly flags: ReadonlyMap<string, string>;
}

const defaultFile = 'hale.conf';
/** Variables of ours that are not keys. */
const reservedVariables: ReadonlySet<string> = new Set(['HALE_CONFIG', 'HALE_AT']);

export type Resolved = Extract<Resolution, { kind: 'resolved' }>;

/** Throws `CommandFailure` with a line for every problem. */
export function loadConfiguration(options: ConfigurationOptions): Resolved {
  const resolution = resolveConfiguration([
    readFileSource(options.file ?? process.env.HALE_CONFIG),
    readEnvironmentVariables(Object.entries(process.env), reservedVariables),
    readAssignments(options.assignments),
    readFlags(options.flags),
  ]);
  if (resolution.kind === 'resolved') return resolution;
  throw new CommandFailure(exitCodes.configuration, resolution.problems.map(problemText).join('\n'));
}

const nothing: Reading = { settings: [], problems: [] };

function readFileSource(chosen: string | undefined): Reading {
  const file = chosen ?? defaultFile;
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' && chosen === undefined) return nothing;
    throw new CommandFailure(exitCodes.configuration, `cannot read configuration file ${file}: ${code}`);
  }
  return readConfigurationFile(file, text);
}
