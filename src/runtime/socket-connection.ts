/**
 * A connection over `net.Socket`, made for many small messages.
 *
 * Writes of one turn of the event loop leave in one system call: they gather here until the end of
 * the turn, then go to the socket joined (small) or as one `writev` (large).
 */
import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import type { Address, Connection, ConnectionHandler, Tasks } from '../environment/index.ts';
import type { CrashHandler } from './crash.ts';
import { networkErrorOf } from './network-failure.ts';
import { StallWatch } from './stall-watch.ts';

/** `write` answers false from here on. A reply larger than this is still taken whole. */
export const queueHighBytes = 256 * 1024;
/** `drain` comes once the queue is this short again. */
export const queueLowBytes = 64 * 1024;
/** Up to here copying into one buffer costs less than a `writev` of the parts. */
const joinedBytesMax = 64 * 1024;
/** How long a peer may keep its half open after ours is closed and sent. */
const lingerMsMax = 10_000;
/** How long it may take nothing of what is left when ours is closed. */
const lastTakenMsMax = 60_000;

export interface SocketServices {
  readonly tasks: Pick<Tasks, 'endOfTurn'>;
  readonly crash: CrashHandler;
}

/** What is known of a connection and not by its socket. */
export interface SocketFacts {
  readonly certifiedNames?: readonly string[] | undefined;
  /** Of a Unix socket, which knows no address. */
  readonly remote?: Address | undefined;
}

export class SocketConnection implements Connection {
  readonly remote: Address;
  readonly certifiedNames: readonly string[] | undefined;
  readonly isWithinMachine: boolean;
  readonly #socket: Socket;
  readonly #services: SocketServices;
  #handler: ConnectionHandler | undefined;
  readonly #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #isFlushAsked = false;
  #isAboveMark = false;
  #phase: 'open' | 'ending' | 'closed' = 'open';
  #error: Error | undefined;
  #linger: NodeJS.Timeout | undefined;
  readonly #stall: StallWatch;
  readonly #flush = (): void => this.#flushGathered();
  readonly #written = (): void => this.#bytesTaken();

  constructor(socket: Socket, services: SocketServices, facts: SocketFacts = {}) {
    this.certifiedNames = facts.certifiedNames;
    this.isWithinMachine = facts.remote !== undefined;
    this.#socket = socket;
    this.#stall = new StallWatch(socket);
    this.#services = services;
    this.remote = facts.remote ?? { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
    socket.on('end', () => this.#peerEnded());
    socket.on('error', (error) => {
      this.#error ??= error;
    });
    socket.on('close', () => this.#socketClosed());
  }

  /** Must be called in the turn in which the connection was made. */
  handleWith(handler: ConnectionHandler): void {
    this.#handler = handler;
  }

  /** Called by whoever reads the socket. `chunk` is lent. */
  received(chunk: Buffer): void {
    if (this.#phase !== 'open') return;
    try {
      this.#handler?.data(chunk);
    } catch (error) {
      this.#services.crash('connection data', error);
    }
  }

  write(bytes: Uint8Array): boolean {
    if (this.#phase !== 'open') return false;
    this.#gathered.push(bytes);
    this.#gatheredBytes += bytes.length;
    if (!this.#isFlushAsked) {
      this.#isFlushAsked = true;
      this.#services.tasks.endOfTurn(this.#flush);
    }
    if (this.queuedBytes < queueHighBytes) return !this.#isAboveMark;
    this.#isAboveMark = true;
    return false;
  }

  get queuedBytes(): number {
    return this.#gatheredBytes + this.#socket.writableLength;
  }

  cutOffAfter(stalledMs: number): void {
    this.#stall.limit(stalledMs);
  }

  get stalledMs(): number {
    return this.#stall.stalledMs;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    if (this.#phase !== 'open') return;
    this.#flushGathered();
    this.#phase = 'ending';
    // Reading goes on, into nothing: the peer's end, or its reset, has to be noticed.
    this.#socket.resume();
    this.#socket.end(() => {
      if (this.#phase === 'closed') return;
      this.#linger = setTimeout(() => this.#socket.destroy(), lingerMsMax);
      this.#linger.unref();
    });
    // A peer that takes nothing would keep that from ever being called.
    this.#stall.limit(lastTakenMsMax);
  }

  destroy(): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'ending';
    this.#dropGathered();
    this.#socket.destroy();
  }

  #flushGathered(): void {
    this.#isFlushAsked = false;
    const parts = this.#gathered;
    if (parts.length === 0) return;
    if (parts.length === 1) {
      this.#socket.write(parts[0]!, this.#written);
    } else if (this.#gatheredBytes <= joinedBytesMax) {
      this.#socket.write(Buffer.concat(parts, this.#gatheredBytes), this.#written);
    } else {
      this.#socket.cork();
      for (const part of parts) this.#socket.write(part);
      this.#socket.write(emptyChunk, this.#written);
      this.#socket.uncork();
    }
    this.#dropGathered();
    this.#stall.wrote();
  }

  #dropGathered(): void {
    this.#gathered.length = 0;
    this.#gatheredBytes = 0;
  }

  /** The peer sends no more. What is queued for it still goes out, and more if the handler has more. */
  #peerEnded(): void {
    if (this.#handler?.ended === undefined) this.end();
    else if (this.#phase === 'open') this.#guard('ended', () => this.#handler?.ended?.());
  }

  #bytesTaken(): void {
    if (!this.#isAboveMark || this.#phase !== 'open' || this.queuedBytes > queueLowBytes) return;
    this.#isAboveMark = false;
    this.#guard('drain', () => this.#handler?.drain());
  }

  #socketClosed(): void {
    this.#phase = 'closed';
    this.#dropGathered();
    clearTimeout(this.#linger);
    this.#stall.stop();
    const error = this.#error === undefined ? undefined : networkErrorOf(this.#error);
    this.#guard('closed', () => this.#handler?.closed(error));
    this.#handler = undefined;
  }

  #guard(activity: string, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#services.crash(`connection ${activity}`, error);
    }
  }
}

const emptyChunk = Buffer.alloc(0);
