/**
 * What waits for one peer in one class, as frames under construction.
 *
 * Messages are written once, into a pooled buffer, where they lie when the connection takes them. A buffer is
 * written anew only when the connection has nothing queued any more: the bytes it was given may not
 * change before. What is long and never changes is not written but sent as it lies, as the tail of a frame. Frames that the connection does not take now are held, and say when they leave how long they waited.
 */
import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import type { Clock, Instant } from '../../environment/index.ts';
import { type BufferPool, pooledBytes } from './buffer-pool.ts';
import { frameHeadBytes, frameKind, messageHeadBytes, messagesHeadBytes } from './frame-kind.ts';
import type { Channel, MessageFill } from './messenger.ts';

const headBytes = frameHeadBytes + messagesHeadBytes;

interface Frame {
  readonly bytes: Buffer;
  /** Sent behind `bytes`, in the same frame. */
  readonly tail: Buffer | undefined;
  readonly messages: number;
  readonly since: Instant;
}

/** Where frames go. */
export interface FrameSink {
  write(bytes: Buffer): boolean;
}

export class OutboundQueue {
  readonly #pool: BufferPool;
  readonly #clock: Clock;
  /** Lent; `#frameStart` … `#at` is the open frame. */
  #buffer: Buffer | undefined;
  #frameStart = 0;
  #at = 0;
  #openMessages = 0;
  #openSince: Instant;
  /** Full buffers whose bytes may still be under way. */
  readonly #underWay: Buffer[] = [];
  #held: Frame[] = [];
  #heldBytes = 0;
  #heldMessages = 0;

  constructor(pool: BufferPool, clock: Clock) {
    this.#pool = pool;
    this.#clock = clock;
    this.#openSince = clock.now();
  }

  /** Bytes not given to a connection yet. */
  get bytes(): number {
    return this.#heldBytes + this.#at - this.#frameStart;
  }

  get messages(): number {
    return this.#heldMessages + this.#openMessages;
  }

  append(on: Channel, length: number, fill: MessageFill): void {
    const needed = messageHeadBytes + length;
    if (headBytes + needed > pooledBytes) {
      this.#appendLarge(on, length, fill);
      return;
    }
    const buffer = this.#roomFor(needed);
    const at = this.#at;
    this.#at = at + needed;
    this.#openMessages += 1;
    writeMessage(buffer, at, on, length, fill);
  }

  /** `length` with the tail, which `fill` leaves out and which may never change. */
  appendWithTail(on: Channel, length: number, fill: MessageFill, tail: Buffer): void {
    this.#appendLarge(on, length, fill, tail);
  }

  /** Gives all of the queue to the connection, as long as it takes more. False: something is left. */
  flush(to: FrameSink, isChecked: boolean): boolean {
    this.#closeFrame();
    if (this.#held.length === 0) return true;
    const now = this.#clock.now();
    const held = this.#held;
    let taken = 0;
    let hasRoom = true;
    while (taken < held.length && hasRoom) {
      const { bytes, tail, messages, since } = held[taken]!;
      completeFrame(bytes, tail, Math.max(0, now - since), isChecked);
      this.#heldBytes -= bytes.length + (tail === undefined ? 0 : tail.length);
      this.#heldMessages -= messages;
      taken += 1;
      hasRoom = to.write(bytes);
      if (tail !== undefined) hasRoom = to.write(tail);
    }
    if (taken === held.length) held.length = 0;
    else this.#held = held.slice(taken);
    return this.#held.length === 0;
  }

  /** The connection has nothing queued: all buffers but those of held frames are free again. */
  drained(): void {
    if (this.#held.length > 0 || this.#openMessages > 0) return;
    for (const buffer of this.#underWay) this.#pool.giveBack(buffer);
    this.#underWay.length = 0;
    this.#frameStart = 0;
    this.#at = 0;
  }

  /** After `drained`, for a queue that is not used now. */
  releaseBuffer(): void {
    if (this.#buffer === undefined || this.#at > 0 || this.#underWay.length > 0) return;
    this.#pool.giveBack(this.#buffer);
    this.#buffer = undefined;
  }

  /** Forgets all that waits; says how many messages that were. Their buffers may be in a dying socket: they are not reused. */
  drop(): number {
    const dropped = this.messages;
    this.#buffer = undefined;
    this.#frameStart = 0;
    this.#at = 0;
    this.#openMessages = 0;
    this.#underWay.length = 0;
    this.#held = [];
    this.#heldBytes = 0;
    this.#heldMessages = 0;
    return dropped;
  }

  #roomFor(needed: number): Buffer {
    if (this.#openMessages > 0) {
      if (this.#at + needed <= pooledBytes) return this.#buffer!;
      this.#closeFrame();
    }
    let buffer = this.#buffer;
    if (buffer === undefined || this.#at + headBytes + needed > pooledBytes) {
      if (buffer !== undefined) this.#underWay.push(buffer);
      buffer = this.#pool.lend();
      this.#buffer = buffer;
      this.#at = 0;
    }
    this.#frameStart = this.#at;
    this.#at += headBytes;
    this.#openSince = this.#clock.now();
    return buffer;
  }

  #closeFrame(): void {
    if (this.#openMessages === 0) return;
    const bytes = this.#buffer!.subarray(this.#frameStart, this.#at);
    this.#frameStart = this.#at;
    this.#hold(bytes, undefined, this.#openMessages, this.#openSince);
    this.#openMessages = 0;
  }

  #appendLarge(on: Channel, length: number, fill: MessageFill, tail?: Buffer): void {
    this.#closeFrame();
    const written = tail === undefined ? length : length - tail.length;
    const bytes = Buffer.allocUnsafeSlow(headBytes + messageHeadBytes + written);
    writeMessage(bytes, headBytes, on, length, fill);
    this.#hold(bytes, tail, 1, this.#clock.now());
  }

  #hold(bytes: Buffer, tail: Buffer | undefined, messages: number, since: Instant): void {
    this.#held.push({ bytes, tail, messages, since });
    this.#heldBytes += bytes.length + (tail === undefined ? 0 : tail.length);
    this.#heldMessages += messages;
  }
}

function writeMessage(into: Buffer, at: number, on: Channel, length: number, fill: MessageFill): void {
  into.writeUInt32BE(length, at);
  into[at + 4] = on;
  fill(into, at + messageHeadBytes);
}

function completeFrame(bytes: Buffer, tail: Buffer | undefined, waitedMs: number, isChecked: boolean): void {
  bytes.writeUInt32BE(bytes.length + (tail === undefined ? 0 : tail.length) - 4, 0);
  bytes[4] = frameKind.messages;
  bytes.writeUInt32BE(Math.min(Math.floor(waitedMs), 0xffff_ffff), frameHeadBytes + 4);
  const crcOfBytes = isChecked ? crc32(bytes.subarray(frameHeadBytes + 4)) : 0;
  const crc = isChecked && tail !== undefined ? crc32(tail, crcOfBytes) : crcOfBytes;
  bytes.writeUInt32BE(crc, frameHeadBytes);
}
