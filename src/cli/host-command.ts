/**
 * `hale start --nodes 4`: several nodes on one machine, a process on a core each (JavaScript runs on one core). They
 * share the public ports, the location and the data directory, and are one host to the rest of the cluster: no two of
 * them count as two failure domains. A node that dies is started again; they all stop with this command.
 *
 * The first is the node that `hale start` alone would be, with the same name and data; so a node grows to several of
 * one machine, and later to several machines, without a change to what it stores.
 */
import { availableParallelism } from 'node:os';
import * as path from 'node:path';
import { type Configuration, formatAddress, type HostAndPort, usualCacheBytes } from '../config/index.ts';
import { memoryOfProcess } from '../runtime/index.ts';
import { CommandFailure, type ExitCode, exitCodes } from './exit-codes.ts';
import { HostNode, type HostNodeEnd } from './host-node.ts';
import { type ConfigurationOptions, loadConfiguration } from './load-configuration.ts';
import { nodesDirectory, nodesKept } from './nodes-kept.ts';
import { table } from './table.ts';
import type { Terminal } from './terminal.ts';
import { packageVersion } from './version.ts';

/** Node i has the ports of the first and so many times i more for what it does not share. */
const portsApart = 10;
/** Doubles at each death until a life has lasted. */
const restartPauseMs = 250;
const restartPauseMsMax = 15_000;
const lastingLifeMs = 60_000;
/** Ends that another try would not change. */
const finalCodes: ReadonlySet<ExitCode> = new Set([
  exitCodes.usage,
  exitCodes.configuration,
  exitCodes.address,
  exitCodes.dataDirectoryTaken,
  exitCodes.data,
  exitCodes.refused,
]);

export interface HostOptions {
  /** `auto`: one for each core. */
  readonly nodes: number | 'auto';
  readonly join: readonly string[];
  readonly supervised: boolean;
}

/** What is not shared by the nodes of a host. */
interface Seat {
  readonly name: string;
  readonly dataDirectory: string;
  readonly cluster: HostAndPort;
  /** Its own HTTP listener, for its operators. */
  readonly own: HostAndPort;
}

/** Returns when all nodes have stopped in order. Throws `CommandFailure`. */
export async function hostCommand(
  terminal: Terminal,
  options: ConfigurationOptions,
  { nodes: wanted, join, supervised }: HostOptions,
): Promise<void> {
  const { configuration } = loadConfiguration(options);
  const count = wanted === 'auto' ? availableParallelism() : wanted;
  const seats = seatsOf(configuration, count);
  const stopping = stopAsked(supervised);
  const host = new Host(terminal, (seat) => startArguments(seats, seat, options, configuration, join));
  try {
    const started = host.start(seats);
    const over = host.over;
    const first = await Promise.race([started.then(() => 'ready' as const), over, stopping]);
    if (first === 'ready') {
      announce(terminal, configuration, seats);
      await Promise.race([over, stopping]);
    }
  } finally {
    await host.stop();
    // It must not wait for more input.
    if (supervised) process.stdin.destroy();
  }
  if (host.failure !== undefined) throw host.failure;
}

function seatsOf(configuration: Configuration, count: number): readonly Seat[] {
  const http = configuration['listener.http.internal'];
  const cluster = configuration['listener.cluster.internal'];
  if (count > 1 && configuration.storage_backend === 'memory') {
    throw new CommandFailure(exitCodes.configuration, 'several nodes need a storage that outlives them');
  }
  if (http === 'off' || cluster === 'off' || http.port === 0 || cluster.port === 0) {
    const rule = 'must each have a port of their own for several nodes';
    throw new CommandFailure(
      exitCodes.configuration,
      `listener.http.internal and listener.cluster.internal ${rule}`,
    );
  }
  const root = path.resolve(configuration.platform_data_dir);
  const held = nodesKept(root);
  if (held > count) {
    const rule = `let nodes leave the cluster and delete their directories, or start with --nodes ${held}`;
    throw new CommandFailure(exitCodes.usage, `${root} holds ${held} nodes; ${rule}`);
  }
  const [name, host] = configuration.nodename.split('@');
  return Array.from({ length: count }, (_, index) => ({
    name: index === 0 ? configuration.nodename : `${name}-${index + 1}@${host}`,
    dataDirectory: index === 0 ? root : path.join(nodesDirectory(root), `${index + 1}`),
    cluster: { ...cluster, port: cluster.port + portsApart * index },
    own: { ...http, port: http.port + portsApart * (index + 1) },
  }));
}

function startArguments(
  seats: readonly Seat[],
  seat: Seat,
  { file, assignments, flags }: ConfigurationOptions,
  configuration: Configuration,
  join: readonly string[],
): readonly string[] {
  const { location, nodename, 'storage.value_cache_size': cache } = configuration;
  const first = seats[0]!;
  const cacheBytes = cache === 'auto' ? usualCacheBytes(memoryOfProcess() / seats.length) : cache;
  const own = new Map(flags)
    .set('--name', seat.name)
    .set('--data', seat.dataDirectory)
    .set('--cluster', formatAddress(seat.cluster))
    .set('--location', location === '' ? nodename.slice(nodename.indexOf('@') + 1) : location);
  const seeds = seat === first ? join : [...join, formatAddress(first.cluster)];
  return [
    ...(file === undefined ? [] : ['--config', file]),
    ...assignments.flatMap((assignment) => ['-o', assignment]),
    ...['-o', `listener.own.internal=${formatAddress(seat.own)}`],
    ...['-o', `storage.value_cache_size=${cacheBytes}`],
    ...[...own].flat(),
    ...seeds.flatMap((seed) => ['--join', seed]),
  ];
}

