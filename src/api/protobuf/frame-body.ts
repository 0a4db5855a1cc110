/** The message of one request, as it lies in what has arrived. */
import type { Buffer } from 'node:buffer';
import { DecodeError, decodeRequest, type FrameType } from '../../wire/index.ts';
import { undecodable } from './error-reply.ts';
import type { Exchange } from './exchange.ts';

/** Where a message lies in what has arrived. Valid until the handler returns. */
export interface FrameBody {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/** The message of a frame; undefined: its body was refused and that has been answered. The connection stays usable. */
export function decodeOrRefuse<T>(
  exchange: Exchange,
  type: FrameType<T>,
  { bytes, start, end }: FrameBody,
): T | undefined {
  try {
    return decodeRequest(type, bytes, start, end);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    exchange.fail(undecodable(error.reason));
    return undefined;
  }
}
