/**
 * Connections to the nodes of a cluster. A caller waits its turn for an idle connection; connections
 * are opened while callers wait, to the reachable node with the fewest. A node that refuses, breaks
 * or stays silent rests for a while, longer each time, and is tried again after.
 *
 * Invariants: at most `connectionsPerHostMax` connections a node, those being opened included; a
 * connection is idle, lent to one caller, or closed; callers are served in order.
 */
import type { Address, Environment, Instant, Timer } from '../../environment/index.ts';
import type { Deadline } from '../deadline.ts';
import { closedError, HaleError } from '../hale-error.ts';
import { retryDelayMs } from '../retry-delay.ts';
import { PbConnection } from './pb-connection.ts';

export type PoolEnvironment = Pick<Environment, 'clock' | 'timers' | 'random' | 'network'>;

export interface PoolLimits {
  readonly connectionsPerHostMax: number;
  /** Callers that may wait for a connection; the next is refused with `overload`. */
  readonly waitingMax: number;
  /** For opening a connection, and for a caller to get one. */
  readonly connectTimeoutMs: number;
}

const restDelay = { firstMs: 50, maxMs: 5000 };

export interface Host {
  readonly address: Address;
  readonly idle: PbConnection[];
  /** Idle, lent, and being opened. */
  connections: number;
  failures: number;
  restsUntil: Instant;
}

export interface Lease {
  readonly host: Host;
  readonly connection: PbConnection;
}

interface Waiter {
  /** Hosts that failed this caller before: only if there is no other. */
  readonly avoid: ReadonlySet<Host>;
  readonly take: (lease: Lease) => void;
  readonly fail: (error: HaleError) => void;
}

export class ConnectionPool {
  readonly hosts: readonly Host[];
  readonly #environment: PoolEnvironment;
  readonly #limits: PoolLimits;
  readonly #waiting = new Set<Waiter>();
  readonly #open = new Set<PbConnection>();
  #opening = 0;
  #turn = 0;
  #wake: Timer | undefined;
  #lastFailure: unknown;
  /** Why calls are refused, once it is closed. */
  #closedBy: HaleError | undefined;

  constructor(addresses: readonly Address[], environment: PoolEnvironment, limits: PoolLimits) {
    this.#environment = environment;
    this.#limits = limits;
    this.hosts = addresses.map((address) => ({
      address,
      idle: [],
      connections: 0,
      failures: 0,
      restsUntil: 0 as Instant,
    }));
    this.#turn = Math.floor(environment.random.fraction() * addresses.length);
  }

