/**
 * The owner of one replica in tests: carries out its effects on a simulated disk, of which each write
 * takes its time and is gone if the crash comes first, and on a state that is the list of commands.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import type { Instant } from '../environment/index.ts';
import {
  type Effect,
  type ElectionRandom,
  type LogIndex,
  type LogPosition,
  type PeerId,
  type PersistedState,
  Replica,
  type ReplicaEvent,
  type ReplicaOptions,
  type SendEffect,
  type SnapshotMark,
} from './index.ts';

interface Snapshot {
  readonly mark: SnapshotMark;
  readonly commands: readonly string[];
}

interface Disk {
  state: PersistedState;
  snapshot: Snapshot;
}

/** What a host needs of the world around it. */
export interface HostWorld {
  readonly options: ReplicaOptions;
  readonly random: ElectionRandom;
  now(): Instant;
  /** Calls `run` when a write is on disk; writes of one host end in their order. */
  afterWrite(run: () => void): void;
  send(from: PeerId, send: SendEffect): void;
  saw(id: PeerId, effects: readonly Effect[]): void;
  booted(id: PeerId, persisted: PersistedState): void;
}

export class ReplicaHost {
  readonly id: PeerId;
  readonly #world: HostWorld;
  readonly #disk: Disk;
  #replica: Replica | undefined;
  /** Writes of lives that are over do nothing. */
  #life = 0;
  #commands: string[] = [];
  #appliedIndex: LogIndex = 0;
  #incoming = Buffer.alloc(0);
  #lastWakeAt: Instant | undefined;
  #events: ReplicaEvent[] = [];
  #isStepping = false;
  reads: { readonly token: number; readonly index: LogIndex }[] = [];
  outcomes: Effect[] = [];

  constructor(id: PeerId, persisted: PersistedState, world: HostWorld) {
    this.id = id;
    this.#world = world;
    this.#disk = { state: persisted, snapshot: { mark: persisted.snapshot, commands: [] } };
    this.boot();
  }

  get isUp(): boolean {
    return this.#replica !== undefined;
  }

