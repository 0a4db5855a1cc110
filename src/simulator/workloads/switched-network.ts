/**
 * The network of a small data centre, as what of it is broken: servers hang by one link on the switch of their rack, rack
 * switches by two links on the two aggregation switches of their pod, those by two links on two core switches, where
 * the clients come in. Two hosts reach each other while a whole path is left (routing finds it at once).
 */
import type { NodeId } from '../../environment/index.ts';

export interface NetworkShape {
  readonly racks: number;
  readonly racksInPod: number;
  readonly nodesInRack: number;
}

const inPod = 2;
const cores = ['core 1', 'core 2'];

export class SwitchedNetwork {
  readonly devices: readonly string[];
  readonly links: readonly (readonly [string, string])[];
  readonly #rackOf = new Map<NodeId, number>();
  readonly #broken = new Map<string, number>();
  /** By device, the number of the connected part that it is in; of what is off, none. */
  #parts: ReadonlyMap<string, number> | undefined;

  constructor({ racks, racksInPod, nodesInRack }: NetworkShape, nodes: readonly NodeId[]) {
    const devices = [...cores];
    const links: [string, string][] = [];
    for (let pod = 0; pod * racksInPod < racks; pod++) {
      for (let i = 0; i < inPod; i++) {
        devices.push(aggregation(pod, i));
        for (const core of cores) links.push([aggregation(pod, i), core]);
      }
    }
    for (let rack = 0; rack < racks; rack++) {
      devices.push(rackSwitch(rack));
      for (let i = 0; i < inPod; i++) {
        links.push([rackSwitch(rack), aggregation(Math.floor(rack / racksInPod), i)]);
      }
    }
    nodes.forEach((node, index) => {
      const rack = Math.floor(index / nodesInRack);
      this.#rackOf.set(node, rack);
      devices.push(node);
      links.push([node, rackSwitch(rack)]);
    });
    this.devices = devices;
    this.links = links;
  }

  locationOf(node: NodeId): string {
    return `rack ${this.#rackOf.get(node)}`;
  }

  /** Broken twice, it has to be repaired twice. */
  break(thing: string): void {
    this.#broken.set(thing, (this.#broken.get(thing) ?? 0) + 1);
    this.#parts = undefined;
  }

  repair(thing: string): void {
    this.#broken.set(thing, (this.#broken.get(thing) ?? 0) - 1);
    this.#parts = undefined;
  }

  isBroken(thing: string): boolean {
    return (this.#broken.get(thing) ?? 0) > 0;
  }

  carries(from: string, to: string): boolean {
    const parts = this.#currentParts();
    return parts.has(from) && parts.get(from) === parts.get(to);
  }

  /** Clients are beyond the core. */
  isReachedByClients(node: NodeId): boolean {
    return cores.some((core) => this.carries(core, node));
  }

  /** Equal while nothing has changed for anybody. */
  get fingerprint(): string {
    return [...this.#currentParts().values()].join(' ');
  }

  #currentParts(): ReadonlyMap<string, number> {
    this.#parts ??= this.#findParts();
    return this.#parts;
  }

  #findParts(): ReadonlyMap<string, number> {
    const neighbours = new Map<string, string[]>();
    for (const device of this.devices) if (!this.isBroken(device)) neighbours.set(device, []);
    for (const [a, b] of this.links) {
      if (this.isBroken(linkName(a, b)) || !neighbours.has(a) || !neighbours.has(b)) continue;
      neighbours.get(a)!.push(b);
      neighbours.get(b)!.push(a);
    }
    const parts = new Map<string, number>(this.devices.map((device) => [device, -1]));
    this.devices.forEach((device, number) => {
      const reached = parts.get(device) === -1 ? [device] : [];
      for (let next = reached.pop(); next !== undefined; next = reached.pop()) {
        if (parts.get(next) !== -1) continue;
        parts.set(next, number);
        reached.push(...(neighbours.get(next) ?? []));
      }
    });
    return parts;
  }
}

export function linkName(a: string, b: string): string {
  return `${a} - ${b}`;
}

function rackSwitch(rack: number): string {
  return `rack switch ${rack}`;
}

function aggregation(pod: number, i: number): string {
  return `aggregation ${pod}.${i}`;
}
