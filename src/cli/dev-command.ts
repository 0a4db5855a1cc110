/**
 * `hale dev 3`: a cluster of real processes on this machine. They live and die with this command: it starts them all at
 * once, the first founds the cluster and the others join it, and it stops them all when it is told to stop or when
 * one of them ends.
 */
import { mkdirSync } from 'node:fs';
import * as path from 'node:path';
import type { OverviewView } from '../server/index.ts';
import { adminGet } from './admin-request.ts';
import { DevNode } from './dev-node.ts';
import { type DevPorts, devPorts } from './dev-ports.ts';
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
/** One machine, and little data: partitions need not move two by two. Later assignments win. */
const devAssignments = ['ring_size=64', 'transfer_limit=64', 'logger.level=warning'];

export async function devCommand(terminal: Terminal, options: DevOptions): Promise<void> {
  const directory = path.resolve(options.directory);
  const ports = await devPorts(directory, options.nodes);
  mkdirSync(directory, { recursive: true });
  const nodes = ports.map((own, index) => startDevNode(own, index, ports, directory, options.assignments));
  const firstEnd = Promise.race(nodes.map((node) => node.ended.then(() => node)));
  const stopped = stopSignal();
  try {
    const up = Promise.all(nodes.map((node) => node.ready)).then(() => untilGrown(ports));
    const first = await Promise.race([
      up.then(() => undefined),
      firstEnd,
      stopped.then(() => 'stop' as const),
    ]);
    if (first === 'stop') return;
    if (first !== undefined) throw endedByItself(first);
    announce(terminal, directory, nodes, ports);
    const end = await Promise.race([firstEnd, stopped.then(() => undefined)]);
    if (end !== undefined) throw endedByItself(end);
  } finally {
    for (const node of nodes) node.stop();
    await Promise.all(nodes.map((node) => node.ended));
  }
}

function startDevNode(
  own: DevPorts,
  index: number,
  all: readonly DevPorts[],
  directory: string,
  assignments: readonly string[],
): DevNode {
  const name = `hale${index + 1}`;
  const settings = [...devAssignments, ...assignments].flatMap((assignment) => ['-o', assignment]);
  const args = [
    'start',
    '--supervised',
    ...['--name', `${name}@${host}`, '--data', path.join(directory, name)],
    ...['--pb', `${host}:${own.protobuf}`, '--http', `${host}:${own.http}`],
    ...['--cluster', `${host}:${own.cluster}`],
    ...settings,
    ...(index === 0 ? [] : ['--join', `${host}:${all[0]!.cluster}`]),
  ];
  return new DevNode(name, args, directory);
}

/** Every node is a full member to every other, and nothing moves. */
async function untilGrown(ports: readonly DevPorts[]): Promise<void> {
  const deadline = performance.now() + grownMsMax;
  for (const { http } of ports) {
    while (!isGrown(await adminGet<OverviewView>(`http://${host}:${http}`, 'cluster'), ports.length)) {
      if (performance.now() > deadline) return;
      await new Promise((resolve) => setTimeout(resolve, lookMs));
    }
  }
}

/** A node that an operator has staged to leave, or marked down, is left to the operator. */
function isGrown(view: OverviewView, count: number): boolean {
  const arrived = view.members.filter(
    ({ status, reachability }) => status !== 'joining' && reachability !== 'dead',
  );
  return arrived.length >= count && movesLeft(view) === 0;
}

function endedByItself(node: DevNode): CommandFailure {
  const code = node.exitCode ?? exitCodes.failure;
  return new CommandFailure(code, `${node.name} has ended, and so do the others:\n${node.lastWords}`);
}

/** Resolves at the first signal; a second one ends this process at once, and the nodes with it. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
}

function announce(
  terminal: Terminal,
  directory: string,
  nodes: readonly DevNode[],
  ports: readonly DevPorts[],
): void {
  const rows = nodes.map(({ name }, i) => {
    const { http, protobuf, cluster } = ports[i]!;
    return [`  ${name}`, `http://${host}:${http}`, `${host}:${protobuf}`, `${host}:${cluster}`];
  });
  terminal.out(`${terminal.bold(`a cluster of ${nodes.length}`)}  ${directory}\n`);
  terminal.out(table([['  node', 'http', 'protocol buffers', 'cluster'], ...rows]));
  terminal.out(`\n${terminal.dim(`  hale cluster status --at http://${host}:${ports[0]!.http}`)}\n\nready\n`);
}
