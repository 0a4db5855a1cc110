/**
 * One peer in one traffic class: its queue, and the connection that takes from it, made when there is something
 * to send and either end may begin. When both begin at once, the connection that the node with the lesser name
 * dialled is kept; that node decides, so that both ends agree (T4).
 *
 * A connection that breaks takes its queue with it: what waited behind lost messages could be taken for their
 * successors. Whoever waits for answers is told.
 */
import type { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import type { Environment, NodeId, Timer } from '../../environment/index.ts';
import { NetworkError } from '../../environment/index.ts';
import type { BufferPool } from './buffer-pool.ts';
import { bareFrame, frameHeadBytes, frameKind, messageHeadBytes, messagesHeadBytes } from './frame-kind.ts';
import type { Channel, DisconnectReason, MessageFill, MessageHandler, TrafficClass } from './messenger.ts';
import { OutboundQueue } from './outbound-queue.ts';
import type { FrameConsumer, PeerConnection } from './peer-connection.ts';
import type { TransportLimits } from './transport-limits.ts';
import type { TransportObserver } from './transport-observer.ts';

/** How often a link looks for silence. */
export const linkTickMs = 1000;
/**
 * A connection that falls quiet is asked for a sign of life so many times before it counts as silent. One that stays quiet
 * and answers is asked ever more rarely, at last once in the time of silence.
 */
const pingsPerSilence = 3;
/** What comes and goes on a quiet connection between two beats: a ping and an answer to one. */
const signBytesMax = 2 * frameHeadBytes;
const backoffMsMin = 20;
/** Liveness says that the peer is there: it was refused for a moment only. */
const backoffUpMsMax = 200;

/** One attempt to reach the peer. */
export interface Dial {
  /** Connected, and on its way through the handshake. */
  readonly isShaking: boolean;
  /** Ends it without a word to the link. */
  abandon(): void;
}

export interface LinkHost {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'random'>;
  readonly limits: TransportLimits;
  readonly pool: BufferPool;
  readonly observer: TransportObserver;
  readonly self: NodeId;
  handlerOf(on: number): MessageHandler | undefined;
  isUp(peer: NodeId): boolean;
  dial(link: PeerLink): Dial;
  /** Wants `flush` when the turn ends. */
  hasOutput(link: PeerLink): void;
  disconnected(link: PeerLink, reason?: DisconnectReason): void;
  /** True: this process did not run for a while, and what waited for it is to be dropped. */
  hasSlept(): boolean;
}

export class PeerLink implements FrameConsumer {
  readonly peer: NodeId;
  readonly traffic: TrafficClass;
  readonly #host: LinkHost;
  readonly #queue: OutboundQueue;
  readonly #queueBytesMax: number;
  readonly #silenceBeats: number;
  #stream: PeerConnection | undefined;
  #isChecked = true;
  #isBlocked = false;
  #isOutputTold = false;
  #dial: Dial | undefined;
  #failures = 0;
  #retry: Timer | undefined;
  #isClosed = false;
  #waiters: (() => void)[] = [];
  #pulse = new Pulse();
  /** Counts connections: a handshake that began before the present one is not newer than it. */
  opened = 0;

  constructor(peer: NodeId, traffic: TrafficClass, host: LinkHost) {
    this.peer = peer;
    this.traffic = traffic;
    this.#host = host;
    this.#queue = new OutboundQueue(host.pool, host.environment.clock);
    this.#queueBytesMax = host.limits.queueBytesMax[traffic];
    this.#silenceBeats = Math.ceil(host.limits.silenceMsMax / linkTickMs);
  }

  get isConnected(): boolean {
    return this.#stream !== undefined;
  }

  /** This end's own attempt stands against one from there. */
  get isDialDecisive(): boolean {
    return this.#dial?.isShaking === true && this.#host.self < this.peer;
  }

  get queuedBytes(): number {
    const { bytes } = this.#queue;
    return this.#stream === undefined ? bytes : bytes + this.#stream.connection.queuedBytes;
  }

  send(on: Channel, length: number, fill: MessageFill, tail?: Buffer): boolean {
    const queued = this.queuedBytes;
    // What `whenWritable` calls room holds any message: a long one would never find its queue empty.
    const hasRoom = this.#isRoom(queued) || queued + length <= this.#queueBytesMax;
    if (!hasRoom || length > this.#host.limits.messageBytesMax || this.#isClosed) {
      this.#host.observer.refused(this.peer, this.traffic);
      return false;
    }
    if (queued === 0) this.#queue.drained();
    if (tail === undefined) this.#queue.append(on, length, fill);
    else this.#queue.appendWithTail(on, length, fill, tail);
    if (this.#stream === undefined) this.#seek();
    else this.#tellOutput();
    return true;
  }

  whenWritable(run: () => void): void {
    if (this.#isRoom(this.queuedBytes) || this.#isClosed) run();
    else this.#waiters.push(run);
  }

  flush(): void {
    this.#isOutputTold = false;
    if (this.#stream === undefined || this.#isBlocked) return;
    const messages = this.#queue.messages;
    const bytes = this.#queue.bytes;
    this.#queue.flush(this, this.#isChecked);
    const { observer } = this.#host;
    observer.sent(this.peer, this.traffic, messages - this.#queue.messages, bytes - this.#queue.bytes);
    this.#tellWritable();
  }

  /** For the queue alone: a frame to the connection. */
  write(bytes: Buffer): boolean {
    const hasRoom = this.#stream!.connection.write(bytes);
    this.#pulse.written += bytes.length;
    this.#isBlocked = !hasRoom;
    return hasRoom;
  }

  /**
   * A handshake came to its end, dialled from here or there. What was queued leaves by this connection.
   * `frameBytesMax`: where the stream was bounded to a handshake until now.
   */
  established(stream: PeerConnection, frameBytesMax?: number): void {
    this.#dial?.abandon();
    this.#dial = undefined;
    this.#retry?.cancel();
    this.#retry = undefined;
    this.#failures = 0;
    const previous = this.#stream;
    if (previous !== undefined) {
      previous.abandon();
      this.#dropQueue();
    }
    this.opened += 1;
    this.#stream = stream;
    const { certifiedNames, isWithinMachine = false } = stream.connection;
    this.#isChecked = certifiedNames === undefined && !isWithinMachine;
    this.#isBlocked = false;
    this.#pulse = new Pulse();
    stream.consume(this, frameBytesMax);
    this.#host.observer.connected(this.peer, this.traffic);
    // Told when the new connection is there: what is sent then belongs to it.
    if (previous !== undefined) this.#host.disconnected(this);
    this.#tellOutput();
  }

  /** `isCrossed`: the peer's own attempt goes first, and has some time to come. */
  dialFailed(dial: Dial, isCrossed: boolean, reason: DisconnectReason = 'broken'): void {
    if (this.#dial !== dial) return;
    this.#dial = undefined;
    this.#waitToRetry();
    if (isCrossed) return;
    this.#failures += 1;
    if (this.#dropQueue() > 0) this.#host.disconnected(this, reason);
    this.#tellWritable();
  }

  /** Liveness says that the peer is there: no use in waiting any longer. */
  peerUp(): void {
    this.#failures = 0;
    if (this.#retry === undefined) return;
    this.#retry.cancel();
    this.#retry = undefined;
    if (this.#queue.messages > 0) this.#seek();
  }

  tick(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    const sign = this.#pulse.beat(stream, this.#silenceBeats);
    if (sign === 'silent') {
      stream.fail(new NetworkError('timeout', 'the peer is silent'));
      return;
    }
    if (sign === 'ask' && !this.#isBlocked) this.write(bareFrame(frameKind.ping));
    if (this.queuedBytes === 0) {
      this.#queue.drained();
      this.#queue.releaseBuffer();
    }
    this.#tellWritable();
  }

  /** Drops the connection with all that it has brought and nobody has looked at. */
  forgetUnread(): void {
    this.#stream?.fail(new NetworkError('timeout', 'this process did not run for a while'));
  }

  /** The peer is no member any more, or this node stops. Nobody is told. */
  close(): void {
    this.#isClosed = true;
    this.#dial?.abandon();
    this.#dial = undefined;
    this.#retry?.cancel();
    this.#stream?.abandon();
    this.#stream = undefined;
    this.#dropQueue();
    this.#tellWritable();
  }

  frame(kind: number, bytes: Buffer, start: number, end: number, isLasting: boolean): void {
    if (kind === frameKind.messages) this.#receive(bytes, start, end, isLasting);
    else if (kind === frameKind.ping) {
      if (!this.#isBlocked) this.write(bareFrame(frameKind.pong));
    } else if (kind !== frameKind.pong) this.#garbled(`a frame of kind ${kind}`);
  }

  drain(): void {
    this.#isBlocked = false;
    this.flush();
  }

  closed(): void {
    this.#lost();
  }

  #isRoom(queued: number): boolean {
    return queued <= this.#queueBytesMax / 2;
  }

  #receive(bytes: Buffer, start: number, end: number, isLasting: boolean): void {
    if (this.#host.hasSlept() && this.traffic !== 'control') return;
    const stream = this.#stream;
    const wrong = this.#wrongWith(bytes, start, end);
    if (wrong !== undefined) {
      this.#garbled(wrong);
      return;
    }
    const waitedMs = bytes.readUInt32BE(start + 4);
    let at = start + messagesHeadBytes;
    let messages = 0;
    while (at < end) {
      const bodyAt = at + messageHeadBytes;
      const next = bodyAt <= end ? bodyAt + bytes.readUInt32BE(at) : end + 1;
      if (next > end) {
        this.#garbled('a message cut short');
        return;
      }
      messages += 1;
      const mayKeep = isLasting && 2 * (next - bodyAt) > end - start;
      this.#host.handlerOf(bytes[at + 4]!)?.(this.peer, bytes.subarray(bodyAt, next), waitedMs, mayKeep);
      // The handler may have ended what we read from.
      if (this.#stream !== stream) return;
      at = next;
    }
    this.#host.observer.received(this.peer, this.traffic, messages, end - start);
  }

  #wrongWith(bytes: Buffer, start: number, end: number): string | undefined {
    if (end - start < messagesHeadBytes) return 'a frame cut short';
    if (!this.#isChecked || crc32(bytes.subarray(start + 4, end)) === bytes.readUInt32BE(start))
      return undefined;
    return 'a wrong checksum';
  }

  #garbled(what: string): void {
    this.#stream?.fail(new NetworkError('other', `the peer sent ${what}`));
  }

  #tellOutput(): void {
    if (this.#isOutputTold) return;
    this.#isOutputTold = true;
    this.#host.hasOutput(this);
  }

  #seek(): void {
    if (this.#isClosed || this.#dial !== undefined || this.#retry !== undefined) return;
    this.#dial = this.#host.dial(this);
  }

  #waitToRetry(): void {
    const { random, timers } = this.#host.environment;
    const most = this.#host.isUp(this.peer) ? backoffUpMsMax : Infinity;
    const grown = backoffMsMin * 2 ** Math.min(this.#failures + 1, 20);
    const backoffMs = Math.min(grown, most, this.#host.limits.reconnectMsMax);
    this.#retry = timers.after(backoffMs * (0.5 + random.fraction() / 2), () => {
      this.#retry = undefined;
      if (this.#queue.messages > 0) this.#seek();
    });
  }

  #lost(): void {
    this.#stream = undefined;
    this.#isBlocked = false;
    this.#dropQueue();
    this.#host.observer.disconnected(this.peer, this.traffic);
    this.#host.disconnected(this);
    this.#tellWritable();
  }

  #dropQueue(): number {
    const dropped = this.#queue.drop();
    if (dropped > 0) this.#host.observer.dropped(this.peer, this.traffic, dropped);
    return dropped;
  }

  #tellWritable(): void {
    if (this.#waiters.length === 0 || !(this.#isRoom(this.queuedBytes) || this.#isClosed)) return;
    const due = this.#waiters;
    this.#waiters = [];
    for (const run of due) run();
  }
}

/** Counts beats without a sign of life, rather than time: a process that slept has not listened either. */
class Pulse {
  /** Bytes given to the connection. */
  written = 0;
  #writtenBefore = 0;
  #takenBefore = 0;
  #readBefore = -1;
  #silentBeats = 0;
  #stuckBeats = 0;
  /** Beats of silence after which the peer is asked: more where nothing was said since it answered last. */
  #askAfter = 0;

  /** Silent: asked again and again, the peer said nothing, or did not take what waits. */
  beat(stream: PeerConnection, silenceBeats: number): 'silent' | 'ask' | 'well' {
    const askEvery = Math.max(1, Math.floor(silenceBeats / pingsPerSilence));
    const { queuedBytes } = stream.connection;
    const taken = this.written - queuedBytes;
    // What is taken while more waits was acknowledged; what is taken at once lies in the kernel, maybe for ever.
    const isTaking = queuedBytes > 0 && taken > this.#takenBefore;
    const read = stream.bytesRead - this.#readBefore;
    const isUsed = read > signBytesMax || this.written - this.#writtenBefore > signBytesMax;
    if (isUsed || this.#askAfter === 0) this.#askAfter = askEvery;
    else if (read > 0) this.#askAfter = Math.min(2 * this.#askAfter, silenceBeats);
    this.#silentBeats = read > 0 || isTaking ? 0 : this.#silentBeats + 1;
    this.#stuckBeats = queuedBytes > 0 && !isTaking ? this.#stuckBeats + 1 : 0;
    this.#readBefore = stream.bytesRead;
    this.#writtenBefore = this.written;
    this.#takenBefore = taken;
    const unansweredBeats = this.#silentBeats - this.#askAfter;
    const isSilent = unansweredBeats >= silenceBeats - askEvery;
    if (isSilent || this.#stuckBeats >= silenceBeats) return 'silent';
    return unansweredBeats >= 0 && unansweredBeats % askEvery === 0 ? 'ask' : 'well';
  }
}
