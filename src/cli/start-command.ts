/** `hale start`: a node in the foreground of this process. */
import * as path from 'node:path';
import { type Configuration, formatAddress } from '../config/index.ts';
import {
  type DataDirectoryLock,
  DataDirectoryLockedError,
  type LogLevel,
  lockDataDirectory,
  memoryOfProcess,
  type NodeEnvironment,
  NodeHttpServer,
  nodeEnvironment,
  openLog,
  openSandboxPool,
} from '../runtime/index.ts';
import {
  enterCluster,
  growYoungCluster,
  type HaleNode,
  httpServerLimits,
  parseSeed,
  StartError,
  type StartErrorCode,
  startNode,
} from '../server/index.ts';
import { CommandFailure, type ExitCode, exitCodes } from './exit-codes.ts';
import { processFacts } from './process-facts.ts';
import type { SmallUntilBusy } from './small-until-busy.ts';
import type { Terminal } from './terminal.ts';
import { packageVersion } from './version.ts';

export interface StartOptions {
  /**
   * Where nodes of the cluster listen that it is to be a member of. A node that is a member of several already goes on
   * without asking there.
   */
  readonly join: readonly string[];
  /** It stops when standard input ends. */
  readonly supervised: boolean;
  /** This process. */
  readonly small: SmallUntilBusy;
}

/** Returns when the node has stopped in order. Throws `CommandFailure`. */
export async function startCommand(
  terminal: Terminal,
  configuration: Configuration,
  { join, supervised, small }: StartOptions,
): Promise<void> {
  const seeds = join.map(seedOf);
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
  // Without a lock nothing is kept: what a node remembers of its cluster must not outlive its data.
  const disk = lock === undefined ? {} : { dataDirectory };
  const environment = nodeEnvironment({ ...disk, log, crash });
  try {
    const node = await startedNode(configuration, environment, lock);
    small.started();
    const forget = stopOnSignals(node);
    const end = stopWhenRemoved(node);
    if (supervised) await stopWithInput(node);
    try {
      if (seeds.length > 0 && !end.isRemoved) await joinCluster(node, seeds, environment);
      if (node.status().state === 'running') announce(terminal, configuration, node);
      await node.stopped;
    } finally {
      forget();
    }
    if (end.isRemoved) throw new CommandFailure(exitCodes.removed, removedText(node));
    if (end.hasLeft) terminal.out(`${node.name} has left the cluster\n`);
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
    const clusterNetwork = await securedNetwork(configuration, environment);
    return await startNode(configuration, {
      environment,
      ...(clusterNetwork === undefined ? {} : { clusterNetwork }),
      version: packageVersion(),
      http,
      openSandbox: openSandboxPool(environment.log),
      processFacts,
      memoryBytes: memoryOfProcess(),
      ownProcess: process.pid,
      ...directory,
    });
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    throw new CommandFailure(exitCodeOfStartError[error.code], error.message);
  }
}

/** What connects nodes, where certificates are configured; undefined: nothing but the environment's own. */
async function securedNetwork(configuration: Configuration, { network }: NodeEnvironment) {
  const certificate = configuration['cluster.tls.certificate'];
  const key = configuration['cluster.tls.key'];
  const authority = configuration['cluster.tls.authority'];
  if (certificate === 'off' || key === 'off' || authority === 'off') return undefined;
  try {
    return await network.secured?.({ certificate, key, authority });
  } catch (error) {
    throw new CommandFailure(exitCodes.configuration, `cluster.tls: ${(error as Error).message}`);
  }
}

function seedOf(text: string): NonNullable<ReturnType<typeof parseSeed>> {
  const seed = parseSeed(text);
  if (seed === undefined) throw new CommandFailure(exitCodes.usage, `--join ${text}: must be HOST:PORT`);
  return seed;
}

/** Returns when the node is a member. What is then left to do for a young cluster goes on behind. */
async function joinCluster(
  node: HaleNode,
  seeds: readonly ReturnType<typeof seedOf>[],
  environment: NodeEnvironment,
): Promise<void> {
  const isStopping = (): boolean => node.status().state === 'stopping';
  const parts = { admin: node.admin, environment, isStopping };
  const entered = await enterCluster(seeds, parts);
  if (entered.kind === 'refused') {
    await node.stop();
    throw new CommandFailure(
      exitCodes.refused,
      `cannot join the cluster: ${entered.reason} (${entered.code})`,
    );
  }
  if (entered.kind === 'stopped') return;
  environment.tasks.spawn('grow the cluster', async () => {
    await growYoungCluster(parts);
  });
}

/** A node that is no member any more has nothing to serve. */
function stopWhenRemoved(node: HaleNode): { readonly isRemoved: boolean; readonly hasLeft: boolean } {
  const end = { isRemoved: false, hasLeft: false };
  node.admin.onRemoved((isInOrder) => {
    if (isInOrder) end.hasLeft = true;
    else end.isRemoved = true;
    stopOrFail(node);
  });
  return end;
}

function removedText(node: HaleNode): string {
  const rule = 'its data is kept; to come back it needs a new data directory';
  return `the cluster has removed ${node.name} (${rule})`;
}

function stopOrFail(node: HaleNode): void {
  node.stop().catch((error: unknown) => {
    process.stderr.write(`hale: could not stop in order: ${String(error)}\n`);
    process.exit(exitCodes.failure);
  });
}

/** The first signal drains; a second one means now. Returns what takes the handlers away again. */
function stopOnSignals(node: HaleNode): () => void {
  let isStopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    // 128 and the signal's number, as shells show a process that a signal ended.
    if (isStopping) process.exit(signal === 'SIGINT' ? 130 : 143);
    isStopping = true;
    stopOrFail(node);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  return () => {
    process.off('SIGTERM', stop);
    process.off('SIGINT', stop);
  };
}

/** Its end is seen even if whoever holds the other end was killed. */
async function stopWithInput(node: HaleNode): Promise<void> {
  const { stdin } = process;
  if (process.connected) {
    const { default: cluster } = await import('node:cluster');
    // A worker would otherwise end out of order at the death of who started it.
    if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true;
  }
  stdin.once('end', () => stopOrFail(node));
  stdin.once('error', () => stopOrFail(node));
  stdin.resume();
  // What ends the node otherwise must not wait for more input.
  void node.stopped.then(() => stdin.destroy());
}

function announce(terminal: Terminal, configuration: Configuration, node: HaleNode): void {
  const lines = [`${terminal.bold(`hale ${packageVersion()}`)}  ${node.name}`];
  const { storage_backend: storage } = configuration;
  const where =
    storage === 'memory' ? 'memory; gone when it stops' : path.resolve(configuration.platform_data_dir);
  lines.push(`  data              ${where}`);
  const cluster = node.database.cluster.address;
  if (cluster !== undefined) lines.push(`  cluster           ${formatAddress(cluster)}`);
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
