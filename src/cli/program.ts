/** The command line: what there is, and where it goes. Commands are loaded when they are called. */

import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { Command, type CommanderError, InvalidArgumentError, Option } from 'commander';
import { type Configuration, flagDefinitions } from '../config/index.ts';
import { addBucketCommands } from './bucket-program.ts';
import { addBucketTypeCommands } from './bucket-type-program.ts';
import { addClusterCommands, addRingCommands } from './cluster-program.ts';
import { keepCompiledCode } from './compiled-code.ts';
import { addDev } from './dev-program.ts';
import { CommandFailure, exitCodeMeanings, exitCodes } from './exit-codes.ts';
import { setHeapGrowth } from './heap-growth.ts';
import { type ConfigurationOptions, loadConfiguration } from './load-configuration.ts';
import { nodesKept } from './nodes-kept.ts';
import type { ObjectOptions } from './object-command.ts';
import type { SmallUntilBusy } from './small-until-busy.ts';
import type { Terminal } from './terminal.ts';
import { packageVersion } from './version.ts';

const defaultNode = 'http://127.0.0.1:8098';
const stopWaitMsDefault = 60_000;
const hostNodesMax = 64;

export function program(terminal: Terminal, small: SmallUntilBusy): Command {
  const hale = new Command('hale')
    .description('A distributed key/value database that speaks the protocols of Riak.')
    .version(packageVersion(), '-V, --version')
    .helpCommand(false)
    .showHelpAfterError(false)
    .addHelpText(
      'after',
      () => `\nExit codes:\n${exitCodeMeanings.map(([c, m]) => `${`${c}`.padStart(3)}  ${m}\n`).join('')}`,
    );
  addStart(hale, terminal, small);
  addDev(hale, terminal, collect);
  addNodeCommands(hale, terminal);
  addClusterCommands(hale, terminal, addressed);
  addRingCommands(hale, terminal, addressed);
  addBucketTypeCommands(hale, terminal, addressed);
  addBucketCommands(hale, terminal, addressed);
  addObjectCommands(hale, terminal);
  addConfigurationCommands(hale, terminal);
  hale
    .command('version')
    .description('print the version')
    .action(() => terminal.out(`hale ${packageVersion()}\n`));
  for (const command of allCommands(hale)) failAsUsage(command);
  return hale;
}

function allCommands(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}

/** One line of error instead of the usual two, and our exit code. `--help` and `--version` still exit 0. */
function failAsUsage(command: Command): void {
  command.configureOutput({ writeErr: () => undefined });
  command.exitOverride((error: CommanderError) => {
    if (error.exitCode === 0) process.exit(exitCodes.ok);
    const isHelp = error.code === 'commander.help';
    const message = isHelp ? 'a command is missing' : error.message.replace(/^error: /, '');
    throw new CommandFailure(
      exitCodes.usage,
      `${message.replace(/\s*\n\s*/g, ' ')}; see hale ${pathOf(command)}--help`,
    );
  });
}

function pathOf(command: Command): string {
  return command.parent === null ? '' : `${pathOf(command.parent)}${command.name()} `;
}

function addConfigurationOptions(command: Command): Command {
  for (const { flag, doc } of flagDefinitions()) {
    command.option(`${flag.name} <${flag.placeholder}>`, doc.replace(/\. .*$/, '.'));
  }
  return command
    .option('--config <FILE>', 'configuration file; otherwise $HALE_CONFIG, or ./hale.conf if it is there')
    .option('-o <KEY=VALUE>', 'set any key of the configuration (repeatable)', collect);
}

function collect(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}

function configurationOptions(command: Command): ConfigurationOptions {
  const options = command.opts<Record<string, unknown>>();
  const ofConfiguration = new Set(flagDefinitions().map(({ flag }) => flag.name));
  const flags = new Map<string, string>();
  for (const option of command.options) {
    const value = options[option.attributeName()];
    const name = option.long ?? '';
    if (ofConfiguration.has(name) && typeof value === 'string') flags.set(name, value);
  }
  return {
    file: options.config as string | undefined,
    assignments: (options.o as readonly string[] | undefined) ?? [],
    flags,
  };
}

function addStart(hale: Command, terminal: Terminal, small: SmallUntilBusy): void {
  const start = hale.command('start').description('run a node in the foreground until it is told to stop');
  addConfigurationOptions(start)
    .option(
      '--join <HOST:PORT>',
      'join the cluster of the node that listens to others there (repeatable); a young cluster takes it in by itself',
      collect,
    )
    .option(
      '--supervised',
      'stop in order when standard input ends, as it does when who started it has died',
      false,
    )
    .option(
      '--nodes <COUNT>',
      'run several nodes on this machine behind the same ports; auto: one for each core; default: as many as the data directory holds',
      hostNodes,
    )
    .action(async (options: StartFlags) => {
      const { join = [], supervised } = options;
      const configured = configurationOptions(start);
      const { configuration } = loadConfiguration(configured);
      const nodes = options.nodes ?? (await nodesToStart(configuration));
      if (nodes === undefined) {
        const { platform_data_dir: dataDirectory, storage_backend: storage } = configuration;
        setHeapGrowth(configuration.heap_growth);
        if (configuration.compile_cache && storage !== 'memory') {
          keepCompiledCode(dataDirectory, packageVersion(), small);
        }
        const { startCommand } = await import('./start-command.ts');
        await startCommand(terminal, configuration, { join, supervised, small });
      } else {
        const { hostCommand } = await import('./host-command.ts');
        await hostCommand(terminal, configured, { nodes, join, supervised });
      }
    });
}

