/** How a service's requests and replies look on the wire. Pure; the bytes are versioned by the channel. */
import type { Buffer } from 'node:buffer';

export interface VnodeCodec<Request, Reply> {
  requestBytes(request: Request): number;
  writeRequest(request: Request, into: Buffer, at: number): void;
  /** `body` is valid only during the call. Undefined: malformed. */
  readRequest(body: Buffer): Request | undefined;
  replyBytes(reply: Reply): number;
  writeReply(reply: Reply, into: Buffer, at: number): void;
  readReply(body: Buffer): Reply | undefined;
  /** The reply after which no other follows: what comes in parts says so itself. */
  isLast(reply: Reply): boolean;
  /** What the asker hears when no answer can come: the peer is gone, its queue is full, the time is up. */
  unanswered(reason: 'unreachable' | 'overload' | 'timeout'): Reply;
  /** What a vnode answers that does not serve the partition any more. The asker looks at its topology again. */
  moved(epoch: number): Reply;
}
