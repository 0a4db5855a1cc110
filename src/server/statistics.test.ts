/** What is shown of a node's facts: Riak's statistics, Prometheus' page, the status. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeFacts } from './node-facts.ts';
import { NodeMetrics } from './node-metrics.ts';
import { nodeStatus } from './node-status.ts';
import { prometheusText } from './prometheus-text.ts';
import { riakStats } from './riak-stats.ts';

function exampleFacts(): NodeFacts {
  const metrics = new NodeMetrics({ after: () => ({ cancel: () => undefined }) });
  metrics.getFinished(2, 'found', 100, 1);
  metrics.getFinished(4, 'notfound', 0, 0);
  metrics.getFinished(4, 'failed', 0, 0);
  metrics.putFinished(1, 'stored', 50, 2);
  metrics.deleteFinished(1, 'failed');
  metrics.overloaded();
  metrics.protobufConnects.add();
  return {
    name: 'hale@127.0.0.1',
    version: '1.2.3',
    state: 'running',
    uptimeMs: 61_500,
    ringSize: 64,
    cluster: undefined,
    members: ['hale@127.0.0.1'],
    storageBackend: 'memory',
    storageFailure: undefined,
    storageGauges: [{ name: 'log_segments', help: 'Segments of the log.', value: 7 }],
    propertyDamage: { buckets: 0, unknown: 0 },
    requestsInProgress: 3,
    requestLimits: { reads: 2048, writes: 32 },
    http: { address: { host: '::1', port: 8098 }, connections: 2 },
    protobuf: undefined,
    metrics,
    commits: { batches: 4, writes: 9, bytes: 1000, failedBatches: 0 },
    process: {
      pid: 42,
      runtimeVersion: '20.0.0',
      cpuCount: 2,
      loadAverages: [0.5, 1, 2],
      machineMemoryTotal: 1000,
      machineMemoryFree: 400,
      residentMemory: 100,
      heapTotal: 60,
      heapUsed: 50,
      externalMemory: 5,
      bufferMemory: 4,
      cpuSeconds: 1.5,
    },
  };
}

test('statistics have the names and shapes on which dashboards depend', () => {
  const stats = riakStats(exampleFacts());
  assert.equal(stats.node_gets, 3);
  assert.equal(stats.node_gets_total, 3);
  assert.equal(stats.node_puts_total, 1);
  assert.equal(stats.node_get_fsm_errors_total, 1);
  assert.equal(stats.node_get_fsm_rejected_total, 1);
  assert.equal(stats.pbc_connects_total, 1);
  assert.equal(stats.pbc_active, 0);
  assert.equal(stats.nodename, 'hale@127.0.0.1');
  assert.deepEqual(stats.ring_members, ['hale@127.0.0.1']);
  assert.equal(stats.ring_num_partitions, 64);
  assert.equal(stats.storage_backend, 'memory');
  assert.equal(stats.riak_kv_version, '3.2.0');
  assert.equal(stats.memory_total, 100);
  assert.equal(stats.mem_allocated, 600);
  assert.equal(stats.cpu_avg1, 128);
  for (const suffix of ['mean', 'median', '95', '99', '100']) {
    for (const name of [
      'node_get_fsm_time',
      'node_put_fsm_time',
      'node_get_fsm_objsize',
      'node_put_fsm_siblings',
    ]) {
      const value = stats[`${name}_${suffix}`];
      assert.ok(typeof value === 'number' && Number.isInteger(value) && value > 0, `${name}_${suffix}`);
    }
  }
  assert.ok(
    (stats.node_get_fsm_time_100 as number) >= 4000 && (stats.node_get_fsm_time_100 as number) <= 5000,
  );
  assert.equal(stats.node_get_fsm_time_mean, 3333);
});

test('what the engine tells of itself is shown under its own names', async () => {
  const { text } = await prometheusText(exampleFacts());
  assert.match(text, /^# TYPE hale_storage_log_segments gauge\nhale_storage_log_segments 7$/m);
});

test('data types and index checks are counted, by type and outcome', async () => {
  const facts = {
    ...exampleFacts(),
    datatypeCache: { hits: 3, misses: 1, memory: 4096 },
    indexCheck: { waiting: 2, checks: 5, objects: 100, added: 7, removed: 8 },
  };
  const { metrics } = facts;
  metrics.datatypeFetched('set', 'found');
  metrics.datatypeFetched('set', 'failed');
  metrics.datatypeUpdated('hll', 'updated');
  metrics.deltaSent(30);
  metrics.deltaRefused();
  const { text } = await prometheusText(facts);
  for (const line of [
    'hale_datatype_fetches_total{type="set",outcome="found"} 1',
    'hale_datatype_fetches_total{type="set",outcome="failed"} 1',
    'hale_datatype_fetches_total{type="set",outcome="notfound"} 0',
    'hale_datatype_updates_total{type="hll",outcome="updated"} 1',
    'hale_datatype_deltas_total 1',
    'hale_datatype_delta_bytes_total 30',
    'hale_datatype_deltas_refused_total 1',
    'hale_datatype_cache_hits_total 3',
    'hale_datatype_cache_bytes 4096',
    'hale_index_checks_total 5',
    'hale_index_entries_added_total 7',
    'hale_index_entries_removed_total 8',
    'hale_index_checks_waiting 2',
  ]) {
    assert.ok(text.includes(`\n${line}\n`), line);
  }
  const stats = riakStats(facts);
  assert.deepEqual([stats.node_gets_set_total, stats.node_puts_hll, stats.node_gets_map], [2, 1, 0]);
});

test('background work shows its rate, and how often it gave way', async () => {
  const background = { bytesPerSecond: 2 ** 20, bytes: 5000, cuts: 3, waiting: 2 };
  const { text } = await prometheusText({ ...exampleFacts(), background });
  for (const line of [
    'hale_background_rate_bytes 1048576',
    'hale_background_bytes_total 5000',
    'hale_background_cuts_total 3',
    'hale_background_slices_waiting 2',
  ]) {
    assert.ok(text.includes(`\n${line}\n`), line);
  }
});

test('statistics without a process leave its numbers out', () => {
  const stats = riakStats({ ...exampleFacts(), process: undefined });
  assert.equal(stats.memory_total, undefined);
  assert.equal(stats.node_gets, 3);
});

test("the metrics are in Prometheus' format, histograms cumulative", async () => {
  const { contentType, text } = await prometheusText(exampleFacts());
  assert.match(contentType, /^text\/plain/);
  assert.match(text, /^# TYPE hale_gets_total counter$/m);
  assert.match(text, /^hale_gets_total 3$/m);
  assert.match(text, /^hale_requests_in_progress 3$/m);
  assert.match(text, /^hale_requests_limit\{type="writes"\} 32$/m);
  assert.match(text, /^# TYPE hale_get_duration_seconds histogram$/m);
  assert.match(text, /^hale_get_duration_seconds_bucket\{le="\+Inf"\} 3$/m);
  assert.match(text, /^hale_get_duration_seconds_count 3$/m);
  assert.match(text, /^hale_get_duration_seconds_sum 0\.01$/m);
  const counts = [...text.matchAll(/^hale_get_duration_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm)];
  const bounds = counts.map(([, le]) => Number(le!.replace('+Inf', 'Infinity')));
  assert.ok(counts.length > 20);
  for (let i = 1; i < counts.length; i += 1) {
    assert.ok(bounds[i]! > bounds[i - 1]!);
    assert.ok(Number(counts[i]![2]) >= Number(counts[i - 1]![2]));
  }
  for (const line of text.trim().split('\n')) {
    assert.match(
      line,
      /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{(le|cause|outcome|purpose|type)="[^"]+"(,outcome="[a-z]+")?\})? [\d.e+-]+|)$/,
    );
  }
});

test('the status says where the node listens and how its storage is', () => {
  const status = nodeStatus(exampleFacts());
  assert.equal(status.http, '[::1]:8098');
  assert.equal(status.protobuf, 'off');
  assert.equal(status.uptime_seconds, 61);
  assert.equal(status.storage_health, 'healthy');
  assert.equal(status.requests.gets, 3);
  assert.equal(status.pid, 42);
  assert.equal(nodeStatus({ ...exampleFacts(), storageFailure: 'no space' }).storage_health, 'no space');
});

test('status and metrics tell of damaged bucket properties', async () => {
  assert.equal(nodeStatus(exampleFacts()).bucket_properties, 'healthy');
  const facts = { ...exampleFacts(), propertyDamage: { buckets: 2, unknown: 1 } };
  assert.match(nodeStatus(facts).bucket_properties, /^damaged: 2 buckets refuse writes, 1 loss/);
  const { text } = await prometheusText(facts);
  assert.match(text, /^hale_damaged_property_buckets 2$/m);
  assert.match(text, /^hale_lost_property_records 1$/m);
});

test('metrics sample themselves until they are stopped', () => {
  let wake: (() => void) | undefined;
  let cancelled = 0;
  const metrics = new NodeMetrics({
    after: (_delay, run) => {
      wake = run;
      return {
        cancel: () => {
          cancelled += 1;
        },
      };
    },
  });
  metrics.gets.add(4);
  metrics.start();
  for (let tick = 0; tick < 13; tick += 1) wake!();
  assert.equal(metrics.gets.recent, 0);
  assert.equal(metrics.gets.total, 4);
  metrics.stop();
  assert.equal(cancelled, 1);
});
