/**
 * A process with one replica of a replicated log, and registers of numbers on it: the driver that a pure
 * machine needs, and no more. `readsLocally` plants the canary's bug.
 */
import { Buffer } from 'node:buffer';
import {
  decodeMessage,
  defaultOptions,
  type Effect,
  type Entry,
  encodeMessage,
  type PeerId,
  type PersistedState,
  peerIdOf,
  Replica,
  type ReplicaEvent,
  type ReplicaOptions,
  type RoleName,
  type SendEffect,
  type SnapshotMark,
} from '../../consensus/index.ts';
import type { Connection, Environment, Timer } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import { LengthFrameReader, lengthFrame } from './length-frames.ts';
import { PeerLinks } from './peer-links.ts';
import { ReplicaJournal } from './replica-journal.ts';

const peerPort = 7100;
export const clientPort = 7200;

export interface RegisterReplicaOptions {
  readonly id: PeerId;
  readonly initial: PersistedState;
  readonly options: Partial<ReplicaOptions>;
  /** Answers reads from its own state, whoever leads. */
  readonly readsLocally?: boolean;
  /** Told of each change of role: what a scenario watches. */
  readonly onRole?: (id: PeerId, role: RoleName) => void;
}

export interface RegisterRequest {
  readonly id: number;
  readonly kind: 'read' | 'write' | 'compare-and-set';
  readonly key: string;
  readonly value?: number;
  readonly expected?: number;
}

/** `refused`: for certain, nothing happened. */
export type RegisterReply =
  | { readonly id: number; readonly kind: 'done'; readonly value?: number; readonly isDone?: boolean }
  | { readonly id: number; readonly kind: 'refused'; readonly leader?: string };

type Answer = (reply: RegisterReply) => void;

interface Asked {
  readonly request: RegisterRequest;
  readonly answer: Answer;
}

export async function serveRegisterReplica(
  environment: Environment,
  options: RegisterReplicaOptions,
): Promise<void> {
  const journal = await ReplicaJournal.open(environment, options.initial);
  const links = new PeerLinks(environment, options.id, peerPort);
  const server = new RegisterReplica(environment, options, journal, links);
  await links.listen((from, bytes) => server.receive(from, bytes));
  await environment.network.listen({ host: options.id, port: clientPort }, (connection) => {
    const reader = new LengthFrameReader();
    return {
      data: (chunk) => {
        for (const body of reader.bodies(chunk))
          server.ask(JSON.parse(body.toString()), replyOver(connection));
      },
      drain: () => undefined,
      closed: () => undefined,
    };
  });
  server.start();
}

function replyOver(connection: Connection): Answer {
  return (reply) => connection.write(lengthFrame(Buffer.from(JSON.stringify(reply))));
}

class RegisterReplica {
  readonly #environment: Environment;
  readonly #options: RegisterReplicaOptions;
  readonly #journal: ReplicaJournal;
  readonly #links: PeerLinks;
  readonly #replica: Replica;
  readonly #registers = new Map<string, number>();
  /** By token. */
  readonly #asked = new Map<number, Asked>();
  /** By index: which proposal is expected there. */
  readonly #proposed = new Map<number, { readonly term: number; readonly asked: Asked }>();
  #lastToken = 0;
  #appliedIndex: number;
  #incoming: Buffer[] = [];
  #events: ReplicaEvent[] = [];
  #isStepping = false;
  #timer: Timer | undefined;

