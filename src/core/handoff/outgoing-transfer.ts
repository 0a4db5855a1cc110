/**
 * The sender's half of one transfer: which batch goes when, what has arrived for good, what to do after a break.
 *
 * H1  A batch counts as arrived only when the receiver said that it is durable there.
 * H2  Never more than the receiver's window of batches are sent and not acknowledged; they are kept until then,
 *     and are all that is sent again after a break.
 * H3  A transfer is complete only when the receiver confirmed the count and hash of all that it was sent, it is
 *     the instance that was meant, and every item could be read (R20, R27).
 */
import type { Buffer } from 'node:buffer';
import type { Instant } from '../../environment/index.ts';
import { assert, unreachable } from '../../stdx/index.ts';
import type {
  AcceptTransfer,
  ConfirmTransfer,
  EndTransfer,
  OpenTransfer,
  ReceiverMessage,
  RefuseTransfer,
  SenderMessage,
  TransferRefusalCode,
} from './transfer-message.ts';
import {
  addTallies,
  emptyTally,
  sameTally,
  subtractTallies,
  type Tally,
  tallyOfBatch,
} from './transfer-tally.ts';

export interface OutgoingOptions {
  /** Without a word from the receiver for so long, the sender opens the transfer again. */
  readonly silenceMsMax: number;
  readonly reopenDelayMs: number;
  /** Breaks in a row, without a batch acknowledged between them, after which the transfer is given up. */
  readonly breaksMax: number;
  /** Batches under way at once, whatever the receiver would take. */
  readonly windowMax: number;
}

export type TransferOutcome =
  /** Everything is durable at the receiver. */
  | { readonly kind: 'complete'; readonly items: number }
  /** Everything that could be read is. */
  | { readonly kind: 'unreadable'; readonly items: number; readonly unreadable: number }
  | { readonly kind: 'refused'; readonly code: TransferRefusalCode; readonly reason: string }
  /** No answer, several times. */
  | { readonly kind: 'unreachable' }
  /** The sender's own storage failed. */
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'cancelled' };

export type OutgoingEvent =
  | { readonly kind: 'start' }
  | { readonly kind: 'message'; readonly message: ReceiverMessage }
  /** The answer to `read`. */
  | { readonly kind: 'slice'; readonly items: readonly Buffer[] }
  /** The other answer to `read`: there is no more. */
  | { readonly kind: 'ended'; readonly unreadable: number }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'disconnected' }
  | { readonly kind: 'wake' }
  | { readonly kind: 'cancel' };

export type OutgoingEffect =
  | { readonly kind: 'send'; readonly message: SenderMessage }
  /** One at a time. */
  | { readonly kind: 'read' }
  /** These items are durable at the receiver. */
  | { readonly kind: 'settled'; readonly items: readonly Buffer[] }
  /** The last effect. */
  | { readonly kind: 'finished'; readonly outcome: TransferOutcome };

interface SentBatch {
  readonly number: number;
  readonly items: readonly Buffer[];
  readonly tally: Tally;
}

export class OutgoingTransfer {
  readonly #head: Omit<OpenTransfer, 'first'>;
  readonly #options: OutgoingOptions;
  #phase: 'new' | 'opening' | 'streaming' | 'pausing' | 'finished' = 'new';
  #deadline: Instant | undefined;
  /** Oldest first; the numbers are consecutive. */
  #unacknowledged: SentBatch[] = [];
  #batches = 0;
  /** The next batch to send, by its number; behind `#batches` after a break. */
  #nextToSend = 0;
  #isEndSent = false;
  #total = emptyTally;
  #settled = emptyTally;
  /** The tally of all batches before each `first` that was offered: what an accept may refer to. */
  readonly #before = new Map<number, Tally>();
  #accepted: { readonly first: number; readonly window: number } | undefined;
  #isReading = false;
  #unreadable: number | undefined;
  #breaks = 0;
  #effects: OutgoingEffect[] = [];

