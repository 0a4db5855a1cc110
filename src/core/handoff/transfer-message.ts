/**
 * What two nodes say to each other while one hands items of a partition to the other.
 *
 *     sender                         receiver
 *       open(first batch)      ─►
 *                              ◄─    accept(next batch, window)  or  refuse(why)
 *       batch 0, batch 1, …    ─►
 *                              ◄─    ack(all below n are durable)
 *       end(count, hash)       ─►
 *                              ◄─    confirm(count, hash)
 *
 * A sender that gives up, since nobody wants the transfer any more or it cannot go on, says `close`.
 * After a break the sender opens the same transfer again and goes on where the receiver stands.
 * docs/internals/handoff.md has the rules (H1 to H9).
 */
import type { Buffer } from 'node:buffer';
import type { Partition } from '../ring/index.ts';

/**
 * `move`: the partition changes its owner. `stray`: a fallback brings what it took for the owner. `rebuild`:
 * another replica sends what a partition must hold whose owner is gone for good.
 */
export type TransferPurpose = 'move' | 'stray' | 'rebuild';

/** Eight random bytes, hexadecimal; unique among a sender's transfers. */
export type TransferId = string;

export interface OpenTransfer {
  readonly kind: 'open';
  readonly id: TransferId;
  readonly purpose: TransferPurpose;
  /** Where the items go. */
  readonly partition: Partition;
  /** Where the sender reads them; another partition only in a rebuild. */
  readonly source: Partition;
  /** The epoch at which the move's stage began; 0 for stray data, which belongs to no move. */
  readonly since: number;
  readonly clusterId: string;
  /** Of the sender's state. */
  readonly generation: number;
  readonly epoch: number;
  readonly fromInstance: string;
  /** Whom the sender means (R20). */
  readonly to: string;
  readonly toInstance: string;
  /** The first batch that the receiver may not have. */
  readonly first: number;
}

export interface AcceptTransfer {
  readonly kind: 'accept';
  readonly id: TransferId;
  /** Who accepted. */
  readonly instance: string;
  /** The batch from which on the receiver counts and hashes. */
  readonly first: number;
  /** All batches below are durable here. */
  readonly next: number;
  /** Batches that may be on their way at once. */
  readonly window: number;
}

export type TransferRefusalCode =
  /** As many transfers as this node takes at once are under way. */
  | 'busy'
  /** The receiver does not know the sender's epoch yet; it is asking for it. */
  | 'behind'
  /** By the receiver's topology, the partition is not to come here, or not from there. */
  | 'misplaced'
  /** The receiver is not who the sender means, or does not know the sender. */
  | 'stranger'
  /** No space, or no room for what belongs to others. */
  | 'full'
  /** The receiver has lost the thread of this transfer: open it again. */
  | 'unknown'
  /** Storage failed, or refused an item. */
  | 'storage'
  /** A batch was damaged on its way, or what arrived is not what was sent. */
  | 'damaged';

export interface RefuseTransfer {
  readonly kind: 'refuse';
  readonly id: TransferId;
  readonly code: TransferRefusalCode;
  readonly reason: string;
}

export interface TransferBatch {
  readonly kind: 'batch';
  readonly id: TransferId;
  /** Consecutive, from 0. */
  readonly number: number;
  readonly items: readonly Buffer[];
}

export interface AckBatches {
  readonly kind: 'ack';
  readonly id: TransferId;
  /** All batches below it are durable. */
  readonly next: number;
}

export interface EndTransfer {
  readonly kind: 'end';
  readonly id: TransferId;
  /** How many batches there were in all. */
  readonly batches: number;
  /** Of the batches since `first` of the accept. */
  readonly count: number;
  readonly hash: number;
  /** Items that the sender could not read (R27). */
  readonly unreadable: number;
}

export interface ConfirmTransfer {
  readonly kind: 'confirm';
  readonly id: TransferId;
  readonly count: number;
  readonly hash: number;
}

/** Nothing more will come of it. Who does not hear it forgets the transfer when nothing has come for long. */
export interface CloseTransfer {
  readonly kind: 'close';
  readonly id: TransferId;
}

/** The new owner of a rebuild asks another replica to send what it holds. */
export interface WantTransfer {
  readonly kind: 'want';
  readonly partition: Partition;
  readonly source: Partition;
  readonly since: number;
  readonly generation: number;
  readonly epoch: number;
}

/** Sent by who hands over. */
export type SenderMessage = OpenTransfer | TransferBatch | EndTransfer | CloseTransfer;
/** Sent by who takes in. */
export type ReceiverMessage = AcceptTransfer | RefuseTransfer | AckBatches | ConfirmTransfer;
export type TransferMessage = SenderMessage | ReceiverMessage | WantTransfer;
