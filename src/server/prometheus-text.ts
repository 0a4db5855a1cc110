/**
 * The node's metrics in Prometheus' text format. They are gathered only when asked: each metric is an
 * object that prom-client asks for its values, and nothing is counted twice.
 */
import type { Metric, MetricObjectWithValues, MetricValue } from 'prom-client';
import { backendSamples } from './backend-facts.ts';
import { backgroundSamples, datatypeSamples, indexCheckSamples } from './data-interface-samples.ts';
import type { NodeFacts } from './node-facts.ts';
import { type Sample, single } from './prometheus-sample.ts';
import { bucketTop, type SlidingHistogram } from './sliding-window.ts';

export interface MetricsPage {
  readonly contentType: string;
  readonly text: string;
}

export async function prometheusText(facts: NodeFacts): Promise<MetricsPage> {
  // The whole package loads Node's `cluster`, HTTP clients and more: 90 ms of CPU and 15 MiB at a node's first scrape.
  const { default: Registry } = await import('prom-client/lib/registry.js');
  const registry = new Registry();
  for (const sample of samples(facts)) {
    const metric = { name: sample.name, get: () => Promise.resolve({ ...sample, aggregator: 'sum' }) };
    registry.registerMetric(
      metric as unknown as Metric<string> & MetricObjectWithValues<MetricValue<string>>,
    );
  }
  return { contentType: registry.contentType, text: await registry.metrics() };
}

function samples(facts: NodeFacts): readonly Sample[] {
  return [
    ...counters(facts),
    ...datatypeSamples(facts),
    ...indexCheckSamples(facts),
    ...backgroundSamples(facts),
    ...largeValueSamples(facts),
    ...feedSamples(facts),
    ...dropSamples(facts),
    ...gauges(facts),
    ...backendSamples(facts.backends ?? [], facts.storageMoves),
    ...histograms(facts),
  ];
}

/** Calls of JavaScript, by what they are for. */
function scriptCounters(scripting: NodeFacts['scripting']): readonly Sample[] {
  const by = (of: 'calls' | 'failures' | 'exceeded') =>
    (['jobs', 'hooks'] as const).map((purpose) => ({
      value: scripting?.[purpose][of] ?? 0,
      labels: { purpose },
    }));
  const sample = (name: string, help: string, of: 'calls' | 'failures' | 'exceeded'): Sample => ({
    name,
    help,
    type: 'counter',
    values: by(of),
  });
  return [
    sample('hale_script_calls_total', 'Calls of JavaScript of users.', 'calls'),
    sample('hale_script_failures_total', 'Those that failed.', 'failures'),
    sample('hale_script_limits_total', 'Those that were ended at a limit.', 'exceeded'),
  ];
}

/** Of values that are kept in chunks. */
function largeValueSamples({ metrics: m, largeValues }: NodeFacts): readonly Sample[] {
  const by = (name: string, help: string, counts: Readonly<Record<string, number>>): Sample => ({
    name,
    help,
    type: 'counter',
    values: Object.entries(counts).map(([outcome, value]) => ({ value, labels: { outcome } })),
  });
  return [
    by('hale_large_puts_total', 'Uploads of large values that ended.', m.largePuts),
    by('hale_large_gets_total', 'Large values that were sent in pieces, to their end or not.', m.largeGets),
    by(
      'hale_large_assemblies_total',
      'Large values put together for who takes them whole.',
      m.largeAssemblies,
    ),
    single('counter', 'hale_large_bytes_stored_total', 'Bytes of large values stored.', m.largeBytes.stored),
    single('counter', 'hale_large_bytes_sent_total', 'Bytes of large values sent.', m.largeBytes.sent),
    single(
      'counter',
      'hale_large_uploads_forgotten_total',
      'Uploads removed that nothing referred to.',
      m.uploadsForgotten,
    ),
    single(
      'counter',
      'hale_large_chunks_forgotten_total',
      'Chunks that these may have had.',
      m.chunksForgotten,
    ),
    single('gauge', 'hale_large_uploads', 'Uploads in progress.', largeValues?.uploads ?? 0),
    single('gauge', 'hale_large_downloads', 'Large values being sent.', largeValues?.downloads ?? 0),
  ];
}

function dropSamples({ drops }: NodeFacts): readonly Sample[] {
  if (drops === undefined) return [];
  return [
    single('gauge', 'hale_drops', 'Buckets and types that are being dropped.', drops.inProgress),
    single('counter', 'hale_dropped_objects_total', 'Objects deleted with their buckets.', drops.removed),
  ];
}

function feedSamples({ feeds }: NodeFacts): readonly Sample[] {
  if (feeds === undefined) return [];
  return [
    single('gauge', 'hale_feeds', 'Change feeds that are read through this node.', feeds.open),
    single('counter', 'hale_feed_events_total', 'Changes that feeds handed out.', feeds.events),
    single('counter', 'hale_feed_gaps_total', 'Times that a feed told of a gap.', feeds.gaps),
    single(
      'counter',
      'hale_feeds_refused_total',
      'Feeds refused because there were too many.',
      feeds.refused,
    ),
    single(
      'counter',
      'hale_feed_entries_trimmed_total',
      'Entries of old deletions forgotten.',
      feeds.trimmed,
    ),
    single(
      'gauge',
      'hale_feed_lag_seconds',
      'From storing to handing out, of the change handed out last.',
      feeds.lagMs / 1000,
    ),
    single(
      'gauge',
      'hale_feed_vnodes_unreached',
      'Vnodes that feeds cannot follow now, summed over the feeds.',
      feeds.unreached,
    ),
  ];
}