  constructor(head: Omit<OpenTransfer, 'first'>, options: OutgoingOptions) {
    this.#head = head;
    this.#options = options;
  }

  deadline(): Instant | undefined {
    return this.#deadline;
  }

  /** Items that are durable at the receiver. */
  get itemsSettled(): number {
    return this.#settled.count;
  }

  step(event: OutgoingEvent, now: Instant): readonly OutgoingEffect[] {
    if (this.#phase === 'finished') return [];
    this.#effects = [];
    this.#handle(event, now);
    return this.#effects;
  }

  #handle(event: OutgoingEvent, now: Instant): void {
    switch (event.kind) {
      case 'start':
        assert(this.#phase === 'new', 'a transfer starts once');
        this.#open(now);
        return;
      case 'message':
        this.#receive(event.message, now);
        return;
      case 'slice':
        this.#take(event.items);
        return;
      case 'ended':
        this.#isReading = false;
        this.#unreadable = event.unreadable;
        this.#pump();
        return;
      case 'failed':
        this.#giveUp({ kind: 'failed', reason: event.reason });
        return;
      case 'disconnected':
        if (this.#phase !== 'pausing') this.#break(now);
        return;
      case 'wake':
        if (this.#deadline === undefined || now < this.#deadline) return;
        this.#woken(now);
        return;
      case 'cancel':
        this.#giveUp({ kind: 'cancelled' });
        return;
      default:
        unreachable(event);
    }
  }

  #receive(message: ReceiverMessage, now: Instant): void {
    switch (message.kind) {
      case 'accept':
        if (this.#phase === 'opening') this.#begin(message, now);
        return;
      case 'ack':
        // Durable is durable, whatever connection it was said on.
        if (message.next > this.#batches) return;
        this.#settle(message.next, now);
        this.#pump();
        return;
      case 'confirm':
        if (this.#phase === 'streaming') this.#confirmed(message);
        return;
      case 'refuse':
        this.#refused(message, now);
        return;
      default:
        unreachable(message);
    }
  }

  #open(now: Instant): void {
    this.#phase = 'opening';
    this.#accepted = undefined;
    this.#deadline = later(now, this.#options.silenceMsMax);
    const first = this.#batches - this.#unacknowledged.length;
    this.#before.set(first, this.#settled);
    this.#send({ ...this.#head, first });
  }

  #begin(accept: AcceptTransfer, now: Instant): void {
    const settled = this.#batches - this.#unacknowledged.length;
    const isSound =
      this.#before.has(accept.first) &&
      accept.first <= accept.next &&
      accept.next >= settled &&
      accept.next <= this.#batches &&
      accept.window >= 1;
    if (accept.instance !== this.#head.toInstance || !isSound) {
      this.#giveUp({ kind: 'refused', code: 'stranger', reason: 'the acceptance is of another transfer' });
      return;
    }
    this.#phase = 'streaming';
    this.#accepted = { first: accept.first, window: Math.min(accept.window, this.#options.windowMax) };
    this.#settle(accept.next, now);
    this.#nextToSend = this.#batches - this.#unacknowledged.length;
    this.#isEndSent = false;
    this.#pump();
  }

  #take(items: readonly Buffer[]): void {
    assert(this.#isReading, 'a slice answers a read');
    this.#isReading = false;
    const batch = { number: this.#batches, items, tally: tallyOfBatch(this.#batches, items) };
    this.#batches += 1;
    this.#total = addTallies(this.#total, batch.tally);
    this.#unacknowledged.push(batch);
    this.#pump();
  }

  /** Sends what the window has room for, then the end, or asks for more to send. */
  #pump(): void {
    if (this.#phase !== 'streaming' || this.#accepted === undefined) return;
    const { window } = this.#accepted;
    const settled = this.#batches - this.#unacknowledged.length;
    while (this.#nextToSend < Math.min(this.#batches, settled + window)) {
      const { number, items } = this.#unacknowledged[this.#nextToSend - settled];
      this.#send({ kind: 'batch', id: this.#head.id, number, items });
      this.#nextToSend += 1;
    }
    if (this.#nextToSend < this.#batches) return;
    const end = this.#end();
    if (end !== undefined && !this.#isEndSent) {
      this.#isEndSent = true;
      this.#send(end);
      return;
    }
    const isFull = this.#unacknowledged.length >= window;
    if (this.#unreadable === undefined && !this.#isReading && !isFull) {
      this.#isReading = true;
      this.#effects.push({ kind: 'read' });
    }
  }

  #settle(next: number, now: Instant): void {
    const items: Buffer[] = [];
    let count = 0;
    for (const batch of this.#unacknowledged) {
      if (batch.number >= next) break;
      items.push(...batch.items);
      this.#settled = addTallies(this.#settled, batch.tally);
      count += 1;
    }
    if (this.#phase !== 'pausing') this.#deadline = later(now, this.#options.silenceMsMax);
    if (count === 0) return;
    this.#unacknowledged = this.#unacknowledged.slice(count);
    this.#breaks = 0;
    if (items.length > 0) this.#effects.push({ kind: 'settled', items });
  }

  #confirmed(confirm: ConfirmTransfer): void {
    const end = this.#end();
    // Another count is of another opening: a receiver that counted otherwise would have refused.
    if (end === undefined || !this.#isEndSent || !sameTally(confirm, end)) return;
    const items = this.#unacknowledged.flatMap((batch) => batch.items);
    if (items.length > 0) this.#effects.push({ kind: 'settled', items });
    this.#settled = this.#total;
    const { count } = this.#total;
    const { unreadable } = end;
    if (unreadable === 0) this.#finish({ kind: 'complete', items: count });
    else this.#finish({ kind: 'unreadable', items: count, unreadable });
  }

  #refused(refusal: RefuseTransfer, now: Instant): void {
    if (refusal.code === 'unknown') {
      // Of a connection that we have given up already, perhaps.
      if (this.#phase === 'streaming') this.#break(now);
      return;
    }
    this.#finish({ kind: 'refused', code: refusal.code, reason: refusal.reason });
  }

  #woken(now: Instant): void {
    const awaitsNothing =
      this.#phase === 'streaming' && this.#unacknowledged.length === 0 && !this.#isEndSent;
    if (this.#phase === 'pausing') this.#open(now);
    else if (awaitsNothing) this.#deadline = later(now, this.#options.silenceMsMax);
    else this.#break(now);
  }

  #break(now: Instant): void {
    this.#breaks += 1;
    if (this.#breaks > this.#options.breaksMax) {
      this.#giveUp({ kind: 'unreachable' });
      return;
    }
    this.#phase = 'pausing';
    this.#deadline = later(now, this.#options.reopenDelayMs);
  }

  /** The receiver need not keep a place for it. */
  #giveUp(outcome: TransferOutcome): void {
    if (this.#phase !== 'new') this.#send({ kind: 'close', id: this.#head.id });
    this.#finish(outcome);
  }

  #finish(outcome: TransferOutcome): void {
    this.#phase = 'finished';
    this.#deadline = undefined;
    this.#unacknowledged = [];
    this.#effects.push({ kind: 'finished', outcome });
  }

  /** Undefined while not everything has been read. */
  #end(): EndTransfer | undefined {
    const before = this.#before.get(this.#accepted?.first ?? -1);
    if (this.#unreadable === undefined || before === undefined) return undefined;
    const tally = subtractTallies(this.#total, before);
    return { kind: 'end', id: this.#head.id, batches: this.#batches, ...tally, unreadable: this.#unreadable };
  }

  #send(message: SenderMessage): void {
    this.#effects.push({ kind: 'send', message });
  }
}

function later(now: Instant, ms: number): Instant {
  return (now + ms) as Instant;
}
