import type { Encodable, FrameType } from '../../wire/index.ts';
import type { PbService } from './pb-service.ts';
import type { ReplyQueue } from './reply-queue.ts';

/** What the handlers of rarer requests see of a connection. */
export interface Exchange {
  readonly service: PbService;
  /** Answers the request with one frame. */
  reply<T>(type: FrameType<T>, message: Encodable<T>): void;
  fail(text: string): void;
  /** Says why, sends what is queued, and closes: where no request is in progress that could be answered so. */
  closeWith(text: string): void;
  /**
   * From here on the request answers in many frames through `replies`, and ends with `reply` or `fail`. Cancels at once if
   * the connection is closed already.
   */
  beginStream(cancel: () => void): ReplyQueue;
  readonly isClosed: boolean;
}
