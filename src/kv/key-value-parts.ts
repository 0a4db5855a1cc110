/** What a node's database is made of, and what may be set about it. */
import type { WalkReply, WalkRequest } from '../core/coverage/index.ts';
import type { WriteGate } from '../core/handoff/index.ts';
import type { Partition } from '../core/ring/index.ts';
import type { Topology } from '../core/topology/index.ts';
import type { PeerTransport } from '../core/vnode/index.ts';
import type { Environment } from '../environment/index.ts';
import type { Sandbox } from '../sandbox/index.ts';
import type { GroupCommit } from '../storage/index.ts';
import type { AdmissionSettings } from './admission.ts';
import type { StoredChanges } from './anti-entropy/index.ts';
import type { StorageBackends } from './backend-rules.ts';
import type { BucketProperties } from './bucket-properties.ts';
import type { HookSettings } from './commit-hooks/index.ts';
import type { CoordinatorSettings } from './coordinator/index.ts';
import type { ExpirySweepSettings } from './expiry/index.ts';
import type { ChangeFeedSettings, FeedReply, FeedRequest } from './feed/index.ts';
import type { KvObserver } from './kv-observer.ts';
import type { Registry } from './registry.ts';
import type { SiblingMergeSettings } from './sibling-merges.ts';
import type { TombstoneSweepSettings } from './tombstone-sweep.ts';
import type { ObjectLimits, ReplicaReply, ReplicaRequest } from './vnode/index.ts';

export interface KeyValueSettings
  extends CoordinatorSettings,
    AdmissionSettings,
    ObjectLimits,
    ExpirySweepSettings,
    TombstoneSweepSettings,
    SiblingMergeSettings {
  /** Conditional writes that wait for one key where they are serialised; absent: `keyQueueMaxDefault`. */
  readonly keyQueueMax?: number;
  /** Milliseconds for a listing that names no timeout. */
  readonly listTimeoutMs: number;
  /** Milliseconds for an index query that names no timeout; 0, or absent: none. */
  readonly queryTimeoutMs?: number;
  /** Bytes that this node holds at most of partitions that it does not own. */
  readonly strayBytesMax: number;
  /** What buckets without properties of their own have. */
  readonly bucketDefaults: BucketProperties;
}

export interface KeyValueParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'tasks' | 'random' | 'log'>;
  readonly commit: GroupCommit;
  readonly topology: Topology;
  readonly observer: KvObserver;
  readonly settings: KeyValueSettings;
  /** The way to other nodes; a node without a cluster has none. */
  readonly peers?: PeerTransport<ReplicaRequest, ReplicaReply>;
  /** What writes pass when partitions move. */
  readonly gate?: WriteGate<ReplicaRequest>;
  /** Told of everything that is stored. */
  readonly changes?: StoredChanges;
  /** Where bucket properties are agreed; absent: in this node's engine. */
  readonly registry?: Registry;
  /** Where this node keeps the entries of buckets; absent: all in one engine. */
  readonly backends?: StorageBackends | undefined;
  /** The way to listings of other nodes. */
  readonly walkPeers?: PeerTransport<WalkRequest, WalkReply>;
  /** What runs commit hooks; absent: writes to buckets with hooks are rejected. */
  readonly hookSandbox?: Sandbox | undefined;
  readonly hookSettings?: HookSettings;
  /** The way to the change feeds of other nodes. */
  readonly feedPeers?: PeerTransport<FeedRequest, FeedReply>;
  readonly feedSettings?: ChangeFeedSettings;
  /** False: the partition is being dropped: what the engine still holds of it is neither shown nor written to. */
  readonly serves?: (partition: Partition) => boolean;
}
