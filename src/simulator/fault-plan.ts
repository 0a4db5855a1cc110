/**
 * Faults as data: what befalls whom, when, and for how long. A plan is made from a seed or written
 * by hand; carrying it out draws nothing that the plan could have said.
 */
import { unreachable } from '../stdx/index.ts';
import type { Prng } from './prng.ts';
import { quietDisk } from './simulated-disk.ts';
import { quietLink } from './simulated-network.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import type { World } from './world.ts';

export type Fault =
  /** Power cut, then booted again. */
  | { readonly kind: 'crash'; readonly node: string; readonly forMs: number }
  /** `kill -9`, then booted again. */
  | { readonly kind: 'kill'; readonly node: string; readonly forMs: number }
  | { readonly kind: 'pause'; readonly node: string; readonly forMs: number }
  | { readonly kind: 'clock-jump'; readonly node: string; readonly byMs: number }
  | { readonly kind: 'clock-drift'; readonly node: string; readonly rate: number; readonly forMs: number }
  | { readonly kind: 'partition'; readonly groups: readonly (readonly string[])[]; readonly forMs: number }
  | { readonly kind: 'one-way-cut'; readonly from: string; readonly to: string; readonly forMs: number }
  | {
      readonly kind: 'slow-link';
      readonly from: string;
      readonly to: string;
      readonly delayMs: number;
      readonly bytesPerMs: number;
      readonly forMs: number;
    }
  | { readonly kind: 'reset-connections'; readonly between: readonly [string, string] }
  | { readonly kind: 'disk-full'; readonly node: string; readonly freeBytes: number; readonly forMs: number }
  | {
      readonly kind: 'failing-sync';
      readonly node: string;
      readonly probability: number;
      readonly forMs: number;
    }
  | { readonly kind: 'slow-disk'; readonly node: string; readonly factor: number; readonly forMs: number }
  | { readonly kind: 'bit-rot'; readonly node: string };

export type FaultKind = Fault['kind'];
export type FaultPlan = readonly { readonly atMs: number; readonly fault: Fault }[];

export const networkFaults = ['partition', 'one-way-cut', 'slow-link', 'reset-connections'] as const;
export const diskFaults = ['disk-full', 'failing-sync', 'slow-disk'] as const;
export const processFaults = ['crash', 'kill', 'pause'] as const;
export const clockFaults = ['clock-jump', 'clock-drift'] as const;

export interface FaultPlanOptions {
  readonly nodes: readonly string[];
  /** Repeat a kind to make it likelier. `bit-rot` destroys data: ask for it by name. */
  readonly kinds: readonly FaultKind[];
  readonly fromMs?: number;
  readonly untilMs: number;
  /** Goes on past `untilMs` until there are so many. */
  readonly faultsMin?: number;
  readonly gapMsMean: number;
  readonly durationMsMean: number;
}

export function randomFaultPlan(random: Prng, options: FaultPlanOptions): FaultPlan {
  const plan: { atMs: number; fault: Fault }[] = [];
  let atMs = (options.fromMs ?? 0) + random.exponential(options.gapMsMean);
  while (atMs < options.untilMs || plan.length < (options.faultsMin ?? 0)) {
    plan.push({ atMs, fault: randomFault(random, options) });
    atMs += random.exponential(options.gapMsMean);
  }
  return plan;
}

/** Carries out the plan, of which the times count from now, and resolves when all is healed. */
export async function carryOutFaults(world: World, plan: FaultPlan): Promise<void> {
  const startMs = world.nowMs;
  const healing: Promise<void>[] = [];
  for (const { atMs, fault } of plan) {
    await world.sleep(Math.max(0, startMs + atMs - world.nowMs));
    world.work.add('faults');
    world.work.add(`faults of kind ${fault.kind}`);
    const heal = strike(world, fault);
    if (heal === undefined || !('forMs' in fault)) continue;
    healing.push(world.sleep(fault.forMs).then(heal));
  }
  await Promise.all(healing);
}

