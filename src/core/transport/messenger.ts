/**
 * Messages between the nodes of one cluster, as everything above the transport sees them.
 *
 * A message is bytes on a channel. It arrives once or not at all; messages of one sender, traffic class and
 * receiver arrive in order. Nothing is said when one is lost: who needs an answer has a deadline, and
 * is told by `disconnected` when waiting has become senseless.
 */
import type { Buffer } from 'node:buffer';
import type { NodeId } from '../../environment/index.ts';

/** Each class has its own queue and connection to a peer, so that bulk never delays a heartbeat (C10). */
export type TrafficClass = 'control' | 'foreground' | 'repair' | 'handoff';

/** What a message is about. The number stands on the wire; it is never used again for something else. */
export const channel = {
  liveness: 1,
  consensus: 2,
  topology: 3,
  vnode: 4,
  transfer: 5,
  coverage: 6,
  antiEntropy: 7,
  admin: 8,
  feed: 9,
} as const;
export type Channel = (typeof channel)[keyof typeof channel];

/** For the log, of what `messageBytesMax` keeps from being sent. */
export const tooLargeForMessage =
  'an object is too large for a message between nodes (cluster.message.maximum)';

/** Anything but `refused` says only that waiting has become senseless. */
export type DisconnectReason = 'refused' | 'broken';

/**
 * `send` and `whenWritable` agree: when `whenWritable` runs what it was given, and nothing was queued since, `send` takes one
 * message of any length up to `messageBytesMax`, unless the peer was given up. So whoever was refused waits once for each
 * message, and a long one is not kept out for ever by a queue that is never quite empty.
 */
export interface Messenger {
  readonly self: NodeId;
  /** The longest message; `send` refuses what is longer, however empty the queue. */
  readonly messageBytesMax: number;
  /** Says who gets the messages of a channel. Once for each channel, before any arrives. */
  receive(on: Channel, handle: MessageHandler): void;
  /**
   * Queues a message of `length` bytes, which `fill` writes at once into `into` at `at`. All that a turn of the
   * event loop queues for a peer and class leaves in one write. False: the queue is full, the message too long, or the
   * peer is not a member; nothing was queued (C11).
   *
   * `tail`: the last of the `length` bytes, which `fill` leaves out. They are sent as they lie, and may never change.
   */
  send(
    to: NodeId,
    traffic: TrafficClass,
    on: Channel,
    length: number,
    fill: MessageFill,
    tail?: Buffer,
  ): boolean;
  /** Bytes that wait for the peer to take them. */
  queuedBytes(to: NodeId, traffic: TrafficClass): number;
  /** Calls `run` once, when the queue has room again (at once, before it returns, if it has), or when the peer is given up. */
  whenWritable(to: NodeId, traffic: TrafficClass, run: () => void): void;
  /**
   * Told when a connection to or from a peer broke, or could not be made: messages of that class may be lost, both
   * ways. `refused`: the peer's machine said at once that nobody listens there; a paused process never does.
   */
  onDisconnect(told: (peer: NodeId, traffic: TrafficClass, reason?: DisconnectReason) => void): void;
}

export type MessageFill = (into: Buffer, at: number) => void;

/**
 * `body` is valid only during the call, unless `mayKeep`: then it never changes, and whoever keeps a view of it keeps no
 * more than twice its length. `waitedMs`: how long the message waited in the sender's queue, as far as known.
 */
export type MessageHandler = (from: NodeId, body: Buffer, waitedMs?: number, mayKeep?: boolean) => void;
