/**
 * The cluster's state as this node has it, whichever way it came: folded by its own replica, or pulled from
 * another node.
 *
 *   F1. Within a cluster it never goes back: only a place beyond the present one is taken (C1).
 *   F2. What is told to others as followed is on disk (J2).
 */
import type { Buffer } from 'node:buffer';
import type { Log } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import type { WalDone } from '../../wal/index.ts';
import { type ClusterState, decodeCommand, fold, stateDigest } from '../topology/index.ts';
import type { LogJournal } from './log-journal.ts';
import { isBeyond, type StatePlace } from './proposal.ts';
import { RecentCommands } from './recent-commands.ts';

type StateListener = (state: ClusterState, before: ClusterState) => void;

export interface FollowedStateParts {
  readonly journal: LogJournal;
  readonly log: Log;
  /** The latest place has reached the disk. */
  readonly durable: () => void;
  readonly journalFailed: (error: Error) => void;
}

export class FollowedState {
  readonly recent = new RecentCommands();
  readonly #parts: FollowedStateParts;
  readonly #listeners: StateListener[] = [];
  #state: ClusterState;
  #durable: StatePlace;
  /** Writes from before a failure, or of another cluster, say nothing. */
  #writes = 0;

  /** `state` is what the journal shows. */
  constructor(state: ClusterState, parts: FollowedStateParts) {
    this.#parts = parts;
    this.#state = state;
    this.#durable = placeOf(state);
    this.recent.restart(state.epoch);
  }

  get state(): ClusterState {
    return this.#state;
  }

  get place(): StatePlace {
    return placeOf(this.#state);
  }

  /** How far this node may say that it has followed. */
  get durable(): StatePlace {
    return this.#durable;
  }

  onState(listener: StateListener): void {
    this.#listeners.push(listener);
  }

  /** The own replica has folded a command; `state` is what came out. */
  folded(state: ClusterState, command: Buffer): void {
    const { generation, epoch } = this.#state;
    // After a restart the replica comes again from its snapshot, along what is here already.
    if (state.generation !== generation || state.epoch !== epoch + 1) {
      this.#meet(state);
      return;
    }
    this.#advance(state, command);
  }

  /** Folds commands that follow the present state. False if `digest`, of the state after them, is another. */
  foldAll(commands: readonly Buffer[], digest: string): boolean {
    const states: ClusterState[] = [];
    let state = this.#state;
    for (const bytes of commands) {
      const command = decodeCommand(bytes);
      // Of a version that this node does not know: then the whole state, if anything.
      if (command === undefined) return false;
      state = fold(state, command).state;
      states.push(state);
    }
    if (stateDigest(state) !== digest) return false;
    for (const [i, next] of states.entries()) this.#advance(next, commands[i]!);
    return true;
  }

  /** Takes a whole state if it is beyond the present one, and belongs to the same cluster. */
  adopt(state: ClusterState): void {
    if (state.clusterId !== this.#state.clusterId || !isBeyond(placeOf(state), this.place)) return;
    this.#parts.journal.writeState(state, this.#written(state));
    this.#replace(state);
  }

  /** The state of another cluster, or of a new generation, that the journal holds already. */
  rebase(state: ClusterState): void {
    this.#writes += 1;
    this.#durable = placeOf(state);
    this.#replace(state);
    this.#parts.durable();
  }

  /** Writes the present state anew: the journal had failed. */
  rewrite(): void {
    this.#writes += 1;
    this.#parts.journal.writeState(this.#state, this.#written(this.#state));
  }

  #meet(state: ClusterState): void {
    if (isBeyond(placeOf(state), this.place)) {
      this.adopt(state);
      return;
    }
    const isSame = state.generation === this.#state.generation && state.epoch === this.#state.epoch;
    if (isSame) assert(stateDigest(state) === stateDigest(this.#state), 'C1: one state at each epoch');
  }

  #advance(state: ClusterState, command: Buffer): void {
    this.recent.push(state.epoch, command);
    this.#parts.journal.writeCommand(command, state, this.#written(state));
    this.#set(state);
  }

  #replace(state: ClusterState): void {
    this.recent.restart(state.epoch);
    this.#set(state);
  }

  #set(state: ClusterState): void {
    const before = this.#state;
    this.#state = state;
    for (const listener of this.#listeners) listener(state, before);
  }

  #written(state: ClusterState): WalDone {
    const place = placeOf(state);
    const writes = this.#writes;
    return (error) => {
      if (writes !== this.#writes) return;
      if (error !== undefined) {
        this.#writes += 1;
        this.#parts.journalFailed(error);
        return;
      }
      this.#durable = place;
      this.#parts.durable();
    };
  }
}

export function placeOf({ generation, epoch }: ClusterState): StatePlace {
  return { generation, epoch };
}
