/**
 * Who thinks that whom can be reached, among many nodes over weeks.
 *
 * Real: every node's `Swim`, message by message. Modelled: the links, of which the caller says whether they carry, with
 * a delay; and quiet times, which are left out: the protocol's clock stands still while every node that reaches most
 * members believes of every other what is true, since probes would only confirm it. (Who is cut off from most blames
 * itself first, as Lifeguard has it, and needs minutes.) Whoever changes the world says so with `stir`. That the truth
 * is found, and in time, is checked on the way.
 */
import { defaultSwimOptions, type LivenessEvent, type LivenessView, Swim } from '../../core/index.ts';
import type { Instant, NodeId } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import type { PlannedEvent } from '../event-queue.ts';
import type { Prng } from '../prng.ts';
import type { World } from '../world.ts';

/** How long nodes are awake at least, and how often it is looked whether all know. */
const lookMs = 500;
/** A link that carries for others, but not between two, is found out by their own probes, which come round seldom. */
const findingMsMax = 180_000;
/** Two clocks with a difference of fractions: a wake must not come before its deadline. */
const roundingMs = 0.001;

interface Watcher {
  readonly node: NodeId;
  readonly listeners: (() => void)[];
  swim: Swim;
  /** The members it was told of last. */
  members: readonly NodeId[];
  attributes: number;
  isUp: boolean;
  wake: PlannedEvent | undefined;
  /** The deadline of `wake`. */
  wakesAt: Instant | undefined;
}

export class AbstractLiveness {
  readonly #world: World;
  readonly #random: Prng;
  readonly #carries: (from: NodeId, to: NodeId) => boolean;
  readonly #watchers = new Map<NodeId, Watcher>();
  /** What the clock of the protocol lags behind the world's. */
  #sleptMs = 0;
  #asleepSinceMs: number | undefined;
  #stirredAtMs = 0;
  #lives = 0;

  constructor(world: World, carries: (from: NodeId, to: NodeId) => boolean) {
    this.#world = world;
    this.#random = world.random.fork('liveness');
    this.#carries = carries;
    this.#fallAsleepLater();
  }

