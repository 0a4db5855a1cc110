/**
 * What is measured: one question each, in the order in which they are asked, with how long it takes on a quiet machine of two
 * cores.
 */
import { measureAaeIdle } from './aae-idle.ts';
import { measureBackends } from './backends.ts';
import type { Bars } from './bar-chart.ts';
import { type BenchRun, nodeOptions, sized, watchedMs } from './bench-run.ts';
import { measureClaim } from './claim.ts';
import { measureCostByKeys, measureCostByNodes, measureCostByRing } from './cost-growth.ts';
import { measureDatatypes } from './datatypes.ts';
import { measureEngines } from './engine.ts';
import { measureFeed } from './feed.ts';
import { measureHandoff } from './handoff.ts';
import { measureHop } from './hop.ts';
import { measureHotKey } from './hot-key.ts';
import { measureIdleConnections } from './idle-connections.ts';
import { measureIngest } from './ingest.ts';
import { measureLargeValues } from './large-values.ts';
import { measureMemory } from './memory.ts';
import { measureOverload } from './overload.ts';
import { measurePeers } from './peers.ts';
import {
  type BenchDuration,
  clusterSubject,
  haleSubject,
  measurePointOperations,
  pointOperationsTable,
} from './point-operations.ts';
import { measureIndexQueries, measureListing, measureMapReduce } from './queries.ts';
import type { Measured } from './results.ts';
import { measureScaleOut } from './scale-out.ts';
import { measureStart } from './start.ts';
import { measureStore } from './store.ts';
import { measureTails } from './tails.ts';
import { measureVoxer } from './voxer.ts';
import { measureWal } from './wal.ts';

export interface Question {
  readonly name: string;
  readonly asks: string;
  /** Of one feature or part, which has no target of the whole's: asked for by name, or by `--features`. */
  readonly isOfFeature?: boolean;
  /** About, by scale. */
  readonly seconds: { readonly usual: number; readonly long: number };
  readonly measure: (run: BenchRun) => Promise<string | Measured>;
  /** What is drawn, if `measure` brings no picture of its own. */
  readonly bars?: Bars;
}

const second = 1000;
const minute = 60 * second;
const mebibyte = 2 ** 20;

