/** One replica without a group around it: the test plays its peers, its disk and its clock. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import type { Instant } from '../environment/index.ts';
import {
  defaultOptions,
  type Effect,
  type Entry,
  foundingState,
  type HardState,
  type Message,
  type MessageKind,
  type MessageOf,
  type PeerId,
  type PersistedState,
  peerIdOf,
  Replica,
  type ReplicaEvent,
  type ReplicaOptions,
  type ReplicaStatus,
} from './index.ts';

export const a = peerIdOf('a');
export const b = peerIdOf('b');
export const c = peerIdOf('c');

/** One peer a character. */
export function peersOf(names: string): PeerId[] {
  return Array.from(names, (name) => peerIdOf(name));
}

export function command(index: number, term: number, text = `${index}@${term}`): Entry {
  return { kind: 'command', index, term, bytes: Buffer.from(text) };
}

/** What a founder of `abc` holds that has since got these entries, all of them commands. */
export function persistedWith(terms: readonly number[], hardState: Partial<HardState> = {}): PersistedState {
  const founding = foundingState([a, b, c]);
  const entries = [...founding.entries, ...terms.map((term, i) => command(i + 2, term))];
  const term = Math.max(1, ...terms);
  return { ...founding, entries, hardState: { term, vote: undefined, isJoining: false, ...hardState } };
}

export class LoneReplica {
  readonly #replica: Replica;
  readonly options: ReplicaOptions;
  /** Milliseconds. */
  now = 0;
  /** Set to play a disk that has not written yet. */
  isDiskSlow = false;
  readonly effects: Effect[] = [];
  #unwritten: Extract<Effect, { kind: 'persist' | 'install-snapshot' }>[] = [];

  constructor(persisted: PersistedState = persistedWith([]), options: Partial<ReplicaOptions> = {}) {
    this.options = { ...defaultOptions, ...options };
    this.#replica = new Replica({
      id: a,
      persisted,
      options: this.options,
      random: { fraction: () => 0.5 },
      now: this.now as Instant,
    });
  }

  get status(): ReplicaStatus {
    return this.#replica.status();
  }

  get deadline(): number | undefined {
    return this.#replica.deadline();
  }

  /** All effects of the event, with those that waited for the disk, if it is not slow. */
  step(event: ReplicaEvent): readonly Effect[] {
    const from = this.effects.length;
    this.#carryOut(this.#replica.step(event, this.now as Instant));
    if (!this.isDiskSlow) this.write();
    return this.effects.slice(from);
  }

  receive(from: 'b' | 'c', message: Message): readonly Effect[] {
    return this.step({ kind: 'message', from: peerIdOf(from), message });
  }

  /** The disk has done what it was asked. */
  write(): void {
    for (let next = this.#unwritten.shift(); next !== undefined; next = this.#unwritten.shift()) {
      this.#carryOut(this.#replica.step({ kind: 'persisted', sequence: next.sequence }, this.now as Instant));
      this.#carryOut(next.onceDurable);
    }
  }

  wait(ms: number): readonly Effect[] {
    this.now += ms;
    return this.step({ kind: 'wake' });
  }

  /** Waits until an election is due. */
  timeOut(): readonly Effect[] {
    return this.wait(this.deadline! - this.now);
  }

  /** Becomes leader with the votes of `b`. */
  win(): this {
    this.timeOut();
    const asked = this.status.term + 1;
    const last = { index: 0, term: 0 };
    this.receive('b', { kind: 'pre-vote-reply', term: this.status.term, asked, isGranted: true, last });
    this.receive('b', { kind: 'vote-reply', term: asked, isGranted: true });
    assert.equal(this.status.role, 'leader');
    return this;
  }

  propose(text: string): readonly Effect[] {
    return this.step({ kind: 'propose', proposals: [{ token: 1, bytes: Buffer.from(text) }] });
  }

  accept(from: 'b' | 'c', match: number): readonly Effect[] {
    return this.receive(from, { kind: 'append-accepted', term: this.status.term, match, isJoining: false });
  }

  #carryOut(effects: readonly Effect[]): void {
    this.effects.push(...effects);
    for (const effect of effects) {
      if (effect.kind === 'persist' || effect.kind === 'install-snapshot') this.#unwritten.push(effect);
    }
  }
}

/** The messages of a kind among effects, with whom they go to. */
export function sent<Kind extends MessageKind>(
  effects: readonly Effect[],
  kind: Kind,
): readonly (MessageOf<Kind> & { readonly to: string })[] {
  return effects.flatMap((effect) =>
    effect.kind === 'send' && effect.message.kind === kind
      ? [{ ...(effect.message as MessageOf<Kind>), to: effect.to }]
      : [],
  );
}

export function ofKind<Kind extends Effect['kind']>(
  effects: readonly Effect[],
  kind: Kind,
): readonly Extract<Effect, { kind: Kind }>[] {
  return effects.filter((effect): effect is Extract<Effect, { kind: Kind }> => effect.kind === kind);
}

/** The log as a replica has written it. */
export function writtenTerms(persisted: PersistedState, effects: readonly Effect[]): readonly number[] {
  let entries = [...persisted.entries];
  for (const effect of ofKind(effects, 'persist')) {
    const first = effect.entries[0];
    if (first !== undefined)
      entries = [...entries.filter(({ index }) => index < first.index), ...effect.entries];
  }
  return entries.map(({ term }) => term);
}
