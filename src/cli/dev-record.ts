/** What a development cluster keeps beside the data of its nodes: their ports, drawn once, and who has joined. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import * as path from 'node:path';
import { CommandFailure, exitCodes } from './exit-codes.ts';

export interface DevPorts {
  readonly protobuf: number;
  readonly http: number;
  readonly cluster: number;
}

export interface DevRecord {
  readonly nodes: readonly DevPorts[];
  /** The first so many have been members of one cluster: they join nobody any more. */
  readonly grown: number;
}

const file = 'hale-dev.json';
const host = '127.0.0.1';
const nodesDefault = 3;
/** Node i listens at 100i7 (Protocol Buffers), 100i8 (HTTP) and 100i9 (cluster), as Riak's own development nodes do. */
const firstPort = 10_010;
const portsOfNode = 10;

/**
 * The nodes that the directory knows, and new ones up to `count`; in a new directory three, if nobody says how many.
 * Throws `CommandFailure`.
 */
export async function openDevRecord(directory: string, count: number | undefined): Promise<DevRecord> {
  const known = readRecord(path.join(directory, file));
  const wanted = count ?? (known.nodes.length === 0 ? nodesDefault : known.nodes.length);
  if (wanted < known.nodes.length) {
    const rule = 'let nodes leave the cluster, or use another --dir';
    throw new CommandFailure(exitCodes.usage, `${directory} holds ${known.nodes.length} nodes; ${rule}`);
  }
  const nodes = [...known.nodes];
  const taken = new Set(nodes.flatMap(({ protobuf, http, cluster }) => [protobuf, http, cluster]));
  while (nodes.length < wanted) nodes.push(await newPorts(nodes.length + 1, taken));
  const record = { nodes, grown: known.grown };
  writeDevRecord(directory, record);
  return record;
}

export function writeDevRecord(directory: string, record: DevRecord): void {
  const name = path.join(directory, file);
  try {
    mkdirSync(directory, { recursive: true });
    // Whole or not at all: a half written one would lose the nodes.
    writeFileSync(`${name}.new`, `${JSON.stringify(record, undefined, 2)}\n`);
    renameSync(`${name}.new`, name);
  } catch (error) {
    throw new CommandFailure(exitCodes.data, `cannot write ${name}: ${(error as Error).message}`);
  }
}

function readRecord(name: string): DevRecord {
  let text: string;
  try {
    text = readFileSync(name, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { nodes: [], grown: 0 };
    throw new CommandFailure(exitCodes.data, `cannot read ${name}: ${(error as Error).message}`);
  }
  const record = recordIn(text);
  if (record === undefined) throw new CommandFailure(exitCodes.data, `${name} is damaged`);
  return record;
}

function recordIn(text: string): DevRecord | undefined {
  try {
    const { nodes, grown } = JSON.parse(text) as DevRecord;
    const isWhole = nodes.every(({ protobuf, http, cluster }) => [protobuf, http, cluster].every(isPort));
    return isWhole && Number.isInteger(grown) ? { nodes, grown } : undefined;
  } catch {
    return undefined;
  }
}

function isPort(value: number): boolean {
  return Number.isInteger(value) && value > 0 && value < 65_536;
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