/** Undefined: a node alone. Where several were started before, one alone would be a cluster without the others. */
async function nodesToStart({
  platform_data_dir: root,
  storage_backend: storage,
}: Configuration): Promise<number | undefined> {
  const kept = storage === 'memory' ? 1 : nodesKept(path.resolve(root));
  if (kept === 1) return undefined;
  const { default: cluster } = await import('node:cluster');
  // The first of them has the directory of all, and was told by their host what to do.
  return cluster.isWorker ? undefined : kept;
}

interface StartFlags {
  readonly join?: readonly string[];
  readonly supervised: boolean;
  readonly nodes?: number | 'auto';
}

function hostNodes(text: string): number | 'auto' {
  const count = Number(text);
  if (text === 'auto' || (/^\d{1,2}$/.test(text) && count >= 1 && count <= hostNodesMax)) {
    return text === 'auto' ? text : count;
  }
  throw new InvalidArgumentError(`must be auto, or a number from 1 to ${hostNodesMax}`);
}

function addConfigurationCommands(hale: Command, terminal: Terminal): void {
  const config = hale.command('config').description('what can be configured, and what is');
  config
    .command('describe [KEY]')
    .description('explain one key, those of a section, or all')
    .action(async (key: string | undefined) => {
      const { describe } = await import('./configuration-command.ts');
      describe(terminal, key);
    });
  const effective = config.command('effective').description('print every value, and where it comes from');
  addConfigurationOptions(effective).action(async () => {
    const command = await import('./configuration-command.ts');
    command.effective(terminal, configurationOptions(effective));
  });
  const generate = config.command('generate').description('print a commented hale.conf');
  addConfigurationOptions(generate).action(async () => {
    const command = await import('./configuration-command.ts');
    command.generate(terminal, configurationOptions(generate));
  });
}

function addressed(command: Command): Command {
  return command.option(
    '--at <URL>',
    'HTTP listener of a node; otherwise $HALE_AT',
    process.env.HALE_AT ?? defaultNode,
  );
}

function addNodeCommands(hale: Command, terminal: Terminal): void {
  addressed(hale.command('ping').description('see whether a node answers')).action(
    async (options: { at: string }) => {
      const { pingNode } = await import('./node-command.ts');
      await pingNode(terminal, options.at);
    },
  );
  addressed(hale.command('status').description('show how a node is'))
    .option('--json', 'as JSON', false)
    .action(async (options: { at: string; json: boolean }) => {
      const { showStatus } = await import('./node-command.ts');
      await showStatus(terminal, options);
    });
  addressed(hale.command('stop').description('drain and stop a node; returns when it has stopped'))
    .addOption(
      new Option('--wait <SECONDS>', 'how long to wait')
        .argParser(seconds)
        .default(stopWaitMsDefault, String(stopWaitMsDefault / 1000)),
    )
    .action(async (options: { at: string; wait: number }) => {
      const { stopNode } = await import('./node-command.ts');
      await stopNode(terminal, { at: options.at, waitMs: options.wait });
    });
}

function seconds(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('must be a number of seconds');
  return Number(text) * 1000;
}

interface ObjectFlags {
  readonly at: string;
  readonly type?: string;
  readonly contentType?: string;
  readonly json: boolean;
}

function objectOptions(bucket: string, key: string, flags: ObjectFlags): ObjectOptions {
  if (bucket === '' || key === '')
    throw new CommandFailure(exitCodes.usage, 'BUCKET and KEY must not be empty');
  return { at: flags.at, bucket, key, ...(flags.type === undefined ? {} : { type: flags.type }) };
}

function addObjectCommands(hale: Command, terminal: Terminal): void {
  const typed = (command: Command) => addressed(command).option('--type <TYPE>', 'bucket type');
  typed(hale.command('get <BUCKET> <KEY>').description('print a value'))
    .option('--json', 'with its metadata, as JSON', false)
    .action(async (bucket: string, key: string, flags: ObjectFlags) => {
      const { getObject } = await import('./object-command.ts');
      await getObject(terminal, { ...objectOptions(bucket, key, flags), json: flags.json });
    });
  typed(
    hale.command('put <BUCKET> <KEY> [VALUE]').description('store a value; - or none reads standard input'),
  )
    .option('--content-type <TYPE>', 'media type of the value (default: text/plain)')
    .option('--json', 'check that the value is JSON, and store it as such', false)
    .action(async (bucket: string, key: string, value: string | undefined, flags: ObjectFlags) => {
      const { putObject } = await import('./object-command.ts');
      const isStdin = value === undefined || value === '-';
      await putObject(terminal, {
        ...objectOptions(bucket, key, flags),
        value: isStdin ? readFileSync(0) : Buffer.from(value, 'utf8'),
        json: flags.json,
        ...(flags.contentType === undefined ? {} : { contentType: flags.contentType }),
      });
    });
  typed(hale.command('del <BUCKET> <KEY>').description('delete an object')).action(
    async (bucket: string, key: string, flags: ObjectFlags) => {
      const { deleteObject } = await import('./object-command.ts');
      await deleteObject(terminal, objectOptions(bucket, key, flags));
    },
  );
}
