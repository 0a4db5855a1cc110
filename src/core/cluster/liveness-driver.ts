/**
 * Runs SWIM over the messenger's control class: carries messages and hints to the machine, its effects to the
 * world, and wakes it. Each message names how far its sender follows the cluster log, so that whoever hears of a
 * higher epoch can catch up.
 */
import type { Buffer } from 'node:buffer';
import type { Environment, NodeId, Timer } from '../../environment/index.ts';
import { unreachable } from '../../stdx/index.ts';
import {
  envelopeBytes,
  type LivenessEffect,
  type LivenessEvent,
  type LivenessView,
  memberAttribute,
  type Reachability,
  readEnvelope,
  Swim,
  type SwimMessage,
  type SwimOptions,
  writeEnvelope,
} from '../liveness/index.ts';
import { channel, type Messenger } from '../transport/index.ts';

export interface LivenessDriverParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'random' | 'log'>;
  readonly messenger: Messenger;
  readonly options: SwimOptions;
  /** How far this node follows the cluster log. */
  position(): { readonly generation: number; readonly epoch: number };
  /** What a message said of its sender's; for each message, so it must be cheap. */
  epochSeen(from: NodeId, generation: number, epoch: number): void;
}

export class LivenessDriver implements LivenessView {
  readonly #parts: LivenessDriverParts;
  readonly #swim: Swim;
  readonly #listeners: (() => void)[] = [];
  #timer: Timer | undefined;
  #wakesAt = Number.POSITIVE_INFINITY;
  #isClosed = false;

  constructor(parts: LivenessDriverParts) {
    const { environment, messenger, options } = parts;
    this.#parts = parts;
    // The time of day, so that this life's words beat those of the one before. Where the clock was set back
    // meanwhile, the first who answers says so, and a higher one is taken.
    const incarnation = Math.max(1, Math.floor(environment.clock.wallMicros() / 1000));
    this.#swim = new Swim({ self: messenger.self, incarnation, options, random: environment.random });
    messenger.receive(channel.liveness, (from, body) => this.#receive(from, body));
    messenger.onDisconnect((peer, traffic, reason) => {
      // Other classes break for reasons of their own: a queue that was given up, a transfer that ended.
      if (traffic !== 'control') return;
      this.#step({ kind: 'disconnected', peer, isRefused: reason === 'refused' });
    });
  }

  /** The members by the cluster log; this node may be among them. Until the first call nobody is watched. */
  setMembers(nodes: Iterable<NodeId>): void {
    this.#step({ kind: 'members', nodes });
  }

  /** The topology has changed here: others hear of its epoch at once. */
  epochChanged(): void {
    this.#step({ kind: 'epoch-changed' });
  }

  /** Tells all that this node holds stray data, or that it holds none. True at the start of each life. */
  setHasStrays(hasStrays: boolean): void {
    this.setAttributes(hasStrays ? memberAttribute.hasStrays : 0);
  }

  /** All bits of `memberAttribute`. */
  setAttributes(attributes: number): void {
    this.#step({ kind: 'attributes', attributes });
  }

  reachability(node: NodeId): Reachability {
    return this.#swim.reachability(node);
  }

  isHeld(node: NodeId): boolean {
    return this.#swim.isHeld(node);
  }

  hasStrays(node: NodeId): boolean {
    return this.#swim.hasStrays(node);
  }

  onChange(changed: () => void): void {
    this.#listeners.push(changed);
  }

  /** 0 to 8: how much this node has reason to blame itself for what it does not hear. For metrics. */
  get healthScore(): number {
    return this.#swim.healthScore;
  }

  /** Says goodbye, so that nobody waits to find out. Before the messenger is closed. */
  close(): void {
    if (this.#isClosed) return;
    this.#step({ kind: 'leave' });
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #receive(from: NodeId, body: Buffer): void {
    if (this.#isClosed) return;
    const envelope = readEnvelope(body);
    if (envelope === undefined) {
      this.#parts.environment.log.warn('a message of liveness was malformed', { from, bytes: body.length });
      return;
    }
    const { generation, epoch, message } = envelope;
    this.#step({ kind: 'message', from, message });
    this.#parts.epochSeen(from, generation, epoch);
  }

  #step(event: LivenessEvent): void {
    if (this.#isClosed) return;
    const effects = this.#swim.step(event, this.#parts.environment.clock.now());
    this.#carryOut(effects);
    this.#arm();
  }

  #carryOut(effects: readonly LivenessEffect[]): void {
    let isChanged = false;
    for (const effect of effects) {
      switch (effect.kind) {
        case 'send':
          this.#send(effect.to, effect.message);
          break;
        case 'changed':
          isChanged = true;
          break;
        default:
          unreachable(effect);
      }
    }
    if (!isChanged) return;
    for (const changed of this.#listeners) changed();
  }

  /** A full queue loses the message: to SWIM the same as a network that does. */
  #send(to: NodeId, message: SwimMessage): void {
    const { generation, epoch } = this.#parts.position();
    const envelope = { generation, epoch, message };
    const fill = (into: Buffer, at: number): void => writeEnvelope(envelope, into, at);
    this.#parts.messenger.send(to, 'control', channel.liveness, envelopeBytes(envelope), fill);
  }

  /** To be woken for nothing costs more than another timer, and most messages leave the deadline where it is. */
  #arm(): void {
    const deadline = this.#swim.deadline() ?? Number.POSITIVE_INFINITY;
    if (this.#isClosed || deadline === this.#wakesAt) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#wakesAt = deadline;
    if (deadline === Number.POSITIVE_INFINITY) return;
    const { clock, timers } = this.#parts.environment;
    this.#timer = timers.after(Math.max(0, deadline - clock.now()), () => {
      this.#wakesAt = Number.POSITIVE_INFINITY;
      this.#step({ kind: 'wake' });
    });
  }
}
