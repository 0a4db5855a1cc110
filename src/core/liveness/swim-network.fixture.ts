/**
 * Machines in one synchronous loop, in virtual time, from a seed: a network that loses, delays and cuts, and
 * processes that stop, pause and begin another life. Every message passes through its bytes.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { type Instant, type NodeId, nodeIdOf } from '../../environment/index.ts';
import { Prng } from '../../simulator/index.ts';
import {
  defaultSwimOptions,
  envelopeBytes,
  type LivenessEvent,
  type Reachability,
  readEnvelope,
  Swim,
  type SwimMessage,
  type SwimOptions,
  writeEnvelope,
} from './index.ts';

export interface NetworkOptions {
  readonly seed: number;
  readonly loss?: number;
  readonly delayMs?: readonly [number, number];
  readonly options?: Partial<SwimOptions>;
  /** Watches every message that is sent. */
  readonly watch?: (from: NodeId, to: NodeId, message: SwimMessage) => void;
}

export interface Sighting {
  readonly atMs: number;
  readonly by: NodeId;
  readonly of: NodeId;
  readonly reachability: Reachability;
}

interface Host {
  readonly node: NodeId;
  swim: Swim;
  state: 'up' | 'paused' | 'down';
  /** What came during a pause. */
  waiting: LivenessEvent[];
  lives: number;
}

interface Planned {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

const refusalMs = 0.2;

export class SwimNetwork {
  readonly nodes: readonly NodeId[];
  readonly sightings: Sighting[] = [];
  readonly options: SwimOptions;
  loss: number;
  bytesSent = 0;
  messagesSent = 0;
  readonly #given: NetworkOptions;
  readonly #random: Prng;
  readonly #hosts = new Map<NodeId, Host>();
  readonly #cuts = new Set<string>();
  #planned: Planned[] = [];
  #order = 0;
  #now = 1_000_000;

  constructor(count: number, given: NetworkOptions) {
    this.#given = given;
    this.#random = new Prng(given.seed, 'swim');
    this.options = { ...defaultSwimOptions, ...given.options };
    this.loss = given.loss ?? 0;
    this.nodes = Array.from({ length: count }, (_, i) => nodeIdOf(`n${i}@host`));
    for (const node of this.nodes) this.#hosts.set(node, this.#host(node));
    for (const node of this.nodes) this.tell(node, { kind: 'members', nodes: this.nodes });
  }

  get now(): number {
    return this.#now;
  }

  swim(node: NodeId): Swim {
    return this.#hostOf(node).swim;
  }

  /** Steps the machine with an event from outside, now. */
  tell(node: NodeId, event: LivenessEvent): void {
    const host = this.#hostOf(node);
    if (host.state === 'paused') host.waiting.push(event);
    else if (host.state === 'up') this.#step(host, event);
  }

  run(forMs: number): void {
    const until = this.#now + forMs;
    for (;;) {
      const wake = this.#nextWake();
      const first = this.#planned[0];
      const next = Math.min(wake?.at ?? Number.POSITIVE_INFINITY, first?.at ?? Number.POSITIVE_INFINITY);
      if (next > until) break;
      this.#now = Math.max(this.#now, next);
      if (first !== undefined && first.at === next) {
        this.#planned.shift();
        first.run();
      } else if (wake !== undefined) {
        this.#step(wake.host, { kind: 'wake' });
      }
    }
    this.#now = until;
  }

