/** How a service's requests and replies look on the wire. Pure; the bytes are versioned by the channel. */
import type { Buffer } from 'node:buffer';
import type { LogFields } from '../../environment/index.ts';

/**
 * Why no answer comes: the peer is gone, the queue to it is full, the time is up; `unheard`: it was served, and the queue
 * of what it answers was full. After `overload` nothing has happened; after the others it may have.
 */
export type Silence = 'unreachable' | 'overload' | 'timeout' | 'unheard';

export interface VnodeCodec<Request, Reply> {
  /** The tail included. */
  requestBytes(request: Request): number;
  /** Long bytes at the end of a message that never change: sent as they lie, and not written by `writeRequest`. */
  requestTail?(request: Request): Buffer | undefined;
  writeRequest(request: Request, into: Buffer, at: number): void;
  /** `body` is valid only during the call, unless `mayKeep`: then it never changes. Undefined: malformed. */
  readRequest(body: Buffer, mayKeep?: boolean): Request | undefined;
  replyBytes(reply: Reply): number;
  /** As of a request. */
  replyTail?(reply: Reply): Buffer | undefined;
  writeReply(reply: Reply, into: Buffer, at: number): void;
  readReply(body: Buffer, mayKeep?: boolean): Reply | undefined;
  /** The reply after which no other follows: what comes in parts says so itself. */
  isLast(reply: Reply): boolean;
  /** What the asker hears when no answer can come. */
  unanswered(reason: Silence): Reply;
  /**
   * What the asker hears instead of a message that is longer than any may be: the request or, of one that `isServed`, its
   * reply. Absent: what it hears when a queue is full.
   */
  tooLarge?(request: Request, bytes: number, bytesMax: number, isServed: boolean): Reply;
  /** What a request is about, for the log. */
  subjectOf?(request: Request): LogFields;
  /** What a vnode answers that does not serve the partition any more. The asker looks at its topology again. */
  moved(epoch: number): Reply;
}
