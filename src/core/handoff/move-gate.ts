/**
 * The old owner as the gate of a partition that moves (C3), and the place where a node learns that it is about to
 * hold stray data.
 *
 * G1  From the state that says `copying` on, every write is forwarded to the new owner. The gate begins with that
 *     state, and the copy's snapshot is taken later: each write is in one of the two. From that state on stray data
 *     of the partition is not taken from the new owner: it would forget what was forwarded to it.
 * G2  A forward that fails is remembered, and sent again before the switch is proposed; or, if there were too
 *     many, the copy begins anew, and its snapshot has them all.
 * G3  From the proposal on, and after it until the partition has been dropped here, a write counts only if the
 *     new owner has it.
 * G4  A node that starts does not know whether its former life had proposed the switch: it takes it that it had.
 * G5  Before a write that makes stray data is acknowledged, `wroteStray` has been called.
 */
import type { NodeId } from '../../environment/index.ts';
import { unreachable } from '../../stdx/index.ts';
import type { Partition } from '../ring/index.ts';
import type { ClusterState } from '../topology/index.ts';
import { MissedWrites, type MissedWritesLimits } from './missed-writes.ts';
import { type PartitionRole, rolesIn } from './partition-role.ts';
import type { WriteGate } from './write-gate.ts';

/** Forwards of missed writes under way at once. */
const resendWindowMax = 16;

export interface MoveGateParts<Request> {
  readonly self: NodeId;
  readonly state: ClusterState;
  /**
   * Makes the new owner hold `request`; `done` is called once, with true when that is durable. It has a deadline.
   * The receiver stores it whether it owns the partition already or not.
   */
  readonly forward: (
    to: NodeId,
    partition: Partition,
    request: Request,
    done: (arrived: boolean) => void,
  ) => void;
  readonly bytesOf: (request: Request) => number;
  readonly missed: MissedWritesLimits;
}

interface GatedMove<Request> {
  readonly partition: Partition;
  readonly since: number;
  readonly to: NodeId;
  /** A forward that fails fails its write. */
  isStrict: boolean;
  missed: MissedWrites<Request>;
}

/** The side of the gate that does not depend on what a request is: for who drives the moves. */
export type GateControl = Pick<
  MoveGate<never>,
  'onStray' | 'follow' | 'roles' | 'beginCopy' | 'missedCount' | 'sendMissed' | 'propose'
>;

export class MoveGate<Request> implements WriteGate<Request> {
  readonly #parts: MoveGateParts<Request>;
  #roles: readonly PartitionRole[];
  readonly #moves = new Map<Partition, GatedMove<Request>>();
  #wroteStray: (partition: Partition) => void = () => {};

  constructor(parts: MoveGateParts<Request>) {
    this.#parts = parts;
    this.#roles = [];
    this.#follow(parts.state, true);
  }

  /** Says who is told of stray writes; once, before any write comes. */
  onStray(wroteStray: (partition: Partition) => void): void {
    this.#wroteStray = wroteStray;
  }

  /** To be called with each new state, before anything else acts on it. */
  follow(state: ClusterState): void {
    this.#follow(state, false);
  }

  /** By the state followed last. */
  get roles(): readonly PartitionRole[] {
    return this.#roles;
  }

  isMoving(partition: Partition): boolean {
    return this.#roles[partition] !== 'owner';
  }

  /** Moved away, and not forgotten by everyone: nothing is answered from what this node has there (C4). */
  isClosed(partition: Partition): boolean {
    return this.#roles[partition] === 'closed';
  }

  passed(partition: Partition, request: Request, done: (mayCount: boolean) => void): void {
    const role = this.#roles[partition];
    switch (role) {
      case 'owner':
        done(true);
        return;
      case 'incoming':
      case 'foreign':
        this.#wroteStray(partition);
        done(true);
        return;
      case 'closed':
        this.#wroteStray(partition);
        this.#forward(partition, request, done);
        return;
      case 'copying':
        this.#forward(partition, request, done);
        return;
      default:
        unreachable(role);
    }
  }

