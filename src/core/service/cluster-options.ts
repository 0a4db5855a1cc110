import type { Configuration } from '../../config/index.ts';
import { type Environment, type Network, nodeIdOf } from '../../environment/index.ts';
import { type ClusterOptions, clusterLogOptions } from '../cluster/index.ts';
import { swimOptionsOf } from '../liveness/index.ts';
import { transportLimits } from '../transport/index.ts';

/**
 * How a node takes part in a cluster, as its configuration says. `network`: what connects nodes, if it is not the
 * environment's; then it is one with TLS.
 */
export function clusterOptions(
  configuration: Configuration,
  environment: Environment,
  network?: Network,
): ClusterOptions {
  const { nodename, location, ring_size, target_n_val } = configuration;
  const listen = configuration['listener.cluster.internal'];
  const advertised = configuration['cluster.advertised'];
  const byLocalSockets = configuration['cluster.local_sockets']
    ? environment.network.amongNodes?.()
    : undefined;
  const between = network ?? byLocalSockets;
  return {
    environment,
    self: nodeIdOf(nodename),
    ringSize: ring_size,
    targetN: target_n_val,
    listen: listen === 'off' ? undefined : listen,
    ...(advertised === 'listener' ? {} : { advertised }),
    location: location === '' ? undefined : location,
    capabilities: new Map([['cluster', 1]]),
    transport: {
      secret: configuration['cluster.secret'],
      isEncrypted: network !== undefined,
      allowsStrangers: configuration['cluster.allow_strangers'],
      limits: transportLimits(configuration),
      ...(between === undefined ? {} : { network: between }),
    },
    liveness: swimOptionsOf(configuration),
    log: clusterLogOptions(configuration),
  };
}
