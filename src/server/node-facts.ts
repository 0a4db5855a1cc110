/** What a node can say of itself at a moment; statistics, status and metrics are made of it. */
import type { BackgroundFacts } from '../core/background/index.ts';
import type { Address } from '../environment/index.ts';
import type { FeedStatistics, IndexUpkeepStatus, PropertyDamage } from '../kv/index.ts';
import type { EngineGauge } from '../storage/index.ts';
import type { BackendFacts, StorageMoves } from './backend-facts.ts';
import type { ClusterFacts } from './cluster-admin/cluster-facts.ts';
import type { NodeMetrics } from './node-metrics.ts';
import type { ScriptingFacts } from './scripting.ts';

/** Of the process and its machine, in bytes and seconds. */
export interface ProcessFacts {
  readonly pid: number;
  readonly runtimeVersion: string;
  readonly cpuCount: number;
  readonly loadAverages: readonly [number, number, number];
  readonly machineMemoryTotal: number;
  readonly machineMemoryFree: number;
  readonly residentMemory: number;
  readonly heapTotal: number;
  readonly heapUsed: number;
  readonly externalMemory: number;
  readonly bufferMemory: number;
  readonly cpuSeconds: number;
}

export interface ListenerFacts {
  readonly address: Address;
  readonly connections: number;
}

export interface NodeFacts {
  readonly name: string;
  readonly version: string;
  readonly state: 'running' | 'stopping';
  readonly uptimeMs: number;
  readonly ringSize: number;
  readonly members: readonly string[];
  /** Undefined before the start. */
  readonly cluster: ClusterFacts | undefined;
  readonly storageBackend: string;
  /** Undefined while writes are taken. */
  readonly storageFailure: string | undefined;
  /** What the engine tells of itself; empty if nothing. */
  readonly storageGauges: readonly EngineGauge[];
  /** Absent: one engine holds all. */
  readonly backends?: readonly BackendFacts[];
  readonly storageMoves?: StorageMoves;
  readonly propertyDamage: PropertyDamage;
  readonly requestsInProgress: number;
  /** Of which kind how many may be in progress at present; absent: before the start. */
  readonly requestLimits?: { readonly reads: number; readonly writes: number } | undefined;
  readonly http: ListenerFacts | undefined;
  readonly protobuf: ListenerFacts | undefined;
  readonly metrics: NodeMetrics;
  /** In progress; absent: before the start. */
  readonly largeValues?: { readonly uploads: number; readonly downloads: number };
  /** Of data types that were decoded; absent: before the start. */
  readonly datatypeCache?: { readonly hits: number; readonly misses: number; readonly memory: number };
  /** Of index entries with their objects; absent: before the start. */
  readonly indexCheck?: IndexUpkeepStatus;
  /** Of what goes on behind requests; absent: before the start. */
  readonly background?: BackgroundFacts;
  /** Absent: before the start. */
  readonly feeds?: FeedStatistics;
  /** Tombstones that were removed and are remembered for a while; absent: before the start. */
  readonly reapedVersions?: { readonly count: number; readonly byteLength: number };
  /** Of buckets and types that are dropped. */
  readonly drops?: { readonly inProgress: number; readonly removed: number };
  /** Absent: before the start. */
  readonly scripting?: ScriptingFacts;
  readonly commits: {
    readonly batches: number;
    readonly writes: number;
    readonly bytes: number;
    readonly failedBatches: number;
  };
  /** Undefined where nobody told how to know: an embedded node, a simulated one. */
  readonly process: ProcessFacts | undefined;
}
