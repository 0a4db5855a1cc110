/**
 * TCP between simulated processes: streams that are ordered and reliable until they are cut.
 *
 * What a packet network does to packets (loss, duplication, reordering), TCP turns into time and
 * resets; so it is simulated as such. Streams stall while a link is cut and go on when it heals,
 * or time out; streams between the same two hosts overtake each other; bytes arrive in other
 * pieces than they were written in; a host without power answers nothing, one without the process
 * refuses; a connection may stay half-open for more than a minute before either side learns of it.
 */
import {
  type Address,
  type Connection,
  type ConnectionHandler,
  type Listener,
  type Network,
  NetworkError,
} from '../environment/index.ts';
import type { Prng } from './prng.ts';
import { SimulatedConnection } from './simulated-connection.ts';
import type { Life } from './simulated-process.ts';
import { type PortConditions, SwitchPort } from './switch-port.ts';
import type { World } from './world.ts';

export interface LinkConditions {
  /** One way, in milliseconds: a floor, and the mean of an exponential on top of it. */
  readonly floorMs: number;
  readonly jitterMs: number;
  readonly bytesPerMs: number;
}

export const quietLink: LinkConditions = { floorMs: 0.05, jitterMs: 0.05, bytesPerMs: 1_000_000 };

/** TCP gives up on unanswered data after so long (Linux: some 15 minutes; shorter here, to be met). */
export const retransmitMsMax = 30_000;
/** When the kernel's keepalive tells that a silent peer is gone. */
export const keepAliveMsMax = 70_000;
const firstFreePort = 32_768;
/** As Linux repeats a SYN: after one second, then ever twice as long. */
const knockAgainMs = 1000;
const knocksMax = 6;

interface Listening {
  readonly life: Life;
  readonly accept: (connection: Connection) => ConnectionHandler;
}

export class SimulatedNetwork {
  readonly world: World;
  readonly random: Prng;
  /** By `host:port`. */
  readonly #listening = new Map<string, Listening>();
  readonly #poweredOff = new Set<string>();
  readonly #links = new Map<string, LinkConditions>();
  /** By the host behind it. */
  readonly #ports = new Map<string, SwitchPort>();
  /** By directed pair of hosts; how many cuts overlap there. */
  readonly #cuts = new Map<string, number>();
  readonly #connections = new Set<SimulatedConnection>();
  #nextPort = firstFreePort;
  readonly #traffic = { writes: 0, bytes: 0 };

  constructor(world: World) {
    this.world = world;
    this.random = world.random.fork('network');
  }

  of(life: Life): Network {
    this.#poweredOff.delete(life.process.host);
    return {
      listen: (address, accept) => this.#listen(life, address, accept),
      connect: (address, handle, timeoutMs) => this.#connect(life, address, handle, timeoutMs),
    };
  }

