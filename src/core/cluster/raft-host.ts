/**
 * Owns this node's replica of the consensus log while it has one: tells it of events, carries out its effects in
 * their order on the journal and the messenger, wakes it, and tells proposers what became of what they proposed.
 *
 *   H1. Effects of a step are carried out before the next step; what must be durable first waits for the journal.
 *   H2. A write that fails ends the replica, as the crash of its process would; it begins anew from what is on
 *       disk. What it had promised before is there.
 *   H3. A replica whose removal is decided ends, and never votes under its name again.
 */
import { Buffer } from 'node:buffer';
import {
  type Effect,
  type Entry,
  isJoint,
  type LogIndex,
  type Membership,
  type Message,
  membersOf,
  noMembership,
  type PeerId,
  Replica,
  type ReplicaEvent,
  type ReplicaOptions,
  type ReplicaStanding,
  type ReplicaStatus,
  type SendEffect,
  type SnapshotMark,
  type WantedMembership,
} from '../../consensus/index.ts';
import type { Environment, Instant, Timer } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import type { WalDone } from '../../wal/index.ts';
import type { ProposalAnswer } from './cluster-message.ts';
import type { ReplicaContents } from './journal-contents.ts';
import type { LogJournal } from './log-journal.ts';
import type { Verdict } from './verdict.ts';

/** What the entries are folded into. */
export interface HostedState {
  /** Folds a committed command. */
  readonly fold: (bytes: Uint8Array) => Verdict;
  readonly encode: () => Buffer;
  /** A snapshot replaces the state, whichever it was. */
  readonly restore: (encoded: Buffer) => void;
}

export interface RaftHostParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'tasks' | 'random' | 'log'>;
  readonly journal: LogJournal;
  readonly options: ReplicaOptions;
  readonly state: HostedState;
  readonly send: (from: PeerId, to: PeerId, message: Message) => void;
  /** Role, leader or membership have changed. */
  readonly changed: () => void;
  /** The membership without this replica is decided: it has ended (H3). */
  readonly removed: () => void;
  readonly journalFailed: (error: Error) => void;
}

type Decided = (answer: ProposalAnswer) => void;
type ChangeDone = (isDone: boolean) => void;

export class RaftHost {
  readonly #parts: RaftHostParts;
  #replica: Replica | undefined;
  #name: PeerId | undefined;
  /** Callbacks of replicas that have ended do nothing. */
  #life = 0;
  #standing: ReplicaStanding | undefined;
  #wasMember = false;
  #events: ReplicaEvent[] = [];
  #isStepping = false;
  #timer: { readonly timer: Timer; readonly at: number } | undefined;
  #incoming: Buffer[] = [];
  #appliedIndex: LogIndex = 0;
  #lastToken = 0;
  #queued: { readonly token: number; readonly bytes: Buffer }[] = [];
  /** By token: asked for, and not yet at a place. */
  readonly #asked = new Map<number, Decided>();
  readonly #changes = new Map<number, ChangeDone>();
  /** By index. */
  readonly #placed = new Map<LogIndex, { readonly term: number; readonly decided: Decided }>();

  constructor(parts: RaftHostParts) {
    this.#parts = parts;
  }

  get name(): PeerId | undefined {
    return this.#name;
  }

  get isRunning(): boolean {
    return this.#replica !== undefined;
  }

  /** Undefined while no replica runs. */
  get status(): ReplicaStatus | undefined {
    return this.#replica?.status();
  }

  /** As of the last step; undefined while no replica runs. */
  get standing(): ReplicaStanding | undefined {
    return this.#standing;
  }

  get isLeader(): boolean {
    return this.#standing?.role === 'leader';
  }