  constructor(
    environment: Environment,
    options: RegisterReplicaOptions,
    journal: ReplicaJournal,
    links: PeerLinks,
  ) {
    this.#environment = environment;
    this.#options = options;
    this.#journal = journal;
    this.#links = links;
    this.#replica = new Replica({
      id: options.id,
      persisted: journal.persisted,
      options: { ...defaultOptions, ...options.options },
      random: environment.random,
      now: environment.clock.now(),
    });
    this.#appliedIndex = journal.snapshot.mark.index;
    this.#loadState(journal.snapshot.state);
  }

  start(): void {
    this.#step({ kind: 'wake' });
  }

  receive(from: string, bytes: Buffer): void {
    const message = decodeMessage(bytes);
    assert(message !== undefined, 'a peer sends messages');
    this.#step({ kind: 'message', from: peerIdOf(from), message });
  }

  ask(request: RegisterRequest, answer: Answer): void {
    if (request.kind === 'read' && this.#options.readsLocally) {
      answer(this.#readReply(request));
      return;
    }
    this.#lastToken += 1;
    const token = this.#lastToken;
    this.#asked.set(token, { request, answer });
    if (request.kind === 'read') this.#step({ kind: 'read', tokens: [token] });
    else this.#step({ kind: 'propose', proposals: [{ token, bytes: Buffer.from(JSON.stringify(request)) }] });
  }

  /** One event after another: what an effect brings about waits for the effects before it. */
  #step(event: ReplicaEvent): void {
    this.#events.push(event);
    if (this.#isStepping) return;
    this.#isStepping = true;
    for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
      const effects = this.#replica.step(next, this.#environment.clock.now());
      for (const effect of effects) this.#carryOut(effect);
    }
    this.#isStepping = false;
    this.#setTimer();
  }

  #setTimer(): void {
    this.#timer?.cancel();
    const deadline = this.#replica.deadline();
    if (deadline === undefined) return;
    const delayMs = Math.max(0, deadline - this.#environment.clock.now());
    this.#timer = this.#environment.timers.after(delayMs, () => this.#step({ kind: 'wake' }));
  }

  #carryOut(effect: Effect): void {
    switch (effect.kind) {
      case 'send':
        this.#links.send(effect.to, encodeMessage(effect.message));
        break;
      case 'persist':
        this.#journal.write(effect, this.#whenDurable(effect.sequence, effect.onceDurable));
        break;
      case 'apply':
        for (const entry of effect.entries) this.#apply(entry);
        break;
      case 'accepted': {
        const asked = this.#take(effect.token);
        if (asked !== undefined) this.#proposed.set(effect.index, { term: effect.term, asked });
        break;
      }
      case 'refused': {
        const asked = this.#take(effect.token);
        const leader = effect.leader === undefined ? {} : { leader: effect.leader as string };
        asked?.answer({ id: asked.request.id, kind: 'refused', ...leader });
        break;
      }
      case 'read-ready': {
        const asked = this.#take(effect.token);
        asked?.answer(this.#readReply(asked.request));
        break;
      }
      case 'snapshot-wanted':
        this.#takeSnapshot();
        break;
      case 'read-snapshot':
        this.#readSnapshot(effect);
        break;
      case 'write-snapshot':
        if (effect.offset === 0) this.#incoming = [];
        this.#incoming.push(Buffer.from(effect.bytes));
        for (const send of effect.onceDurable) this.#carryOut(send);
        break;
      case 'install-snapshot':
        this.#install(effect);
        break;
      case 'role':
        this.#environment.log.info('role', { role: effect.role, term: effect.term, leader: effect.leader });
        this.#options.onRole?.(this.#options.id, effect.role);
        break;
      default:
        break;
    }
  }

  #whenDurable(sequence: number, sends: readonly SendEffect[]) {
    return (error: Error | undefined): void => {
      // Without its disk a replica may promise nothing: it stops.
      if (error !== undefined) throw error;
      this.#step({ kind: 'persisted', sequence });
      for (const send of sends) this.#carryOut(send);
    };
  }

  #take(token: number): Asked | undefined {
    const asked = this.#asked.get(token);
    this.#asked.delete(token);
    return asked;
  }

  #readReply({ id, key }: RegisterRequest): RegisterReply {
    const value = this.#registers.get(key);
    return { id, kind: 'done', ...(value !== undefined && { value }) };
  }

  #apply(entry: Entry): void {
    this.#appliedIndex = entry.index;
    const proposed = this.#proposed.get(entry.index);
    this.#proposed.delete(entry.index);
    const isDone = entry.kind === 'command' && this.#execute(JSON.parse(Buffer.from(entry.bytes).toString()));
    if (proposed === undefined) return;
    const { answer, request } = proposed.asked;
    // Another entry stands where it stood: it is gone for good.
    if (proposed.term !== entry.term) answer({ id: request.id, kind: 'refused' });
    else answer({ id: request.id, kind: 'done', isDone });
  }

  #execute({ kind, key, value, expected }: RegisterRequest): boolean {
    if (kind === 'compare-and-set' && this.#registers.get(key) !== expected) return false;
    this.#registers.set(key, value!);
    return true;
  }

  #takeSnapshot(): void {
    const index = this.#appliedIndex;
    const { entries, snapshot } = this.#journal.persisted;
    const entry = entries.find((each) => each.index === index);
    if (entry === undefined) return;
    const last = entries.findLast((each) => each.kind === 'membership' && each.index <= index);
    const membership = last?.kind === 'membership' ? last.membership : snapshot.membership;
    const mark: SnapshotMark = { index, term: entry.term, membership };
    this.#journal.writeSnapshot({ mark, state: this.#state() }, (error) => {
      if (error !== undefined) throw error;
      this.#step({ kind: 'snapshot-taken', index });
    });
  }

  #readSnapshot({ to, place, offset, bytesMax }: Extract<Effect, { kind: 'read-snapshot' }>): void {
    const { mark, state } = this.#journal.snapshot;
    if (mark.index !== place.index) return;
    const bytes = state.subarray(offset, offset + bytesMax);
    const isLast = offset + bytes.length === state.length;
    this.#step({ kind: 'snapshot-read', to, place, offset, bytes, isLast });
  }

  #install(effect: Extract<Effect, { kind: 'install-snapshot' }>): void {
    const { snapshot, hardState, sequence, onceDurable } = effect;
    const state = Buffer.concat(this.#incoming);
    this.#incoming = [];
    this.#loadState(state);
    this.#appliedIndex = snapshot.index;
    const done = this.#whenDurable(sequence, onceDurable);
    this.#journal.installSnapshot({ mark: snapshot, state }, hardState, done);
  }

  #state(): Buffer {
    return Buffer.from(JSON.stringify([...this.#registers]));
  }

  #loadState(state: Buffer): void {
    this.#registers.clear();
    if (state.length === 0) return;
    for (const [key, value] of JSON.parse(state.toString())) this.#registers.set(key, value);
  }
}
