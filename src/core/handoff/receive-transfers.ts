/** Takes in what other nodes hand over: one machine a transfer, and the partition store that merges its batches. */
import type { Buffer } from 'node:buffer';
import type { Environment, NodeId, Timer } from '../../environment/index.ts';
import { unreachable } from '../../stdx/index.ts';
import { type Background, costOf } from '../background/index.ts';
import type { ClusterLog } from '../cluster/index.ts';
import type { Messenger } from '../transport/index.ts';
import { refusalOf, type TransferRefusal } from './admit-transfer.ts';
import {
  type IncomingEffect,
  type IncomingEvent,
  type IncomingOptions,
  IncomingTransfer,
} from './incoming-transfer.ts';
import { type PartitionStore, PartitionStoreError } from './partition-store.ts';
import type { OpenTransfer, SenderMessage, TransferId, TransferRefusalCode } from './transfer-message.ts';
import { TransferOutbox } from './transfer-outbox.ts';

/** Merged together: so much is copied, summed and written in about a millisecond. */
const turnBytesMax = 64 * 1024;

export interface ReceiverParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'tasks' | 'log'>;
  readonly background: Background;
  readonly messenger: Messenger;
  readonly log: ClusterLog;
  readonly store: PartitionStore;
  readonly incoming: IncomingOptions;
  readonly transfersMax: number;
  readonly itemsPerTurnMax: number;
  /** Why nothing can be taken in now: no space. Undefined: it can. */
  readonly refuses: () => TransferRefusal | undefined;
  readonly complete: (from: NodeId, open: OpenTransfer, unreadable: number) => void;
}

interface Session {
  readonly key: string;
  readonly from: NodeId;
  readonly open: OpenTransfer;
  readonly machine: IncomingTransfer;
  readonly outbox: TransferOutbox;
  bytes: number;
  /** The connection broke, and nothing has come since. */
  isCut: boolean;
}

export interface IncomingProgress {
  readonly from: NodeId;
  readonly open: OpenTransfer;
  readonly bytes: number;
}

export class TransferReceiver {
  readonly #parts: ReceiverParts;
  readonly #sessions = new Map<string, Session>();
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(parts: ReceiverParts) {
    this.#parts = parts;
  }

  receive(from: NodeId, message: SenderMessage): void {
    if (this.#isClosed) return;
    switch (message.kind) {
      case 'open':
        this.#open(from, message);
        return;
      case 'batch':
        this.#step(from, message.id, { kind: 'batch', batch: message });
        return;
      case 'end':
        this.#step(from, message.id, { kind: 'end', end: message });
        return;
      case 'close':
        this.#sessions.delete(keyOf(from, message.id));
        return;
      default:
        unreachable(message);
    }
  }

  /** Under way, in the order they began. */
  progress(): IncomingProgress[] {
    return [...this.#sessions.values()]
      .filter(({ machine, isCut }) => !machine.isComplete && !isCut)
      .map(({ from, open, bytes }) => ({ from, open, bytes }));
  }

  /** What was welcome may not be any more (R23). */
  follow(): void {
    for (const session of [...this.#sessions.values()]) {
      if (session.machine.isComplete) continue;
      const refusal = this.#refusal(session.from, session.open);
      if (refusal !== undefined) this.#apply(session, { kind: 'failed', ...refusal });
    }
  }

  /** Its transfers may go on when it is back. Until then they give way to others: perhaps it has died. */
  disconnected(peer: NodeId): void {
    for (const session of this.#sessions.values()) if (session.from === peer) session.isCut = true;
  }

  close(): void {
    this.#isClosed = true;
    this.#sessions.clear();
    this.#timer?.cancel();
  }

  #open(from: NodeId, open: OpenTransfer): void {
    const key = keyOf(from, open.id);
    this.#parts.log.sawEpoch(open.generation, open.epoch);
    this.#endOvertaken(from, open);
    const known = this.#sessions.get(key);
    const refusal = this.#refusal(from, open) ?? (known === undefined ? this.#makeRoom() : undefined);
    if (refusal !== undefined) {
      if (known === undefined) this.#refuse(from, open.id, refusal);
      else this.#apply(known, { kind: 'failed', ...refusal });
      return;
    }
    const session = known ?? this.#begin(key, from, open);
    session.isCut = false;
    session.outbox.clear();
    this.#apply(session, { kind: 'open' });
  }

  /** A sender has one transfer for one thing: what it began before it has given up, perhaps by dying. */
  #endOvertaken(from: NodeId, { id, purpose, partition, source }: OpenTransfer): void {
    for (const session of [...this.#sessions.values()]) {
      const { open, machine } = session;
      const isSame =
        session.from === from &&
        open.purpose === purpose &&
        open.partition === partition &&
        open.source === source;
      if (!isSame || open.id === id || machine.isComplete) continue;
      this.#apply(session, { kind: 'failed', code: 'unknown', reason: 'another transfer took its place' });
    }
  }

  #begin(key: string, from: NodeId, open: OpenTransfer): Session {
    const { messenger, incoming } = this.#parts;
    const machine = new IncomingTransfer(open.id, open.toInstance, open.first, incoming);
    const outbox = new TransferOutbox(messenger, from);
    const session = { key, from, open, machine, outbox, bytes: 0, isCut: false };
    this.#sessions.set(key, session);
    return session;
  }

  #refusal(from: NodeId, open: OpenTransfer): TransferRefusal | undefined {
    const { log, messenger } = this.#parts;
    return refusalOf(log.state, messenger.self, from, open);
  }

  /** For one more transfer, if need be by ending one whose connection broke. Undefined: there is room. */
  #makeRoom(): TransferRefusal | undefined {
    const refusal = this.#parts.refuses();
    if (refusal !== undefined) return refusal;
    const active = [...this.#sessions.values()].filter(({ machine }) => !machine.isComplete);
    if (active.length < this.#parts.transfersMax) return undefined;
    const cut = active.find(({ isCut }) => isCut);
    if (cut === undefined) {
      return { code: 'busy', reason: `${active.length} transfers are coming in already` };
    }
    this.#apply(cut, { kind: 'failed', code: 'unknown', reason: 'another transfer took its place' });
    return undefined;
  }

  #step(from: NodeId, id: string, event: IncomingEvent): void {
    const session = this.#sessions.get(keyOf(from, id));
    if (session !== undefined) {
      session.isCut = false;
      this.#apply(session, event);
    } else this.#refuse(from, id, { code: 'unknown', reason: 'no such transfer is open here' });
  }

  #refuse(to: NodeId, id: string, refusal: TransferRefusal): void {
    new TransferOutbox(this.#parts.messenger, to).send({ kind: 'refuse', id, ...refusal });
  }

  #apply(session: Session, event: IncomingEvent): void {
    const { clock } = this.#parts.environment;
    for (const effect of session.machine.step(event, clock.now())) this.#carryOut(session, effect);
    this.#setTimer();
  }

