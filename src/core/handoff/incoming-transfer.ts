/**
 * The receiver's half of one transfer.
 *
 * H4  Batches are taken in order, each once; one that is missing makes the sender open the transfer again.
 * H5  Acknowledged is what storage has said is durable, and everything before it.
 * H6  Confirmed is only what has the count and hash that the sender says.
 */
import type { Buffer } from 'node:buffer';
import type { Instant } from '../../environment/index.ts';
import { unreachable } from '../../stdx/index.ts';
import type {
  EndTransfer,
  ReceiverMessage,
  TransferBatch,
  TransferId,
  TransferRefusalCode,
} from './transfer-message.ts';
import { addTallies, emptyTally, sameTally, tallyOfBatch } from './transfer-tally.ts';

export interface IncomingOptions {
  readonly window: number;
  /** Without a word from the sender for so long, its transfer is forgotten. */
  readonly idleMsMax: number;
}

export type IncomingEvent =
  /** The first open, and each after a break. */
  | { readonly kind: 'open' }
  | { readonly kind: 'batch'; readonly batch: TransferBatch }
  | { readonly kind: 'end'; readonly end: EndTransfer }
  /** The answers to `merge`. */
  | { readonly kind: 'merged'; readonly number: number }
  | { readonly kind: 'failed'; readonly code: TransferRefusalCode; readonly reason: string }
  | { readonly kind: 'wake' };

export type IncomingEffect =
  | { readonly kind: 'send'; readonly message: ReceiverMessage }
  | { readonly kind: 'merge'; readonly number: number; readonly items: readonly Buffer[] }
  /** Everything is here and durable; once. The transfer stays, to say so again. */
  | { readonly kind: 'complete'; readonly unreadable: number }
  /** The last effect: forget the transfer. */
  | { readonly kind: 'closed' };

export class IncomingTransfer {
  readonly #id: TransferId;
  readonly #instance: string;
  readonly #options: IncomingOptions;
  readonly #first: number;
  #received: number;
  #durable: number;
  /** Durable, but something before is not yet. */
  readonly #durableAhead = new Set<number>();
  #tally = emptyTally;
  #end: EndTransfer | undefined;
  #phase: 'open' | 'complete' | 'closed' = 'open';
  #deadline: Instant | undefined;
  #effects: IncomingEffect[] = [];

  /** `first`: the batch that the sender offers first. */
  constructor(id: TransferId, instance: string, first: number, options: IncomingOptions) {
    this.#id = id;
    this.#instance = instance;
    this.#first = first;
    this.#received = first;
    this.#durable = first;
    this.#options = options;
  }

  get isComplete(): boolean {
    return this.#phase === 'complete';
  }

  deadline(): Instant | undefined {
    return this.#deadline;
  }

  step(event: IncomingEvent, now: Instant): readonly IncomingEffect[] {
    if (this.#phase === 'closed') return [];
    this.#effects = [];
    if (event.kind !== 'wake') this.#deadline = (now + this.#options.idleMsMax) as Instant;
    this.#handle(event, now);
    return this.#effects;
  }

  #handle(event: IncomingEvent, now: Instant): void {
    switch (event.kind) {
      case 'open':
        // What is being merged comes again, and is known by its number.
        this.#accept();
        return;
      case 'batch':
        this.#take(event.batch);
        return;
      case 'end':
        this.#ended(event.end);
        return;
      case 'merged':
        this.#merged(event.number);
        return;
      case 'failed':
        this.#refuse(event.code, event.reason);
        return;
      case 'wake':
        if (this.#deadline === undefined || now < this.#deadline) return;
        this.#phase = 'closed';
        this.#effects.push({ kind: 'closed' });
        return;
      default:
        unreachable(event);
    }
  }

  #accept(): void {
    const { window } = this.#options;
    this.#send({
      kind: 'accept',
      id: this.#id,
      instance: this.#instance,
      first: this.#first,
      next: this.#durable,
      window,
    });
  }

  #take({ number, items }: TransferBatch): void {
    if (number > this.#received) {
      this.#send({
        kind: 'refuse',
        id: this.#id,
        code: 'unknown',
        reason: `batch ${this.#received} is missing`,
      });
      return;
    }
    if (number < this.#received) {
      // Sent again after a break; it is being merged, or has been.
      this.#acknowledge();
      return;
    }
    if (number - this.#durable >= this.#options.window) {
      this.#refuse('damaged', 'more batches than the window has room for');
      return;
    }
    this.#received += 1;
    this.#tally = addTallies(this.#tally, tallyOfBatch(number, items));
    this.#effects.push({ kind: 'merge', number, items });
  }

  #merged(number: number): void {
    this.#durableAhead.add(number);
    const before = this.#durable;
    while (this.#durableAhead.delete(this.#durable)) this.#durable += 1;
    if (this.#durable > before) this.#acknowledge();
    this.#complete();
  }

  #ended(end: EndTransfer): void {
    if (end.batches > this.#received) {
      this.#send({
        kind: 'refuse',
        id: this.#id,
        code: 'unknown',
        reason: `batch ${this.#received} is missing`,
      });
      return;
    }
    this.#end = end;
    this.#complete();
  }

  #complete(): void {
    const end = this.#end;
    if (end === undefined || this.#durable < this.#received) return;
    if (end.batches !== this.#received || !sameTally(end, this.#tally)) {
      this.#refuse('damaged', 'what arrived is not what was sent');
      return;
    }
    this.#send({ kind: 'confirm', id: this.#id, ...this.#tally });
    if (this.#phase === 'complete') return;
    this.#phase = 'complete';
    this.#effects.push({ kind: 'complete', unreadable: end.unreadable });
  }

  #acknowledge(): void {
    this.#send({ kind: 'ack', id: this.#id, next: this.#durable });
  }

  #refuse(code: TransferRefusalCode, reason: string): void {
    this.#send({ kind: 'refuse', id: this.#id, code, reason });
    this.#phase = 'closed';
    this.#effects.push({ kind: 'closed' });
  }

  #send(message: ReceiverMessage): void {
    this.#effects.push({ kind: 'send', message });
  }
}