  /** Runs the replica of the journal. */
  begin({ stored, persisted }: ReplicaContents): void {
    assert(this.#replica === undefined, 'a node has one replica');
    const { environment, options, state } = this.#parts;
    const now = environment.clock.now();
    this.#name = stored.name;
    this.#wasMember = membersOf(persisted.snapshot.membership).includes(stored.name);
    this.#appliedIndex = persisted.snapshot.index;
    if (stored.agreed.length > 0) state.restore(stored.agreed);
    this.#replica = new Replica({ id: stored.name, persisted, options, random: environment.random, now });
    this.#step({ kind: 'wake' });
  }

  /** Ends the replica. Nobody hears of what it was asked. */
  stop(): void {
    this.#life += 1;
    this.#replica = undefined;
    this.#standing = undefined;
    this.#timer?.timer.cancel();
    this.#timer = undefined;
    this.#events = [];
    this.#incoming = [];
    this.#queued = [];
    this.#giveUp();
  }

  receive(from: PeerId, message: Message): void {
    this.#step({ kind: 'message', from, message });
  }

  /** All proposals of a turn go to the replica as one event. `decided` is called once, not from inside. */
  propose(bytes: Buffer, decided: Decided): void {
    this.#lastToken += 1;
    this.#asked.set(this.#lastToken, decided);
    this.#queued.push({ token: this.#lastToken, bytes });
    if (this.#queued.length > 1) return;
    const life = this.#life;
    this.#parts.environment.tasks.endOfTurn(() => {
      if (life !== this.#life || this.#queued.length === 0) return;
      const proposals = this.#queued;
      this.#queued = [];
      this.#step({ kind: 'propose', proposals });
    });
  }

  /** `done` says whether it stands in the log; being refused is no fault: ask again later. */
  changeMembership(wanted: WantedMembership, done: ChangeDone): void {
    this.#lastToken += 1;
    this.#changes.set(this.#lastToken, done);
    this.#step({ kind: 'change-membership', token: this.#lastToken, ...wanted });
  }

  transferLeadership(to: PeerId): void {
    this.#lastToken += 1;
    this.#step({ kind: 'transfer-leadership', token: this.#lastToken, to });
  }

  #step(event: ReplicaEvent): void {
    if (this.#replica === undefined) {
      this.#giveUp();
      return;
    }
    this.#events.push(event);
    if (this.#isStepping) return;
    this.#isStepping = true;
    const before = this.#standing;
    try {
      this.#stepAll();
    } finally {
      this.#isStepping = false;
    }
    this.#standing = this.#replica?.standing();
    this.#setTimer();
    this.#tellChanges(before);
  }

  #stepAll(): void {
    const life = this.#life;
    for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
      const effects = this.#replica!.step(next, this.#parts.environment.clock.now());
      for (const effect of effects) {
        this.#carryOut(effect);
        if (life !== this.#life) return;
      }
    }
  }