export const questions: readonly Question[] = [
  {
    name: 'point-operations',
    asks: 'what a get and a put cost on one node, beside redis-server',
    seconds: { usual: 130, long: 1400 },
    measure: pointOperations,
    bars: { names: ['server', 'protocol', 'operation', 'value', 'in flight'], value: '× redis' },
  },
  {
    name: 'cluster-operations',
    asks: 'what they cost three nodes that keep three copies',
    seconds: { usual: 140, long: 800 },
    measure: clusterOperations,
    bars: { names: ['server', 'protocol', 'operation', 'value', 'in flight'], value: '× redis' },
  },
  {
    name: 'tails',
    asks: 'how flat the tail is at 70 % of the peak, while data moves',
    seconds: { usual: 130, long: 7600 },
    measure: (run) =>
      measureTails(
        {
          keys: sized(run, 5000, 20_000, 100_000),
          measuredMs: watchedMs(run, 5 * second, 10 * second, 30 * minute),
          stepMs: sized(run, second, second, 2 * second),
        },
        nodeOptions(run),
      ),
  },
  {
    name: 'ingest',
    asks: 'whether three nodes take 34.7 MB/s of replicated writes',
    seconds: { usual: 35, long: 640 },
    measure: (run) => measureIngest(watchedMs(run, 10 * second, 20 * second, 10 * minute), nodeOptions(run)),
  },
  {
    name: 'handoff',
    asks: 'how fast a lost replica is rebuilt and a joining node gets its share, and what it does to who writes',
    seconds: { usual: 55, long: 700 },
    measure: (run) => measureHandoff(sized(run, 5000, 20_000, 1_000_000), run.node),
  },
  {
    name: 'aae-idle',
    asks: 'what anti-entropy costs a node whose keys nobody asks for',
    isOfFeature: true,
    seconds: { usual: 75, long: 260 },
    measure: (run) =>
      measureAaeIdle(
        sized(run, 10_000, 50_000, 1_000_000),
        watchedMs(run, 10 * second, 20 * second, minute),
        run.node,
      ),
    bars: { names: ['keys at each node'], value: 'for the keys' },
  },
  {
    name: 'cost-by-ring',
    asks: 'what the size of the ring does to the cost',
    seconds: { usual: 36, long: 60 },
    measure: (run) => measureCostByRing(sized(run, second, 1500, 5 * second), run.node),
    bars: { names: ['ring'], value: 'put, CPU µs' },
  },
  {
    name: 'cost-by-keys',
    asks: 'what the number of keys does to it',
    seconds: { usual: 40, long: 1200 },
    measure: (run) =>
      measureCostByKeys(
        sized(run, [10_000, 50_000], [10_000, 300_000], [10_000, 1_000_000, 10_000_000]),
        sized(run, second, 1500, 5 * second),
        run.node,
      ),
    bars: { names: ['keys, n=1'], value: 'get, CPU µs' },
  },
  {
    name: 'cost-by-nodes',
    asks: 'what the number of nodes does to it, and what travels between them',
    seconds: { usual: 40, long: 120 },
    measure: (run) =>
      measureCostByNodes(sized(run, [3], [3, 5], [3, 5, 9]), sized(run, second, 1500, 5 * second), run.node),
    bars: { names: ['nodes'], value: 'put, CPU µs' },
  },
  {
    name: 'peers',
    asks: 'what a get and a put cost other servers that are installed here',
    seconds: { usual: 60, long: 120 },
    measure: (run) => measurePeers(sized(run, 500, 700, 3 * second), run),
    bars: { names: ['server', 'durability', 'operation', 'value'], value: 'CPU µs/op' },
  },
  {
    name: 'overload',
    asks: 'what a node does with more than it can',
    seconds: { usual: 45, long: 70 },
    measure: (run) => measureOverload(sized(run, 2 * second, 2 * second, 5 * second), nodeOptions(run)),
    bars: { names: ['load'], value: 'useful/s' },
  },
  {
    name: 'hot-key',
    asks: 'what 32 writers of one key do to it',
    seconds: { usual: 35, long: 50 },
    measure: (run) => measureHotKey(sized(run, second, second, 3 * second), run.node),
    bars: { names: ['servers', 'writers'], value: 'written/s' },
  },
  {
    name: 'scale-out',
    asks: 'what two nodes of one machine do that one does not',
    seconds: { usual: 30, long: 45 },
    measure: (run) => measureScaleOut(sized(run, second, 1500, 3 * second), nodeOptions(run)),
    bars: { names: ['n', 'operation'], value: 'two cores for two against one for one' },
  },
  {
    name: 'memory',
    asks: 'what a node holds in memory, for each key and after a while',
    seconds: { usual: 25, long: 3700 },
    measure: (run) =>
      measureMemory(
        sized(run, 100_000, 100_000, 1_000_000),
        watchedMs(run, 10 * second, 10 * second, 60 * minute),
        run.node,
      ),
    bars: { names: ['state'], value: 'resident' },
  },
  {
    name: 'connections',
    asks: 'what an idle connection holds',
    seconds: { usual: 10, long: 10 },
    measure: (run) => measureIdleConnections(run.node),
    bars: { names: ['protocol'], value: 'each' },
  },
  {
    name: 'start',
    asks: 'how long until a node serves',
    seconds: { usual: 50, long: 800 },
    measure: (run) =>
      measureStart(
        sized(
          run,
          { keys: 5000, repetitions: 2 },
          { keys: 30_000, repetitions: 3 },
          { keys: 1_000_000, repetitions: 3 },
        ),
        run.node,
      ),
    bars: { names: ['start'], value: 'ready after, ms' },
  },
  {
    name: 'datatypes',
    asks: 'what updates and fetches of data types cost',
    isOfFeature: true,
    seconds: { usual: 35, long: 60 },
    measure: (run) => measureDatatypes(sized(run, second, second, 3 * second), run.node),
    bars: { names: ['operation'], value: 'CPU µs/op' },
  },
  {
    name: 'feed',
    asks: 'what a change feed costs, and how soon it tells',
    isOfFeature: true,
    seconds: { usual: 35, long: 55 },
    measure: (run) => measureFeed(sized(run, second, second, 3 * second), run.node),
    bars: { names: ['cluster', 'put'], value: 'CPU µs' },
  },
  {
    name: 'index',
    asks: 'what index queries cost',
    isOfFeature: true,
    seconds: { usual: 15, long: 60 },
    measure: (run) =>
      measureIndexQueries(sized(run, 20_000, 20_000, 200_000), sized(run, 500, 1000, 3000), run.node),
    bars: { names: ['query', 'results'], value: 'CPU µs/result' },
  },
  {
    name: 'listing',
    asks: 'what a listing of keys costs',
    isOfFeature: true,
    seconds: { usual: 12, long: 120 },
    measure: (run) => measureListing(sized(run, 20_000, 50_000, 1_000_000), run.node),
    bars: { names: ['query', 'results'], value: 'CPU µs/result' },
  },
  {
    name: 'mapreduce',
    asks: 'what MapReduce jobs cost',
    isOfFeature: true,
    seconds: { usual: 15, long: 60 },
    measure: (run) => measureMapReduce(sized(run, 5000, 10_000, 100_000), run.node),
    bars: { names: ['query', 'results'], value: 'CPU µs/result' },
  },
  {
    name: 'large-values',
    asks: 'how fast values of many megabytes go in and out',
    isOfFeature: true,
    seconds: { usual: 15, long: 60 },
    measure: (run) => measureLargeValues(sized(run, 16, 64, 256) * mebibyte, run.node),
    bars: { names: ['way', 'at once'], value: 'MiB/s' },
  },
  {
    name: 'voxer',
    asks: 'how many messages a messenger delivers',
    isOfFeature: true,
    seconds: { usual: 25, long: 60 },
    measure: (run) => measureVoxer(sized(run, 2000, 3000, 15_000), run.node),
    bars: { names: ['people'], value: 'deliveries/s' },
  },
  {
    name: 'hop',
    asks: 'what a request to another node costs before anything is done for it',
    isOfFeature: true,
    seconds: { usual: 10, long: 15 },
    measure: (run) => measureHop(sized(run, second, second, 1500), run.node),
    bars: { names: ['value', 'in flight'], value: 'answering, CPU µs' },
  },
  {
    name: 'engine',
    asks: 'what the storage engines cost by themselves',
    isOfFeature: true,
    seconds: { usual: 25, long: 150 },
    measure: (run) =>
      measureEngines(sized(run, 20_000, 50_000, 1_000_000), sized(run, 500, 500, 1500), run.node),
    bars: { names: ['engine', 'value'], value: 'put synced' },
  },
  {
    name: 'store',
    asks: 'what a request costs in the store, with each engine',
    isOfFeature: true,
    seconds: { usual: 90, long: 400 },
    measure: (run) =>
      measureStore(
        sized(
          run,
          { keys: 5000, requests: 4000, only: run.only },
          { keys: 10_000, requests: 8000, only: run.only },
          { keys: 100_000, requests: 200_000, only: run.only },
        ),
        run.node,
        run.report,
      ),
    bars: { names: ['n', 'durability', 'value', 'operation', 'at once'], value: 'log / leveldb' },
  },
  {
    name: 'backends',
    asks: 'what several backends in one node cost',
    isOfFeature: true,
    seconds: { usual: 33, long: 45 },
    measure: (run) => measureBackends(sized(run, second, second, 3 * second), run.node),
    bars: { names: ['storage', 'operation'], value: 'CPU µs' },
  },
  {
    name: 'wal',
    asks: 'how many durable records a second the write-ahead log takes',
    isOfFeature: true,
    seconds: { usual: 10, long: 12 },
    measure: (run) => measureWal(sized(run, second, second, 1500)),
    bars: { names: ['writers', 'in flight each', 'preallocated'], value: 'records/s' },
  },
  {
    name: 'claim',
    asks: 'what a claim moves, and how long it takes',
    isOfFeature: true,
    seconds: { usual: 20, long: 20 },
    measure: async () => measureClaim(),
    bars: { names: ['Q', 'plans'], value: 'ms, most' },
  },
];

