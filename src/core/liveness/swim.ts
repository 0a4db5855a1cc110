/**
 * Who can be reached: SWIM (Das, Gupta, Motivala, 2002) with the suspicions, the self-awareness and the buddy
 * system of Lifeguard (Dadgar, Phillips, Currey, 2017), as a machine that is told of events and the time and
 * returns what to do. docs/internals/liveness.md has the messages, the invariants and what was decided.
 *
 * Each protocol period one member is pinged. If it does not answer, others are asked to try; if they fail too
 * it is suspected, and all hear of it by what pings and acks carry along. The suspected member hears it too and
 * refutes, or else is dead in the end. Who the members are comes from the cluster log: nothing here adds or
 * removes one (C7), and what strangers say is ignored (C9).
 *
 * The owner carries out the effects of each step in order, steps with `wake` when `deadline()` has passed,
 * and never with a time before the last one. A step that comes late tells the machine that this node was away.
 */
import type { Instant, NodeId } from '../../environment/index.ts';
import { assert, unreachable } from '../../stdx/index.ts';
import { LinkDoubts } from './link-doubts.ts';
import type { LivenessEffect } from './liveness-effect.ts';
import type { LivenessEvent } from './liveness-event.ts';
import type { LivenessRandom } from './liveness-random.ts';
import type { Reachability } from './liveness-view.ts';
import { LocalHealth } from './local-health.ts';
import { firstAttributes, memberAttribute } from './member-attribute.ts';
import type { StatusCause } from './member-status.ts';
import { type Heard, type MemberRecord, MemberTable } from './member-table.ts';
import { Outbox } from './outbox.ts';
import { Prober } from './prober.ts';
import { ReachabilityBoard } from './reachability-board.ts';
import { Rotation } from './rotation.ts';
import { RumourQueue } from './rumour-queue.ts';
import { Suspicions } from './suspicions.ts';
import { incarnationMax, type Rumour, type SwimMessage } from './swim-message.ts';
import { checkOptions, type SwimOptions } from './swim-options.ts';

export interface SwimParts {
  readonly self: NodeId;
  /** 1 or more, and higher than in the life before if that can be told: the time of day in milliseconds will do. */
  readonly incarnation: number;
  readonly options: SwimOptions;
  readonly random: LivenessRandom;
}

/** A goodbye need not reach all: news travels. */
const goodbyesMax = 16;

export class Swim {
  readonly #options: SwimOptions;
  readonly #health = new LocalHealth();
  readonly #table: MemberTable;
  readonly #queue = new RumourQueue();
  readonly #rotation: Rotation;
  readonly #suspicions: Suspicions;
  readonly #doubts = new LinkDoubts();
  readonly #board: ReachabilityBoard;
  readonly #outbox: Outbox;
  readonly #prober: Prober;
  #lastStepAt = Number.NEGATIVE_INFINITY;
  #lastGossipAt = Number.NEGATIVE_INFINITY;
  #deadline = Number.POSITIVE_INFINITY;
  #hasLeft = false;

