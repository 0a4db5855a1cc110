/**
 * Puts of one connection that overlap: the next one starts while those before it are being committed, so
 * that pipelined puts share a batch and its sync. Replies leave in the order of the requests.
 */
import type { PutResult } from '../../kv/index.ts';
import { decodeMessage, rpbGetResp, rpbPutResp } from '../../wire/index.ts';
import { textOfError } from './error-reply.ts';
import type { ReplyQueue } from './reply-queue.ts';

const putsMax = 128;
/** Of request bodies; the put that reaches it is still taken. */
const bytesMax = 256 * 1024;

/** A string is the text of a refusal by the API itself. */
export type PutOutcome = PutResult | string;

export interface PutInFlight {
  readonly wantsHead: boolean;
  readonly bytes: number;
  outcome: PutOutcome | undefined;
}

export class PutsInFlight {
  /** Oldest first. */
  readonly #puts: PutInFlight[] = [];
  #bytes = 0;

  get isEmpty(): boolean {
    return this.#puts.length === 0;
  }

  get isFull(): boolean {
    return this.#puts.length >= putsMax || this.#bytes >= bytesMax;
  }

  begin(wantsHead: boolean, bytes: number): PutInFlight {
    const put: PutInFlight = { wantsHead, bytes, outcome: undefined };
    this.#puts.push(put);
    this.#bytes += bytes;
    return put;
  }

  /** Answers the oldest put if its outcome is known. Undefined: nothing was answered. */
  answerOldest(replies: ReplyQueue): 'stored' | 'failed' | undefined {
    const oldest = this.#puts[0];
    if (oldest?.outcome === undefined) return undefined;
    this.#puts.shift();
    this.#bytes -= oldest.bytes;
    return replyToPut(replies, oldest.outcome, oldest.wantsHead);
  }
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
    replies.frame(rpbPutResp, { key: generatedKey });
    return 'stored';
  }
  const body = wantsHead ? object.headReplyBody() : object.replyBody();
  if (generatedKey === undefined) replies.body(rpbPutResp.code, body);
  else replies.frame(rpbPutResp, { ...decodeMessage(rpbGetResp, body), key: generatedKey });
  return 'stored';
}
