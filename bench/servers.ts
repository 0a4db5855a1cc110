/** Servers to measure, each a process of its own on a free port and a fresh directory. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ProtocolName } from './load/protocol.ts';

export interface BenchServer {
  readonly name: string;
  readonly pids: readonly number[];
  readonly ports: Partial<Record<ProtocolName, number>>;
  /** Of a cluster: where the other nodes listen. */
  readonly otherPorts?: readonly Partial<Record<ProtocolName, number>>[];
  readonly directory: string;
  /** Of a cluster: those of all nodes. */
  readonly directories?: readonly string[];
  /** Of a cluster: where its first node listens to others. */
  readonly clusterPort?: number;
  /** Of a cluster: its nodes, by themselves. */
  readonly nodes?: readonly BenchServer[];
  /** Ends the server and removes its directory. */
  stop(): Promise<void>;
  /** Ends the server in order; its directory stays. */
  end(): Promise<void>;
  /** `kill -9`; its directory stays. */
  kill(): Promise<void>;
}

/** On a crowded machine, with the load of others under way. */
const startTimeoutMs = 60_000;

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

export interface HaleOptions {
  /** The Node binary; this process's own if absent. */
  readonly node?: string;
  readonly settings: readonly string[];
  readonly nodeArguments?: readonly string[];
  /** What an earlier server left; a fresh one if absent. */
  readonly directory?: string;
}

/** A node that is asked for all it can do refuses nobody because others crowd its machine. */
export const patientSettings: readonly string[] = ['overload.turn_delay=60s', 'overload.request_delay=600s'];

export function startHale(options: HaleOptions): Promise<BenchServer> {
  return startNode(options, ['--cluster', '127.0.0.1:0']);
}

/** So many nodes that are one database, with all partitions where they belong. */
export async function startHaleCluster(size: number, options: HaleOptions): Promise<BenchServer> {
  const clusterPort = await freePort();
  const nodes: BenchServer[] = [];
  const all = (end: 'stop' | 'end' | 'kill') => async () => {
    await Promise.all(nodes.map((each) => each[end]()));
  };
  try {
    nodes.push(await startNode(options, ['--name', nameOfNode(1), '--cluster', `127.0.0.1:${clusterPort}`]));
    for (let n = 2; n <= size; n += 1) {
      const join = ['--cluster', '127.0.0.1:0', '--join', `127.0.0.1:${clusterPort}`];
      nodes.push(await startNode(options, ['--name', nameOfNode(n), ...join]));
    }
    await untilSettled(nodes);
  } catch (error) {
    await all('kill')();
    throw error;
  }
  const [first, ...others] = nodes;
  return {
    ...first!,
    name: `hale x ${size}`,
    pids: nodes.flatMap(({ pids }) => pids),
    directories: nodes.map(({ directory }) => directory),
    clusterPort,
    nodes,
    otherPorts: others.map(({ ports }) => ports),
    stop: all('stop'),
    end: all('end'),
    kill: all('kill'),
  };
}

/** One more node of a cluster, which takes its share of the partitions. Disposed of, it is killed. */
export async function joinHaleCluster(
  cluster: BenchServer,
  options: HaleOptions,
): Promise<BenchServer & AsyncDisposable> {
  const { clusterPort } = cluster;
  if (clusterPort === undefined) throw new Error(`${cluster.name} is no cluster`);
  return startApart(options, newcomerName, ['--join', `127.0.0.1:${clusterPort}`]);
}

const newcomerName = 'newcomer@127.0.0.1';
const substituteName = 'substitute@127.0.0.1';

/**
 * An empty node in the place of the cluster's last one, which has been killed: what that one had is rebuilt from the others'
 * replicas, from now on. Disposed of, it is killed.
 */
export async function replaceLastNode(
  cluster: BenchServer,
  options: HaleOptions,
): Promise<BenchServer & AsyncDisposable> {
  const { clusterPort, nodes } = cluster;
  if (clusterPort === undefined || nodes === undefined) throw new Error(`${cluster.name} is no cluster`);
  const node = await startApart(options, substituteName, []);
  try {
    await administer(node, 'cluster/join', { seed: `127.0.0.1:${clusterPort}` });
    const first = nodes[0]!;
    await administer(first, 'cluster/force-replace', { node: nameOfNode(nodes.length), by: substituteName });
    await administer(first, 'cluster/commit', { force: true });
  } catch (error) {
    await node[Symbol.asyncDispose]();
    throw error;
  }
  return node;
}

async function startApart(
  options: HaleOptions,
  name: string,
  more: readonly string[],
): Promise<BenchServer & AsyncDisposable> {
  const node = await startNode(options, ['--name', name, '--cluster', '127.0.0.1:0', ...more]);
  const dispose = async (): Promise<void> => {
    await node.kill();
    rmSync(node.directory, { recursive: true, force: true });
  };
  return { ...node, [Symbol.asyncDispose]: dispose };
}

