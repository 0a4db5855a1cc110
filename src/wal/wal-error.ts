export type WalErrorCode =
  /** No space left. Nothing of the call is in the log; the next one is tried anew. */
  | 'full'
  /** The device failed, also on a new file. Nothing of the call is in the log; the next one is tried anew. */
  | 'io'
  /** A record or a batch beyond its limit. */
  | 'too_large'
  /** The queue is at its limit. */
  | 'overload'
  /** The log was closed. */
  | 'closed'
  /** The index is not in the log: dropped, truncated, or not yet durable. */
  | 'out_of_range'
  /** The record was durable once, and is not what was written any more. */
  | 'damaged'
  /** Files of a version that this code does not know. */
  | 'format';

export class WalError extends Error {
  override readonly name = 'WalError';
  readonly code: WalErrorCode;
  constructor(code: WalErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
