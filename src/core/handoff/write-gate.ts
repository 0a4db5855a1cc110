/**
 * The gate through which a service lets every write of a partition pass, so that a partition can move while it
 * is written (C3). A service calls `passed` when it has queued a write of its own.
 */
import type { Partition } from '../ring/index.ts';

export interface WriteGate<Request> {
  /**
   * False, mostly: this node owns the partition, and its writes concern nobody else. True as well where a write
   * makes stray data (a fallback's), which must be known before it is acknowledged. Cheap enough for every write.
   */
  isMoving(partition: Partition): boolean;
  /**
   * Sends `request`, which makes the receiver hold the whole of what was just written here, to the partition's
   * new owner, if there is one. To be called in the turn in which the write was queued.
   * `done` is called once: true when the write may count as stored as far as the move is concerned, false
   * when it must be reported as failed.
   */
  passed(partition: Partition, request: Request, done: (mayCount: boolean) => void): void;
}

/** For a node that moves nothing. */
export const openGate: WriteGate<never> = {
  isMoving: () => false,
  passed: (_partition, _request, done) => done(true),
};
