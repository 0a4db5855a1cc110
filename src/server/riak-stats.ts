/**
 * The flat object of `GET /stats`, by Riak's names: `name` is of the last minute, `name_total` since the
 * start; times are microseconds, sizes bytes.
 */
import type { DatatypeMetrics } from './datatype-metrics.ts';
import type { NodeFacts, ProcessFacts } from './node-facts.ts';
import type { SlidingCounter, SlidingHistogram } from './sliding-window.ts';

export type StatValue = number | string | readonly string[];
export type Stats = Readonly<Record<string, StatValue>>;

/** The release whose statistics, clients and dashboards this node takes after. */
export const riakVersion = '3.2.0';

export function riakStats(facts: NodeFacts): Stats {
  const { metrics: m } = facts;
  return {
    ...counter('node_gets', m.gets),
    ...counter('node_puts', m.puts),
    ...counter('node_deletes', m.deletes),
    ...counter('node_get_fsm_errors', m.getErrors),
    ...counter('node_put_fsm_errors', m.putErrors),
    ...distribution('node_get_fsm_time', m.getTime),
    ...distribution('node_put_fsm_time', m.putTime),
    ...distribution('node_get_fsm_objsize', m.getSize),
    ...distribution('node_put_fsm_objsize', m.putSize),
    ...distribution('node_get_fsm_siblings', m.getSiblings),
    ...distribution('node_put_fsm_siblings', m.putSiblings),
    node_get_fsm_rejected: m.overloads.recent,
    node_get_fsm_rejected_total: m.overloads.total,
    ...datatypeCounters(m.datatypes),
    ...counter('read_repairs', m.readRepairs),
    ...counter('skipped_read_repairs', m.readRepairsSkipped),
    ...counter('write_once_puts', m.writeOncePuts),
    ...distribution('write_once_put_time', m.writeOncePutTime),
    ...distribution('write_once_put_objsize', m.writeOncePutSize),
    write_once_merge: m.writeOnceMerges.recent,
    ...counter('serialised_writes', m.serialisedWrites),
    ...counter('serialised_write_failures', m.serialisedFailures),
    ...counter('sibling_merges', m.siblingMerges),
    ...counter('sibling_merge_failures', m.siblingMergeFailures),
    precommit_fail: m.precommitFailures.total,
    postcommit_fail: m.postcommitFailures.total,
    ...counter('mapreduce_jobs', m.jobs),
    ...counter('mapreduce_errors', m.jobErrors),
    ...distribution('mapreduce_time', m.jobTime),
    list_fsm_create: m.lists.recent,
    list_fsm_create_total: m.lists.total,
    index_fsm_active: m.queriesOpen,
    index_fsm_create: m.queries.recent,
    index_fsm_create_error: m.queryErrors.recent,
    index_fsm_complete: m.queryTime.recent.count,
    ...distribution('index_fsm_time', m.queryTime),
    ...distribution('index_fsm_results', m.queryResults),
    ...counter('pbc_connects', m.protobufConnects),
    pbc_active: facts.protobuf?.connections ?? 0,
    leveldb_read_block_error: m.replicaReadErrors.total,
    nodename: facts.name,
    connected_nodes: facts.members.filter((member) => member !== facts.name),
    ring_members: facts.members,
    ring_num_partitions: facts.ringSize,
    ring_creation_size: facts.ringSize,
    ring_ownership: ownership(facts),
    riak_kv_vnodes_running: facts.ringSize,
    storage_backend: facts.storageBackend,
    riak_kv_version: riakVersion,
    riak_core_version: riakVersion,
    riak_api_version: riakVersion,
    hale_version: facts.version,
    ...(facts.process === undefined ? {} : processStats(facts.process)),
  };
}

/** Riak has none of its own for grow-only sets. */
function datatypeCounters({ byType }: DatatypeMetrics): Stats {
  const stats: Record<string, StatValue> = {};
  for (const [type, { fetches, updates }] of byType) {
    Object.assign(stats, counter(`node_gets_${type}`, fetches), counter(`node_puts_${type}`, updates));
  }
  return stats;
}

function counter(name: string, counted: SlidingCounter): Stats {
  return { [name]: counted.recent, [`${name}_total`]: counted.total };
}

function distribution(name: string, histogram: SlidingHistogram): Stats {
  const { mean, median, percentile95, percentile99, largest } = histogram.recent;
  return {
    [`${name}_mean`]: Math.round(mean),
    [`${name}_median`]: median,
    [`${name}_95`]: percentile95,
    [`${name}_99`]: percentile99,
    [`${name}_100`]: largest,
  };
}

/** Riak prints an Erlang term here; dashboards read it as text. */
function ownership(facts: NodeFacts): string {
  return `[{'${facts.name}',${facts.ringSize}}]`;
}

function processStats(facts: ProcessFacts): Stats {
  const [minute, fiveMinutes, fifteenMinutes] = facts.loadAverages;
  return {
    cpu_nprocs: facts.cpuCount,
    // As Erlang's cpu_sup tells it: 256 is a load of one.
    cpu_avg1: Math.round(minute * 256),
    cpu_avg5: Math.round(fiveMinutes * 256),
    cpu_avg15: Math.round(fifteenMinutes * 256),
    mem_total: facts.machineMemoryTotal,
    mem_allocated: facts.machineMemoryTotal - facts.machineMemoryFree,
    memory_total: facts.residentMemory,
    memory_processes: facts.heapTotal,
    memory_processes_used: facts.heapUsed,
    memory_system: Math.max(0, facts.residentMemory - facts.heapTotal),
    memory_binary: facts.bufferMemory,
    memory_code: 0,
    memory_atom: 0,
    memory_atom_used: 0,
    memory_ets: 0,
    sys_process_count: 1,
    sys_system_version: `Node.js ${facts.runtimeVersion}`,
  };
}
