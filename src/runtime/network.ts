/**
 * TCP, and Unix sockets, over `node:net`.
 *
 * All connections read into one buffer: libuv fills it and calls back before it reads the next
 * socket, so a chunk lives exactly as long as the `data` call (on Windows, reads overlap: there
 * each chunk is its own). Node offers this (`onread`) for sockets that connect, not for accepted
 * ones; those give up their handle to a socket of our making. The handle is undocumented, so if it
 * does not look as expected the connection falls back to ordinary stream reads.
 */
import { Buffer } from 'node:buffer';
import {
  type AddressInfo,
  connect,
  createServer,
  type ListenOptions,
  type NetConnectOpts,
  type OnReadOpts,
  type Server,
  Socket,
} from 'node:net';
import {
  type Address,
  type Connection,
  type ConnectionHandler,
  type Listener,
  type Network,
  NetworkError,
  type TlsFiles,
} from '../environment/index.ts';
import { HostNetwork, type Streams } from './host-network.ts';
import { networkErrorOf } from './network-failure.ts';
import { SocketConnection, type SocketServices } from './socket-connection.ts';
import type { TlsNetwork } from './tls-network.ts';

const readBufferBytes = 64 * 1024;
/** A peer that vanished without a word is noticed after this silence, plus the kernel's probes (10 s). */
const keepAliveAfterMs = 60_000;
const listenBacklog = 1024;

export interface NetworkOptions {
  /** `streams` is the fallback, chosen by itself where the other is not to be had. */
  readonly reading: 'reused-buffer' | 'streams';
}

/** What we rely on of the undocumented handle of a `net.Socket`. */
interface StreamHandle {
  useUserBuffer(buffer: Uint8Array): void;
  readStart(): number;
  readStop(): number;
}

interface SocketInternals {
  _handle: StreamHandle | null;
}

export class MachineNetwork implements Streams {
  readonly #services: SocketServices;
  readonly #reusesBuffer: boolean;
  readonly #readBuffer: Buffer;
  readonly #servers = new Set<Server>();
  readonly #connections = new Set<SocketConnection>();
  readonly #connecting = new Set<Socket>();
  readonly #secured: TlsNetwork[] = [];

  constructor(services: SocketServices, options: NetworkOptions = { reading: 'reused-buffer' }) {
    this.#services = services;
    this.#reusesBuffer = options.reading === 'reused-buffer' && process.platform !== 'win32';
    this.#readBuffer = Buffer.allocUnsafeSlow(this.#reusesBuffer ? readBufferBytes : 0);
  }

  listen(address: Address, accept: (connection: Connection) => ConnectionHandler): Promise<Listener> {
    const { host, port } = address;
    return this.#listen({ host, port, backlog: listenBacklog }, undefined, accept);
  }

  listenAt(
    path: string,
    address: Address,
    accept: (connection: Connection) => ConnectionHandler,
  ): Promise<Listener> {
    // Of several nodes of one host each has its own: none is the host's.
    const place = { path, backlog: listenBacklog, exclusive: true };
    return this.#listen(place, { host: address.host, port: 0 }, accept);
  }

  connect(
    address: Address,
    handle: (connection: Connection) => ConnectionHandler,
    timeoutMs: number,
  ): Promise<Connection> {
    const { host, port } = address;
    const tcp = { host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveAfterMs };
    return this.#connect(tcp, `${host}:${port}`, undefined, handle, timeoutMs);
  }

  connectTo(
    path: string,
    address: Address,
    handle: (connection: Connection) => ConnectionHandler,
    timeoutMs: number,
  ): Promise<Connection> {
    return this.#connect({ path }, path, address, handle, timeoutMs);
  }

  amongNodes(): Network {
    return new HostNetwork(this);
  }