/** Begins the fault and returns what ends it. */
function strike(world: World, fault: Fault): (() => void) | undefined {
  switch (fault.kind) {
    case 'crash':
    case 'kill':
      return endLife(world.node(fault.node), fault.kind);
    case 'pause':
      world.node(fault.node).pause();
      return () => world.node(fault.node).resume();
    case 'clock-jump':
      world.node(fault.node).jumpClock(fault.byMs);
      return undefined;
    case 'clock-drift':
      world.node(fault.node).driftClock(fault.rate);
      return () => world.node(fault.node).driftClock(0);
    case 'partition':
      return world.network.partition(fault.groups.map(hostsOf(world)));
    case 'one-way-cut':
      return world.network.cut(world.node(fault.from).host, world.node(fault.to).host);
    case 'slow-link':
      return slowLink(world, fault);
    case 'reset-connections': {
      const [a, b] = fault.between;
      world.network.resetConnections(world.node(a).host, world.node(b).host);
      return undefined;
    }
    case 'disk-full':
      world.node(fault.node).disk.leaveFreeBytes(fault.freeBytes);
      return changeDisk(world.node(fault.node), 'capacityBytes', (now) => now, quietDisk.capacityBytes);
    case 'failing-sync':
      return changeDisk(world.node(fault.node), 'syncFailure', () => fault.probability, 0);
    case 'slow-disk':
      return changeDisk(
        world.node(fault.node),
        'syncMs',
        () => quietDisk.syncMs * fault.factor,
        quietDisk.syncMs,
      );
    case 'bit-rot':
      world.node(fault.node).disk.rot();
      return undefined;
    default:
      return unreachable(fault);
  }
}

function endLife(node: SimulatedProcess, kind: 'crash' | 'kill'): (() => void) | undefined {
  if (!node.isUp) return undefined;
  node[kind]();
  return () => {
    if (!node.isUp) node.restart();
  };
}

function slowLink(world: World, fault: Extract<Fault, { kind: 'slow-link' }>): () => void {
  const [from, to] = [world.node(fault.from).host, world.node(fault.to).host];
  const { delayMs, bytesPerMs } = fault;
  world.network.setLink(from, to, { floorMs: delayMs / 2, jitterMs: delayMs / 2, bytesPerMs });
  return () => world.network.setLink(from, to, quietLink);
}

function changeDisk(
  node: SimulatedProcess,
  condition: 'capacityBytes' | 'syncFailure' | 'syncMs',
  change: (now: number) => number,
  healed: number,
): () => void {
  node.disk.conditions = { ...node.disk.conditions, [condition]: change(node.disk.conditions[condition]) };
  node.world.record(node.name, 'disk', `${condition} ${node.disk.conditions[condition]}`);
  return () => {
    node.disk.conditions = { ...node.disk.conditions, [condition]: healed };
    node.world.record(node.name, 'disk', `${condition} ${node.disk.conditions[condition]}`);
  };
}

function hostsOf(world: World): (names: readonly string[]) => readonly string[] {
  return (names) => names.map((name) => world.node(name).host);
}

function randomFault(random: Prng, options: FaultPlanOptions): Fault {
  const { nodes } = options;
  const kind = random.pick(options.kinds);
  const node = random.pick(nodes);
  const other = random.pick(nodes.length > 1 ? nodes.filter((name) => name !== node) : nodes);
  const forMs = random.exponential(options.durationMsMean);
  switch (kind) {
    case 'crash':
    case 'kill':
    case 'pause':
      return { kind, node, forMs };
    case 'clock-jump':
      return { kind, node, byMs: random.pick([-1, 1]) * random.magnitude(0, 7) };
    case 'clock-drift':
      return { kind, node, rate: random.between(-0.05, 0.05), forMs };
    case 'partition': {
      const side = nodes.filter(() => random.chance(0.5));
      return { kind, groups: [side, nodes.filter((name) => !side.includes(name))], forMs };
    }
    case 'one-way-cut':
      return { kind, from: node, to: other, forMs };
    case 'slow-link': {
      const bytesPerMs = random.magnitude(0, 5);
      return { kind, from: node, to: other, delayMs: random.magnitude(0, 3), bytesPerMs, forMs };
    }
    case 'reset-connections':
      return { kind, between: [node, other] };
    case 'disk-full':
      return { kind, node, freeBytes: random.below(4096), forMs };
    case 'failing-sync':
      return { kind, node, probability: random.pick([0.1, 0.5, 1]), forMs };
    case 'slow-disk':
      return { kind, node, factor: random.pick([10, 100, 1000]), forMs };
    case 'bit-rot':
      return { kind, node };
    default:
      return unreachable(kind);
  }
}