function counters({ metrics: m, commits, scripting }: NodeFacts): readonly Sample[] {
  const count = (name: string, help: string, value: number) => single('counter', name, help, value);
  return [
    count('hale_gets_total', 'Reads of objects that ended.', m.gets.total),
    count('hale_gets_not_found_total', 'Reads that found nothing.', m.getsNotFound.total),
    count('hale_get_errors_total', 'Reads that failed.', m.getErrors.total),
    count('hale_puts_total', 'Writes of objects that ended.', m.puts.total),
    count('hale_put_errors_total', 'Writes that failed.', m.putErrors.total),
    count('hale_write_once_puts_total', 'Writes to write-once buckets.', m.writeOncePuts.total),
    count(
      'hale_write_once_merges_total',
      'Writes of keys of such buckets that were there already, one for each replica.',
      m.writeOnceMerges.total,
    ),
    count(
      'hale_serialised_writes_total',
      'Conditional writes that this node has decided, where one node decides.',
      m.serialisedWrites.total,
    ),
    count(
      'hale_serialised_write_failures_total',
      'Those that were refused or failed.',
      m.serialisedFailures.total,
    ),
    count('hale_sibling_merges_total', 'Objects whose siblings were merged.', m.siblingMerges.total),
    count(
      'hale_sibling_merge_failures_total',
      'Objects whose siblings could not be merged.',
      m.siblingMergeFailures.total,
    ),
    count('hale_deletes_total', 'Deletes that ended.', m.deletes.total),
    count('hale_delete_errors_total', 'Deletes that failed.', m.deleteErrors.total),
    count('hale_lists_total', 'Listings of keys or buckets begun.', m.lists.total),
    count('hale_mapreduce_jobs_total', 'MapReduce jobs that ended.', m.jobs.total),
    count('hale_mapreduce_errors_total', 'MapReduce jobs that failed.', m.jobErrors.total),
    count(
      'hale_precommit_failures_total',
      'Writes that pre-commit hooks did not let pass.',
      m.precommitFailures.total,
    ),
    count('hale_postcommit_failures_total', 'Post-commit hooks that failed.', m.postcommitFailures.total),
    ...scriptCounters(scripting),
    count('hale_index_queries_total', 'Queries of secondary indexes begun.', m.queries.total),
    count('hale_index_query_errors_total', 'Queries of secondary indexes that failed.', m.queryErrors.total),
    count('hale_overloads_total', 'Requests refused because too much was in progress.', m.overloads.total),
    {
      name: 'hale_refusals_total',
      help: 'The same, and what other nodes sent that was refused, by what there was too much of.',
      type: 'counter',
      values: Object.entries(m.refusals).map(([cause, value]) => ({ value, labels: { cause } })),
    },
    count('hale_replica_read_errors_total', 'Replica reads that storage failed.', m.replicaReadErrors.total),
    count('hale_read_repairs_total', 'Replicas repaired after a read.', m.readRepairs.total),
    count('hale_read_repairs_skipped_total', 'Read repairs beyond the limit.', m.readRepairsSkipped.total),
    count('hale_reads_widened_total', 'Reads that asked more replicas than at first.', m.widenedReads.total),
    count('hale_read_hedges_total', 'Values asked of a second replica.', m.readHedges.total),
    count('hale_read_stalls_total', 'Large values that came late.', m.largeReadStalls.total),
    count('hale_reads_held_total', 'Reads of large values that waited for others.', m.heldReads.total),
    count('hale_misses_doubted_total', 'Misses for which primaries were asked again.', m.missesDoubted.total),
    count('hale_writes_forwarded_total', 'Writes sent to a coordinator.', m.coordinatorRedirects.total),
    count('hale_replicas_replaced_total', 'Replicas replaced by fallbacks.', m.replicaReplacements.total),
    count('hale_tombstones_reaped_total', 'Tombstones removed.', m.tombstonesReaped.total),
    count('hale_tombstones_looked_at_total', 'Tombstones that a sweep read.', m.tombstonesLookedAt.total),
    count('hale_tombstones_put_off_total', 'Tombstones kept for want of room.', m.reapsPutOff.total),
    count('hale_expired_forgotten_total', 'Copies of expired objects removed.', m.expiredForgettings.total),
    count('hale_protobuf_connects_total', 'Protocol Buffers connections accepted.', m.protobufConnects.total),
    count('hale_protobuf_requests_total', 'Protocol Buffers requests answered.', m.protobufRequests.total),
    count('hale_protobuf_errors_total', 'Those answered with an error.', m.protobufErrors.total),
    count('hale_commit_batches_total', 'Batches that storage committed.', commits.batches),
    count('hale_commit_writes_total', 'Writes in committed batches.', commits.writes),
    count('hale_commit_bytes_total', 'Bytes in committed batches.', commits.bytes),
    count('hale_commit_failed_batches_total', 'Batches that storage refused.', commits.failedBatches),
  ];
}

