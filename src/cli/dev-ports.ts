/** Which ports the nodes of a development cluster have: drawn once, and kept beside their data. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import * as path from 'node:path';
import { CommandFailure, exitCodes } from './exit-codes.ts';

export interface DevPorts {
  readonly protobuf: number;
  readonly http: number;
  readonly cluster: number;
}

const file = 'hale-dev.json';
const host = '127.0.0.1';
/** Node i listens at 100i7 (Protocol Buffers), 100i8 (HTTP) and 100i9 (cluster), as Riak's own development nodes do. */
const firstPort = 10_010;
const portsOfNode = 10;

/**
 * Those of the nodes that the directory knows, or of `count` new ones; more are added if `count` is higher. Throws
 * `CommandFailure`.
 */
export async function devPorts(directory: string, count: number | undefined): Promise<readonly DevPorts[]> {
  const known = readPorts(path.join(directory, file));
  const wanted = count ?? Math.max(known.length, 3);
  if (wanted < known.length) {
    const rule = 'let nodes leave the cluster first, or use another --dir';
    throw new CommandFailure(exitCodes.usage, `${directory} holds ${known.length} nodes; ${rule}`);
  }
  const ports = [...known];
  const taken = new Set(known.flatMap(({ protobuf, http, cluster }) => [protobuf, http, cluster]));
  while (ports.length < wanted) ports.push(await newPorts(ports.length + 1, taken));
  if (ports.length > known.length) {
    mkdirSync(directory, { recursive: true });
    writeFileSync(path.join(directory, file), `${JSON.stringify({ nodes: ports }, undefined, 2)}\n`);
  }
  return ports;
}

function readPorts(name: string): readonly DevPorts[] {
  let text: string;
  try {
    text = readFileSync(name, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new CommandFailure(exitCodes.data, `cannot read ${name}: ${(error as Error).message}`);
  }
  try {
    const { nodes } = JSON.parse(text) as { nodes: readonly DevPorts[] };
    if (nodes.every(({ protobuf, http, cluster }) => [protobuf, http, cluster].every(isPort))) return nodes;
  } catch {
    // Falls through: it is not what this command wrote.
  }
  throw new CommandFailure(exitCodes.data, `${name} is damaged`);
}

function isPort(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) < 65_536;
}

async function newPorts(node: number, taken: Set<number>): Promise<DevPorts> {
  const base = firstPort + (node - 1) * portsOfNode;
  return {
    protobuf: await freePort(base + 7, taken),
    http: await freePort(base + 8, taken),
    cluster: await freePort(base + 9, taken),
  };
}

/** `wanted`, or any other if that is taken. */
async function freePort(wanted: number, taken: Set<number>): Promise<number> {
  for (const port of [wanted, 0, 0, 0]) {
    const bound = await boundPort(port);
    if (bound === undefined || taken.has(bound)) continue;
    taken.add(bound);
    return bound;
  }
  throw new CommandFailure(exitCodes.address, 'no free port is to be had');
}

function boundPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ host, port }, () => {
      const address = server.address();
      const bound = typeof address === 'object' && address !== null ? address.port : undefined;
      server.close(() => resolve(bound));
    });
  });
}
