/** Nodes of a cluster in a simulated world, opened and closed by hand. */
import { defaultConfiguration } from '../../config/index.ts';
import { type Environment, nodeIdOf } from '../../environment/index.ts';
import { defaultSwimOptions } from '../liveness/index.ts';
import { transportLimits } from '../transport/index.ts';
import { defaultClusterLogOptions } from './cluster-log-options.ts';
import { Cluster, type ClusterOptions } from './open-cluster.ts';

/** What the simulator's `World` gives. */
export interface NodesOfWorld {
  readonly nowMs: number;
  node(name: string): { readonly environment: Environment; readonly host: string };
  sleep(ms: number): Promise<void>;
}

const limits = transportLimits(defaultConfiguration());
const untilMsMax = 60_000;

export function optionsOf(environment: Environment, name: string, host: string): ClusterOptions {
  return {
    environment,
    self: nodeIdOf(name),
    ringSize: 16,
    targetN: 3,
    listen: { host, port: 7300 },
    capabilities: new Map([['objects', 1]]),
    transport: { secret: 'a secret', limits },
    liveness: defaultSwimOptions,
    log: defaultClusterLogOptions,
  };
}

export function openIn(
  world: NodesOfWorld,
  name: string,
  changes: Partial<ClusterOptions> = {},
): Promise<Cluster> {
  const { environment, host } = world.node(name);
  return Cluster.open({ ...optionsOf(environment, name, host), ...changes });
}

export async function until(world: NodesOfWorld, what: string, holds: () => boolean): Promise<void> {
  const end = world.nowMs + untilMsMax;
  while (!holds()) {
    if (world.nowMs > end) throw new Error(`in vain: ${what}`);
    await world.sleep(10);
  }
}
