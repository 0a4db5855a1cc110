/**
 * Gathers what one step brings about, and settles what must be on disk before what is said.
 *
 *   O1. No message that binds (a vote, an acknowledgement of a term or of entries) leaves before what it
 *       binds to is durable.
 *   O2. A leader's appends do not wait for its own disk (Raft §10.2.1): it counts itself when it is done.
 */
import type { Effect, HardState, SendEffect } from './effect.ts';
import { Durability } from './log/durability.ts';
import type { LogIndex } from './log/entry.ts';
import type { ReplicatedLog } from './log/replicated-log.ts';
import type { Message } from './message.ts';
import type { PeerId } from './peer-id.ts';
import type { SnapshotMark } from './snapshot/snapshot-mark.ts';

export class Outbox {
  readonly durability: Durability;
  #effects: Effect[] = [];
  #afterHardState: SendEffect[] = [];
  #afterLog: SendEffect[] = [];
  #changedFrom: LogIndex | undefined;
  #isHardStateChanged = false;
  #installing: SnapshotMark | undefined;

  constructor(stableIndex: LogIndex) {
    this.durability = new Durability(stableIndex);
  }

  push(effect: Effect): void {
    this.#effects.push(effect);
  }

  send(to: PeerId, message: Message): void {
    this.#effects.push({ kind: 'send', to, message });
  }

  /** For what binds to a term or a vote. */
  sendAfterHardState(to: PeerId, message: Message): void {
    this.#afterHardState.push({ kind: 'send', to, message });
  }

  /** For what binds to entries as well. */
  sendAfterLog(to: PeerId, message: Message): void {
    this.#afterLog.push({ kind: 'send', to, message });
  }

  hardStateChanged(): void {
    this.#isHardStateChanged = true;
  }

  logChangedFrom(index: LogIndex): void {
    this.durability.truncatedFrom(index);
    this.#changedFrom = Math.min(this.#changedFrom ?? index, index);
  }

  logReset(snapshot: SnapshotMark): void {
    this.durability.reset();
    this.#installing = snapshot;
    this.#changedFrom = undefined;
  }

  take(log: ReplicatedLog, hardState: HardState): readonly Effect[] {
    const waiting = this.#waitingSends();
    const isChanged = this.#isHardStateChanged || this.#changedFrom !== undefined;
    const isWritten = isChanged || waiting.length > 0;
    const installing = this.#installing;
    if (installing !== undefined) {
      const sequence = this.durability.issue(installing.index, true);
      const onceDurable = isWritten ? [] : waiting;
      this.#effects.push({
        kind: 'install-snapshot',
        sequence,
        snapshot: installing,
        hardState,
        onceDurable,
      });
    }
    if (isWritten) {
      const from = this.#changedFrom;
      this.#effects.push({
        kind: 'persist',
        sequence: this.durability.issue(log.lastIndex, this.#isHardStateChanged),
        hardState: this.#isHardStateChanged ? hardState : undefined,
        entries: from === undefined ? [] : log.slice(from, log.lastIndex),
        onceDurable: waiting,
      });
    }
    const effects = this.#effects;
    this.#effects = [];
    this.#changedFrom = undefined;
    this.#isHardStateChanged = false;
    this.#installing = undefined;
    return effects;
  }

  /** Sends at once what binds to nothing that is still on its way to disk; returns the rest. */
  #waitingSends(): readonly SendEffect[] {
    const isInstalling = this.#installing !== undefined;
    const mustHardStateWait = isInstalling || this.#isHardStateChanged || !this.durability.isHardStateSettled;
    const mustLogWait = mustHardStateWait || this.#changedFrom !== undefined || !this.durability.isSettled;
    const waiting: SendEffect[] = [];
    (mustHardStateWait ? waiting : this.#effects).push(...this.#afterHardState);
    (mustLogWait ? waiting : this.#effects).push(...this.#afterLog);
    this.#afterHardState = [];
    this.#afterLog = [];
    return waiting;
  }
}