  #carryOut(session: Session, effect: IncomingEffect): void {
    switch (effect.kind) {
      case 'send':
        session.outbox.send(effect.message);
        return;
      case 'merge':
        this.#merge(session, effect.number, effect.items);
        return;
      case 'complete':
        this.#parts.complete(session.from, session.open, effect.unreadable);
        return;
      case 'closed':
        this.#sessions.delete(session.key);
        return;
      default:
        unreachable(effect);
    }
  }

  #merge(session: Session, number: number, items: readonly Buffer[]): void {
    const { partition } = session.open;
    session.bytes += bytesOf(items);
    this.#parts.environment.tasks.spawn('handoff-merge', async () => {
      let event: IncomingEvent = { kind: 'merged', number };
      try {
        await this.#mergeByTurns(session, items);
      } catch (error) {
        if (!(error instanceof PartitionStoreError)) throw error;
        const reason = error.message;
        const code: TransferRefusalCode = error.code === 'full' ? 'full' : 'storage';
        this.#parts.environment.log.warn('a handed-off batch could not be stored', { partition, reason });
        event = { kind: 'failed', code, reason };
      }
      if (!this.#isClosed) this.#apply(session, event);
    });
  }

  /**
   * A few items in each turn of the event loop, of all transfers together: a socket may bring many batches at once, and
   * requests of clients wait for nothing longer than that. Of a transfer that ends meanwhile nothing more is merged: its
   * partition may be on its way out again.
   */
  async #mergeByTurns(session: Session, items: readonly Buffer[]): Promise<void> {
    const merging: Promise<void>[] = [];
    for (let at = 0; at < items.length; ) {
      const slice = sliceAt(items, at, this.#parts.itemsPerTurnMax);
      const merged = this.#mergeInTurn(session, slice);
      // Heard of below, when all are under way.
      merged.catch(() => undefined);
      merging.push(merged);
      at += slice.length;
    }
    await Promise.all(merging);
  }

  #mergeInTurn(session: Session, items: readonly Buffer[]): Promise<void> {
    const isWanted = (): boolean => !this.#isClosed && this.#sessions.get(session.key) === session;
    const { partition, purpose } = session.open;
    // Most of what rebuilds a partition comes from more than one of the other replicas.
    const options = { areKept: purpose === 'rebuild' };
    return this.#parts.background.run(
      'store',
      async () => {
        if (isWanted()) await this.#parts.store.merge(partition, items, options);
      },
      () => costOf(items.length, bytesOf(items)),
    );
  }

  #setTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const { clock, timers } = this.#parts.environment;
    let first = Number.POSITIVE_INFINITY;
    for (const { machine } of this.#sessions.values()) first = Math.min(first, machine.deadline() ?? first);
    if (first === Number.POSITIVE_INFINITY || this.#isClosed) return;
    this.#timer = timers.after(Math.max(0, first - clock.now()), () => {
      for (const session of [...this.#sessions.values()]) this.#apply(session, { kind: 'wake' });
      this.#setTimer();
    });
  }
}

function keyOf(from: NodeId, id: TransferId): string {
  return `${from} ${id}`;
}

function bytesOf(items: readonly Buffer[]): number {
  return items.reduce((sum, item) => sum + item.length, 0);
}

/** At most so many items, and bytes: one at least. */
function sliceAt(items: readonly Buffer[], from: number, itemsMax: number): readonly Buffer[] {
  let bytes = 0;
  let to = from;
  while (to < items.length && to - from < itemsMax) {
    bytes += items[to]!.length;
    if (to > from && bytes > turnBytesMax) break;
    to += 1;
  }
  return items.slice(from, to);
}
