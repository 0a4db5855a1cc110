/**
 * What every coordinated request needs: resolved once, shared by all drivers of a node.
 */
import type { Topology } from '../../core/topology/index.ts';
import type { Deadlines } from '../../core/vnode/index.ts';
import type { Clock, Random, Timers } from '../../environment/index.ts';
import type { KvObserver } from '../kv-observer.ts';
import type { DeleteMode, KvVnodes } from '../vnode/index.ts';
import type { HedgeBudget } from './hedge-budget.ts';
import type { LargeReadPace } from './large-read-pace.ts';
import type { NameHash } from './name-hash.ts';
import type { NarrowReads } from './narrow-reads.ts';
import type { PeerLatencies } from './peer-latencies.ts';
import type { ReapsUnderWay } from './reaps-under-way.ts';
import type { RepairBudget } from './repair-budget.ts';
import type { ReplicaRequests } from './replica-requests.ts';

export interface CoordinatorSettings {
  /** Milliseconds for a request that names no timeout. */
  readonly requestTimeoutMs: number;
  readonly deleteMode: DeleteMode;
  /** Pause between a delete and the read that lets its tombstone be forgotten. */
  readonly tombstonePauseMs: number;
  /** Read repairs a second beyond which the rest is left to anti-entropy. */
  readonly readRepairsPerSecondMax: number;
  /** Milliseconds that a forwarded write may go unanswered before another node is asked to coordinate it. */
  readonly coordinatorFailureTimeoutMs: number;
  /** Milliseconds: a second replica is asked for a value no sooner, and no later, than this. */
  readonly hedgeDelayMsMin: number;
  readonly hedgeDelayMsMax: number;
  /** Every so many-th read asks all replicas; see `NarrowReads`. */
  readonly readEveryoneInterval: number;
  /** As in `ObjectLimits`. */
  readonly expiryMarginMs?: number;
}

export interface CoordinatorParts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly topology: Topology;
  readonly replicas: ReplicaRequests;
  readonly vnodes: KvVnodes;
  readonly deadlines: Deadlines;
  readonly names: NameHash;
  readonly repairs: RepairBudget;
  readonly latencies: PeerLatencies;
  readonly hedges: HedgeBudget;
  readonly narrowReads: NarrowReads;
  readonly largeReads: LargeReadPace;
  readonly reapsUnderWay: ReapsUnderWay;
  readonly observer: KvObserver;
  readonly settings: CoordinatorSettings;
}
