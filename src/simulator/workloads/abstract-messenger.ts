/**
 * Messages between very many nodes without streams between them: each arrives after a fixed time, in order. Counts
 * the bytes of messages, without frames and TCP.
 */
import { Buffer } from 'node:buffer';
import type { MessageFill, MessageHandler, Messenger, TrafficClass } from '../../core/index.ts';
import type { NodeId } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import type { World } from '../world.ts';

type Channel = Parameters<Messenger['receive']>[0];

const messageMs = 0.5;

export class AbstractMessengers {
  readonly #world: World;
  readonly #all = new Map<NodeId, AbstractMessenger>();

  constructor(world: World) {
    this.#world = world;
  }

  of(self: NodeId): AbstractMessenger {
    const messenger = new AbstractMessenger(self, (to, on, body) => {
      this.#world.after(messageMs, () => this.#all.get(to)?.arrived(self, on, body));
    });
    this.#all.set(self, messenger);
    return messenger;
  }

  /** From now on nothing reaches it. */
  remove(node: NodeId): void {
    this.#all.delete(node);
  }
}

export class AbstractMessenger implements Messenger {
  readonly self: NodeId;
  readonly messageBytesMax = Infinity;
  readonly #carry: (to: NodeId, on: Channel, body: Buffer) => void;
  readonly #handlers = new Map<Channel, MessageHandler>();
  #sentBytes = 0;

  constructor(self: NodeId, carry: (to: NodeId, on: Channel, body: Buffer) => void) {
    this.self = self;
    this.#carry = carry;
  }

  get sentBytes(): number {
    return this.#sentBytes;
  }

  receive(on: Channel, handle: MessageHandler): void {
    assert(!this.#handlers.has(on), 'a channel has one receiver');
    this.#handlers.set(on, handle);
  }

  send(
    to: NodeId,
    _traffic: TrafficClass,
    on: Channel,
    length: number,
    fill: MessageFill,
    tail?: Buffer,
  ): boolean {
    const body = Buffer.allocUnsafe(length);
    fill(body, 0);
    if (tail !== undefined) tail.copy(body, length - tail.length);
    this.#sentBytes += length;
    this.#carry(to, on, body);
    return true;
  }

  queuedBytes(): number {
    return 0;
  }

  whenWritable(_to: NodeId, _traffic: TrafficClass, run: () => void): void {
    run();
  }

  onDisconnect(): void {
    // No stream ever breaks.
  }

  arrived(from: NodeId, on: Channel, body: Buffer): void {
    this.#handlers.get(on)?.(from, body);
  }
}
