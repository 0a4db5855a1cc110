/**
 * One direction of a TCP connection through a switch port that drops, packet by packet, with selective
 * acknowledgements (RFC 5681, RFC 6675), so that the incast collapse (Phanishayee et al., FAST 2008) can happen. A
 * packet lost in the middle of a window is told by what arrives after it and costs little; the loss of a window's
 * tail, or of a retransmission, is noticed only by the timer, which in the field is never shorter than 200 ms.
 *
 * Left out: the tail-loss probe, the sender's own line, and losses of acknowledgements.
 */
import type { PlannedEvent } from './event-queue.ts';
import type { SwitchPort } from './switch-port.ts';
import type { World } from './world.ts';

/** Linux' TCP_RTO_MIN. */
export const retransmitTimeoutMsMin = 200;
const retransmitTimeoutMsMax = 10_000;
const payloadBytesMax = 1448;
/** Ethernet, IP and TCP headers with time stamps. */
const headerBytes = 66;
/** RFC 6928. */
const firstWindowPackets = 10;
/**
 * A stack that hands whole bursts to its device waits until a good part of the window is free (Linux'
 * tcp_tso_win_divisor), and cuts 64 KiB into packets at once.
 */
const burstShare = 1 / 2;
const burstPacketsMax = 45;
/** So many packets that arrive after one show that it was lost. */
const laterArrivals = 3;

export interface CongestedWay {
  readonly port: SwitchPort;
  /** One way, in milliseconds, the port not counted: the same for all packets, so that none overtakes. */
  readonly thereMs: number;
  readonly backMs: number;
}

interface Packet {
  readonly bytes: number;
  /** The last one of a message tells that it has arrived. */
  readonly arrived: (() => void) | undefined;
}

export class CongestedFlow {
  readonly #world: World;
  readonly #way: CongestedWay;
  /** By sequence number; those below `#acked` are gone. */
  readonly #packets = new Map<number, Packet>();
  #end = 0;
  #next = 0;
  #acked = 0;
  #windowPackets = firstWindowPackets;
  #slowStartMax = Number.POSITIVE_INFINITY;
  /** Beyond `#acked`, and known to have arrived. */
  readonly #arrivedAhead = new Set<number>();
  #farthestArrived = -1;
  /** Known to be lost, and not sent again yet; each below `#judgedTo` is judged once in a window. */
  #lost: number[] = [];
  #judgedTo = 0;
  /** One loss or many: the window shrinks once until this one is acknowledged. */
  #recoverUntil: number | undefined;
  /** Then the window grows again from one packet, while the holes are filled. */
  #isAfterTimeout = false;
  #timeoutMs = retransmitTimeoutMsMin;
  #timer: PlannedEvent | undefined;
  #lastSentAtMs = 0;
  /** At the receiver: all below have arrived, and of those above these. */
  #received = 0;
  readonly #receivedAhead = new Set<number>();
  #isClosed = false;

  constructor(world: World, way: CongestedWay) {
    this.#world = world;
    this.#way = way;
  }

  /** Sends so many bytes behind all others; calls `arrived` when the last of them is at the receiver. */
  send(length: number, arrived: () => void): void {
    for (let left = length; ; left -= payloadBytesMax) {
      const isLast = left <= payloadBytesMax;
      const bytes = Math.min(left, payloadBytesMax) + headerBytes;
      this.#packets.set(this.#end, { bytes, arrived: isLast ? arrived : undefined });
      this.#end += 1;
      if (isLast) break;
    }
    // RFC 2861: after a pause the path is not known any more.
    const isIdle = this.#acked === this.#next;
    if (isIdle && this.#world.nowMs - this.#lastSentAtMs > this.#timeoutMs) {
      this.#windowPackets = Math.min(this.#windowPackets, firstWindowPackets);
    }
    this.#sendWindow();
  }

  close(): void {
    this.#isClosed = true;
    this.#stopTimer();
    this.#packets.clear();
  }

