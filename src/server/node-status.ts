/** `hale status`: how a node is, for people and for programs that watch it. */
import type { PropertyDamage } from '../kv/index.ts';
import { type BackendStatus, backendStatus } from './backend-facts.ts';
import type { ClusterFacts } from './cluster-admin/cluster-facts.ts';
import type { NodeFacts } from './node-facts.ts';

export interface NodeStatus {
  readonly node: string;
  readonly version: string;
  readonly state: 'running' | 'stopping';
  readonly uptime_seconds: number;
  readonly members: readonly string[];
  /** Those of them that this node cannot reach. */
  readonly unreachable: readonly string[];
  readonly cluster?: {
    readonly id: string;
    /** `GENERATION.EPOCH` of what has been agreed, as far as this node follows. */
    readonly epoch: string;
    /** As a member: joining, valid, leaving, exiting, down, removed. */
    readonly membership: string;
    /** What this node is to the cluster log: leader, voter, learner, follower. */
    readonly role: string;
    readonly leader: string;
    readonly changes_staged: number;
    readonly partitions_moving: number;
  };
  /** Of this node. */
  readonly transfers: { readonly sending: number; readonly receiving: number; readonly waiting: number };
  /** Partitions of others of which this node holds data, or may. */
  readonly stray_partitions: number;
  readonly ring_size: number;
  readonly http: string;
  readonly protobuf: string;
  readonly storage: string;
  /** `healthy`, or why writes are refused. */
  readonly storage_health: string;
  /** Of a node whose storage is several: by their names. */
  readonly storage_backends?: Readonly<Record<string, BackendStatus>>;
  /** Buckets and types of which entries may still be moved from one to another. */
  readonly storage_moving?: number;
  /** `healthy`, or which stored bucket properties could not be read. */
  readonly bucket_properties: string;
  readonly requests: {
    readonly in_progress: number;
    readonly gets: number;
    readonly puts: number;
    readonly deletes: number;
    readonly refused: number;
  };
  readonly connections: { readonly http: number; readonly protobuf: number };
  /** What runs JavaScript of users, or `off`. */
  readonly javascript: string;
  readonly resident_memory_bytes?: number;
  readonly pid?: number;
}

export function nodeStatus(facts: NodeFacts): NodeStatus {
  const { metrics, http, protobuf, process } = facts;
  return {
    node: facts.name,
    version: facts.version,
    state: facts.state,
    uptime_seconds: Math.floor(facts.uptimeMs / 1000),
    members: facts.members,
    unreachable: facts.cluster?.unreachable ?? [],
    ...(facts.cluster === undefined ? {} : { cluster: clusterStatus(facts.cluster) }),
    transfers: facts.cluster?.transfers ?? { sending: 0, receiving: 0, waiting: 0 },
    stray_partitions: facts.cluster?.strayPartitions ?? 0,
    ring_size: facts.ringSize,
    http: http === undefined ? 'off' : addressText(http.address),
    protobuf: protobuf === undefined ? 'off' : addressText(protobuf.address),
    storage: facts.storageBackend,
    storage_health: facts.storageFailure ?? 'healthy',
    ...(facts.backends === undefined ? {} : { storage_backends: backendStatus(facts.backends) }),
    ...(facts.storageMoves === undefined ? {} : { storage_moving: facts.storageMoves.moving }),
    bucket_properties: damageText(facts.propertyDamage),
    requests: {
      in_progress: facts.requestsInProgress,
      gets: metrics.gets.total,
      puts: metrics.puts.total,
      deletes: metrics.deletes.total,
      refused: metrics.overloads.total,
    },
    connections: { http: http?.connections ?? 0, protobuf: protobuf?.connections ?? 0 },
    javascript: facts.scripting?.engine ?? 'off',
    ...(process === undefined ? {} : { resident_memory_bytes: process.residentMemory, pid: process.pid }),
  };
}

function clusterStatus(facts: ClusterFacts): NonNullable<NodeStatus['cluster']> {
  return {
    id: facts.clusterId,
    epoch: `${facts.generation}.${facts.epoch}`,
    membership: facts.membership,
    role: facts.role,
    leader: facts.leader ?? 'unknown',
    changes_staged: facts.changesStaged,
    partitions_moving: facts.partitionsMoving,
  };
}

function damageText({ buckets, unknown }: PropertyDamage): string {
  if (buckets === 0 && unknown === 0) return 'healthy';
  return `damaged: ${buckets} buckets refuse writes, ${unknown} losses of unknown buckets (see the log)`;
}

function addressText({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
