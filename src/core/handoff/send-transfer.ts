/**
 * Runs one outgoing transfer: reads the partition in slices, no faster than the rate allows and not while the node
 * has more urgent work, and carries out what the machine says.
 */
import type { Buffer } from 'node:buffer';
import type { Environment, NodeId, Timer } from '../../environment/index.ts';
import { unreachable } from '../../stdx/index.ts';
import { type Background, costOf } from '../background/index.ts';
import type { Messenger } from '../transport/index.ts';
import {
  type OutgoingEvent,
  type OutgoingOptions,
  OutgoingTransfer,
  type TransferOutcome,
} from './outgoing-transfer.ts';
import { type PartitionFold, PartitionStoreError } from './partition-store.ts';
import type { RateLimit } from './rate-limit.ts';
import type { OpenTransfer, ReceiverMessage } from './transfer-message.ts';
import { TransferOutbox } from './transfer-outbox.ts';

export interface SenderParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'tasks'>;
  readonly messenger: Messenger;
  readonly background: Background;
  /** Of all transfers of the node. */
  readonly rate: RateLimit;
  /** More urgent work is waiting, here or on the way to the peer. */
  readonly isBusy: (peer: NodeId) => boolean;
  /** How long to stand back before looking again. */
  readonly busyPauseMs: number;
  readonly outgoing: OutgoingOptions;
}

export interface SendTask {
  readonly to: NodeId;
  readonly head: Omit<OpenTransfer, 'first'>;
  readonly fold: PartitionFold;
  /** What to do with items that are durable at the receiver. May reject: then the transfer has failed. */
  readonly settled?: (items: readonly Buffer[]) => Promise<void>;
  /** Called once, when nothing of the transfer runs any more. */
  readonly finished: (outcome: TransferOutcome) => void;
}

export class TransferSender {
  readonly #parts: SenderParts;
  readonly #task: SendTask;
  readonly #machine: OutgoingTransfer;
  readonly #outbox: TransferOutbox;
  #timer: Timer | undefined;
  /** Reads and settlements that have not ended. */
  #running = 0;
  #outcome: TransferOutcome | undefined;
  #bytesRead = 0;

  constructor(parts: SenderParts, task: SendTask) {
    this.#parts = parts;
    this.#task = task;
    this.#machine = new OutgoingTransfer(task.head, parts.outgoing);
    this.#outbox = new TransferOutbox(parts.messenger, task.to);
  }

  get bytesRead(): number {
    return this.#bytesRead;
  }

  get itemsSettled(): number {
    return this.#machine.itemsSettled;
  }

  start(): void {
    this.#step({ kind: 'start' });
  }

  receive(message: ReceiverMessage): void {
    this.#step({ kind: 'message', message });
  }

  disconnected(): void {
    this.#step({ kind: 'disconnected' });
  }

  cancel(): void {
    this.#step({ kind: 'cancel' });
  }

  #step(event: OutgoingEvent): void {
    if (event.kind === 'disconnected') this.#outbox.clear();
    for (const effect of this.#machine.step(event, this.#parts.environment.clock.now())) {
      switch (effect.kind) {
        case 'send':
          // What did not leave before is said again by what follows.
          if (effect.message.kind === 'open') this.#outbox.clear();
          this.#outbox.send(effect.message);
          break;
        case 'read':
          this.#run('handoff-read', () => this.#read());
          break;
        case 'settled':
          this.#settle(effect.items);
          break;
        case 'finished':
          this.#outcome = effect.outcome;
          this.#run('handoff-close', () => this.#task.fold.close());
          break;
        default:
          unreachable(effect);
      }
    }
    this.#setTimer();
  }

  #run(name: string, body: () => Promise<void>): void {
    this.#running += 1;
    this.#parts.environment.tasks.spawn(name, async () => {
      await body();
      this.#running -= 1;
      if (this.#running === 0 && this.#outcome !== undefined) this.#task.finished(this.#outcome);
    });
  }

  async #read(): Promise<void> {
    const { rate, isBusy, busyPauseMs, environment } = this.#parts;
    while (this.#outcome === undefined && isBusy(this.#task.to)) await this.#pause(busyPauseMs);
    if (this.#outcome !== undefined) return;
    let items: readonly Buffer[] | undefined;
    try {
      items = await this.#slice();
      if (this.#outcome !== undefined) return;
    } catch (error) {
      if (!(error instanceof PartitionStoreError)) throw error;
      this.#step({ kind: 'failed', reason: error.message });
      return;
    }
    if (items === undefined) {
      this.#step({ kind: 'ended', unreadable: this.#task.fold.unreadable });
      return;
    }
    const bytes = bytesOf(items);
    this.#bytesRead += bytes;
    const waitMs = rate.take(bytes, environment.clock.now());
    if (waitMs > 0) await this.#pause(waitMs);
    this.#step({ kind: 'slice', items });
  }

  /** Undefined: the end, or a transfer that has ended while it waited for its turn. */
  #slice(): Promise<readonly Buffer[] | undefined> {
    return this.#parts.background.run(
      'read',
      async () => (this.#outcome === undefined ? this.#task.fold.next() : undefined),
      (items = []) => costOf(items.length, bytesOf(items)),
    );
  }

  #settle(items: readonly Buffer[]): void {
    const { settled } = this.#task;
    if (settled === undefined) return;
    this.#run('handoff-settle', async () => {
      try {
        await settled(items);
      } catch (error) {
        if (!(error instanceof PartitionStoreError)) throw error;
        const failure = { kind: 'failed', reason: error.message } as const;
        if (this.#outcome === undefined) this.#step(failure);
        else this.#outcome = failure;
      }
    });
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#parts.environment.timers.after(ms, resolve);
    });
  }

  #setTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const deadline = this.#machine.deadline();
    if (deadline === undefined) return;
    const delay = Math.max(0, deadline - this.#parts.environment.clock.now());
    this.#timer = this.#parts.environment.timers.after(delay, () => this.#step({ kind: 'wake' }));
  }
}

function bytesOf(items: readonly Buffer[]): number {
  return items.reduce((sum, item) => sum + item.length, 0);
}
