/** Configurations of the nodes of a simulated cluster: at the edges, but for what would take promises back. */
import { type Configuration, configurationWith, variedConfiguration } from '../../config/index.ts';
import type { Prng } from '../prng.ts';

export const clusterPort = 7300;

/** What a scenario wants to be so, whatever varies. */
export type ConfigurationPart = Partial<Configuration>;

/** What nodes of one cluster share. */
export function quietClusterConfiguration(fixed: ConfigurationPart): Configuration {
  return { ...configurationWith({}), ...always, ...fixed };
}

/** As `quietClusterConfiguration`, with everything at its default or at one of its extremes. */
export function variedClusterConfiguration(random: Prng, fixed: ConfigurationPart): Configuration {
  const standard = configurationWith({});
  const varied = variedConfiguration((count) => random.below(count));
  const kept: ConfigurationPart = {
    durability: 'synced',
    target_n_val: standard.target_n_val,
    request_timeout: standard.request_timeout,
    list_timeout: standard.list_timeout,
    drain_timeout: standard.drain_timeout,
    tictacaae_active: 'active',
    'object.size.maximum': standard['object.size.maximum'],
    'object.siblings.maximum': standard['object.siblings.maximum'],
    'handoff.stray.maximum': standard['handoff.stray.maximum'],
    // Below these, liveness is never certain and nothing comes to rest.
    'liveness.timeout': standard['liveness.timeout'],
    'liveness.flap_window': standard['liveness.flap_window'],
    'liveness.flap_hold_maximum': standard['liveness.flap_hold_maximum'],
    max_concurrent_requests: standard.max_concurrent_requests,
    'cluster.requests.maximum': standard['cluster.requests.maximum'],
  };
  for (const key of Object.keys(standard)) {
    if (key.startsWith('buckets.default.') || key.startsWith('listener.')) {
      Object.assign(kept, { [key]: standard[key as keyof Configuration] });
    }
  }
  const paced: ConfigurationPart = {
    'anti_entropy.interval': random.pick([2000, 10_000]),
    'anti_entropy.verify_interval': random.pick([60_000, standard['anti_entropy.verify_interval']]),
    'anti_entropy.rebuild_limit': standard['anti_entropy.rebuild_limit'],
    // With room for one, a node forgets one tombstone in two minutes: no rest waits for so long.
    'tombstone.reaped.maximum': random.pick([100, standard['tombstone.reaped.maximum']]),
  };
  return { ...varied, ...kept, ...paced, ...always, ...fixed };
}

const always: ConfigurationPart = {
  storage_backend: 'memory',
  'listener.http.internal': 'off',
  'listener.protobuf.internal': 'off',
  'cluster.secret': 'of the simulation',
  'cluster.tls.certificate': 'off',
  'cluster.tls.key': 'off',
  'cluster.tls.authority': 'off',
};
