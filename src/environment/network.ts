/**
 * Byte streams between processes: TCP in production, a simulated network under a seed.
 */
import type { Buffer } from 'node:buffer';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** What a connection reports. All calls come from the event loop, never from inside `write`. */
export interface ConnectionHandler {
  /** `chunk` is valid only during the call: the runtime reads into one reused buffer. */
  data(chunk: Buffer): void;
  /** The send queue fell below its low mark after `write` had returned false. */
  drain(): void;
  /**
   * The peer has sent its last byte, and may still read. A handler with this method calls `end` or `destroy`
   * when it has answered; without it the connection ends at once, after what is queued.
   */
  ended?(): void;
  /** The last call. `error` is set unless the peer, or we, closed the stream in order. */
  closed(error?: Error): void;
}

export interface Connection {
  readonly remote: Address;
  /** Under TLS: the names in the peer's certificate, which a trusted authority signed. Undefined: no TLS. */
  readonly certifiedNames?: readonly string[] | undefined;
  /** True: its bytes never leave the memory of this machine, and nothing can damage them on the way. */
  readonly isWithinMachine?: boolean;
  /**
   * Queues bytes; they must not change afterwards. False means that the queue is above its mark:
   * stop producing until `drain`.
   */
  write(bytes: Uint8Array): boolean;
  /** Bytes queued and not yet taken by the peer. */
  readonly queuedBytes: number;
  /**
   * From now on `destroy`s itself when the peer has taken no byte of what is queued for so long. Absent where peers do
   * not stop taking.
   */
  cutOffAfter?(stalledMs: number): void;
  /** How long the peer has taken no byte, roughly; 0 if nothing is queued, or nobody asked to be cut off. */
  readonly stalledMs?: number;
  /** Stops and restarts reading: the backpressure towards the peer. */
  pause(): void;
  resume(): void;
  /** Sends what is queued, then closes. */
  end(): void;
  /** Closes at once and drops what is queued. */
  destroy(): void;
}

export interface Listener {
  readonly address: Address;
  /** Stops accepting. Connections that are open stay open. */
  close(): Promise<void>;
}

export class NetworkError extends Error {
  override readonly name = 'NetworkError';
  readonly code: 'address-in-use' | 'address-not-available' | 'refused' | 'timeout' | 'reset' | 'other';
  constructor(code: NetworkError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** Paths of PEM files. */
export interface TlsFiles {
  readonly certificate: string;
  readonly key: string;
  /** Certificates of the authorities that may sign a peer's. */
  readonly authority: string;
}

export interface Network {
  /**
   * The same network under mutual TLS: both ends show a certificate that the authority signed, and who does not
   * is cut off before any byte. Which names are whose is the caller's to judge (`Connection.certifiedNames`).
   * Rejects if a file cannot be read or used. Absent: no TLS to be had.
   */
  secured?(files: TlsFiles): Promise<Network>;
  /**
   * The same network for nodes, which talk to each other all the time: between two of one machine it may take a shorter
   * way to the same address. Absent: there is none.
   */
  amongNodes?(): Network;
  /** Rejects with a `NetworkError`. Port 0 asks for any free port; see `Listener.address`. */
  listen(address: Address, accept: (connection: Connection) => ConnectionHandler): Promise<Listener>;
  /** Rejects with a `NetworkError` when the peer cannot be reached within `timeoutMs`. */
  connect(
    address: Address,
    handle: (connection: Connection) => ConnectionHandler,
    timeoutMs: number,
  ): Promise<Connection>;
}
