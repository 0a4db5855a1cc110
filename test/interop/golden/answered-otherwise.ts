/**
 * Requests that the Riak 3.4 node of `observed-frames.ts` could not answer: it printed a stack trace of its own, or hung
 * up. What is answered here instead, and that the connection goes on, is ours to say. With the
 * Bitcask backend (`observed-bitcask-frames.ts`) it was the same.
 */
export interface AnsweredOtherwise {
  readonly name: string;
  readonly why: string;
  /** A whole frame, in hexadecimal. */
  readonly request: string;
  /** Code and body in hexadecimal. */
  readonly reply: string;
}

function errorReply(text: string): string {
  const length = text.length.toString(16).padStart(2, '0');
  return `000a${length}${Buffer.from(text).toString('hex')}1000`;
}

export const answeredOtherwise: readonly AnsweredOtherwise[] = [
  {
    name: 'RpbMapRedReq bad json',
    why: 'it answered {invalid_json,…} with the stack of its parser; what clients match on is how that begins',
    request: '00000016170a017b12106170706c69636174696f6e2f6a736f6e',
    reply: '{invalid_json,',
  },
  {
    name: 'gset update return_body',
    why: 'it made the update and crashed on writing the reply (function_clause in riak_pb_dt_codec)',
    request: '0000001c520a037062331201671a0567736574732a082a060a01610a01624801',
    reply: '533a01613a0162',
  },
  {
    name: 'unknown message code 99',
    why: 'it closed the connection, so that the client could not know why',
    request: '0000000163',
    reply: errorReply('Unknown message code: 99'),
  },
  {
    name: 'undecodable RpbGetReq body',
    why: 'it answered with 6,500 characters of stack and closed the connection; the frame has an end, so the next is read',
    request: '0000000309ffff',
    reply: 'Message decoding error: ',
  },
];