  #tellChanges(before: ReplicaStanding | undefined): void {
    const standing = this.#standing;
    if (before?.role === 'leader' && standing?.role !== 'leader') this.#giveUp();
    const isSame =
      before?.role === standing?.role &&
      before?.leader === standing?.leader &&
      before?.term === standing?.term &&
      before?.membership === standing?.membership;
    if (!isSame) this.#parts.changed();
  }

  /** Whoever asked asks again, perhaps elsewhere: what is folded twice is folded once (G1). */
  #giveUp(): void {
    const waiting = [...this.#asked.values(), ...[...this.#placed.values()].map(({ decided }) => decided)];
    const changes = [...this.#changes.values()];
    this.#asked.clear();
    this.#placed.clear();
    this.#changes.clear();
    for (const decided of waiting) decided({ kind: 'elsewhere' });
    for (const done of changes) done(false);
  }

  /** A wake that comes early does no harm, so a deadline that moves away leaves its timer alone. */
  #setTimer(): void {
    const deadline = this.#replica?.deadline();
    if (deadline === undefined || (this.#timer !== undefined && this.#timer.at <= deadline)) return;
    this.#timer?.timer.cancel();
    const { clock, timers } = this.#parts.environment;
    const delayMs = Math.max(0, deadline - clock.now());
    const timer = timers.after(delayMs, () => {
      this.#timer = undefined;
      const due: Instant | undefined = this.#replica?.deadline();
      if (due !== undefined && due <= clock.now()) this.#step({ kind: 'wake' });
      else this.#setTimer();
    });
    this.#timer = { timer, at: deadline };
  }

  #carryOut(effect: Effect): void {
    switch (effect.kind) {
      case 'send':
        this.#send(effect);
        break;
      case 'persist':
        this.#parts.journal.writeLog(effect, this.#whenDurable(effect.sequence, effect.onceDurable));
        break;
      case 'apply':
        this.#applyAll(effect.entries);
        break;
      case 'accepted':
        this.#accepted(effect);
        break;
      case 'refused':
        this.#refused(effect);
        break;
      case 'snapshot-wanted':
        this.#takeSnapshot();
        break;
      case 'read-snapshot':
        this.#readSnapshot(effect);
        break;
      case 'write-snapshot':
        // Pieces wait in memory: without the last one they are worth nothing after a crash.
        if (effect.offset === 0) this.#incoming = [];
        this.#incoming.push(Buffer.from(effect.bytes));
        for (const send of effect.onceDurable) this.#send(send);
        break;
      case 'install-snapshot':
        this.#install(effect);
        break;
      case 'role':
        this.#parts.environment.log.info('role in the cluster log', {
          role: effect.role,
          term: effect.term,
          leader: effect.leader,
        });
        break;
      // The others answer what is never asked here, or show in the status.
      default:
        break;
    }
  }

  #send({ to, message }: SendEffect): void {
    this.#parts.send(this.#name!, to, message);
  }

  #whenDurable(sequence: number, sends: readonly SendEffect[]): WalDone {
    const life = this.#life;
    return (error) => {
      if (life !== this.#life) return;
      if (error !== undefined) {
        this.stop();
        this.#parts.journalFailed(error);
        return;
      }
      this.#step({ kind: 'persisted', sequence });
      if (life !== this.#life) return;
      for (const send of sends) this.#send(send);
    };
  }

  #accepted({ token, index, term }: Extract<Effect, { kind: 'accepted' }>): void {
    const decided = this.#asked.get(token);
    this.#asked.delete(token);
    if (decided !== undefined) this.#placed.set(index, { term, decided });
    const change = this.#changes.get(token);
    this.#changes.delete(token);
    change?.(true);
  }

  #refused({ token, reason }: Extract<Effect, { kind: 'refused' }>): void {
    const decided = this.#asked.get(token);
    this.#asked.delete(token);
    decided?.({ kind: reason === 'too-large' ? 'too-large' : 'elsewhere' });
    const change = this.#changes.get(token);
    this.#changes.delete(token);
    change?.(false);
  }

  /** What follows the own removal is not this replica's any more. */
  #applyAll(entries: readonly Entry[]): void {
    const life = this.#life;
    for (const entry of entries) {
      this.#apply(entry);
      if (life !== this.#life) return;
    }
  }

  #apply(entry: Entry): void {
    this.#appliedIndex = entry.index;
    const placed = this.#placed.get(entry.index);
    this.#placed.delete(entry.index);
    const verdict = entry.kind === 'command' ? this.#parts.state.fold(entry.bytes) : undefined;
    if (entry.kind === 'membership') this.#applyMembership(entry.membership);
    if (placed === undefined) return;
    // Another entry stands where it stood: it is gone for good.
    if (placed.term !== entry.term || verdict === undefined) placed.decided({ kind: 'elsewhere' });
    else placed.decided({ kind: 'judged', verdict });
  }

  /** A replica that is catching up meets memberships from before it was named; those say nothing. */
  #applyMembership(membership: Membership): void {
    const isMember = membersOf(membership).includes(this.#name!);
    if (isMember) this.#wasMember = true;
    if (isMember || !this.#wasMember || isJoint(membership)) return;
    this.stop();
    this.#parts.removed();
  }

  #takeSnapshot(): void {
    const { journal, state } = this.#parts;
    const { entries, snapshot } = journal.contents.replica!.persisted;
    const index = this.#appliedIndex;
    const entry = entries.find((each) => each.index === index);
    if (entry === undefined) return;
    const last = entries.findLast((each) => each.kind === 'membership' && each.index <= index);
    const membership = last?.kind === 'membership' ? last.membership : snapshot.membership;
    const mark: SnapshotMark = { index, term: entry.term, membership };
    const life = this.#life;
    journal.writeSnapshot(mark, state.encode(), (error) => {
      if (life !== this.#life) return;
      if (error === undefined) this.#step({ kind: 'snapshot-taken', index });
      else {
        this.stop();
        this.#parts.journalFailed(error);
      }
    });
  }

  #readSnapshot({ to, place, offset, bytesMax }: Extract<Effect, { kind: 'read-snapshot' }>): void {
    const { mark, agreed } = this.#parts.journal.contents.replica!.stored;
    if (mark.index !== place.index || mark.term !== place.term) return;
    const bytes = agreed.subarray(offset, offset + bytesMax);
    const isLast = offset + bytes.length === agreed.length;
    this.#step({ kind: 'snapshot-read', to, place, offset, bytes, isLast });
  }

  #install({
    snapshot,
    hardState,
    sequence,
    onceDurable,
  }: Extract<Effect, { kind: 'install-snapshot' }>): void {
    const { journal, state } = this.#parts;
    const agreed = Buffer.concat(this.#incoming);
    this.#incoming = [];
    const life = this.#life;
    state.restore(agreed);
    this.#appliedIndex = snapshot.index;
    // After a restart nothing is applied before somebody says what is committed: its log has named it all the same.
    const known = this.#standing?.membership ?? noMembership;
    this.#wasMember ||= membersOf(known).includes(this.#name!);
    this.#applyMembership(snapshot.membership);
    if (life !== this.#life) return;
    const { stored } = journal.contents.replica!;
    journal.write(
      [
        { kind: 'replica', replica: { ...stored, mark: snapshot, agreed } },
        { kind: 'log', write: { hardState, entries: [] } },
      ],
      this.#whenDurable(sequence, onceDurable),
    );
  }
}