  /** Nothing gets from `from` to `to` until the function that it returns is called. */
  cut(from: string, to: string): () => void {
    const link = linkName(from, to);
    this.#cuts.set(link, (this.#cuts.get(link) ?? 0) + 1);
    this.world.record(from, 'cut', `to ${to}`);
    this.world.after(keepAliveMsMax, () => this.#breakAcross(from, to));
    let isHealed = false;
    return () => {
      if (isHealed) return;
      isHealed = true;
      const left = this.#cuts.get(link)! - 1;
      if (left > 0) this.#cuts.set(link, left);
      else this.#cuts.delete(link);
      this.world.record(from, 'heal', `to ${to}`);
      if (left === 0) this.#resumeAcross(from, to);
    };
  }

  /** Cuts every link between the groups, both ways. */
  partition(groups: readonly (readonly string[])[]): () => void {
    const heals: (() => void)[] = [];
    for (const from of groups) {
      for (const to of groups) {
        if (from === to) continue;
        for (const a of from) for (const b of to) heals.push(this.cut(a, b));
      }
    }
    return () => {
      for (const heal of heals) heal();
    };
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.size > 0 && from !== to && this.#cuts.has(linkName(from, to));
  }

  setLink(from: string, to: string, conditions: LinkConditions): void {
    this.world.record(from, 'link', `to ${to}: ${conditions.floorMs} ms, ${conditions.bytesPerMs} bytes/ms`);
    // A link that is quiet again is as if nothing had been said of it: few are asked for by name.
    if (conditions === quietLink) this.#links.delete(linkName(from, to));
    else this.#links.set(linkName(from, to), conditions);
  }

  link(from: string, to: string): LinkConditions {
    if (this.#links.size === 0) return quietLink;
    return this.#links.get(linkName(from, to)) ?? quietLink;
  }

  /** What anybody sends to the host goes through this port from now on; undefined: freely. */
  setPort(host: string, conditions: PortConditions | undefined): void {
    if (conditions === undefined) this.#ports.delete(host);
    else this.#ports.set(host, new SwitchPort(conditions));
    this.world.record(host, 'port', conditions && `${conditions.bytesPerMs} bytes/ms`);
  }

  portTo(host: string): SwitchPort | undefined {
    return this.#ports.size === 0 ? undefined : this.#ports.get(host);
  }

  /** Resets each connection between the two hosts with the given probability. Returns how many. */
  resetConnections(a: string, b: string, probability = 1): number {
    let count = 0;
    for (const connection of [...this.#connections]) {
      if (!connection.isBetween(a, b) || !this.random.chance(probability)) continue;
      connection.break('reset', 'the connection was reset');
      count += 1;
    }
    this.world.record(a, 'reset-connections', `with ${b}: ${count}`);
    return count;
  }

  /** All that was ever sent, whether it arrived or not: writes of a turn to one connection, and their bytes. */
  get traffic(): { readonly writes: number; readonly bytes: number } {
    return { ...this.#traffic };
  }

  countWrite(bytes: number): void {
    this.#traffic.writes += 1;
    this.#traffic.bytes += bytes;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  latencyMs(from: string, to: string): number {
    const { floorMs, jitterMs } = this.link(from, to);
    return floorMs + this.random.exponential(jitterMs);
  }

  isPoweredOff(host: string): boolean {
    return this.#poweredOff.has(host);
  }

  forget(connection: SimulatedConnection): void {
    this.#connections.delete(connection);
  }

  lifeEnded(life: Life, isPowerCut: boolean): void {
    if (isPowerCut) this.#poweredOff.add(life.process.host);
    for (const [address, listening] of this.#listening) {
      if (listening.life === life) this.#listening.delete(address);
    }
    for (const connection of [...this.#connections]) {
      if (connection.life === life) connection.lifeEnded(isPowerCut);
    }
  }

  async #listen(life: Life, address: Address, accept: Listening['accept']): Promise<Listener> {
    await passing(life, 0.01);
    const host = this.#hostOf(life, address.host);
    if (host !== life.process.host) {
      throw new NetworkError(
        'address-not-available',
        `${address.host} is not an address of ${life.process.host}`,
      );
    }
    const port = address.port === 0 ? this.#nextPort++ : address.port;
    const name = `${host}:${port}`;
    if (this.#listening.has(name)) throw new NetworkError('address-in-use', `${name} is in use`);
    this.#listening.set(name, { life, accept });
    const close = async (): Promise<void> => {
      if (this.#listening.get(name)?.life === life) this.#listening.delete(name);
    };
    return { address: { host: address.host, port }, close };
  }

  #connect(
    life: Life,
    address: Address,
    handle: (connection: Connection) => ConnectionHandler,
    timeoutMs: number,
  ): Promise<Connection> {
    const from = life.process.host;
    const to = this.#hostOf(life, address.host);
    return new Promise((resolve, reject) => {
      let isSettled = false;
      const settle = (run: () => void): void => {
        if (isSettled) return;
        isSettled = true;
        timer.cancel();
        run();
      };
      const timer = life.after(timeoutMs, () => {
        const text = `no answer from ${address.host}:${address.port} in ${timeoutMs} ms`;
        settle(() => reject(new NetworkError('timeout', text)));
      });
      const knock = this.#handshake(from, to, () => {
        if (life.isOver || isSettled) return;
        const listening = this.#listening.get(`${to}:${address.port}`);
        const answerMs = this.latencyMs(to, from);
        if (listening === undefined) {
          const refused = new NetworkError('refused', `${address.host}:${address.port} refused`);
          life.plan(answerMs, () => settle(() => reject(refused)));
          return;
        }
        const near = this.#open(life, { host: address.host, port: address.port });
        const far = this.#open(listening.life, { host: from, port: this.#nextPort++ });
        near.pair(far);
        listening.life.happens(() => far.handleWith(listening.accept(far)));
        life.plan(answerMs, () => {
          if (isSettled) return near.destroy();
          settle(() => {
            near.handleWith(handle(near));
            resolve(near);
          });
        });
      });
      this.world.after(this.latencyMs(from, to), knock);
    });
  }

  /** A lost knock is repeated until the other side is there, or the caller's time is over. */
  #handshake(from: string, to: string, arrived: () => void): () => void {
    let waitMs = knockAgainMs;
    let left = knocksMax;
    const knock = (): void => {
      if (!this.#isSilent(from, to)) {
        arrived();
        return;
      }
      left -= 1;
      if (left === 0) return;
      this.world.after(waitMs, knock);
      waitMs *= 2;
    };
    return knock;
  }

  #isSilent(from: string, to: string): boolean {
    return this.isCut(from, to) || this.isCut(to, from) || this.isPoweredOff(to);
  }

  #open(life: Life, remote: Address): SimulatedConnection {
    const connection = new SimulatedConnection(this, life, remote);
    this.#connections.add(connection);
    return connection;
  }

  #hostOf(life: Life, host: string): string {
    const isOwn =
      host === '127.0.0.1' || host === '::1' || host === '0.0.0.0' || host === '::' || host === 'localhost';
    return isOwn ? life.process.host : host;
  }

  #resumeAcross(from: string, to: string): void {
    for (const connection of this.#connections) {
      if (connection.isBetween(from, to)) connection.linkHealed();
    }
  }

  #breakAcross(from: string, to: string): void {
    if (!this.isCut(from, to)) return;
    for (const connection of [...this.#connections]) {
      if (connection.isBetween(from, to)) connection.break('timeout', 'the peer is silent');
    }
  }
}

async function passing(life: Life, delayMs: number): Promise<void> {
  await new Promise<void>((resolve) => {
    life.plan(delayMs, resolve);
  });
}

function linkName(from: string, to: string): string {
  return `${from}>${to}`;
}
