/** `hale start`: a node in the foreground of this process. */
import * as path from 'node:path';
import { type Configuration, formatAddress } from '../config/index.ts';
import {
  type DataDirectoryLock,
  DataDirectoryLockedError,
  type LogLevel,
  lockDataDirectory,
  type NodeEnvironment,
  NodeHttpServer,
  nodeEnvironment,
  openLog,
} from '../runtime/index.ts';
import {
  type HaleNode,
  httpServerLimits,
  StartError,
  type StartErrorCode,
  startNode,
} from '../server/index.ts';
import { CommandFailure, type ExitCode, exitCodes } from './exit-codes.ts';
import { type ConfigurationOptions, loadConfiguration } from './load-configuration.ts';
import { processFacts } from './process-facts.ts';
import type { Terminal } from './terminal.ts';
import { packageVersion } from './version.ts';

/** Returns when the node has stopped in order. Throws `CommandFailure`. */
export async function startCommand(terminal: Terminal, options: ConfigurationOptions): Promise<void> {
  const { configuration } = loadConfiguration(options);
  const log = openLog({
    level: logLevels.get(configuration['logger.level'])!,
    format: configuration['logger.format'] === 'text' ? 'human' : configuration['logger.format'],
    fields: { node: configuration.nodename },
  });
  const dataDirectory = path.resolve(configuration.platform_data_dir);
  const lock =
    configuration.storage_backend === 'memory' ? undefined : lockData(dataDirectory, configuration);
  // The environment has logged it. Nothing is flushed: the node's state is not to be trusted.
  const crash = (activity: string, error: unknown): never => {
    terminal.error(
      `hale: crashed in ${activity}: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    process.exit(exitCodes.failure);
  };
  const environment = nodeEnvironment({ dataDirectory, log, crash });
  try {
    const node = await startedNode(configuration, environment, lock);
    const forget = stopOnSignals(node);
    announce(terminal, configuration, node);
    await node.stopped;
    forget();
  } finally {
    await environment.close();
    lock?.release();
  }
}

const logLevels: ReadonlyMap<Configuration['logger.level'], LogLevel> = new Map([
  ['debug', 'debug'],
  ['info', 'info'],
  ['warning', 'warn'],
  ['error', 'error'],
  ['none', 'silent'],
]);

function lockData(directory: string, { nodename }: Configuration): DataDirectoryLock {
  try {
    return lockDataDirectory(directory, nodename);
  } catch (error) {
    if (error instanceof DataDirectoryLockedError) {
      throw new CommandFailure(exitCodes.dataDirectoryTaken, error.message);
    }
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new CommandFailure(exitCodes.data, `cannot use data directory ${directory}: ${message}`);
  }
}

const exitCodeOfStartError: Readonly<Record<StartErrorCode, ExitCode>> = {
  address: exitCodes.address,
  locked: exitCodes.dataDirectoryTaken,
  'other-node': exitCodes.dataDirectoryTaken,
  data: exitCodes.data,
  configuration: exitCodes.configuration,
};

async function startedNode(
  configuration: Configuration,
  environment: NodeEnvironment,
  lock: DataDirectoryLock | undefined,
): Promise<HaleNode> {
  const http = new NodeHttpServer(environment.log, httpServerLimits(configuration));
  const directory = lock === undefined ? {} : { dataDirectory: lock.directory };
  try {
    return await startNode(configuration, {
      environment,
      version: packageVersion(),
      http,
      processFacts,
      ownProcess: process.pid,
      ...directory,
    });
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    throw new CommandFailure(exitCodeOfStartError[error.code], error.message);
  }
}

/** The first signal drains; a second one means now. Returns what takes the handlers away again. */
function stopOnSignals(node: HaleNode): () => void {
  let isStopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    // 128 and the signal's number, as shells show a process that a signal ended.
    if (isStopping) process.exit(signal === 'SIGINT' ? 130 : 143);
    isStopping = true;
    node.stop().catch((error: unknown) => {
      process.stderr.write(`hale: could not stop in order: ${String(error)}\n`);
      process.exit(exitCodes.failure);
    });
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  return () => {
    process.off('SIGTERM', stop);
    process.off('SIGINT', stop);
  };
}

function announce(terminal: Terminal, configuration: Configuration, node: HaleNode): void {
  const lines = [`${terminal.bold(`hale ${packageVersion()}`)}  ${node.name}`];
  const { storage_backend: storage } = configuration;
  const where =
    storage === 'memory' ? 'memory; gone when it stops' : path.resolve(configuration.platform_data_dir);
  lines.push(`  data              ${where}`);
  if (node.protobufAddress !== undefined) {
    lines.push(`  protocol buffers  ${formatAddress(node.protobufAddress)}`);
  }
  if (node.httpAddress !== undefined) {
    const at = `http://${formatAddress(node.httpAddress)}`;
    lines.push(`  http              ${at}`, '');
    lines.push(
      terminal.dim(`  curl -X PUT ${at}/buckets/greetings/keys/hello -H 'content-type: text/plain' -d 'hi'`),
    );
    lines.push(
      terminal.dim(`  hale get greetings hello${at === 'http://127.0.0.1:8098' ? '' : ` --at ${at}`}`),
    );
    lines.push(
      terminal.dim(
        `  hale put greetings hello 'hi again'${at === 'http://127.0.0.1:8098' ? '' : ` --at ${at}`}`,
      ),
    );
    lines.push('');
  }
  terminal.out(`${lines.join('\n')}\nready\n`);
}