/** Until a newcomer has heard of the cluster, or the cluster of it, a change is refused. */
async function administer(node: BenchServer, path: string, body: object): Promise<void> {
  const url = `http://127.0.0.1:${node.ports.http}/admin/v1/${path}`;
  const headers = { 'Content-Type': 'application/json' };
  for (const givenUpAt = performance.now() + startTimeoutMs; ; ) {
    const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
    if (answer.ok) return;
    const text = await answer.text();
    if (performance.now() > givenUpAt) throw new Error(`${path}: ${answer.status} ${text}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function nameOfNode(number: number): string {
  return `n${number}@127.0.0.1`;
}

/** Several nodes of one machine behind one port. */
export async function startHaleHost(count: number, options: HaleOptions): Promise<BenchServer> {
  const clusterPort = await freePort();
  const more = ['--cluster', `127.0.0.1:${clusterPort}`, '--nodes', `${count}`];
  const host = await startNode(options, more);
  const own = nodesOfHost(host.pids[0]!);
  if (own.length !== count) throw new Error(`${own.length} nodes of ${count}`);
  const server = { ...host, name: `hale --nodes ${count}`, pids: [...host.pids, ...own] };
  await untilSettled(Array.from({ length: count }, () => server));
  return server;
}

/** The processes that a process has started. Linux tells it. */
function nodesOfHost(parent: number): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent;
      } catch {
        return false;
      }
    });
}

async function untilSettled(nodes: readonly BenchServer[]): Promise<void> {
  const deadline = Date.now() + startTimeoutMs;
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${nodes[0]!.ports.http}/admin/v1/cluster`);
    const { members, moves } = (await answer.json()) as {
      readonly members: readonly { readonly status: string; readonly partitions: number }[];
      readonly moves: Readonly<Record<string, number>>;
    };
    const owning = members.filter(({ status, partitions }) => status === 'valid' && partitions > 0);
    const isQuiet = Object.values(moves).every((count) => count === 0);
    if (owning.length === nodes.length && isQuiet) return;
    if (Date.now() > deadline) throw new Error('the nodes did not become one cluster');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function startNode(options: HaleOptions, more: readonly string[]): Promise<BenchServer> {
  const { node, settings, nodeArguments = [] } = options;
  const main = fileURLToPath(new URL('../bundle/main.js', import.meta.url));
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'hale-bench-'));
  const pb = await freePort();
  const http = await freePort();
  const flags = settings.flatMap((setting) => ['-o', setting]);
  const listeners = ['--pb', `127.0.0.1:${pb}`, '--http', `127.0.0.1:${http}`, ...more];
  const command = [...nodeArguments, main, 'start', '--data', directory, ...listeners, ...flags];
  const child = spawn(node ?? process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] });
  await untilPrinted(child, /^ready\b/m);
  return running('hale', child, { pb, http }, directory);
}

/** Neither synced nor written anywhere, unless `more` says so. */
export async function startRedis(more: readonly string[] = []): Promise<BenchServer> {
  const redis = await freePort();
  return startOther('redis', 'redis-server', { redis }, /Ready to accept connections/, (directory) => [
    ...['--port', `${redis}`, '--bind', '127.0.0.1', '--dir', directory, '--save', '', ...more],
  ]);
}

/** Somebody else's server; it says that it is ready on one of its outputs. */
export async function startOther(
  name: string,
  program: string,
  ports: BenchServer['ports'],
  ready: RegExp,
  wordsIn: (directory: string) => readonly string[],
): Promise<BenchServer> {
  const directory = mkdtempSync(join(tmpdir(), `${name}-bench-`));
  const child = spawn(program, wordsIn(directory), { stdio: ['ignore', 'pipe', 'pipe'] });
  try {
    await untilPrinted(child, ready);
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
  return running(name, child, ports, directory);
}

/** What the program says of its version; undefined: it is not installed. */
export function versionOf(program: string, words: readonly string[]): string | undefined {
  try {
    const printed = execFileSync(program, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return /\d+\.\d+\.\d+/.exec(printed)?.[0];
  } catch {
    return undefined;
  }
}

export function redisVersion(): string | undefined {
  return versionOf('redis-server', ['--version']);
}

function running(
  name: string,
  child: ChildProcess,
  ports: BenchServer['ports'],
  directory: string,
): BenchServer {
  const { pid } = child;
  if (pid === undefined) throw new Error(`${name} did not start`);
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  };
  return {
    name,
    pids: [pid],
    ports,
    directory,
    async stop() {
      await end('SIGTERM');
      rmSync(directory, { recursive: true, force: true });
    },
    end: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  };
}

function untilPrinted(child: ChildProcess, pattern: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    let printed = '';
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`not ready within ${startTimeoutMs} ms:\n${printed}`));
    }, startTimeoutMs);
    const hear = (chunk: Buffer): void => {
      if (printed.length < 64 * 1024) printed += chunk.toString('utf8');
      if (!pattern.test(printed)) return;
      clearTimeout(timer);
      resolve();
    };
    child.stdout?.on('data', hear);
    child.stderr?.on('data', hear);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('exit', (code) => {
      clearTimeout(timer);
      reject(new Error(`ended with ${code} before it was ready:\n${printed}`));
    });
  });
}
