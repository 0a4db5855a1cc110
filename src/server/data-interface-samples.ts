/** Of data types, the check of index entries, and background work, as Prometheus shows them. */
import type { NodeFacts } from './node-facts.ts';
import { type Sample, single } from './prometheus-sample.ts';

export function datatypeSamples({ metrics, datatypeCache }: NodeFacts): readonly Sample[] {
  const { byType, deltas, deltaBytes, deltasRefused } = metrics.datatypes;
  const by = (name: string, help: string, of: 'fetchOutcomes' | 'updateOutcomes'): Sample => ({
    name,
    help,
    type: 'counter',
    values: [...byType].flatMap(([type, counters]) =>
      Object.entries(counters[of]).map(([outcome, value]) => ({ value, labels: { type, outcome } })),
    ),
  });
  return [
    by('hale_datatype_fetches_total', 'Reads of data types that ended.', 'fetchOutcomes'),
    by('hale_datatype_updates_total', 'Updates of data types that ended.', 'updateOutcomes'),
    single(
      'counter',
      'hale_datatype_deltas_total',
      'Updates that went to replicas as what they changed.',
      deltas,
    ),
    single('counter', 'hale_datatype_delta_bytes_total', 'Bytes of these.', deltaBytes),
    single(
      'counter',
      'hale_datatype_deltas_refused_total',
      'Replicas that had another version, and were sent the whole.',
      deltasRefused,
    ),
    single(
      'counter',
      'hale_datatype_cache_hits_total',
      'Large values found decoded.',
      datatypeCache?.hits ?? 0,
    ),
    single(
      'counter',
      'hale_datatype_cache_misses_total',
      'Large values decoded.',
      datatypeCache?.misses ?? 0,
    ),
    single(
      'gauge',
      'hale_datatype_cache_bytes',
      'Memory of decoded values, by estimate.',
      datatypeCache?.memory ?? 0,
    ),
  ];
}

export function indexCheckSamples({ indexCheck }: NodeFacts): readonly Sample[] {
  const count = (name: string, help: string, of: 'checks' | 'objects' | 'added' | 'removed') =>
    single('counter', name, help, indexCheck?.[of] ?? 0);
  return [
    count(
      'hale_index_checks_total',
      'Partitions whose index entries were compared with their objects.',
      'checks',
    ),
    count('hale_index_checked_objects_total', 'Objects that were compared.', 'objects'),
    count('hale_index_entries_added_total', 'Index entries that were missing.', 'added'),
    count('hale_index_entries_removed_total', 'Index entries of nothing.', 'removed'),
    single(
      'gauge',
      'hale_index_checks_waiting',
      'Partitions that wait for a check because of doubt.',
      indexCheck?.waiting ?? 0,
    ),
  ];
}

export function backgroundSamples({ background }: NodeFacts): readonly Sample[] {
  if (background === undefined) return [];
  const { bytesPerSecond, bytes, cuts, waiting } = background;
  return [
    single(
      'gauge',
      'hale_background_rate_bytes',
      'Bytes a second at which partitions move, and are read for hash trees, while there are requests.',
      bytesPerSecond,
    ),
    single(
      'counter',
      'hale_background_bytes_total',
      'Bytes of that work, 1 KiB for each object added.',
      bytes,
    ),
    single('counter', 'hale_background_cuts_total', 'Times that its rate was halved for requests.', cuts),
    single(
      'gauge',
      'hale_background_slices_waiting',
      'Slices of that work that wait for their turn.',
      waiting,
    ),
  ];
}
