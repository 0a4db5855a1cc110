/**
 * A whole group in one synchronous loop, in virtual time, from a seed: a network that loses, doubles,
 * delays and so reorders messages, disks that take their time, and the invariants watched at each step.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import type { Instant } from '../environment/index.ts';
import { Prng } from '../simulator/index.ts';
import { GroupInvariants } from './group-invariants.fixture.ts';
import {
  defaultOptions,
  type Effect,
  foundingState,
  type Message,
  type PeerId,
  type PersistedState,
  peerIdOf,
  type ReplicaOptions,
  type SendEffect,
} from './index.ts';
import { peersOf } from './lone-replica.fixture.ts';
import { type HostWorld, ReplicaHost } from './replica-host.fixture.ts';

export interface NetworkConditions {
  readonly loss: number;
  readonly duplication: number;
  readonly delayMs: readonly [number, number];
  readonly writeMs: readonly [number, number];
}

export const calm: NetworkConditions = { loss: 0, duplication: 0, delayMs: [1, 1], writeMs: [1, 1] };
export const rough: NetworkConditions = { loss: 0.05, duplication: 0.05, delayMs: [0, 60], writeMs: [0, 30] };
/** Messages overtake disks by far, so that a crash shows what was said too early. */
export const slowDisks: NetworkConditions = {
  loss: 0.02,
  duplication: 0.05,
  delayMs: [0, 20],
  writeMs: [0, 300],
};
/** Old messages come late, into other terms. */
export const lateMessages: NetworkConditions = {
  loss: 0,
  duplication: 0.2,
  delayMs: [0, 1500],
  writeMs: [0, 5],
};

export interface GroupOptions {
  readonly seed: number;
  readonly conditions?: NetworkConditions;
  readonly options?: Partial<ReplicaOptions>;
  /** Told of every message as it leaves, and whether the network lost it. */
  readonly watch?: (from: PeerId, to: PeerId, message: Message, isLost: boolean) => void;
  /** Messages that the network never carries. */
  readonly drops?: (message: Message) => boolean;
  readonly saw?: (id: PeerId, effects: readonly Effect[]) => void;
}

interface Planned {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class Group {
  readonly invariants = new GroupInvariants();
  readonly hosts = new Map<PeerId, ReplicaHost>();
  conditions: NetworkConditions;
  readonly #options: ReplicaOptions;
  readonly #given: GroupOptions;
  readonly #random: Prng;
  readonly #cuts = new Set<string>();
  #planned: Planned[] = [];
  #order = 0;
  #now = 1000;
  #token = 0;

  constructor(names: string, given: GroupOptions) {
    this.#given = given;
    this.#options = { ...defaultOptions, ...given.options };
    this.conditions = given.conditions ?? calm;
    this.#random = new Prng(given.seed, 'group');
    const founders = peersOf(names);
    for (const id of founders) this.add(id, foundingState(founders));
  }

  get now(): number {
    return this.#now;
  }

