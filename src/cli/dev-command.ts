/**
 * `hale dev 3`: a cluster of real processes on this machine. They live and die with this command: it starts them all at
 * once, the first founds the cluster and the others join it, and it stops them all when it is told to stop or when
 * one of them fails. A node that has left the cluster is left out, now and at the next start.
 */
import * as path from 'node:path';
import type { OverviewView } from '../server/index.ts';
import { adminGet } from './admin-request.ts';
import { DevNode } from './dev-node.ts';
import { type DevPorts, type DevRecord, openDevRecord, writeDevRecord } from './dev-record.ts';
import { CommandFailure, exitCodes } from './exit-codes.ts';
import { table } from './table.ts';
import type { Terminal } from './terminal.ts';
import { movesLeft } from './wait-for-cluster.ts';

export interface DevOptions {
  /** Undefined: as many as the directory holds, or three. */
  readonly nodes: number | undefined;
  readonly directory: string;
  readonly assignments: readonly string[];
}

const host = '127.0.0.1';
const grownMsMax = 60_000;
const lookMs = 50;
/** One machine, and little data: partitions need not move two by two. Assignments of the command line come later and win. */
const devAssignments = ['ring_size=64', 'transfer_limit=64', 'logger.level=warning'];

export async function devCommand(terminal: Terminal, options: DevOptions): Promise<void> {
  const directory = path.resolve(options.directory);
  const record = await openDevRecord(directory, options.nodes);
  const stopped = stopSignal();
  const nodes = record.nodes.map(
    (ports, index) =>
      new DevNode(`hale${index + 1}`, ports, startArguments(index, record, directory, options), directory),
  );
  const failed = Promise.race(nodes.map((node) => failureOf(terminal, node)));
  const over = Promise.all(nodes.map((node) => node.ended)).then(() => undefined);
  try {
    const grown = untilGrown(nodes).then(() => 'grown' as const);
    const first = await Promise.race([grown, failed, over, stopped]);
    if (first instanceof CommandFailure) throw first;
    if (first !== 'grown') return;
    writeDevRecord(directory, { ...record, grown: nodes.length });
    announce(terminal, directory, nodes);
    const end = await Promise.race([failed, over, stopped]);
    if (end instanceof CommandFailure) throw end;
  } finally {
    for (const node of nodes) node.stop();
    await over;
  }
}

function startArguments(
  index: number,
  { nodes, grown }: DevRecord,
  directory: string,
  { assignments }: DevOptions,
): readonly string[] {
  const name = `hale${index + 1}`;
  const own = nodes[index]!;
  const settings = [...devAssignments, ...assignments].flatMap((assignment) => ['-o', assignment]);
  // Whoever is in already may have become the last of them: nobody is then there to be joined.
  const seeds = index < Math.max(1, grown) ? [] : nodes.slice(0, Math.max(1, grown));
  return [
    ...['start', '--supervised', '--name', `${name}@${host}`, '--data', path.join(directory, name)],
    ...['--pb', `${host}:${own.protobuf}`, '--http', `${host}:${own.http}`],
    ...['--cluster', `${host}:${own.cluster}`],
    ...settings,
    ...seeds.flatMap(({ cluster }) => ['--join', `${host}:${cluster}`]),
  ];
}

/** Resolves when the node has ended otherwise than by leaving its cluster; for one that leaves, never. */
async function failureOf(terminal: Terminal, node: DevNode): Promise<CommandFailure> {
  await node.ended;
  const { exitCode, lastWords } = node;
  if (exitCode === exitCodes.ok || exitCode === exitCodes.removed) {
    terminal.error(`hale: ${node.name} is no member of the cluster any more\n`);
    return new Promise(() => undefined);
  }
  return new CommandFailure(exitCode, `${node.name} has ended, and so do the others:\n${lastWords}`);
}

/** Every node is a full member to every other, and nothing moves. */
async function untilGrown(nodes: readonly DevNode[]): Promise<void> {
  await Promise.all(nodes.map((node) => Promise.race([node.ready, node.ended])));
  const deadline = performance.now() + grownMsMax;
  for (const node of nodes) {
    while (node.isRunning && performance.now() < deadline) {
      const present = nodes.filter(({ isRunning }) => isRunning).length;
      const view = await overviewOf(node);
      if (view !== undefined && isGrown(view, present)) break;
      await new Promise((resolve) => setTimeout(resolve, lookMs));
    }
  }
}

/** Undefined: it does not answer, perhaps since it ends. */
async function overviewOf(node: DevNode): Promise<OverviewView | undefined> {
  try {
    return await adminGet<OverviewView>(urlOf(node.ports), 'cluster');
  } catch (error) {
    if (error instanceof CommandFailure && error.exitCode === exitCodes.unreachable) return undefined;
    throw error;
  }
}

/** A node that an operator has told to leave, or marked down, is left to the operator. */
function isGrown(view: OverviewView, count: number): boolean {
  const arrived = view.members.filter(
    ({ status, reachability }) => status !== 'joining' && reachability !== 'dead',
  );
  return arrived.length >= count && movesLeft(view) === 0;
}

function urlOf({ http }: DevPorts): string {
  return `http://${host}:${http}`;
}

/** Resolves at the first signal. A second one ends this process at once; the nodes see that, and stop. */
function stopSignal(): Promise<undefined> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.once(signal, () => resolve(undefined));
    }
  });
}

function announce(terminal: Terminal, directory: string, nodes: readonly DevNode[]): void {
  const present = nodes.filter(({ isRunning }) => isRunning);
  const rows = present.map(({ name, ports }) => [
    `  ${name}`,
    urlOf(ports),
    `${host}:${ports.protobuf}`,
    `${host}:${ports.cluster}`,
  ]);
  const first = present[0]?.ports;
  terminal.out(`${terminal.bold(`a cluster of ${present.length}`)}  ${directory}\n`);
  terminal.out(table([['  node', 'http', 'protocol buffers', 'cluster'], ...rows]));
  if (first !== undefined) {
    terminal.out(`\n${terminal.dim(`  hale cluster status --at ${urlOf(first)}`)}\n`);
  }
  terminal.out('\nready\n');
}
