/** Rules that hold between keys. */
import type { Configuration, ConfigurationKey } from './schema.ts';

export interface Relation {
  /** The key to blame first; a problem is reported where it was set, or else where another was. */
  readonly keys: readonly [ConfigurationKey, ConfigurationKey];
  /** Completes the first key's name to a sentence. */
  readonly rule: string;
  holds(configuration: Configuration): boolean;
}

/** Above the object: names, indexes, clock and framing that travel with it. */
export const frameOverhead = 65_536;

const quorumKeys = [
  'buckets.default.r',
  'buckets.default.w',
  'buckets.default.dw',
  'buckets.default.rw',
  'buckets.default.pr',
  'buckets.default.pw',
  'buckets.default.node_confirms',
] as const;

export const relations: readonly Relation[] = [
  {
    keys: ['object.size.warning_threshold', 'object.size.maximum'],
    rule: 'must not exceed object.size.maximum',
    holds: (c) => c['object.size.warning_threshold'] <= c['object.size.maximum'],
  },
  {
    keys: ['object.siblings.warning_threshold', 'object.siblings.maximum'],
    rule: 'must not exceed object.siblings.maximum',
    holds: (c) => c['object.siblings.warning_threshold'] <= c['object.siblings.maximum'],
  },
  {
    keys: ['protobuf.frame.maximum', 'object.size.maximum'],
    rule: `must exceed object.size.maximum by ${frameOverhead / 1024}KB`,
    holds: (c) => c['protobuf.frame.maximum'] >= c['object.size.maximum'] + frameOverhead,
  },
  {
    keys: ['cluster.message.maximum', 'object.size.maximum'],
    // The replicas of two sides of a cut merge what each was given.
    rule: `must exceed twice object.size.maximum by ${frameOverhead / 1024}KB`,
    holds: (c) => c['cluster.message.maximum'] >= 2 * c['object.size.maximum'] + frameOverhead,
  },
  {
    keys: ['multi_backend.default', 'multi_backend.backends'],
    rule: 'must be one of multi_backend.backends, and not in memory',
    holds: (c) => {
      const kind = c['multi_backend.backends'].get(c['multi_backend.default']);
      return c.storage_backend !== 'multi' || (kind !== undefined && kind !== 'memory');
    },
  },
  ...(['cluster.tls.key', 'cluster.tls.authority'] as const).map(
    (key): Relation => ({
      keys: [key, 'cluster.tls.certificate'],
      rule: 'must be given if cluster.tls.certificate is, and only then',
      holds: (c) => (c[key] === 'off') === (c['cluster.tls.certificate'] === 'off'),
    }),
  ),
  ...quorumKeys.map(
    (key): Relation => ({
      keys: [key, 'buckets.default.n_val'],
      rule: 'must not exceed buckets.default.n_val',
      holds: (c) => {
        const quorum = c[key];
        return typeof quorum !== 'number' || quorum <= c['buckets.default.n_val'];
      },
    }),
  ),
];