  runUntil(isDone: () => boolean, msMax: number): number {
    const from = this.#now;
    while (!isDone()) {
      assert.ok(this.#now - from < msMax, `not within ${msMax} ms`);
      this.run(10);
    }
    return this.#now - from;
  }

  /** `kill -9`: connections break, and the machine refuses new ones. */
  kill(node: NodeId): void {
    this.crash(node);
    for (const peer of this.nodes) {
      if (peer === node || this.#isCut(node, peer)) continue;
      const broken: LivenessEvent = { kind: 'disconnected', peer: node, isRefused: false };
      this.#plan(refusalMs, () => this.tell(peer, broken));
    }
    this.#hostOf(node).lives += 0.5;
  }

  /** The machine loses power: nobody is told anything. */
  crash(node: NodeId): void {
    const host = this.#hostOf(node);
    host.state = 'down';
    host.waiting = [];
  }

  restart(node: NodeId): void {
    const host = this.#host(node, Math.floor(this.#hostOf(node).lives) + 1);
    this.#hosts.set(node, host);
    this.tell(node, { kind: 'members', nodes: this.nodes });
  }

  pause(node: NodeId): void {
    this.#hostOf(node).state = 'paused';
  }

  resume(node: NodeId): void {
    const host = this.#hostOf(node);
    host.state = 'up';
    const { waiting } = host;
    host.waiting = [];
    for (const event of waiting) this.#step(host, event);
  }

  cut(from: NodeId, to: NodeId): void {
    this.#cuts.add(`${from}>${to}`);
  }

  heal(): void {
    this.#cuts.clear();
  }

  partition(side: readonly NodeId[]): void {
    for (const a of side) {
      for (const b of this.nodes) {
        if (side.includes(b)) continue;
        this.cut(a, b);
        this.cut(b, a);
      }
    }
  }

  /** What each node that is up shows of the member. */
  views(of: NodeId): Reachability[] {
    return this.upNodes.filter((node) => node !== of).map((node) => this.swim(node).reachability(of));
  }

  get upNodes(): readonly NodeId[] {
    return this.nodes.filter((node) => this.#hostOf(node).state === 'up');
  }

  get areAllAlive(): boolean {
    return this.upNodes.every((node) => this.views(node).every((view) => view === 'alive'));
  }

  get isSettled(): boolean {
    const digests = this.upNodes.map((node) => this.swim(node).digest);
    return new Set(digests).size === 1;
  }

  deathsSeen(): readonly Sighting[] {
    return this.sightings.filter(({ reachability }) => reachability === 'dead');
  }

  #host(node: NodeId, lives = 1): Host {
    const random = this.#random.fork(`${node} ${lives}`);
    const swim = new Swim({ self: node, incarnation: lives * 1000, options: this.options, random });
    return { node, swim, state: 'up', waiting: [], lives };
  }

  #hostOf(node: NodeId): Host {
    return this.#hosts.get(node)!;
  }

  #nextWake(): { readonly at: number; readonly host: Host } | undefined {
    let next: { at: number; host: Host } | undefined;
    for (const host of this.#hosts.values()) {
      const at = host.state === 'up' ? host.swim.deadline() : undefined;
      if (at !== undefined && at < (next?.at ?? Number.POSITIVE_INFINITY)) next = { at, host };
    }
    return next;
  }

  #step(host: Host, event: LivenessEvent): void {
    for (const effect of host.swim.step(event, this.#now as Instant)) {
      if (effect.kind === 'send') this.#send(host.node, effect.to, effect.message);
      else this.#sight(host, effect.node);
    }
  }

  #sight(host: Host, of: NodeId): void {
    const reachability = host.swim.reachability(of);
    this.sightings.push({ atMs: this.#now, by: host.node, of, reachability });
  }

  #send(from: NodeId, to: NodeId, message: SwimMessage): void {
    this.#given.watch?.(from, to, message);
    const envelope = { generation: 1, epoch: 1, message };
    const bytes = Buffer.alloc(envelopeBytes(envelope));
    writeEnvelope(envelope, bytes, 0);
    this.bytesSent += bytes.length;
    this.messagesSent += 1;
    if (this.#isCut(from, to) || this.#random.chance(this.loss)) return;
    const [least, most] = this.#given.delayMs ?? [0.2, 1];
    this.#plan(this.#random.between(least, most), () => this.#arrive(from, to, bytes));
  }

  #arrive(from: NodeId, to: NodeId, bytes: Buffer): void {
    const host = this.#hosts.get(to);
    if (host === undefined) return;
    if (host.state !== 'down') {
      const { message } = readEnvelope(bytes)!;
      this.tell(to, { kind: 'message', from, message });
      return;
    }
    // Killed, not without power: its machine answers for it.
    const isRefused = !Number.isInteger(host.lives);
    if (!isRefused) return;
    this.#plan(refusalMs, () => this.tell(from, { kind: 'disconnected', peer: to, isRefused }));
  }

  #isCut(from: NodeId, to: NodeId): boolean {
    return this.#cuts.has(`${from}>${to}`);
  }

  #plan(inMs: number, run: () => void): void {
    const planned: Planned = { at: this.#now + inMs, order: this.#order, run };
    this.#order += 1;
    const place = this.#planned.findLastIndex(({ at }) => at <= planned.at);
    this.#planned.splice(place + 1, 0, planned);
  }
}