  async secured(files: TlsFiles): Promise<Network> {
    const { openTlsNetwork } = await import('./tls-network.ts');
    const network = await openTlsNetwork(files, this.#services);
    this.#secured.push(network);
    return network;
  }

  /** Stops listening and drops every connection, also those being made: they reject. */
  async close(): Promise<void> {
    const closing = [...this.#servers].map((server) => this.#closeServer(server));
    for (const connection of this.#connections) connection.destroy();
    const closed = new NetworkError('other', 'the network was closed');
    for (const socket of this.#connecting) socket.destroy(closed);
    await Promise.all([...closing, ...this.#secured.map((network) => network.close())]);
  }

  #listen(
    place: ListenOptions,
    remote: Address | undefined,
    accept: (connection: Connection) => ConnectionHandler,
  ): Promise<Listener> {
    const server = createServer({
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveAfterMs,
      pauseOnConnect: true,
    });
    server.on('connection', (socket) => this.#accepted(socket, remote, accept));
    return new Promise((resolve, reject) => {
      const failed = (error: Error): void => reject(networkErrorOf(error));
      server.once('error', failed);
      server.listen(place, () => {
        server.off('error', failed);
        // Errors of `accept` (no file descriptors left) pass by themselves; the connection is lost.
        server.on('error', () => undefined);
        this.#servers.add(server);
        resolve({ address: remote ?? addressOf(server), close: () => this.#closeServer(server) });
      });
    });
  }

  #connect(
    to: NetConnectOpts,
    name: string,
    remote: Address | undefined,
    handle: (connection: Connection) => ConnectionHandler,
    timeoutMs: number,
  ): Promise<Connection> {
    const reader = this.#readerOfSocket();
    const reading = reader.onread === undefined ? {} : { onread: reader.onread };
    return new Promise((resolve, reject) => {
      const socket = connect({ ...to, ...reading, allowHalfOpen: true });
      this.#connecting.add(socket);
      const timer = setTimeout(() => {
        socket.destroy(new NetworkError('timeout', `no answer from ${name} in ${timeoutMs} ms`));
      }, timeoutMs);
      const failed = (error: Error): void => {
        clearTimeout(timer);
        this.#connecting.delete(socket);
        reject(networkErrorOf(error));
      };
      socket.once('error', failed);
      socket.once('connect', () => {
        clearTimeout(timer);
        this.#connecting.delete(socket);
        socket.off('error', failed);
        const connection = this.#adopt(socket, reader, remote);
        connection.handleWith(handle(connection));
        resolve(connection);
      });
    });
  }

  #accepted(
    socket: Socket,
    remote: Address | undefined,
    accept: (connection: Connection) => ConnectionHandler,
  ): void {
    const reader = this.#readerOfSocket();
    const reading = reader.onread === undefined ? socket : socketReadingInto(socket, reader.onread);
    if (reading === socket) reader.onread = undefined;
    const connection = this.#adopt(reading, reader, remote);
    try {
      connection.handleWith(accept(connection));
    } catch (error) {
      this.#services.crash('accept', error);
      connection.destroy();
    }
    reading.resume();
  }

  #adopt(socket: Socket, reader: SocketReader, remote: Address | undefined): SocketConnection {
    const connection = new SocketConnection(socket, this.#services, { remote });
    reader.connection = connection;
    if (reader.onread === undefined) socket.on('data', (chunk: Buffer) => connection.received(chunk));
    this.#connections.add(connection);
    socket.once('close', () => this.#connections.delete(connection));
    return connection;
  }

  #readerOfSocket(): SocketReader {
    const reader: SocketReader = { connection: undefined, onread: undefined };
    if (!this.#reusesBuffer) return reader;
    const buffer = this.#readBuffer;
    reader.onread = {
      buffer,
      callback: (length) => {
        reader.connection?.received(buffer.subarray(0, length));
        return true;
      },
    };
    return reader;
  }

  #closeServer(server: Server): Promise<void> {
    if (!this.#servers.delete(server)) return Promise.resolve();
    // Its callback would wait for the connections too. The listening socket itself is closed at once.
    server.close();
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

function addressOf(server: Server): Address {
  const { address, port } = server.address() as AddressInfo;
  return { host: address, port };
}

/** Ties a socket's read callback, needed at its birth, to the connection made of it. */
interface SocketReader {
  connection: SocketConnection | undefined;
  onread: OnReadOpts | undefined;
}

/** A socket with the same handle that reads into the given buffer, or the socket itself. */
function socketReadingInto(socket: Socket, onread: OnReadOpts): Socket {
  const internals = socket as unknown as SocketInternals;
  const handle = internals._handle;
  if (typeof handle?.useUserBuffer !== 'function') return socket;
  internals._handle = null;
  const options = { handle, onread, allowHalfOpen: true, readable: true, writable: true, manualStart: true };
  const reading = new Socket(options as unknown as ConstructorParameters<typeof Socket>[0]);
  // The emptied socket leaves the server's count of connections.
  socket.destroy();
  return reading;
}