/** Repetitions of rows go in turns, with redis-server's beside each. `repetitions`: what is usual. */
function durationOf(run: BenchRun, repetitions: number): BenchDuration {
  const timing = sized(
    run,
    { keys: 10_000, warmupMs: 100, heatMs: 100, measuredMs: 400, repetitions: 1, isComplete: false },
    { keys: 50_000, warmupMs: 150, heatMs: 1500, measuredMs: 700, repetitions, isComplete: false },
    { keys: 100_000, warmupMs: 300, heatMs: 6000, measuredMs: 1500, repetitions: 3, isComplete: true },
  );
  return { ...timing, only: run.only };
}

async function pointOperations(run: BenchRun): Promise<string> {
  const subjects = [1, 3].flatMap((nVal) =>
    run.engines.map(({ label, settings }) =>
      haleSubject(`hale n=${nVal}`, label, {
        node: run.node,
        settings: [`buckets.default.n_val=${nVal}`, ...settings],
      }),
    ),
  );
  return pointOperationsTable(await measurePointOperations(subjects, durationOf(run, 1), run.report));
}

/** Three nodes that keep three copies, connections spread over them. Three processes on two cores: one run says little. */
async function clusterOperations(run: BenchRun): Promise<string> {
  const subjects = run.engines.map(({ label, settings }) =>
    clusterSubject('three nodes, n=3', label, 3, { node: run.node, settings }),
  );
  return pointOperationsTable(await measurePointOperations(subjects, durationOf(run, 3), run.report));
}