  #sendWindow(): void {
    while (this.#underWay < this.#windowPackets) {
      const again = this.#lost.shift();
      if (again !== undefined) {
        this.#transmit(again);
      } else if (!this.#sendBurst()) break;
    }
    if (this.#timer === undefined && this.#acked < this.#next) this.#startTimer();
  }

  /** New packets leave many at once. False: there are none, or there is no room for a burst yet. */
  #sendBurst(): boolean {
    const whole = Math.min(burstPacketsMax, Math.max(1, Math.floor(this.#windowPackets * burstShare)));
    const count = Math.min(this.#end - this.#next, whole);
    const room = this.#windowPackets - this.#underWay;
    if (count === 0 || (room < count && this.#underWay > 0)) return false;
    for (let i = 0; i < count; i++) {
      this.#transmit(this.#next);
      this.#next += 1;
    }
    return true;
  }

  get #underWay(): number {
    return this.#next - this.#acked - this.#arrivedAhead.size - this.#lost.length;
  }

  #transmit(sequence: number): void {
    const { port, thereMs } = this.#way;
    const { nowMs } = this.#world;
    this.#lastSentAtMs = nowMs;
    const leavesAtMs = port.admit(this.#packets.get(sequence)!.bytes, nowMs);
    if (leavesAtMs === undefined) return;
    this.#world.after(leavesAtMs - nowMs + thereMs, () => this.#receive(sequence));
  }

  #receive(sequence: number): void {
    if (this.#isClosed) return;
    if (sequence >= this.#received) this.#receivedAhead.add(sequence);
    while (this.#receivedAhead.delete(this.#received)) {
      const { arrived } = this.#packets.get(this.#received)!;
      this.#received += 1;
      arrived?.();
    }
    const upTo = this.#received;
    this.#world.after(this.#way.backMs, () => this.#acknowledge(upTo, sequence));
  }

  #acknowledge(upTo: number, sequence: number): void {
    if (this.#isClosed) return;
    if (sequence >= upTo && sequence >= this.#acked) this.#arrivedAhead.add(sequence);
    this.#farthestArrived = Math.max(this.#farthestArrived, sequence);
    if (upTo > this.#acked) this.#advance(upTo);
    this.#judge(this.#farthestArrived - laterArrivals);
    if (this.#lost.length > 0 && this.#recoverUntil === undefined) this.#shrink();
    this.#sendWindow();
  }

  #advance(upTo: number): void {
    const count = upTo - this.#acked;
    for (let sequence = this.#acked; sequence < upTo; sequence++) {
      this.#packets.delete(sequence);
      this.#arrivedAhead.delete(sequence);
    }
    this.#acked = upTo;
    this.#judgedTo = Math.max(this.#judgedTo, upTo);
    this.#lost = this.#lost.filter((sequence) => sequence >= upTo);
    this.#timeoutMs = retransmitTimeoutMsMin;
    this.#stopTimer();
    if (this.#recoverUntil !== undefined && upTo < this.#recoverUntil) {
      if (!this.#isAfterTimeout) return;
    } else {
      this.#recoverUntil = undefined;
      this.#isAfterTimeout = false;
    }
    if (this.#windowPackets < this.#slowStartMax) this.#windowPackets += count;
    else this.#windowPackets += count / this.#windowPackets;
  }

  /** The port keeps the order: what has not arrived before later ones has been dropped. */
  #judge(upTo: number): void {
    for (; this.#judgedTo <= upTo; this.#judgedTo++) {
      if (!this.#arrivedAhead.has(this.#judgedTo)) this.#lost.push(this.#judgedTo);
    }
  }

  #shrink(): void {
    this.#world.work.add('fast retransmissions');
    this.#recoverUntil = this.#next;
    this.#slowStartMax = Math.max(2, this.#underWay / 2);
    this.#windowPackets = this.#slowStartMax;
  }

  #startTimer(): void {
    this.#timer = this.#world.after(this.#timeoutMs, () => {
      this.#timer = undefined;
      this.#timedOut();
    });
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) this.#timer.run = undefined;
    this.#timer = undefined;
  }

  #timedOut(): void {
    this.#world.work.add('retransmission timeouts');
    this.#slowStartMax = Math.max(2, (this.#next - this.#acked) / 2);
    this.#windowPackets = 1;
    this.#recoverUntil = this.#next;
    this.#isAfterTimeout = true;
    this.#timeoutMs = Math.min(2 * this.#timeoutMs, retransmitTimeoutMsMax);
    this.#lost = [];
    this.#judgedTo = this.#acked;
    this.#judge(this.#next - 1);
    this.#sendWindow();
  }
}