  /** Rejects with `unavailable`, `overload`, `timeout`, `aborted` or `closed`. */
  acquire(deadline: Deadline, avoid: ReadonlySet<Host>): Promise<Lease> {
    if (this.#closedBy !== undefined) return Promise.reject(this.#closedBy);
    if (this.#waiting.size >= this.#limits.waitingMax) {
      return Promise.reject(new HaleError('overload', `${this.#waiting.size} calls wait for a connection`));
    }
    return new Promise((resolve, reject) => {
      const stop = deadline.watch((reason) => {
        this.#waiting.delete(waiter);
        reject(reason.code === 'timeout' ? this.#noConnectionError() : reason);
      }, this.#limits.connectTimeoutMs);
      const waiter: Waiter = {
        avoid,
        take: (lease) => {
          stop();
          resolve(lease);
        },
        fail: (error) => {
          stop();
          reject(error);
        },
      };
      this.#waiting.add(waiter);
      this.#serve();
    });
  }

  /** Gives a lent connection back; one that is closed or busy is not lent again. */
  release({ host, connection }: Lease): void {
    if (connection.isOpen && connection.isIdle && this.#closedBy === undefined) host.idle.push(connection);
    else connection.destroy(this.#closedBy ?? closedError());
    this.#serve();
  }

  succeeded(host: Host): void {
    host.failures = 0;
  }

  /** The host did not answer: it rests. */
  failed(host: Host, cause: unknown): void {
    host.failures += 1;
    const restMs = retryDelayMs(host.failures, restDelay, this.#environment.random);
    host.restsUntil = (this.#environment.clock.now() + restMs) as Instant;
    this.#lastFailure = cause;
  }

  /** Callers that wait and requests in progress end with `reason`, as later ones do. */
  close(reason: HaleError): void {
    if (this.#closedBy !== undefined) return;
    this.#closedBy = reason;
    this.#wake?.cancel();
    for (const waiter of this.#waiting) waiter.fail(reason);
    this.#waiting.clear();
    for (const connection of [...this.#open]) connection.destroy(reason);
  }

  #serve(): void {
    for (const waiter of this.#waiting) {
      const lease = this.#idleFor(waiter);
      if (lease === undefined) break;
      this.#waiting.delete(waiter);
      waiter.take(lease);
    }
    for (const waiter of this.#waiting) {
      if (this.#opening >= this.#waiting.size || !this.#openFor(waiter)) break;
    }
    this.#armWake();
  }

  #idleFor({ avoid }: Waiter): Lease | undefined {
    const host = this.#best(avoid, (candidate) => candidate.idle.length > 0);
    // A better host may be had by opening a connection to it.
    if (host === undefined || (avoid.has(host) && this.#canOpen(avoid) !== undefined)) return undefined;
    return { host, connection: host.idle.pop()! };
  }

  #canOpen(avoid: ReadonlySet<Host>): Host | undefined {
    const host = this.#best(avoid, (candidate) => candidate.connections < this.#limits.connectionsPerHostMax);
    return host === undefined || avoid.has(host) ? undefined : host;
  }

  #openFor({ avoid }: Waiter): boolean {
    const { connectionsPerHostMax } = this.#limits;
    const host = this.#best(avoid, (candidate) => candidate.connections < connectionsPerHostMax);
    if (host === undefined) return false;
    this.#connect(host);
    return true;
  }

  /** Of the hosts that do not rest: not to be avoided, then with the fewest connections, then in turn. */
  #best(avoid: ReadonlySet<Host>, suits: (host: Host) => boolean): Host | undefined {
    const now = this.#environment.clock.now();
    this.#turn = (this.#turn + 1) % this.hosts.length;
    let best: Host | undefined;
    for (let i = 0; i < this.hosts.length; i += 1) {
      const host = this.hosts[(this.#turn + i) % this.hosts.length]!;
      if (host.restsUntil > now || !suits(host)) continue;
      if (best === undefined || rank(host, avoid) < rank(best, avoid)) best = host;
    }
    return best;
  }

  #connect(host: Host): void {
    host.connections += 1;
    this.#opening += 1;
    let made: PbConnection | undefined;
    const handle = (connection: ConstructorParameters<typeof PbConnection>[0]): PbConnection => {
      made = new PbConnection(connection, (closed) => this.#closed(host, closed));
      this.#open.add(made);
      return made;
    };
    const { network } = this.#environment;
    network.connect(host.address, handle, this.#limits.connectTimeoutMs).then(
      () => {
        this.#opening -= 1;
        // A node that accepts and hangs up must not be dialled in a loop.
        if (made?.isOpen !== true) this.failed(host, new HaleError('connection_lost', 'closed at once'));
        this.release({ host, connection: made! });
      },
      (cause: unknown) => {
        this.#opening -= 1;
        host.connections -= 1;
        this.failed(host, cause);
        this.#serve();
      },
    );
  }

  #closed(host: Host, connection: PbConnection): void {
    this.#open.delete(connection);
    host.connections -= 1;
    const at = host.idle.indexOf(connection);
    if (at >= 0) host.idle.splice(at, 1);
  }

  /** Tries again when the first host has rested, while somebody waits. */
  #armWake(): void {
    this.#wake?.cancel();
    this.#wake = undefined;
    if (this.#waiting.size === 0 || this.#closedBy !== undefined) return;
    const now = this.#environment.clock.now();
    const delays = this.hosts.map((host) => host.restsUntil - now).filter((delay) => delay > 0);
    if (delays.length === 0) return;
    this.#wake = this.#environment.timers.after(Math.min(...delays), () => this.#serve());
  }

  #noConnectionError(): HaleError {
    if (this.#open.size > 0) return new HaleError('timeout', 'all connections were busy');
    const where = this.hosts.map(({ address }) => `${address.host}:${address.port}`).join(', ');
    return new HaleError('unavailable', `no node could be reached at ${where}`, { cause: this.#lastFailure });
  }
}

function rank(host: Host, avoid: ReadonlySet<Host>): number {
  return (avoid.has(host) ? 1e9 : 0) + host.connections - host.idle.length;
}
