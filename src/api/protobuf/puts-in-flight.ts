/**
 * Puts of one connection that overlap: the next one starts while those before it are being committed, so
 * that pipelined puts share a batch and its sync. Replies leave in the order of the requests.
 *
 * A put that is refused while others are in flight is a number beside the one before it. So it costs next to nothing,
 * and takes no place: a connection that is refused much goes on to be read. What is not read gets old in the socket,
 * and would then be done for nobody.
 */
import type { PutResult } from '../../kv/index.ts';
import { assert } from '../../stdx/index.ts';
import { decodeMessage, rpbGetResp, rpbPutResp } from '../../wire/index.ts';
import { textOfError } from './error-reply.ts';
import type { ReplyQueue } from './reply-queue.ts';

const putsMax = 128;
/** Of request bodies; the put that reaches it is still taken. */
const bytesMax = 256 * 1024;
/** Refusals that wait for puts before them. */
const refusedMax = 8192;

/** A string is the text of a refusal by the API itself. */
export type PutOutcome = PutResult | string;

export interface PutInFlight {
  readonly wantsHead: boolean;
  readonly bytes: number;
  outcome: PutOutcome | undefined;
  /** Puts right behind this one that were refused as `overload`. */
  refusedBehind: number;
}

export class PutsInFlight {
  /** Oldest first. */
  readonly #puts: PutInFlight[] = [];
  #bytes = 0;
  #refused = 0;

  get isEmpty(): boolean {
    return this.#puts.length === 0;
  }

  get isFull(): boolean {
    return this.#puts.length >= putsMax || this.#bytes >= bytesMax || this.#refused >= refusedMax;
  }

  begin(wantsHead: boolean, bytes: number): PutInFlight {
    const put: PutInFlight = { wantsHead, bytes, outcome: undefined, refusedBehind: 0 };
    this.#puts.push(put);
    this.#bytes += bytes;
    return put;
  }

  /** One more is refused; false: none is in flight, so it can be told at once. */
  refuse(): boolean {
    const newest = this.#puts.at(-1);
    if (newest === undefined) return false;
    newest.refusedBehind += 1;
    this.#refused += 1;
    return true;
  }

  /** The oldest, if its outcome is known: to be answered now, and then the refusals behind it. */
  takeAnswered(): PutInFlight | undefined {
    const oldest = this.#puts[0];
    if (oldest?.outcome === undefined) return undefined;
    this.#puts.shift();
    this.#bytes -= oldest.bytes;
    this.#refused -= oldest.refusedBehind;
    return oldest;
  }
}

/** Of a put whose outcome is known. */
export function answerPut(replies: ReplyQueue, { outcome, wantsHead }: PutInFlight): 'stored' | 'failed' {
  assert(outcome !== undefined, 'what is answered has an outcome');
  return replyToPut(replies, outcome, wantsHead);
}

function replyToPut(replies: ReplyQueue, outcome: PutOutcome, wantsHead: boolean): 'stored' | 'failed' {
  if (typeof outcome === 'string') {
    replies.error(outcome);
    return 'failed';
  }
  if (outcome.kind === 'failed') {
    replies.error(textOfError(outcome.error));
    return 'failed';
  }
  const { object, generatedKey } = outcome;
  if (object === undefined) {
    if (generatedKey === undefined) replies.empty(rpbPutResp.code);
    else replies.frame(rpbPutResp, { key: generatedKey });
    return 'stored';
  }
  const body = wantsHead ? object.headReplyBody() : object.replyBody();
  if (generatedKey === undefined) replies.body(rpbPutResp.code, body);
  else replies.frame(rpbPutResp, { ...decodeMessage(rpbGetResp, body), key: generatedKey });
  return 'stored';
}
