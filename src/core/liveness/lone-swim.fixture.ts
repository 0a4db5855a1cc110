/** One machine, and four peers of whom the test decides what they say. */
import assert from 'node:assert/strict';
import { type Instant, type NodeId, nodeIdOf } from '../../environment/index.ts';
import { Prng } from '../../simulator/index.ts';
import {
  defaultSwimOptions,
  type LivenessEvent,
  type Reachability,
  type Rumour,
  Swim,
  type SwimMessage,
  type SwimOptions,
} from './index.ts';
import type { SwimBody, SwimHeader } from './swim-message.ts';

export interface Sent {
  readonly to: NodeId;
  readonly message: SwimMessage;
}

export class LoneSwim {
  static readonly peers = { a: nodeIdOf('a@h'), b: nodeIdOf('b@h'), c: nodeIdOf('c@h'), d: nodeIdOf('d@h') };
  static readonly stranger = nodeIdOf('stranger@h');
  static readonly incarnation = 500;

  readonly self = nodeIdOf('self@h');
  readonly options: SwimOptions;
  readonly swim: Swim;
  readonly changes: { readonly node: NodeId; readonly to: Reachability }[] = [];
  readonly #told = new Map<NodeId, number>();
  now = 10_000;

  constructor(options: Partial<SwimOptions> = {}) {
    this.options = { ...defaultSwimOptions, ...options };
    const random = new Prng(1);
    this.swim = new Swim({ self: this.self, incarnation: 100, options: this.options, random });
    this.step({ kind: 'members', nodes: [this.self, ...Object.values(LoneSwim.peers)] });
  }

  step(event: LivenessEvent): Sent[] {
    const sent: Sent[] = [];
    for (const effect of this.swim.step(event, this.now as Instant)) {
      if (effect.kind === 'send') sent.push(effect);
      else this.changes.push({ node: effect.node, to: this.swim.reachability(effect.node) });
    }
    for (const { message } of sent) {
      for (const { node } of message.rumours) this.#told.set(node, this.timesTold(node) + 1);
    }
    return sent;
  }

  /** Rumours that left about the member, since it was last heard of by `hear`. */
  timesTold(node: NodeId): number {
    return this.#told.get(node) ?? 0;
  }

  receive(from: NodeId, body: SwimBody, header: Partial<SwimHeader> = {}): Sent[] {
    const { incarnation = LoneSwim.incarnation, attributes = 1 } = {
      ...this.swim.recordOf(from),
      ...(this.swim.recordOf(from)?.status === 'unknown'
        ? { incarnation: undefined, attributes: undefined }
        : {}),
    };
    const { digest } = this.swim;
    const message = { ...body, incarnation, attributes, digest, rumours: [], ...header };
    return this.step({ kind: 'message', from, message });
  }

  hear(from: NodeId, word: Pick<Rumour, 'node' | 'status'> & Partial<Rumour>): Sent[] {
    const rumour = {
      incarnation: LoneSwim.incarnation,
      attributes: 1,
      accusers: [],
      isRefused: false,
      ...word,
    };
    this.#told.delete(word.node);
    return this.receive(from, { kind: 'gossip' }, { rumours: [rumour] });
  }

  /** Time passes in which nobody answers. */
  wait(ms: number): Sent[] {
    return this.#run(ms, () => false, false);
  }

  /** Time passes in which all answer but `silent`; `isHelpful`: as relays they reach it. */
  runAnswering(ms: number, silent?: NodeId, isHelpful = false): Sent[] {
    return this.#run(ms, (node) => node !== silent, isHelpful);
  }

  /** The clock goes on, and the machine is not told. */
  drift(ms: number): void {
    this.now += ms;
  }

  wake(): Sent[] {
    return this.step({ kind: 'wake' });
  }

  /** All peers have said that they are there, and the news of it has been told. */
  becomeFriends(): this {
    for (const node of Object.values(LoneSwim.peers)) this.receive(node, { kind: 'gossip' });
    this.runAnswering(3000);
    for (const node of Object.values(LoneSwim.peers)) assert.equal(this.swim.reachability(node), 'alive');
    return this;
  }

  calmDown(): this {
    this.runAnswering(3000);
    return this;
  }

  /** Runs until a ping leaves, and does not answer it. */
  nextPing(): { readonly target: NodeId; readonly sequence: number } {
    for (;;) {
      const due = this.swim.deadline();
      assert.ok(due !== undefined);
      this.now = Math.max(this.now, due);
      for (const { to, message } of this.wake()) {
        if (message.kind === 'ping') return { target: to, sequence: message.sequence };
      }
    }
  }

  #run(ms: number, answers: (node: NodeId) => boolean, isHelpful: boolean): Sent[] {
    const until = this.now + ms;
    const all: Sent[] = [];
    for (let due = this.swim.deadline(); due !== undefined && due <= until; due = this.swim.deadline()) {
      this.now = Math.max(this.now, due);
      const fresh = [...this.wake()];
      for (const sent of fresh) {
        all.push(sent);
        fresh.push(...this.#answer(sent, answers, isHelpful));
      }
    }
    this.now = until;
    return all;
  }

  #answer({ to, message }: Sent, answers: (node: NodeId) => boolean, isHelpful: boolean): Sent[] {
    if (!answers(to)) return [];
    if (message.kind === 'ping') return this.receive(to, { kind: 'ack', sequence: message.sequence });
    if (message.kind !== 'ping-request') return [];
    const { sequence, target } = message;
    if (isHelpful || answers(target)) return this.receive(to, { kind: 'indirect-ack', sequence, target });
    return this.receive(to, { kind: 'nack', sequence, target, isRefused: false });
  }
}