  /**
   * Before the snapshot of a copy is taken: what was missed until now will be in it. False: this move is not
   * under way any more.
   */
  beginCopy(partition: Partition, since: number): boolean {
    const move = this.#moveOf(partition, since);
    if (move === undefined) return false;
    move.missed = this.#nothingMissed();
    return true;
  }

  /** Missed writes; undefined: too many, or another move. The copy must begin anew. */
  missedCount(partition: Partition, since: number): number | undefined {
    const move = this.#moveOf(partition, since);
    return move === undefined || move.missed.hasOverflowed ? undefined : move.missed.count;
  }

  /** Sends each missed write once more. `done` when all have been answered: look at `missedCount` then. */
  sendMissed(partition: Partition, since: number, done: () => void): void {
    const move = this.#moveOf(partition, since);
    if (move === undefined || move.missed.count === 0) {
      done();
      return;
    }
    const { missed } = move;
    let left = missed.count;
    let underWay = 0;
    let isLooping = false;
    let isDone = false;
    const next = (): void => {
      // Where the queue is full each forward is refused at once: the loop that sent it goes on.
      if (isLooping) return;
      isLooping = true;
      while (left > 0 && underWay < resendWindowMax) {
        const request = missed.take();
        if (request === undefined) break;
        left -= 1;
        underWay += 1;
        this.#parts.forward(move.to, partition, request, (arrived) => {
          underWay -= 1;
          if (arrived) missed.arrived();
          else missed.failed(request);
          next();
        });
      }
      isLooping = false;
      if (underWay === 0 && !isDone) {
        isDone = true;
        done();
      }
    };
    next();
  }

  /**
   * From now on a write that the new owner does not get fails (G3). False, and nothing changes, if a write is
   * missing there. The switch may be proposed only after this was true.
   */
  propose(partition: Partition, since: number): boolean {
    const move = this.#moveOf(partition, since);
    if (move === undefined || !move.missed.isSettled) return false;
    move.isStrict = true;
    return true;
  }

  #forward(partition: Partition, request: Request, done: (mayCount: boolean) => void): void {
    const move = this.#moves.get(partition);
    if (move === undefined) {
      done(false);
      return;
    }
    this.#parts.forward(move.to, partition, request, (arrived) => {
      done(arrived || this.#mayMiss(move, request));
    });
  }

  /** The new owner does not have it; whether it may count all the same, by what holds now. */
  #mayMiss(move: GatedMove<Request>, request: Request): boolean {
    // The move was cancelled: the write is stored at the owner.
    if (this.#roles[move.partition] === 'owner') return true;
    if (this.#roles[move.partition] !== 'copying') return false;
    const present = this.#moves.get(move.partition);
    if (present === undefined || present.isStrict) return false;
    present.missed.add(request);
    return true;
  }

  #moveOf(partition: Partition, since: number): GatedMove<Request> | undefined {
    const move = this.#moves.get(partition);
    return move?.since === since && this.#roles[partition] === 'copying' ? move : undefined;
  }

  #nothingMissed(): MissedWrites<Request> {
    return new MissedWrites(this.#parts.missed, this.#parts.bytesOf);
  }

  #follow(state: ClusterState, isFirst: boolean): void {
    this.#roles = rolesIn(state, this.#parts.self);
    for (const partition of this.#moves.keys()) {
      if (!state.moves.has(partition) || !this.#isGiving(partition)) this.#moves.delete(partition);
    }
    for (const [partition, { since, to }] of state.moves) {
      if (!this.#isGiving(partition)) continue;
      const known = this.#moves.get(partition);
      // The stage's epoch changes with the stage; a switch that was seen needs no other record.
      if (known !== undefined && (known.since === since || this.isClosed(partition))) continue;
      const isStrict = isFirst || this.isClosed(partition);
      this.#moves.set(partition, { partition, since, to, isStrict, missed: this.#nothingMissed() });
    }
  }

  #isGiving(partition: Partition): boolean {
    return this.#roles[partition] === 'copying' || this.#roles[partition] === 'closed';
  }
}
