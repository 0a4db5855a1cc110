import type { CrdtType } from '../crdt/index.ts';
import type { RefusedWork } from './admission.ts';

/** What the store tells its metrics. Called on the hot path: implementations count and return. */
export interface KvObserver {
  getFinished(
    durationMs: number,
    outcome: 'found' | 'notfound' | 'failed',
    bytes: number,
    siblings: number,
  ): void;
  putFinished(durationMs: number, outcome: 'stored' | 'failed', bytes: number, siblings: number): void;
  /** A put to a bucket whose objects are written once: beside `putFinished`. */
  writeOncePut?(durationMs: number, bytes: number): void;
  /** A replica met two writes of one key of such a bucket, and kept one of them. */
  writeOnceMerged?(): void;
  /** This node has decided a conditional write of a bucket that serialises them. */
  serialisedWrite?(outcome: 'stored' | 'failed'): void;
  /** Siblings gave way to one, by the bucket's merge policy. */
  siblingsMerged?(siblings: number): void;
  /** They could not be merged, and stay. */
  siblingsUnmerged?(): void;
  deleteFinished(durationMs: number, outcome: 'deleted' | 'notfound' | 'failed'): void;
  /** A read of one replica failed: corruption or a sick disk. */
  readFailed(): void;
  readRepaired(replicas: number): void;
  readRepairSkipped(): void;
  tombstoneReaped(): void;
  /** A tombstone stays for a later look: as many reaped versions are remembered as may be. */
  reapPutOff?(): void;
  /** A tombstone that had stayed behind was looked at again, at all its replicas. */
  tombstoneLookedAt?(): void;
  /** A copy of an object that has expired is gone. */
  expiredForgotten?(): void;
  /** A replica was late with a value, and another was asked for it as well. */
  readHedged(): void;
  /** A large value came as late as if TCP had to send the end of it again. */
  largeReadStalled?(): void;
  /** A read of a large value waits for others to get theirs. */
  readHeld?(): void;
  /** A read that asked no more replicas than it needs asks the others too. */
  readWidened(): void;
  /** A write went to another node, which coordinates it. */
  writeForwarded(): void;
  /** A replica of a write could not be reached, and a fallback took its place. */
  replicaReplaced(): void;
  /** Nothing was found while a primary was out of reach, and it was asked again (R9). */
  missDoubted(): void;
  listStarted(): void;
  /** A pre-commit hook rejected a write, or failed. */
  precommitFailed?(): void;
  postcommitFailed?(): void;
  queryStarted(): void;
  /** An index query has ended, or was given up: how many results it gave. */
  queryFinished(durationMs: number, results: number, succeeded: boolean): void;
  /** An update of a data type went to other nodes as what it changed, in so many bytes. */
  deltaSent?(bytes: number): void;
  /** A replica could not take such a delta, and was sent the whole. */
  deltaRefused?(): void;
  datatypeFetched?(type: CrdtType, outcome: 'found' | 'notfound' | 'failed'): void;
  datatypeUpdated?(type: CrdtType, outcome: 'updated' | 'failed'): void;
  /** Something was refused as `overload`, for want of what. */
  overloaded(what: RefusedWork): void;
}

export const silentObserver: KvObserver = {
  getFinished() {},
  putFinished() {},
  deleteFinished() {},
  readFailed() {},
  readRepaired() {},
  readRepairSkipped() {},
  tombstoneReaped() {},
  readHedged() {},
  readWidened() {},
  writeForwarded() {},
  replicaReplaced() {},
  missDoubted() {},
  listStarted() {},
  queryStarted() {},
  queryFinished() {},
  overloaded() {},
};
