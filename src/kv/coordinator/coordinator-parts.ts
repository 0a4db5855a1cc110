/**
 * What every coordinated request needs: resolved once, shared by all drivers of a node.
 */
import type { Topology } from '../../core/topology/index.ts';
import type { Deadlines, VnodeRouter } from '../../core/vnode/index.ts';
import type { Clock, Random, Timers } from '../../environment/index.ts';
import type { KvObserver } from '../kv-observer.ts';
import type { KvVnodes, ReplicaReply, ReplicaRequest } from '../vnode/index.ts';
import type { NameHash } from './name-hash.ts';

export interface CoordinatorSettings {
  /** Milliseconds for a request that names no timeout. */
  readonly requestTimeoutMs: number;
  /** Pause between a delete and the read that lets its tombstone be forgotten. */
  readonly tombstonePauseMs: number;
  /** Requests in progress beyond which new ones are refused with `overload`. */
  readonly requestsMax: number;
  /** Read repairs a second beyond which the rest is left to anti-entropy. */
  readonly readRepairsPerSecondMax: number;
}

export interface CoordinatorParts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly topology: Topology;
  readonly router: VnodeRouter<ReplicaRequest, ReplicaReply>;
  readonly vnodes: KvVnodes;
  readonly deadlines: Deadlines;
  readonly names: NameHash;
  readonly observer: KvObserver;
  readonly settings: CoordinatorSettings;
}