  get replica(): Replica {
    assert.ok(this.#replica !== undefined, `${this.id} is up`);
    return this.#replica;
  }

  /** What the state machine holds. */
  get commands(): readonly string[] {
    return this.#commands;
  }

  boot(): void {
    const { options, random } = this.#world;
    const { state, snapshot } = this.#disk;
    this.#commands = [...snapshot.commands];
    this.#appliedIndex = snapshot.mark.index;
    this.#world.booted(this.id, state);
    this.#replica = new Replica({ id: this.id, persisted: state, options, random, now: this.#world.now() });
    this.#lastWakeAt = undefined;
  }

  /** The power goes: writes that are not on disk are lost. */
  crash(): void {
    this.#life += 1;
    this.#replica = undefined;
  }

  /** Loses the disk as well. */
  wipe(persisted: PersistedState): void {
    this.#disk.state = persisted;
    this.#disk.snapshot = { mark: persisted.snapshot, commands: [] };
  }

  /** What an effect brings about waits until the effects before it are carried out. */
  step(event: ReplicaEvent): void {
    if (this.#replica === undefined) return;
    this.#events.push(event);
    if (this.#isStepping) return;
    this.#isStepping = true;
    for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
      const effects = this.#replica.step(next, this.#world.now());
      this.#world.saw(this.id, effects);
      for (const effect of effects) this.#carryOut(effect);
    }
    this.#isStepping = false;
  }

  wakeIfDue(): void {
    const deadline = this.#replica?.deadline();
    if (deadline === undefined || deadline > this.#world.now()) return;
    assert.notEqual(this.#lastWakeAt, deadline, 'a wake settles its deadline');
    this.#lastWakeAt = deadline;
    this.step({ kind: 'wake' });
  }

  takeSnapshot(): void {
    if (this.#replica === undefined) return;
    const index = this.#replica.status().applied;
    this.#snapshotAt(index);
  }

  #carryOut(effect: Effect): void {
    switch (effect.kind) {
      case 'send':
        this.#world.send(this.id, effect);
        break;
      case 'persist':
        this.#write(effect.sequence, effect.onceDurable, () => {
          const { state } = this.#disk;
          const from = effect.entries[0]?.index ?? Number.POSITIVE_INFINITY;
          const kept = state.entries.filter(({ index }) => index < from);
          const hardState = effect.hardState ?? state.hardState;
          this.#disk.state = { ...state, hardState, entries: [...kept, ...effect.entries] };
        });
        break;
      case 'apply':
        for (const entry of effect.entries) {
          assert.equal(entry.index, this.#appliedIndex + 1, 'entries are applied in order, each once');
          this.#appliedIndex = entry.index;
          if (entry.kind === 'command') this.#commands.push(Buffer.from(entry.bytes).toString());
        }
        break;
      case 'read-ready':
        assert.ok(effect.index <= this.#appliedIndex, 'a read is ready when its index is applied');
        this.reads.push({ token: effect.token, index: effect.index });
        break;
      case 'accepted':
      case 'refused':
      case 'transfer-ended':
        this.outcomes.push(effect);
        break;
      case 'snapshot-wanted':
        this.takeSnapshot();
        break;
      case 'read-snapshot':
        this.#readSnapshot(effect.to, effect.place, effect.offset, effect.bytesMax);
        break;
      case 'write-snapshot': {
        if (effect.offset === 0) this.#incoming = Buffer.alloc(0);
        assert.equal(effect.offset, this.#incoming.length, 'pieces come in order');
        this.#incoming = Buffer.concat([this.#incoming, effect.bytes]);
        this.#write(undefined, effect.onceDurable, () => undefined);
        break;
      }
      case 'install-snapshot':
        this.#install(effect);
        break;
      default:
        break;
    }
  }

  #install(effect: Extract<Effect, { kind: 'install-snapshot' }>): void {
    const commands = JSON.parse(this.#incoming.toString()) as string[];
    this.#commands = [...commands];
    this.#appliedIndex = effect.snapshot.index;
    this.#write(effect.sequence, effect.onceDurable, () => {
      this.#disk.snapshot = { mark: effect.snapshot, commands };
      this.#disk.state = { hardState: effect.hardState, snapshot: effect.snapshot, entries: [] };
    });
  }

  #write(sequence: number | undefined, sends: readonly SendEffect[], change: () => void): void {
    const life = this.#life;
    this.#world.afterWrite(() => {
      if (life !== this.#life) return;
      change();
      if (sequence !== undefined) this.step({ kind: 'persisted', sequence });
      for (const send of sends) this.#world.send(this.id, send);
    });
  }

  /** Synchronously, with what is on disk of the log behind it. */
  #snapshotAt(index: LogIndex): void {
    const { state, snapshot } = this.#disk;
    const entry = state.entries.find((each) => each.index === index);
    if (entry === undefined || index <= snapshot.mark.index) return;
    const membershipEntry = state.entries.findLast(
      (each) => each.kind === 'membership' && each.index <= index,
    );
    const membership =
      membershipEntry?.kind === 'membership' ? membershipEntry.membership : snapshot.mark.membership;
    const mark = { index, term: entry.term, membership };
    this.#disk.snapshot = { mark, commands: [...this.#commands] };
    this.#disk.state = {
      ...state,
      snapshot: mark,
      entries: state.entries.filter((each) => each.index > index),
    };
    this.step({ kind: 'snapshot-taken', index });
  }

  #readSnapshot(to: PeerId, place: LogPosition, offset: number, bytesMax: number): void {
    const { mark, commands } = this.#disk.snapshot;
    if (mark.index !== place.index) return;
    const all = Buffer.from(JSON.stringify(commands));
    const bytes = all.subarray(offset, offset + bytesMax);
    const isLast = offset + bytes.length === all.length;
    this.step({ kind: 'snapshot-read', to, place, offset, bytes, isLast });
  }
}