function gauges(facts: NodeFacts): readonly Sample[] {
  const gauge = (name: string, help: string, value: number) => single('gauge', name, help, value);
  const { process } = facts;
  const storageFails = facts.storageFailure === undefined ? 0 : 1;
  return [
    gauge('hale_uptime_seconds', 'Time since the node started.', facts.uptimeMs / 1000),
    gauge('hale_requests_in_progress', 'Requests in progress.', facts.requestsInProgress),
    {
      name: 'hale_requests_limit',
      help: 'How many may be in progress at present.',
      type: 'gauge',
      values: Object.entries(facts.requestLimits ?? {}).map(([type, value]) => ({ value, labels: { type } })),
    },
    gauge('hale_reaped_versions', 'Removed tombstones still remembered.', facts.reapedVersions?.count ?? 0),
    gauge(
      'hale_reaped_versions_bytes',
      'Memory of those, with their keys.',
      facts.reapedVersions?.byteLength ?? 0,
    ),
    gauge('hale_mapreduce_jobs_running', 'MapReduce jobs in progress.', facts.scripting?.jobsRunning ?? 0),
    gauge('hale_ring_partitions', 'Partitions of the ring.', facts.ringSize),
    gauge('hale_ring_members', 'Members of the cluster.', facts.members.length),
    gauge(
      'hale_ring_members_unreachable',
      'Members that this node cannot reach.',
      facts.cluster?.unreachable.length ?? 0,
    ),
    gauge(
      'hale_cluster_epoch',
      'The epoch of the cluster that this node follows.',
      facts.cluster?.epoch ?? 0,
    ),
    gauge(
      'hale_partitions_moving',
      'Partitions of the cluster that move.',
      facts.cluster?.partitionsMoving ?? 0,
    ),
    gauge(
      'hale_stray_partitions',
      'Partitions of others of which this node holds data, or may.',
      facts.cluster?.strayPartitions ?? 0,
    ),
    gauge('hale_storage_failing', '1 while storage refuses writes.', storageFails),
    ...facts.storageGauges.map(({ name, help, value }) => gauge(`hale_storage_${name}`, help, value)),
    gauge(
      'hale_damaged_property_buckets',
      'Buckets that refuse writes because their properties are damaged.',
      facts.propertyDamage.buckets,
    ),
    gauge(
      'hale_lost_property_records',
      'Damage to stored properties of buckets that are not known.',
      facts.propertyDamage.unknown,
    ),
    gauge('hale_http_connections', 'HTTP connections open.', facts.http?.connections ?? 0),
    gauge(
      'hale_protobuf_connections',
      'Protocol Buffers connections open.',
      facts.protobuf?.connections ?? 0,
    ),
    ...(process === undefined
      ? []
      : [
          gauge('process_resident_memory_bytes', 'Resident memory.', process.residentMemory),
          gauge('nodejs_heap_size_used_bytes', 'Heap in use.', process.heapUsed),
          gauge('nodejs_heap_size_total_bytes', 'Heap allocated.', process.heapTotal),
          gauge('nodejs_external_memory_bytes', 'Memory outside of the heap.', process.externalMemory),
          single('counter', 'process_cpu_seconds_total', 'CPU time used.', process.cpuSeconds),
        ]),
  ];
}

function histograms({ metrics: m }: NodeFacts): readonly Sample[] {
  const seconds = 1e-6;
  return [
    histogram('hale_get_duration_seconds', 'Time of a read.', m.getTime, seconds),
    histogram('hale_put_duration_seconds', 'Time of a write.', m.putTime, seconds),
    histogram('hale_delete_duration_seconds', 'Time of a delete.', m.deleteTime, seconds),
    histogram('hale_index_query_duration_seconds', 'Time of an index query.', m.queryTime, seconds),
    histogram('hale_get_object_bytes', 'Size of the objects read.', m.getSize, 1),
    histogram('hale_put_object_bytes', 'Size of the objects written.', m.putSize, 1),
  ];
}

/** Only buckets that end an octave, to keep the page short. */
const bucketsPerOctave = 4;

function histogram(name: string, help: string, measured: SlidingHistogram, scale: number): Sample {
  const values: (MetricValue<string> & { metricName: string })[] = [];
  let count = 0;
  for (const [bucket, counted] of measured.buckets.entries()) {
    count += counted;
    if (bucket % bucketsPerOctave !== bucketsPerOctave - 1) continue;
    values.push({ metricName: `${name}_bucket`, labels: { le: bucketTop(bucket) * scale }, value: count });
  }
  values.push({ metricName: `${name}_bucket`, labels: { le: '+Inf' }, value: count });
  values.push({ metricName: `${name}_sum`, labels: {}, value: measured.sum * scale });
  values.push({ metricName: `${name}_count`, labels: {}, value: count });
  return { name, help, type: 'histogram', values };
}