  constructor({ self, incarnation, options, random }: SwimParts) {
    checkOptions(options);
    assert(incarnation >= 1 && incarnation < incarnationMax, 'an incarnation is a number that can be raised');
    this.#options = options;
    this.#table = new MemberTable(self, incarnation, firstAttributes);
    this.#rotation = new Rotation(random);
    this.#suspicions = new Suspicions(this.#table, this.#health, options);
    this.#board = new ReachabilityBoard(options);
    this.#outbox = new Outbox(this.#table, this.#queue, options);
    this.#prober = new Prober({
      options,
      table: this.#table,
      health: this.#health,
      rotation: this.#rotation,
      outbox: this.#outbox,
      random,
      findings: {
        answered: (node, sequence, now) => this.#reached(node, sequence, now),
        answeredToOthers: (node, sequence, now) => this.#doubts.begin(node, sequence, now),
        silent: (node, isRefused, now) => this.#accuse(node, isRefused, now),
        doubtful: () => this.#doubtful(),
      },
    });
  }

  step(event: LivenessEvent, now: Instant): readonly LivenessEffect[] {
    assert(now >= this.#lastStepAt, 'time does not go back');
    if (this.#hasLeft) return [];
    this.#forgiveAbsence(now);
    this.#lastStepAt = now;
    this.#handle(event, now);
    this.#prober.wake(now);
    for (const node of this.#suspicions.due(now)) this.#heard(this.#table.condemn(node), now);
    if (!this.#doubts.isEmpty) {
      for (const node of this.#doubts.takeDown(now, this.#suspicions.leastMs)) this.#show(node, now);
    }
    for (const node of this.#board.due(now)) this.#show(node, now);
    this.#gossip(now);
    this.#deadline = this.#earliest();
    return this.#outbox.take();
  }

  /** When to step with `wake`; undefined while there is nobody to watch. */
  deadline(): Instant | undefined {
    return this.#deadline === Number.POSITIVE_INFINITY ? undefined : (this.#deadline as Instant);
  }

  /** As `LivenessView` has it. A member of which nothing was heard yet is `suspect`; a stranger is `dead`. */
  reachability(node: NodeId): Reachability {
    return node === this.#table.self.node ? 'alive' : this.#board.of(node);
  }

  /** As `LivenessView` has it. */
  isHeld(node: NodeId): boolean {
    return this.#board.isHeld(node);
  }

  hasStrays(node: NodeId): boolean {
    const record = node === this.#table.self.node ? this.#table.self : this.#table.get(node);
    if (record === undefined || record.status === 'unknown') return true;
    return (record.attributes & memberAttribute.hasStrays) !== 0;
  }

  /** What was last said of a member, itself included; undefined of a stranger. For display and for tests. */
  recordOf(node: NodeId): MemberRecord | undefined {
    return node === this.#table.self.node ? this.#table.self : this.#table.get(node);
  }

  /** Equal at two nodes that know the same. */
  get digest(): number {
    return this.#table.digest;
  }

  /** 0: nothing to blame itself for. 8: very slow, or cut off. */
  get healthScore(): number {
    return this.#health.score;
  }

  #handle(event: LivenessEvent, now: Instant): void {
    switch (event.kind) {
      case 'message':
        this.#receive(event.from, event.message, now);
        break;
      case 'wake':
        break;
      case 'members':
        this.#setMembers(event.nodes, now);
        break;
      case 'attributes':
        this.#setAttributes(event.attributes);
        break;
      case 'epoch-changed':
        // The epoch stands in every message's envelope: to be told again is all it takes.
        this.#announceSelf();
        break;
      case 'disconnected':
        this.#prober.disconnected(event.peer, event.isRefused, now);
        break;
      case 'leave':
        this.#leave();
        break;
      default:
        unreachable(event);
    }
  }

  /**
   * The process was stopped, or the event loop busy: what was due then was not seen, though it may lie in the
   * sockets. So all who were to answer or to refute have as long again, and the fault is sought here.
   */
  #forgiveAbsence(now: Instant): void {
    const lateMs = now - this.#deadline;
    if (lateMs < this.#options.timeoutMs / 2) return;
    this.#prober.postpone(lateMs);
    this.#suspicions.postpone(lateMs);
    this.#doubts.postpone(lateMs);
    this.#health.worsen(lateMs >= this.#options.intervalMs ? 2 : 1);
  }

  #receive(from: NodeId, message: SwimMessage, now: Instant): void {
    if (this.#table.get(from) === undefined) return;
    const { incarnation, attributes, rumours } = message;
    const ofItself = { node: from, status: 'alive', incarnation, attributes, accusers: [] } as const;
    this.#hear({ ...ofItself, isRefused: false }, now);
    for (const rumour of rumours) this.#hear(rumour, now);
    // It says of itself what has been overtaken, or knows other things than this node: tell it.
    const isBehind = this.#isBehind(from, message);
    const isSync = message.digest !== this.#table.digest;
    const reply = isBehind ? { about: from, isSync } : { isSync };
    if (this.#prober.receive(from, message, reply, now)) return;
    if (isBehind || (message.kind === 'ack' && isSync)) this.#outbox.send(from, { kind: 'gossip' }, reply);
  }

  /** It does not know what is held of it here: from an earlier life, or that it is suspected. */
  #isBehind(from: NodeId, { incarnation, attributes }: SwimMessage): boolean {
    const held = this.#table.get(from)!;
    if (held.incarnation > incarnation) return true;
    return held.incarnation === incarnation && (held.status !== 'alive' || held.attributes !== attributes);
  }

  #hear(rumour: Rumour, now: Instant): void {
    if (rumour.node === this.#table.self.node) this.#hearOfSelf(rumour);
    else this.#heard(this.#table.hear(rumour), now);
  }

  /** SWIM §4.2: who is suspected says with a higher incarnation that it lives. */
  #hearOfSelf({ status, incarnation, attributes }: Rumour): void {
    const { self } = this.#table;
    if (incarnation < self.incarnation) return;
    const isTrue = status === 'alive' && incarnation === self.incarnation && attributes === self.attributes;
    if (isTrue) return;
    // Lifeguard §4.1. What was said of an earlier life is nobody's fault.
    if (status !== 'alive' && incarnation === self.incarnation) this.#health.worsen();
    this.#table.speakForSelf(Math.min(incarnation + 1, incarnationMax), self.attributes);
    this.#announceSelf();
  }

  #heard(heard: Heard, now: Instant): void {
    switch (heard.kind) {
      case 'stale':
        break;
      case 'confirmed':
        this.#queue.push(heard.record.node);
        break;
      case 'condemned':
        if (this.#suspicions.condemn(heard.record.node)) this.#queue.push(heard.record.node);
        break;
      case 'changed':
        this.#changed(heard.record, heard.cause, now);
        break;
      default:
        unreachable(heard);
    }
  }

  #changed({ node, status }: MemberRecord, cause: StatusCause, now: Instant): void {
    this.#queue.push(node);
    if (status === 'suspect') {
      this.#suspicions.begin(node, now);
      if (cause === 'told-dead') this.#suspicions.condemn(node);
      if (cause !== 'probe-failed') this.#prober.seekConfirmation(node);
    } else {
      this.#suspicions.end(node);
    }
    if (status === 'dead') {
      this.#doubts.end(node);
      this.#prober.forget(node);
    }
    this.#show(node, now);
  }

  #accuse(node: NodeId, isRefused: boolean, now: Instant): void {
    if (this.#table.get(node)!.status === 'dead') return;
    this.#heard(this.#table.accuse(node, this.#table.self.hash, isRefused), now);
  }

  #reached(node: NodeId, sequence: number, now: Instant): void {
    this.#doubts.answered(node, sequence);
    this.#show(node, now);
  }

  /** Suspects that this node accused, so that they hear of it soon, and links that may be whole again. */
  #doubtful(): NodeId[] {
    const nodes = new Set(this.#doubts.nodes());
    const { hash } = this.#table.self;
    for (const node of this.#suspicions.nodes()) {
      if (this.#table.get(node)!.accusers.includes(hash)) nodes.add(node);
    }
    return [...nodes];
  }

  #show(node: NodeId, now: Instant): void {
    const { status } = this.#table.get(node)!;
    const found = this.#doubts.isDown(node) ? 'dead' : status === 'unknown' ? 'suspect' : status;
    if (this.#board.show(node, found, this.hasStrays(node), now))
      this.#outbox.push({ kind: 'changed', node });
  }

  #setMembers(nodes: Iterable<NodeId>, now: Instant): void {
    const { node: self } = this.#table.self;
    const wanted = new Set(nodes);
    wanted.delete(self);
    for (const { node } of [...this.#table.records()]) if (!wanted.has(node)) this.#remove(node);
    let isLarger = false;
    for (const node of wanted) {
      if (this.#table.get(node) !== undefined) continue;
      this.#table.add(node);
      this.#board.add(node);
      this.#rotation.add(node);
      this.#outbox.push({ kind: 'changed', node });
      isLarger = true;
    }
    if (!isLarger) return;
    this.#prober.start(now);
    this.#announceSelf();
  }

  #remove(node: NodeId): void {
    this.#table.remove(node);
    this.#suspicions.end(node);
    this.#doubts.end(node);
    this.#prober.forget(node);
    this.#queue.remove(node);
    this.#board.remove(node);
    this.#rotation.remove(node);
    this.#outbox.push({ kind: 'changed', node });
  }

  #setAttributes(attributes: number): void {
    const { self } = this.#table;
    if (attributes === self.attributes) return;
    this.#table.speakForSelf(Math.min(self.incarnation + 1, incarnationMax), attributes);
    // What is asked of all members is asked of this node, too.
    this.#outbox.push({ kind: 'changed', node: self.node });
    this.#announceSelf();
  }

  #announceSelf(): void {
    this.#queue.push(this.#table.self.node);
  }

  /** SWIM §4.1 and memberlist: while there is news, some hear it without waiting for a probe. */
  #gossip(now: Instant): void {
    const { gossipIntervalMs, gossipFanout } = this.#options;
    if (this.#queue.isEmpty || now < this.#lastGossipAt + gossipIntervalMs) return;
    this.#lastGossipAt = now;
    const hearers = this.#rotation.draw(gossipFanout, (node) => this.#table.get(node)!.status !== 'dead');
    for (const node of hearers) this.#outbox.send(node, { kind: 'gossip' });
    // Who comes back learns what it missed by the exchange of digests.
    if (hearers.length === 0) this.#queue.clear();
  }

  #leave(): void {
    const hearers = this.#rotation.draw(goodbyesMax, (node) => this.#table.get(node)!.status !== 'dead');
    for (const node of hearers) this.#outbox.sendGoodbye(node);
    this.#hasLeft = true;
    this.#deadline = Number.POSITIVE_INFINITY;
  }

  #earliest(): number {
    if (this.#hasLeft || this.#rotation.size === 0) return Number.POSITIVE_INFINITY;
    const gossipAt = this.#lastGossipAt + this.#options.gossipIntervalMs;
    return Math.min(
      this.#queue.isEmpty ? Number.POSITIVE_INFINITY : gossipAt,
      this.#prober.deadline(),
      this.#suspicions.deadline(),
      this.#doubts.isEmpty ? Number.POSITIVE_INFINITY : this.#doubts.deadline(this.#suspicions.leastMs),
      this.#board.deadline(),
    );
  }
}
