/**
 * Network namespaces, each a machine of its own, on one switch: a bridge in a namespace of its own, to which this
 * process is connected too. Cuts are made by downing a port, or by dead permanent neighbour entries, which
 * lose packets one way and leave the switch as it is.
 */
import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import type { TestContext } from 'node:test';

/** A locally administered address that no machine has. */
const nobody = '02:00:00:00:00:01';
const ownHost = 254;

export interface Machine {
  readonly host: string;
  readonly within: readonly string[];
  readonly httpHost: string;
}

export class SwitchedNetwork implements Disposable {
  readonly #name = `h${randomInt(2 ** 24).toString(16)}`;
  readonly #subnet = `10.${200 + randomInt(50)}.${randomInt(256)}`;
  readonly #namespaces: string[] = [];
  readonly #dead: { readonly from: number; readonly to: number }[] = [];

  /** Undefined, and says so, where this user may not make namespaces. */
  static create(machines: number, context: TestContext): SwitchedNetwork | undefined {
    const network = new SwitchedNetwork();
    try {
      network.#build(machines);
      return network;
    } catch (error) {
      network[Symbol.dispose]();
      const reason = String(error).split('\n').slice(0, 2).join(' ');
      context.diagnostic(`NOT TESTED, since no network namespace can be made here: ${reason}`);
      console.error(`NOT TESTED: ${context.name}: no network namespace can be made here: ${reason}`);
      return undefined;
    }
  }

  machine(index: number): Machine {
    const within = ['ip', 'netns', 'exec', this.#namespaceOf(index)];
    return { host: this.#hostOf(index), within, httpHost: '127.0.0.1' };
  }

  /** The machine's port of the switch is down: nobody reaches it, and it reaches nobody. */
  unplug(index: number): void {
    this.#ip('-n', this.#switch, 'link', 'set', portOf(index), 'down');
  }

  plug(index: number): void {
    this.#ip('-n', this.#switch, 'link', 'set', portOf(index), 'up');
  }

  /** What one machine sends to the other is lost; not what it receives. */
  cut(from: number, to: number): void {
    this.#neighbour(from, to, 'replace', ['lladdr', nobody, 'nud', 'permanent']);
    this.#dead.push({ from, to });
  }

  /** Nothing passes between the groups; this process still reaches all. */
  split(one: readonly number[], other: readonly number[]): void {
    for (const a of one) {
      for (const b of other) {
        this.cut(a, b);
        this.cut(b, a);
      }
    }
  }

  heal(): void {
    for (const { from, to } of this.#dead.splice(0)) this.#neighbour(from, to, 'del', []);
  }

  /**
   * Packets to the machine, from others of this network, are from now on of the size that a wire carries. A packet costs the
   * kernel some 20 µs here, whatever its size: all other ways keep those that offload makes, of up to 64 KiB.
   */
  withoutOffloadTowards(index: number): void {
    this.#ip('-n', this.#switch, 'link', 'set', portOf(index), 'gso_max_segs', '1');
    for (let sender = 0; sender < this.#namespaces.length - 1; sender += 1) {
      if (sender === index) continue;
      this.#ip('-n', this.#namespaceOf(sender), 'link', 'set', 'eth0', 'gso_max_segs', '1');
    }
  }

  /** Makes the switch's port towards a machine that of a shallow switch: 1 Gbit/s, a buffer of 64 KiB. */
  makeShallow(index: number): void {
    const shape = ['root', 'tbf', 'rate', '1gbit', 'burst', '16kb', 'limit', '64kb'];
    execFileSync('tc', ['-n', this.#switch, 'qdisc', 'add', 'dev', portOf(index), ...shape], {
      stdio: 'pipe',
    });
  }

  /** How often TCP on the machine sent something again because it heard nothing for a while (`TcpExt: TCPTimeouts`). */
  tcpTimeoutsOf(index: number): number {
    const args = ['netns', 'exec', this.#namespaceOf(index), 'cat', '/proc/net/netstat'];
    const lines = execFileSync('ip', args, { encoding: 'utf8' }).split('\n');
    const [names, values] = lines.filter((line) => line.startsWith('TcpExt:')).map((line) => line.split(' '));
    return Number(values![names!.indexOf('TCPTimeouts')]);
  }

  /** What the switch's port towards a machine has let through since it was made shallow, and that in the words of tc. */
  countsOf(index: number): { readonly sentBytes: number; readonly words: string } {
    const args = ['-n', this.#switch, '-s', 'qdisc', 'show', 'dev', portOf(index)];
    const words = execFileSync('tc', args, { encoding: 'utf8' }).replaceAll(/\s+/g, ' ').trim();
    return { sentBytes: Number(/Sent (\d+) bytes/.exec(words)![1]), words };
  }

  [Symbol.dispose](): void {
    // With a namespace go its links, and with them their other ends.
    for (const namespace of this.#namespaces.splice(0)) {
      try {
        this.#ip('netns', 'del', namespace);
      } catch (error) {
        console.error(`${namespace} is left behind: ${String(error)}`);
      }
    }
  }

  get #switch(): string {
    return `${this.#name}sw`;
  }

  #build(machines: number): void {
    this.#addNamespace(this.#switch);
    this.#ip('-n', this.#switch, 'link', 'add', 'br0', 'type', 'bridge');
    this.#ip('-n', this.#switch, 'link', 'set', 'br0', 'up');
    for (let index = 0; index < machines; index += 1) {
      const namespace = this.#namespaceOf(index);
      this.#addNamespace(namespace);
      const ends = ['eth0', 'netns', namespace, 'type', 'veth', 'peer', 'name', portOf(index)];
      this.#ip('link', 'add', ...ends, 'netns', this.#switch);
      this.#ip('-n', namespace, 'addr', 'add', `${this.#hostOf(index)}/24`, 'dev', 'eth0');
      this.#ip('-n', namespace, 'link', 'set', 'eth0', 'up');
      this.#ip('-n', namespace, 'link', 'set', 'lo', 'up');
      this.#plugIn(portOf(index));
    }
    const own = `${this.#name}me`;
    this.#ip('link', 'add', own, 'type', 'veth', 'peer', 'name', 'own', 'netns', this.#switch);
    this.#ip('addr', 'add', `${this.#subnet}.${ownHost}/24`, 'dev', own);
    this.#ip('link', 'set', own, 'up');
    this.#plugIn('own');
  }

  #plugIn(port: string): void {
    this.#ip('-n', this.#switch, 'link', 'set', port, 'master', 'br0', 'up');
  }

  #addNamespace(name: string): void {
    this.#ip('netns', 'add', name);
    this.#namespaces.push(name);
  }

  #namespaceOf(index: number): string {
    return `${this.#name}n${index}`;
  }

  #hostOf(index: number): string {
    return `${this.#subnet}.${index + 1}`;
  }

  #neighbour(from: number, to: number, action: string, more: readonly string[]): void {
    const at = ['-n', this.#namespaceOf(from), 'neigh', action, this.#hostOf(to), 'dev', 'eth0'];
    this.#ip(...at, ...more);
  }

  #ip(...args: readonly string[]): void {
    execFileSync('ip', args, { stdio: 'pipe' });
  }
}

function portOf(index: number): string {
  return `port${index}`;
}
