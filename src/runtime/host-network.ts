/**
 * Connections between nodes of one machine: by a Unix socket beside each TCP port, which takes a third less of both ends'
 * time for a small message, since nothing is cut into segments, acknowledged and checked that cannot be lost.
 *
 * Who listens at HOST:PORT also listens at a socket whose name says so, in a directory that only this user may enter; who
 * connects to HOST:PORT looks there first. Any failure means TCP, as if nothing had been there:
 * - another machine, container (network namespace), user or directory for temporary files: there is no such socket;
 * - a node that died leaves its socket behind, and nobody listens: the next one that has the port takes it away. The
 *   port is the lock: nobody else can have the same.
 *
 * Only literal addresses have a socket: a name may mean another machine tomorrow, and 0.0.0.0 is nobody's address.
 */
import { lstatSync, mkdirSync, readlinkSync, rmSync } from 'node:fs';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import {
  type Address,
  type Connection,
  type ConnectionHandler,
  type Listener,
  type Network,
  NetworkError,
} from '../environment/index.ts';

/** What the kernel takes as a socket's path, less the byte that ends it; the least of those of Linux and macOS. */
const pathBytesMax = 103;

type Accept = (connection: Connection) => ConnectionHandler;

/** TCP, and Unix sockets by path. `address` is what a connection says of where the other end is. */
export interface Streams extends Network {
  listenAt(path: string, address: Address, accept: Accept): Promise<Listener>;
  connectTo(path: string, address: Address, handle: Accept, timeoutMs: number): Promise<Connection>;
}

export class HostNetwork implements Network {
  readonly #streams: Streams;
  readonly #directory: string;

  constructor(streams: Streams, directory = directoryOfUser()) {
    this.#streams = streams;
    this.#directory = directory;
  }

  async listen(address: Address, accept: Accept): Promise<Listener> {
    const listener = await this.#streams.listen(address, accept);
    const beside = await this.#listenBeside(listener.address, accept);
    if (beside === undefined) return listener;
    const close = async (): Promise<void> => {
      await Promise.all([beside.close(), listener.close()]);
    };
    return { address: listener.address, close };
  }

  async connect(address: Address, handle: Accept, timeoutMs: number): Promise<Connection> {
    const socket = socketOf(this.#directory, address);
    if (socket !== undefined && isPrivate(this.#directory) && exists(socket)) {
      try {
        return await this.#streams.connectTo(socket, address, handle, timeoutMs);
      } catch (error) {
        if (!(error instanceof NetworkError)) throw error;
      }
    }
    return await this.#streams.connect(address, handle, timeoutMs);
  }

  /** Undefined: there is no such way here. */
  async #listenBeside(address: Address, accept: Accept): Promise<Listener | undefined> {
    const socket = socketOf(this.#directory, address);
    if (socket === undefined || !makePrivate(this.#directory)) return undefined;
    try {
      rmSync(socket, { force: true });
      return await this.#streams.listenAt(socket, address, accept);
    } catch (error) {
      if (error instanceof NetworkError || isSystemError(error)) return undefined;
      throw error;
    }
  }
}

/** Windows has no users of this kind: '' and no sockets. */
function directoryOfUser(): string {
  const user = process.getuid?.();
  return user === undefined ? '' : path.join(tmpdir(), `hale-${user}`);
}

function socketOf(directory: string, { host, port }: Address): string | undefined {
  if (directory === '' || isIP(host) === 0 || host === '0.0.0.0' || host === '::') return undefined;
  const socket = path.join(directory, `${networkNamespace()}${host}-${port}`);
  return Buffer.byteLength(socket) <= pathBytesMax ? socket : undefined;
}

/** Two containers may share a directory, and both have a 127.0.0.1. */
function networkNamespace(): string {
  if (process.platform !== 'linux') return '';
  try {
    return `${/\d+/.exec(readlinkSync('/proc/self/ns/net'))?.[0] ?? ''}-`;
  } catch (error) {
    if (isSystemError(error)) return '';
    throw error;
  }
}

function makePrivate(directory: string): boolean {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
  return isPrivate(directory);
}

/** Nobody else may put a socket of theirs where a node's is looked for. */
function isPrivate(directory: string): boolean {
  const found = lstatSync(directory, { throwIfNoEntry: false });
  return found?.isDirectory() === true && found.uid === process.getuid?.() && (found.mode & 0o077) === 0;
}

function exists(socket: string): boolean {
  return lstatSync(socket, { throwIfNoEntry: false })?.isSocket() === true;
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string';
}