  add(node: NodeId): void {
    assert(!this.#watchers.has(node), 'a node is added once');
    const watcher: Watcher = {
      node,
      listeners: [],
      swim: this.#newLife(node),
      members: [],
      attributes: 0,
      isUp: true,
      wake: undefined,
      wakesAt: undefined,
    };
    this.#watchers.set(node, watcher);
    this.#step(watcher, { kind: 'attributes', attributes: 0 });
  }

  /** For ever: it may neither speak nor be asked again. */
  remove(node: NodeId): void {
    this.#disarm(this.#of(node));
    this.#watchers.delete(node);
  }

  viewOf(node: NodeId): LivenessView {
    const watcher = this.#of(node);
    return {
      reachability: (other) => watcher.swim.reachability(other),
      hasStrays: (other) => watcher.swim.hasStrays(other),
      onChange: (changed) => {
        watcher.listeners.push(changed);
      },
    };
  }

  setMembers(node: NodeId, members: Iterable<NodeId>): void {
    const watcher = this.#of(node);
    const nodes = [...members].sort();
    if (nodes.length === watcher.members.length && nodes.every((each, i) => each === watcher.members[i]))
      return;
    watcher.members = nodes;
    this.stir();
    this.#step(watcher, { kind: 'members', nodes });
  }

  setHasStrays(node: NodeId, hasStrays: boolean): void {
    const watcher = this.#of(node);
    const attributes = hasStrays ? 1 : 0;
    if (attributes === watcher.attributes) return;
    watcher.attributes = attributes;
    this.stir();
    this.#step(watcher, { kind: 'attributes', attributes });
  }

  stop(node: NodeId): void {
    const watcher = this.#of(node);
    watcher.isUp = false;
    this.#disarm(watcher);
    this.stir();
  }

  /** It remembers nobody's word, as after a restart of the process. */
  start(node: NodeId): void {
    const watcher = this.#of(node);
    watcher.isUp = true;
    watcher.swim = this.#newLife(node);
    this.stir();
    this.#step(watcher, { kind: 'attributes', attributes: watcher.attributes });
    this.#step(watcher, { kind: 'members', nodes: watcher.members });
    this.#tell(watcher);
  }

  /** Something has happened, or will at once, that nodes have to find out. */
  stir(): void {
    this.#stirredAtMs = this.#world.nowMs;
    if (this.#asleepSinceMs === undefined) return;
    this.#sleptMs += this.#world.nowMs - this.#asleepSinceMs;
    this.#asleepSinceMs = undefined;
    for (const watcher of this.#watchers.values()) this.#arm(watcher);
    this.#fallAsleepLater();
  }

  get isAwake(): boolean {
    return this.#asleepSinceMs === undefined;
  }

  #newLife(node: NodeId): Swim {
    this.#lives += 1;
    const random = this.#random.fork(`${node} ${this.#lives}`);
    return new Swim({ self: node, incarnation: 1e12 + this.#lives, options: defaultSwimOptions, random });
  }

  get #now(): Instant {
    return ((this.#asleepSinceMs ?? this.#world.nowMs) - this.#sleptMs) as Instant;
  }

  #of(node: NodeId): Watcher {
    const watcher = this.#watchers.get(node);
    assert(watcher !== undefined, `${node} is there`);
    return watcher;
  }

  #fallAsleepLater(): void {
    this.#world.after(lookMs, () => {
      const isLate = this.#world.nowMs > this.#stirredAtMs + findingMsMax;
      const error = this.#error(isLate);
      if (isLate && error !== undefined) throw new Error(`not found out: ${error}`);
      if (error !== undefined || this.#world.nowMs < this.#stirredAtMs + lookMs) {
        this.#fallAsleepLater();
        return;
      }
      this.#asleepSinceMs = this.#world.nowMs;
      for (const watcher of this.#watchers.values()) this.#disarm(watcher);
    });
  }

  /** Something that some node believes and that is not so. */
  #error(isNamed: boolean): string | undefined {
    for (const { node, swim, members, isUp } of this.#watchers.values()) {
      if (!isUp || !this.#reachesMost(node, members)) continue;
      for (const other of members) {
        const watcher = this.#watchers.get(other);
        if (other === node || watcher === undefined || watcher.members.length === 0) continue;
        const isReached = watcher.isUp && this.#carries(node, other);
        const truth = isReached ? 'alive' : 'dead';
        const isRight = swim.reachability(other) === truth;
        const isHeard = !isReached || swim.hasStrays(other) === (watcher.attributes !== 0);
        if (!isRight || !isHeard) {
          return isNamed ? `${node} takes ${other} for ${swim.reachability(other)}, it is ${truth}` : 'some';
        }
      }
    }
    return undefined;
  }

  #reachesMost(node: NodeId, members: readonly NodeId[]): boolean {
    const reached = members.filter((other) => other === node || this.#carries(node, other));
    return reached.length > members.length / 2;
  }

  #step(watcher: Watcher, event: LivenessEvent): void {
    if (!watcher.isUp) return;
    const { node, swim } = watcher;
    let isChanged = false;
    for (const effect of swim.step(event, this.#now)) {
      if (effect.kind === 'changed') isChanged = true;
      else this.#send(node, effect.to, effect.message);
    }
    this.#arm(watcher);
    if (isChanged) this.#tell(watcher);
  }

  #send(from: NodeId, to: NodeId, message: Extract<LivenessEvent, { kind: 'message' }>['message']): void {
    if (!this.#carries(from, to)) return;
    this.#world.after(this.#random.between(0.2, 1), () => {
      const receiver = this.#watchers.get(to);
      if (receiver !== undefined && this.isAwake) this.#step(receiver, { kind: 'message', from, message });
    });
  }

  #tell(watcher: Watcher): void {
    for (const changed of watcher.listeners) changed();
  }

  #arm(watcher: Watcher): void {
    const deadline = watcher.swim.deadline();
    if (deadline === undefined || !this.isAwake || !watcher.isUp) return;
    if (watcher.wake !== undefined && watcher.wakesAt === deadline) return;
    this.#disarm(watcher);
    watcher.wakesAt = deadline;
    const inMs = deadline + this.#sleptMs - this.#world.nowMs;
    watcher.wake = this.#world.after(Math.max(0, inMs) + roundingMs, () => {
      watcher.wake = undefined;
      this.#step(watcher, { kind: 'wake' });
    });
  }

  #disarm(watcher: Watcher): void {
    if (watcher.wake !== undefined) watcher.wake.run = undefined;
    watcher.wake = undefined;
  }
}
