/**
 * TCP under mutual TLS 1.3, for connections between nodes. A socket is handed on when both ends have been
 * certified; reads go through ordinary streams, since what the cipher gives out is a buffer of its own anyway.
 */
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import {
  connect,
  createSecureContext,
  createServer,
  type PeerCertificate,
  type SecureContextOptions,
  type Server,
  type TLSSocket,
} from 'node:tls';
import {
  type Address,
  type Connection,
  type ConnectionHandler,
  type Listener,
  type Network,
  NetworkError,
  type TlsFiles,
} from '../environment/index.ts';
import { networkErrorOf } from './network-failure.ts';
import { SocketConnection, type SocketServices } from './socket-connection.ts';

const handshakeMsMax = 10_000;
const keepAliveAfterMs = 60_000;

/** Rejects if a file cannot be read, or holds no certificate or key. */
export async function openTlsNetwork(files: TlsFiles, services: SocketServices): Promise<TlsNetwork> {
  const [cert, key, ca] = await Promise.all([
    readFile(files.certificate),
    readFile(files.key),
    readFile(files.authority),
  ]);
  const credentials: SecureContextOptions = { cert, key, ca, minVersion: 'TLSv1.3' };
  // Throws now, rather than at the first connection.
  createSecureContext(credentials);
  return new TlsNetwork(credentials, services);
}

export class TlsNetwork implements Network {
  readonly #credentials: SecureContextOptions;
  readonly #services: SocketServices;
  readonly #servers = new Set<Server>();
  readonly #sockets = new Set<TLSSocket>();

  constructor(credentials: SecureContextOptions, services: SocketServices) {
    this.#credentials = credentials;
    this.#services = services;
  }

  listen(address: Address, accept: (connection: Connection) => ConnectionHandler): Promise<Listener> {
    const server = createServer({
      ...this.#credentials,
      requestCert: true,
      rejectUnauthorized: true,
      handshakeTimeout: handshakeMsMax,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveAfterMs,
    });
    server.on('secureConnection', (socket) => this.#accepted(socket, accept));
    // An uncertified peer, a port scan: their connection is closed already.
    server.on('tlsClientError', () => undefined);
    return new Promise((resolve, reject) => {
      const failed = (error: Error): void => reject(networkErrorOf(error));
      server.once('error', failed);
      server.listen({ host: address.host, port: address.port }, () => {
        server.off('error', failed);
        server.on('error', () => undefined);
        this.#servers.add(server);
        const bound = server.address() as AddressInfo;
        const close = async (): Promise<void> => this.#closeServer(server);
        resolve({ address: { host: bound.address, port: bound.port }, close });
      });
    });
  }

  connect(
    address: Address,
    handle: (connection: Connection) => ConnectionHandler,
    timeoutMs: number,
  ): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect({
        ...this.#credentials,
        host: address.host,
        port: address.port,
        rejectUnauthorized: true,
        // Nodes have names of their own, which the caller knows.
        checkServerIdentity: () => undefined,
      });
      socket.setNoDelay(true);
      socket.setKeepAlive(true, keepAliveAfterMs);
      this.#track(socket);
      const timer = setTimeout(() => {
        const text = `no answer from ${address.host}:${address.port} in ${timeoutMs} ms`;
        socket.destroy(new NetworkError('timeout', text));
      }, timeoutMs);
      const failed = (error: Error): void => {
        clearTimeout(timer);
        reject(networkErrorOf(error));
      };
      socket.once('error', failed);
      socket.once('secureConnect', () => {
        clearTimeout(timer);
        socket.off('error', failed);
        const connection = this.#adopt(socket);
        connection.handleWith(handle(connection));
        resolve(connection);
      });
    });
  }

  async close(): Promise<void> {
    for (const server of this.#servers) this.#closeServer(server);
    for (const socket of this.#sockets) socket.destroy(new NetworkError('other', 'the network was closed'));
  }

  #accepted(socket: TLSSocket, accept: (connection: Connection) => ConnectionHandler): void {
    this.#track(socket);
    const connection = this.#adopt(socket);
    try {
      connection.handleWith(accept(connection));
    } catch (error) {
      this.#services.crash('accept', error);
      connection.destroy();
    }
  }

  #adopt(socket: TLSSocket): SocketConnection {
    const connection = new SocketConnection(socket, this.#services, {
      certifiedNames: namesIn(socket.getPeerCertificate()),
    });
    socket.on('data', (chunk) => connection.received(chunk));
    return connection;
  }

  #track(socket: TLSSocket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    // Errors before anybody listens for them, such as that of `close`.
    socket.on('error', () => undefined);
  }

  #closeServer(server: Server): void {
    if (this.#servers.delete(server)) server.close();
  }
}

/**
 * The subject's alternative names, of whatever kind, and its common name. Node writes them as one text and quotes a
 * name that could be taken for several; those are left out.
 */
function namesIn(certificate: PeerCertificate): readonly string[] {
  const alternatives = (certificate.subjectaltname ?? '').split(', ');
  const names = alternatives
    .filter((entry) => !entry.includes('"'))
    .map((entry) => entry.slice(entry.indexOf(':') + 1));
  const { CN } = certificate.subject ?? {};
  return typeof CN === 'string' ? [...names, CN] : names;
}