  add(id: PeerId, persisted: PersistedState): ReplicaHost {
    let writtenAt = 0;
    const random = this.#random.fork(`election ${id}`);
    const world: HostWorld = {
      options: this.#options,
      random,
      now: () => this.#now as Instant,
      afterWrite: (run) => {
        // A disk writes one after another.
        writtenAt = Math.max(writtenAt, this.#now) + this.#between(this.conditions.writeMs);
        this.#plan(writtenAt, run);
      },
      send: (from, send) => this.#send(from, send),
      saw: (from, effects) => {
        for (const effect of effects) this.invariants.saw(from, effect);
        this.invariants.stepped(from, effects);
        this.#given.saw?.(from, effects);
      },
      booted: (from, state) => this.invariants.booted(from, state),
    };
    const host = new ReplicaHost(id, persisted, world);
    this.hosts.set(id, host);
    return host;
  }

  host(name: string): ReplicaHost {
    const host = this.hosts.get(peerIdOf(name));
    assert.ok(host !== undefined, `there is a replica ${name}`);
    return host;
  }

  /** Cuts the link one way. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from}>${to}`);
  }

  /** Leaves only the links named, both ways: `['ab', 'bc']` is a chain. */
  leaveLinks(links: readonly string[]): void {
    this.#cuts.clear();
    const names = [...this.hosts.keys()];
    const isLinked = (a: string, b: string): boolean => links.includes(a + b) || links.includes(b + a);
    for (const a of names) for (const b of names) if (a !== b && !isLinked(a, b)) this.cut(a, b);
  }

  heal(): void {
    this.#cuts.clear();
  }

  run(forMs: number): void {
    const until = this.#now + forMs;
    for (;;) {
      const next = this.#nextAt();
      if (next > until) break;
      this.#now = Math.max(this.#now, next);
      for (const host of this.hosts.values()) host.wakeIfDue();
      const due = this.#planned.filter(({ at }) => at <= this.#now);
      this.#planned = this.#planned.filter(({ at }) => at > this.#now);
      due.sort((a, b) => a.at - b.at || a.order - b.order);
      for (const { run } of due) run();
    }
    this.#now = until;
  }

  /** Runs until it holds; fails if it does not within the time. */
  runUntil(what: string, holds: () => boolean, forMs = 60_000): void {
    const until = this.#now + forMs;
    while (!holds()) {
      assert.ok(this.#now < until, `${what}, within ${forMs} ms`);
      this.run(10);
    }
  }

  /** The leader of the highest term that is up, if any. */
  get leader(): ReplicaHost | undefined {
    const leaders = [...this.hosts.values()].filter(
      (host) => host.isUp && host.replica.status().role === 'leader',
    );
    return leaders.sort((a, b) => b.replica.status().term - a.replica.status().term)[0];
  }

  awaitLeader(): ReplicaHost {
    this.runUntil('a leader is elected', () => this.leader !== undefined);
    return this.leader!;
  }

  /** Makes the named replica leader, by hand over. */
  lead(name: string): ReplicaHost {
    this.runUntil(`${name} leads`, () => {
      const leader = this.leader;
      if (leader?.id === name) return true;
      leader?.step({ kind: 'transfer-leadership', token: this.token(), to: peerIdOf(name) });
      this.run(200);
      return false;
    });
    return this.host(name);
  }

  token(): number {
    this.#token += 1;
    return this.#token;
  }

  /** Whether it was accepted. */
  propose(host: ReplicaHost, text: string): boolean {
    const token = this.token();
    host.step({ kind: 'propose', proposals: [{ token, bytes: Buffer.from(text) }] });
    return host.outcomes.some((effect) => effect.kind === 'accepted' && effect.token === token);
  }

  /** Proposes at whoever leads until it is applied there; fails after a minute. */
  commit(text: string, forMs = 60_000): void {
    const isApplied = (): boolean =>
      [...this.hosts.values()].some((host) => host.isUp && host.commands.includes(text));
    let proposedTo: string | undefined;
    this.runUntil(
      `${text} is committed`,
      () => {
        const leader = this.leader;
        const reign = leader === undefined ? undefined : `${leader.id} ${leader.replica.status().term}`;
        if (leader !== undefined && reign !== proposedTo && this.propose(leader, text)) proposedTo = reign;
        return isApplied();
      },
      forMs,
    );
  }

  #send(from: PeerId, { to, message }: SendEffect): void {
    const isCut = this.#cuts.has(`${from}>${to}`);
    const isDropped = this.#given.drops?.(message) ?? false;
    const isLost = isCut || isDropped || this.#random.chance(this.conditions.loss);
    this.#given.watch?.(from, to, message, isLost);
    if (isLost) return;
    const copies = this.#random.chance(this.conditions.duplication) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      this.#plan(this.#now + this.#between(this.conditions.delayMs), () => {
        // Cut while it was under way, or nobody there.
        if (this.#cuts.has(`${from}>${to}`)) return;
        this.hosts.get(to)?.step({ kind: 'message', from, message });
      });
    }
  }

  #plan(at: number, run: () => void): void {
    this.#order += 1;
    this.#planned.push({ at, order: this.#order, run });
  }

  #nextAt(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { at } of this.#planned) if (at < next) next = at;
    for (const host of this.hosts.values()) {
      const deadline = host.isUp ? host.replica.deadline() : undefined;
      if (deadline !== undefined && deadline < next) next = deadline;
    }
    return next;
  }

  #between([low, high]: readonly [number, number]): number {
    return low === high ? low : this.#random.between(low, high);
  }
}
