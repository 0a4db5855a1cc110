/** A store behind the HTTP API on a real socket, and two clients: one of requests, one of bare bytes. */
import { Buffer } from 'node:buffer';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { createHttpHandler, type HttpServices } from '../../../src/api/http/index.ts';
import type { DatatypeStore, LocalKeyValueStore } from '../../../src/kv/index.ts';
import { type HttpServerLimits, NodeHttpServer, silentLog } from '../../../src/runtime/index.ts';
import { openStore } from '../opened-store.ts';

export interface ServedNode extends AsyncDisposable {
  readonly port: number;
  readonly store: LocalKeyValueStore;
  readonly datatypes: DatatypeStore;
  /** Connections that are open. */
  connections(): number;
}

export async function serveNode(
  overrides: Partial<HttpServices> = {},
  limits: Partial<HttpServerLimits> = {},
): Promise<ServedNode> {
  const { environment, store, preflists, datatypes, close } = await openStore();
  const handler = createHttpHandler({
    store,
    preflists,
    indexes: store.indexes,
    datatypes,
    clock: environment.clock,
    stats: () => ({ riak_kv_version: '3.2.0' }),
    random: environment.random,
    tasks: environment.tasks,
    limits: { bodyBytesMax: 1_000_000 },
    ...overrides,
  });
  const listener = await new NodeHttpServer(silentLog, limits).listen(
    { host: '127.0.0.1', port: 0 },
    handler,
  );
  return {
    port: listener.address.port,
    store,
    datatypes,
    connections: () => listener.connections,
    async [Symbol.asyncDispose]() {
      const closed = listener.close();
      listener.destroy();
      await closed;
      await close();
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  /** Names and values in turn, as sent. */
  readonly rawHeaders: readonly string[];
  /** One character a byte. */
  readonly body: string;
}

export type Send = (
  method: string,
  target: string,
  headers?: Record<string, string | string[]>,
  body?: string | Buffer,
) => Promise<Answer>;

export function sendTo(node: ServedNode): Send {
  return (method, target, headers = {}, body = '') =>
    new Promise((resolve, reject) => {
      const outgoing = request(
        { host: '127.0.0.1', port: node.port, method, path: target, headers, agent: false },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
          incoming.on('error', reject);
          incoming.on('end', () =>
            resolve({
              status: incoming.statusCode ?? 0,
              headers: incoming.headers,
              rawHeaders: incoming.rawHeaders,
              body: Buffer.concat(chunks).toString('latin1'),
            }),
          );
        },
      );
      outgoing.on('error', reject);
      // Bytes: Node would write a string and the head before it in one encoding.
      outgoing.end(Buffer.from(body));
    });
}

export async function openSocket(node: ServedNode): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: node.port });
  socket.on('error', () => undefined); // Being cut off is one of the answers.
  await new Promise<void>((resolve) => {
    socket.once('connect', () => resolve());
  });
  return socket;
}

/** Sends bytes and gathers what comes back until the server closes or is silent for `silenceMs`. */
export async function exchangeBytes(node: ServedNode, bytes: string, silenceMs = 150): Promise<string> {
  const socket = await openSocket(node);
  const chunks: Buffer[] = [];
  await new Promise<void>((resolve) => {
    let timer = setTimeout(resolve, silenceMs);
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      clearTimeout(timer);
      timer = setTimeout(resolve, silenceMs);
    });
    socket.on('close', () => {
      clearTimeout(timer);
      resolve();
    });
    socket.write(bytes, 'latin1');
  });
  socket.destroy();
  return Buffer.concat(chunks).toString('latin1');
}