/** Keeps the nodes of this machine alive. */
class Host {
  /** Resolves when there is nothing left to keep alive, or no use in trying. */
  readonly over: Promise<void>;
  readonly #terminal: Terminal;
  readonly #argumentsOf: (seat: Seat) => readonly string[];
  readonly #running = new Map<Seat, HostNode>();
  readonly #lives = new Set<Promise<void>>();
  #failure: CommandFailure | undefined;
  #isStopping = false;
  #end: () => void = () => undefined;

  constructor(terminal: Terminal, argumentsOf: (seat: Seat) => readonly string[]) {
    this.#terminal = terminal;
    this.#argumentsOf = argumentsOf;
    this.over = new Promise((resolve) => {
      this.#end = resolve;
    });
    process.once('exit', this.#kill);
  }

  get failure(): CommandFailure | undefined {
    return this.#failure;
  }

  /** Resolves when all serve. The first comes first: it founds the cluster that the others join. */
  async start(seats: readonly Seat[]): Promise<void> {
    const [first, ...others] = seats;
    await this.#keep(first!);
    await Promise.all(others.map((seat) => this.#keep(seat)));
  }

  /** Resolves when all have ended. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const node of this.#running.values()) node.stop();
    await Promise.all(this.#lives);
    process.off('exit', this.#kill);
  }

  /** Resolves when it serves for the first time. */
  #keep(seat: Seat): Promise<void> {
    return new Promise((resolve) => {
      const life = this.#live(seat, resolve);
      this.#lives.add(life);
      void life.finally(() => {
        this.#lives.delete(life);
        if (this.#lives.size === 0) this.#end();
      });
    });
  }

  async #live(seat: Seat, serves: () => void): Promise<void> {
    let pauseMs = restartPauseMs;
    let hasServed = false;
    while (!this.#isStopping) {
      const startedAt = performance.now();
      const node = new HostNode(this.#terminal, this.#argumentsOf(seat));
      this.#running.set(seat, node);
      void node.ready.then(() => {
        hasServed = true;
        serves();
      });
      const end = await node.ended;
      this.#running.delete(seat);
      if (!this.#isRestarted(seat, end, hasServed)) return;
      if (performance.now() - startedAt > lastingLifeMs) pauseMs = restartPauseMs;
      this.#terminal.error(`hale: ${seat.name} has died and is started again in ${pauseMs} ms\n`);
      await this.#pause(pauseMs);
      pauseMs = Math.min(pauseMs * 2, restartPauseMsMax);
    }
  }

  #isRestarted(seat: Seat, { exitCode, lastWords, hasLeft }: HostNodeEnd, hasServed: boolean): boolean {
    if (this.#isStopping) return false;
    if (hasLeft) {
      this.#terminal.error(`hale: ${seat.name} is no member of the cluster any more\n`);
      return false;
    }
    if (exitCode === exitCodes.ok) {
      // An operator has stopped one of them, and means the host.
      this.#end();
      return false;
    }
    if (hasServed && !finalCodes.has(exitCode)) return true;
    this.#failure ??= new CommandFailure(
      exitCode,
      `${seat.name} cannot be kept alive, and so the others stop:\n${lastWords}`,
    );
    this.#end();
    return false;
  }

  /** Ends early when everything is to stop. */
  async #pause(pauseMs: number): Promise<void> {
    const end = performance.now() + pauseMs;
    while (!this.#isStopping && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, Math.min(50, pauseMs)));
    }
  }

  readonly #kill = (): void => {
    for (const node of this.#running.values()) node.kill();
  };
}

/** Resolves at the first signal, or when who supervises this process is gone. A second signal ends it at once. */
function stopAsked(supervised: boolean): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
    if (!supervised) return;
    process.stdin.once('end', () => resolve());
    process.stdin.once('error', () => resolve());
    process.stdin.resume();
  });
}

function announce(terminal: Terminal, configuration: Configuration, seats: readonly Seat[]): void {
  const { platform_data_dir: data } = configuration;
  const http = configuration['listener.http.internal'];
  const protobuf = configuration['listener.protobuf.internal'];
  terminal.out(`${terminal.bold(`hale ${packageVersion()}`)}  ${seats.length} nodes of one host\n`);
  terminal.out(`  data              ${path.resolve(data)}\n`);
  if (protobuf !== 'off') terminal.out(`  protocol buffers  ${formatAddress(protobuf)}\n`);
  if (http !== 'off') terminal.out(`  http              http://${formatAddress(http)}\n\n`);
  const rows = seats.map(({ name, own, cluster }) => [
    `  ${name}`,
    `http://${formatAddress(own)}`,
    formatAddress(cluster),
  ]);
  terminal.out(table([['  node', 'its own http', 'cluster'], ...rows]));
  terminal.out('\nready\n');
}
